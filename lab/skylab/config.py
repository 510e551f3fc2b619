# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the lab consists of: hosts, addresses, paths, and the variables that change it."""

from __future__ import annotations

import os
import pathlib
from dataclasses import dataclass

LAB_DIR = pathlib.Path(__file__).resolve().parent.parent
CACHE = LAB_DIR.parent / ".cache" / "lab"
RUN = pathlib.Path("/run/sky-lab")
STORAGE = pathlib.Path("/var/lib/sky-lab")
SHARED = STORAGE / "shared"
PODMAN = str(LAB_DIR / "podman")

NETWORK = "sky-lab"
BRIDGE = "sky-lab0"
SUBNET = "198.51.100.0/24"
PREFIX = 24
GATEWAY = "198.51.100.1"
# The VIP of each cluster, nobody's at first.
VIPS = {1: "198.51.100.116", 2: "198.51.100.126"}

# el-like: a Debian underneath that answers as a host of the RHEL family (image/el-like.sh).
SUITES = ("bookworm", "trixie", "el-like")
DEFAULT_SUITE = "bookworm"

BMC_USER = "test"
# Only for changing the password of BMC_USER (playbooks/rotate_passwords.yml).
BMC_ADMIN = "admin"
BMC_ADMIN_PASSWORD = "BMC_lab_321"
BMC_PORT = 623


class LabError(Exception):
    """What went wrong, where, and what to do next: one message for a person."""


@dataclass(frozen=True)
class Host:
    """One lab host. bmc_* are empty for hosts without a BMC. cluster: from which number of clusters on it is wanted."""

    name: str
    address: str
    bmc_address: str = ""
    # The document's printed example passwords, as in inventory/lab; worth nothing outside the lab.
    bmc_password: str = ""
    cluster: int = 1

    @property
    def container(self) -> str:
        return f"sky-{self.name}"

    @property
    def mac(self) -> str:
        """A MAC that stays the same over power cycles, as a real host's does."""
        return f"02:5c:51:64:00:{int(self.address.rsplit('.', 1)[1]):02x}"


ALL_HOSTS = (
    Host("node1", "198.51.100.110", "198.51.100.213", "FEFETESTf12345112"),
    Host("node2", "198.51.100.111", "198.51.100.212", "FEFETESTe12345112"),
    Host("vote", "198.51.100.35"),
    Host("monitor", "198.51.100.36"),
    Host("backup", "198.51.100.37"),
    Host("node3", "198.51.100.120", "198.51.100.223", "FEFETESTg12345112", cluster=2),
    Host("node4", "198.51.100.121", "198.51.100.222", "FEFETESTh12345112", cluster=2),
)


def host(name: str) -> Host:
    """The host called name (with or without 'sky-'); LabError if there is none."""
    for item in ALL_HOSTS:
        if name in (item.name, item.container):
            return item
    raise LabError(f"no lab host is called '{name}'; there are: {', '.join(h.name for h in ALL_HOSTS)}")


def chosen_hosts(clusters: int = 1) -> list[Host]:
    """The hosts that `up` brings up: LAB_HOSTS (names with blanks or commas between), or all of so many clusters."""
    names = os.environ.get("LAB_HOSTS", "").replace(",", " ").split()
    return [host(name) for name in names] if names else [item for item in ALL_HOSTS if item.cluster <= clusters]


def address_of(target: str) -> str:
    """Address of a fault's target: a host, vip, vip2, gateway, bmc1, bmc2 (or bmc-node1 …), or an address."""
    named = {"vip": VIPS[1], "vip2": VIPS[2], "gateway": GATEWAY}
    for number, item in enumerate((h for h in ALL_HOSTS if h.bmc_address), start=1):
        named[f"bmc{number}"] = named[f"bmc-{item.name}"] = item.bmc_address
    if target in named:
        return named[target]
    if target.count(".") == 3 and target.replace(".", "").isdigit():
        return target
    return host(target).address

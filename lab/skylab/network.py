# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's network: a bridge of our own that also carries the BMCs' addresses."""

from __future__ import annotations

import json

from .config import ALL_HOSTS, BRIDGE, GATEWAY, NETWORK, PREFIX, RUN, SUBNET, Host
from .shell import run

# A bridge without ports is removed by netavark when the last host goes; these two keep it.
HOLD = ("sky-hold0", "sky-hold1")


def has_link(name: str) -> bool:
    return run("ip", "link", "show", name, check=False).returncode == 0


def up() -> None:
    """Make the bridge with the gateway's and the BMCs' addresses, and tell podman of it."""
    if not has_link(BRIDGE):
        # A fixed MAC: else it changes as hosts come and go, and their ARP entries for the BMCs go stale.
        run("ip", "link", "add", BRIDGE, "address", "02:5c:51:64:00:01", "type", "bridge")
    if not has_link(HOLD[0]):
        run("ip", "link", "add", HOLD[0], "type", "veth", "peer", "name", HOLD[1])
    for link in HOLD:
        run("ip", "link", "set", link, "up")
    run("ip", "link", "set", HOLD[0], "master", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    run("ip", "address", "replace", f"{GATEWAY}/{PREFIX}", "dev", BRIDGE)
    for item in ALL_HOSTS:
        if item.bmc_address:
            run("ip", "address", "replace", f"{item.bmc_address}/{PREFIX}", "dev", BRIDGE)
    folder = RUN / "networks"
    folder.mkdir(exist_ok=True)
    (folder / f"{NETWORK}.json").write_text(
        json.dumps(
            {
                "name": NETWORK,
                "id": "5c" * 32,
                "driver": "bridge",
                "network_interface": BRIDGE,
                "created": "2024-01-01T00:00:00Z",
                "subnets": [{"subnet": SUBNET, "gateway": GATEWAY}],
                "ipv6_enabled": False,
                "internal": False,
                "dns_enabled": False,
                "ipam_options": {"driver": "host-local"},
            }
        )
    )


def down() -> None:
    """Remove the bridge and all addresses on it."""
    for link in (HOLD[0], BRIDGE):
        run("ip", "link", "delete", link, check=False)


def port_of(host: Host, pid: int) -> str:
    """Name of the host's port on the bridge (the machine's end of its cable); '' if it has none."""
    inside = run("nsenter", "-t", str(pid), "-n", "ip", "-j", "link", "show", "eth0", check=False)
    if inside.returncode:
        return ""
    index = json.loads(inside.stdout)[0].get("link_index")
    links = json.loads(run("ip", "-j", "link", "show", "master", BRIDGE).stdout)
    return next((link["ifname"] for link in links if link["ifindex"] == index), "")

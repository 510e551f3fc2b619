# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One BMC per node: an ipmi_sim process (RMCP+, IPMI 2.0) whose power switch is lab/chassis."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import sys
import time
from collections.abc import Callable

from . import process
from .config import ALL_HOSTS, BMC_ADMIN, BMC_ADMIN_PASSWORD, BMC_PORT, BMC_USER, LAB_DIR, RUN, Host, LabError
from .shell import run

EMULATION = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
mc_enable 0x20
"""
FAULTS = ("lie", "slow", "late", "early")  # what lab/chassis looks at
LIES = {"on": "answer", "full": "full", "off": ""}


def folder(host: Host) -> pathlib.Path:
    if not host.bmc_address:
        with_bmc = ", ".join(item.name for item in ALL_HOSTS if item.bmc_address)
        raise LabError(f"{host.name} has no BMC; those with one: {with_bmc}")
    return RUN / "bmc" / host.name


def password(host: Host) -> str:
    """The password that the BMC takes now."""
    try:
        return (folder(host) / "password").read_text()
    except FileNotFoundError:
        return host.bmc_password


def process_id(host: Host) -> int:
    """Process id of the running BMC, 0 if none."""
    where = folder(host)
    return process.find(where / "pid", str(where / "lan.conf"))


def state(host: Host) -> str:
    """up, down, or hung (paused); with what else is wrong on purpose."""
    pid = process_id(host)
    where = folder(host)
    if not pid:
        return "no power" if (where / "no-power").exists() else "down"
    hung = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    words = ["hung" if hung else "up"]
    if password(host) != host.bmc_password:
        words.append("other password")
    for name in FAULTS:
        if (where / name).exists():
            words.append(f"{name} {(where / name).read_text()}")
    return ", ".join(words)


def start(host: Host, timeout: float = 5) -> None:
    """Start the BMC; on a running one: nothing. Returns when it listens; LabError after timeout seconds."""
    plug_in(host)
    if process_id(host):
        return
    where = folder(host)
    (where / "state").mkdir(parents=True, exist_ok=True)
    # What was set by IPMI (a password) is forgotten: the lab's own configuration counts.
    for users in (where / "state").rglob("users.mc*"):
        users.unlink()
    secret = where / "lan.conf"
    secret.touch(mode=0o600)
    secret.write_text(lan_config(host, password(host)))
    (where / "sim.emu").write_text(EMULATION)
    _limit(host)
    binary = shutil.which("ipmi_sim")
    if not binary:
        raise LabError("ipmi_sim is not installed; `lab/lab up` installs what the lab needs")
    child = process.spawn(
        [binary, "-n", "-c", str(secret), "-f", str(where / "sim.emu"), "-s", str(where / "state")],
        where / "pid",
        where / "log",
        {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LAB_PYTHON": sys.executable,
            "LAB_DIR": str(LAB_DIR),
        },
    )
    deadline = time.monotonic() + timeout
    while child.poll() is not None or not listens(host.bmc_address):
        if child.poll() is not None or time.monotonic() > deadline:
            raise LabError(
                f"the BMC of {host.name} does not listen on {host.bmc_address}:{BMC_PORT}: "
                + (where / "log").read_text()[-400:]
            )
        time.sleep(0.02)


def listens(address: str) -> bool:
    """Does a process of this machine hold the BMC's UDP port?"""
    hexed = "".join(f"{int(part):02X}" for part in reversed(address.split("."))) + f":{BMC_PORT:04X}"
    return hexed in pathlib.Path("/proc/net/udp").read_text()


def stop(host: Host) -> None:
    """Stop the BMC, hung or not; its settings (password, lies) stay."""
    where = folder(host)
    process.stop(where / "pid", str(where / "lan.conf"))
    _no_rules(f"{_table(host)}_limit")


def cut_power(host: Host) -> Callable[[], None]:
    """Take the BMC off the network, as one without power is: silent, with no 'port unreachable' from the machine that plays
    it. What is returned ends it."""
    where = folder(host)
    where.mkdir(parents=True, exist_ok=True)
    (where / "no-power").touch()
    address = host.bmc_address
    _rules(_table(host), f"ip daddr {address} drop; arp daddr ip {address} drop;")
    return lambda: stop(host)


def plug_in(host: Host) -> None:
    """Undo cut_power's silence; start() makes the BMC run again."""
    if (folder(host) / "no-power").exists():
        _no_rules(_table(host))
        (folder(host) / "no-power").unlink()


def _limit(host: Host) -> None:
    """Drop what asks for an ADMINISTRATOR's session of the BMC's OPERATOR: ipmi_sim would open it.

    That is RAKP message 1 (payload type 12h, 16 bytes of header before it) with role 4, the name alone deciding who it is
    (14h, byte 24), and with the user's name, its length before it (byte 27).
    """
    name = BMC_USER.encode()
    asked = f"@th,104,8 0x12 @th,384,8 0x14 @th,408,{8 + 8 * len(name)} 0x{len(name):02x}{name.hex()}"
    _rules(f"{_table(host)}_limit", f"ip daddr {host.bmc_address} udp dport {BMC_PORT} {asked} drop;")


def _rules(table: str, rules: str) -> None:
    """Let these rules, and no others of this table, see what comes to the machine."""
    new = f"table bridge {table} {{ chain in {{ type filter hook input priority -300; {rules} }}; }}"
    run("nft", "-f", "-", stdin=f"table bridge {table}\ndelete table bridge {table}\n{new}\n")


def _no_rules(table: str) -> None:
    run("nft", "-f", "-", stdin=f"table bridge {table}\ndelete table bridge {table}\n", check=False)


def _table(host: Host) -> str:
    return f"sky_lab_bmc_{host.name}"


def pause(host: Host, hang: bool) -> None:
    """Let the BMC hang (it holds its port and answers nothing), or go on."""
    pid = process_id(host)
    if not pid:
        raise LabError(f"the BMC of {host.name} is not running; lab/lab bmc {host.name} start")
    os.kill(pid, signal.SIGSTOP if hang else signal.SIGCONT)


def set_password(host: Host, new: str) -> None:
    """Let the BMC take another password from now on; '' puts the lab's own back."""
    if len(new) > 20:
        raise LabError("an IPMI 2.0 password has at most 20 bytes")
    where = folder(host)
    where.mkdir(parents=True, exist_ok=True)
    file = where / "password"
    file.unlink(missing_ok=True)
    if new and new != host.bmc_password:
        file.touch(mode=0o600)
        file.write_text(new)
    if process_id(host):
        stop(host)
        start(host)


def set_fault(host: Host, name: str, value: str) -> None:
    """Set ('' removes) one of FAULTS."""
    where = folder(host)
    where.mkdir(parents=True, exist_ok=True)
    (where / "claimed").unlink(missing_ok=True)
    if value:
        (where / name).write_text(value)
    else:
        (where / name).unlink(missing_ok=True)


def heal(host: Host) -> None:
    """A BMC without faults: running, right password, no lies."""
    for name in (*FAULTS, "claimed", "password"):
        (folder(host) / name).unlink(missing_ok=True)
    stop(host)
    start(host)


def lan_config(host: Host, secret: str) -> str:
    """ipmi_sim's configuration: the OPERATOR of the document, and an administrator who may change its password."""
    auths = "\n".join(
        f"    allowed_auths_{level} none md2 md5 straight" for level in ("callback", "user", "operator", "admin")
    )
    number = host.bmc_address.rsplit(".", 1)[1]
    return f"""\
name "{host.name}"
set_working_mc 0x20
  startlan 1
    addr {host.bmc_address} {BMC_PORT}
    priv_limit admin
{auths}
    guid 5c5164000000000000000000000{int(number):05x}
  endlan
  chassis_control "{LAB_DIR}/chassis {host.name}"
  user 1 false "" "" user 10 none md2 md5 straight
  user 2 true "{BMC_USER}" "{secret}" operator 10 none md2 md5 straight
  user 3 true "{BMC_ADMIN}" "{BMC_ADMIN_PASSWORD}" admin 10 none md2 md5 straight
"""

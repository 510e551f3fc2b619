# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of the register in an etcd of three members, on both nodes and the vote host (LAB_REGISTER=etcd), done for real. See register.py."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.lab import lab

MEMBERS = (*lab.NODES, "vote")
UNIT = "sky-etcd"
PORT = 11923
DATA = "/var/lib/sky-etcd/data"
COPY = "/var/lib/sky-etcd/copy"
LOGIN = f"register_{lab.CLUSTER}"


def stopped(*members: str) -> None:
    """These members are stopped; none named: all."""
    for member in members or MEMBERS:
        lab.on(member, "systemctl", "stop", UNIT, check=False)


def hung(*members: str) -> None:
    """They stand still; their kernels still accept TCP."""
    for member in members or MEMBERS:
        lab.on(member, "systemctl", "kill", "-s", "STOP", UNIT, check=False)


def killed(member: str) -> None:
    """It dies, and systemd starts it again."""
    lab.on(member, "systemctl", "kill", "-s", "KILL", UNIT)


def heal() -> None:
    """What hangs goes on, and what is stopped is started; not waited for: a member is ready only with a majority."""
    for member in MEMBERS:
        lab.on(member, "sh", "-c", f"systemctl kill -s CONT {UNIT}; systemctl start --no-block {UNIT}", check=False)


def copied() -> None:
    """A copy of all members is made as they are now, which `restored` brings back."""
    _while_down(f"rm -rf {COPY} && cp -a {DATA} {COPY}")


def restored() -> None:
    """The register is again what it was when it was copied."""
    _while_down(f"rm -rf {DATA} && cp -a {COPY} {DATA}")


def other_password(password: str = "another") -> None:
    """The cluster's login has another password than the nodes know; that ends the logins that there are."""
    _control("user", "passwd", LOGIN, "--interactive=false", stdin=password)


def right_password() -> None:
    """The inventory's again."""
    other_password(lab.SETTINGS["pg_cluster_register_password"])


def beat() -> int | None:
    """The beat in this cluster's row; None: no majority tells."""
    try:
        return int(_row()["beat"])
    except (RuntimeError, ValueError, KeyError):
        return None


def holder() -> str:
    """Who holds."""
    return str(_row()["holder"])


def leader() -> str:
    """The member that leads."""
    for member in MEMBERS:
        told = _status(member)
        if told["leader"] == told["header"]["member_id"]:
            return member
    raise RuntimeError("no member of the etcd leads")


def lead(member: str) -> None:
    """This member leads from now on."""
    if leader() != member:
        _control("move-leader", f"{_status(member)['header']['member_id']:x}", at=leader())


def _status(member: str) -> dict[str, Any]:
    return json.loads(_control("endpoint", "status", "-w", "json", at=member))[0]["Status"]


def _row() -> dict[str, Any]:
    told = json.loads(_control("get", f"/sky.pg_cluster/{lab.CLUSTER}/row", "-w", "json"))
    return json.loads(base64.b64decode(told["kvs"][0]["value"]))


def _control(*words: str, at: str = "", stdin: str | None = None) -> str:
    """etcdctl as root. at: a member; else whoever answers. Run on the first host that is there."""
    addresses = [lab.HOSTS[member]["pg_cluster_address"] for member in ([at] if at else MEMBERS)]
    endpoints = ",".join(f"https://{address}:{PORT}" for address in addresses)
    command = (
        *("env", "ETCDCTL_API=3", "etcdctl", "--endpoints", endpoints, "--cacert", "/etc/sky-etcd/ca.crt"),
        *("--command-timeout", "5s", "--user", f"root:{lab.SETTINGS['pg_cluster_etcd_root_password']}", *words),
    )
    told = ""
    for member in reversed(MEMBERS):
        try:
            return lab.on(member, *command, stdin=stdin, timeout=30)
        except RuntimeError as error:  # its host is off, or no majority answers
            told = str(error)
    raise RuntimeError(told)


def _while_down(command: str) -> None:
    stopped()
    for member in MEMBERS:
        lab.on(member, "sh", "-c", command)
    heal()

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of the register in an etcd of three members, on both nodes and the vote host (LAB_REGISTER=etcd), done for real: of all
members, or of some. See register.py."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from tests.lab import lab, small_disk

MEMBERS = (*lab.NODES, "vote")  # in the order in which they are asked
UNIT = "sky-etcd"
HOME = "/var/lib/sky-etcd/data"
COPY = f"{HOME}.copy"
CAFILE = "/etc/sky-etcd/ca.crt"
PORT: int = lab.SETTINGS.get("pg_cluster_etcd_port", 11923)
PEER_PORT: int = lab.SETTINGS.get("pg_cluster_etcd_peer_port", 11924)
ROOT = f"root:{lab.SETTINGS['pg_cluster_etcd_root_password']}"
USER = f"register_{lab.CLUSTER}"
ROW = f"/sky.pg_cluster/{lab.CLUSTER}/row"
FILL = "/lab/fill"


def stopped(*members: str) -> None:
    """These members are stopped; none named: all that are there."""
    for member in members or _there():
        lab.on(member, "systemctl", "stop", UNIT)


def hung(*members: str) -> None:
    """They stand still; their kernels still accept TCP."""
    for member in members or _there():
        lab.on(member, "systemctl", "kill", "-s", "STOP", UNIT)


def killed(member: str) -> None:
    """It dies, and systemd starts it again after a second."""
    lab.on(member, "systemctl", "kill", "-s", "KILL", UNIT)


def heal() -> None:
    """What hangs goes on, and what is stopped is started, on each host that is there; not waited for: a member is ready only with a majority."""
    for member in _there():
        command = f"systemctl kill -s CONT {UNIT}; systemctl start --no-block {UNIT}"
        lab.on(member, "sh", "-c", command, check=False)


def is_whole() -> bool:
    """Do all members follow one leader?"""
    return len({_status(member).get("leader") or member for member in MEMBERS}) == 1


def copied() -> None:
    """A copy of all members is made as they are now, which `restored` brings back."""
    _while_down(f"rm -rf {COPY} && cp -a {HOME} {COPY}", MEMBERS)


def restored() -> None:
    """The register is again what it was when it was copied."""
    _while_down(f"find {HOME} -mindepth 1 -delete && cp -a {COPY}/. {HOME}/", MEMBERS)


def other_password(password: str = "another") -> None:
    """The cluster's user has another password than the nodes know; that ends the logins that there are."""
    _etcdctl("user", "passwd", USER, "--interactive=false", stdin=f"{password}\n")


def right_password() -> None:
    """The inventory's again."""
    other_password(lab.SETTINGS["pg_cluster_register_password"])


def on_a_small_disk(_primary: str) -> AbstractContextManager[None]:
    """Each member lives on a file system of its own meanwhile, as `before` of a row wants it."""
    return _on_small_disks(MEMBERS)


def primarys_on_a_small_disk(primary: str) -> AbstractContextManager[None]:
    """The primary's member alone."""
    return _on_small_disks((primary,))


@contextmanager
def _on_small_disks(members: tuple[str, ...]) -> Iterator[None]:
    """Of some 700 MB: a member makes room for two segments of WAL, of 64 MB each, beside those that it has."""
    _while_down(small_disk.onto(HOME, 700), members)
    lab.wait_for("the cluster with the register on such disks", lab.is_whole, 60, every=0.5)
    try:
        yield
    finally:
        free()
        _while_down(small_disk.back(HOME), members)


def fill(*members: str) -> str:
    """Not a byte is left on the disks of these members (all), and so much is put into the etcd that their files would have to grow; what
    they said of that. A member that cannot write ends."""
    members, since = members or MEMBERS, time.time()
    for member in members:
        lab.on(member, "sh", "-c", small_disk.fill(HOME))

    def said() -> str:
        try:
            _etcdctl("put", FILL, stdin="x" * 1_000_000)
        except RuntimeError:
            pass
        told = [lab.logged(member, UNIT, since, "no space left on device") for member in members]
        return "\n".join(told) if len(list(filter(None, told))) > len(members) // 2 else ""

    return lab.wait_for("members without space", said, 60, every=0.5)


def free() -> None:
    """They have space again, and what was put is gone."""
    for member in MEMBERS:
        lab.on(member, "sh", "-c", small_disk.free(HOME))
    lab.wait_for("all members", is_whole, 60, every=0.5)
    _etcdctl("del", FILL)


def beat() -> int | None:
    """The beat in this cluster's row; None: no majority tells."""
    try:
        return int(_row()["beat"])
    except RuntimeError:
        return None


def holder() -> str:
    """Who holds; RuntimeError where no majority tells."""
    return str(_row()["holder"])


def leader() -> str:
    """The member that leads; RuntimeError where none does. (One that is cut off may take itself for it for a moment, in an older term.)"""
    found = []
    for member in _there():
        try:
            status = _status(member)
        except RuntimeError:
            continue
        if status.get("leader") == status["header"]["member_id"]:
            found.append((status["raftTerm"], member))
    if not found:
        raise RuntimeError("no member leads")
    return max(found)[1]


def lead(member: str) -> None:
    """It leads from now on, in good order."""

    def leads() -> bool:
        now = leader()
        if now != member:
            _at(now, "--user", ROOT, "move-leader", format(_status(member)["header"]["member_id"], "x"))
        return now == member

    lab.wait_for(f"the member on {member} to lead", leads, 20, every=0.2)


def _there() -> list[str]:
    """The members whose hosts are on, and do not stand still: nothing could be run on those."""
    return [member for member in MEMBERS if lab.pid_of(member) and not _stands_still(lab.pid_of(member))]


def _stands_still(init: int) -> bool:
    try:
        return "frozen 1" in Path(f"/proc/{init}/root/sys/fs/cgroup/cgroup.events").read_text()
    except OSError:
        return False


def _row() -> dict[str, Any]:
    text = _etcdctl("get", ROW, "--print-value-only").strip()
    if not text:
        raise RuntimeError(f"there is no key {ROW}")
    row: dict[str, Any] = json.loads(text)
    return row


def _status(member: str) -> dict[str, Any]:
    """What it says of itself, with a majority or without."""
    status: dict[str, Any] = json.loads(_at(member, "endpoint", "status", "-w", "json"))[0]["Status"]
    return status


def _etcdctl(*words: str, stdin: str | None = None) -> str:
    """etcdctl as root, on one host after the other until a member answers. Each host asks its own member, so no cut of the network is in the
    way. (An order may be given twice; these mean the same then.)"""
    said = ["no member's host is there"]
    for member in _there():
        try:
            return _at(member, "--user", ROOT, *words, stdin=stdin)
        except RuntimeError as error:
            said.append(str(error))
    raise RuntimeError(said[-1])


def _at(member: str, *words: str, stdin: str | None = None) -> str:
    """etcdctl on this member's host, of this member."""
    about = ("--cacert", CAFILE, "--endpoints", f"https://{_endpoint(member)}", "--command-timeout", "3s")
    return lab.on(member, "env", "ETCDCTL_API=3", "etcdctl", *about, *words, stdin=stdin)


def _endpoint(member: str) -> str:
    return f"{lab.HOSTS[member]['pg_cluster_address']}:{PORT}"


def _while_down(command: str, members: tuple[str, ...]) -> None:
    """Run it on the hosts of these members while none of them runs; all answer again when this returns."""
    stopped(*members)
    try:
        for member in members:
            lab.on(member, "sh", "-c", command)
    finally:
        heal()
    lab.wait_for("all members", is_whole, 60, every=0.3)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small disk of its own in a node (a file system in a file), for the WAL or for a tablespace, that can fail.

It is mounted again when the host boots.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import faults, lab

IMAGE = "/data/lab.img"
MOUNT = "/data/lab"
STATE = "/var/lib/skyha"
WAL = f"{faults.DATA}/pg_wal"
UNIT = f"""[Unit]
Before=skyha.service sky-postgresql.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/mount -o loop {IMAGE} {MOUNT}
[Install]
WantedBy=multi-user.target
"""


@contextmanager
def for_wal(node: str) -> Iterator[str]:
    """The node's pg_wal is on that disk; the mount point."""
    _attach(node)
    try:
        _while_down(node, f"mv {WAL} {MOUNT}/pg_wal && ln -s {MOUNT}/pg_wal {WAL}")
        yield MOUNT
    finally:
        free(node)
        _while_down(node, f"test ! -L {WAL} || {{ rm {WAL} && mv {MOUNT}/pg_wal {WAL}; }}")
        _detach(node)


@contextmanager
def for_tablespace(node: str) -> Iterator[str]:
    """A tablespace `lab` of the cluster is, on this node, on that disk; the mount point."""
    _attach(node)
    place = f"{MOUNT}/ts"  # the same each time: WAL of before, that creates it, may be replayed again
    for one in lab.NODES:
        lab.on(one, "install", "-d", "-o", "postgres", place)
    lab.sql(lab.primary(), f"CREATE TABLESPACE lab LOCATION '{place}'")
    try:
        yield MOUNT
    finally:
        lab.on(node, "mount", "-o", "remount,rw", MOUNT)
        lab.sql(lab.primary(), "DROP TABLESPACE lab")
        faults.make_whole()
        # Else that disk would be missed when the next one is on the other node.
        lab.wait_for(
            "the nodes to forget that tablespace", lambda: not any(map(_knows_of_it, lab.NODES)), 60, every=0.5
        )
        _detach(node)


def _knows_of_it(node: str) -> bool:
    return MOUNT in lab.on(node, "cat", f"{STATE}/state.json")


@contextmanager
def for_the_record(node: str) -> Iterator[None]:
    """skyha's record and history are on that disk."""
    _attach(node)
    lab.on(
        node,
        "sh",
        "-c",
        f"systemctl stop skyha; cp -a {STATE} {MOUNT}/state && chown -R skyha: {MOUNT}/state && "
        f"mount --bind {MOUNT}/state {STATE} && systemctl start skyha",
    )
    lab.wait_for("the cluster with that disk", lab.is_whole, 60, every=0.5)
    try:
        yield
    finally:
        free(node)
        # After a boot of the host it is not mounted, and skyha lived on with what was there before.
        keep = f"if mountpoint -q {STATE}; then umount {STATE}; cp -a {MOUNT}/state/*.json* {STATE}/; fi"
        lab.on(node, "sh", "-c", f"systemctl stop skyha; {keep}; rm -rf {MOUNT}/state; systemctl start skyha")
        _detach(node)


def fill(node: str) -> None:
    """Not a byte is left on the disk."""
    most = f"fallocate -l $(($(df --output=avail -B1 {MOUNT} | tail -1) - 8000000)) {MOUNT}/fill"
    lab.on(node, "sh", "-c", f"{most}; cat /dev/zero >> {MOUNT}/fill 2>/dev/null || true")


def free(node: str) -> None:
    """It has space again."""
    lab.on(node, "rm", "-f", f"{MOUNT}/fill")


def use_up_wal(node: str) -> None:
    """Begin one WAL segment after the other, until the server cannot."""
    step = "SELECT pg_logical_emit_message(true, 'lab', 'x'); SELECT pg_switch_wal();"
    try:
        lab.sql(node, "\\set ON_ERROR_STOP 1\n" + step * 80)
    except RuntimeError:
        return
    raise AssertionError("80 segments of WAL were begun on a full disk")


# EXT4_IOC_SHUTDOWN without a flush of the journal: whatever asks the file system for anything gets EIO from then on.
_DIE = f"import fcntl, os, struct; fcntl.ioctl(os.open('{MOUNT}', os.O_RDONLY), 0x8004587D, struct.pack('I', 2))"


def die(node: str) -> None:
    """The disk answers nothing but errors."""
    lab.on(node, "python3", "-c", _DIE)


def replace_cable(node: str) -> None:
    """The disk works again, with what was on it. Who still holds a file of the dead file system is waited for."""
    again = f"for i in $(seq 100); do umount {MOUNT} && break; sleep 0.2; done; mount -o loop {IMAGE} {MOUNT}"
    lab.on(node, "sh", "-c", f"mountpoint -q {MOUNT} && touch {MOUNT}/.alive 2>/dev/null || {{ {again}; }}")


def stutter(node: str, frozen: float, flowing: float, seconds: float) -> None:
    """For so long, the file system takes no write for `frozen` seconds, and then takes them for `flowing`."""
    turns = int(seconds / (frozen + flowing))
    loop = (
        f"for i in $(seq {turns}); do fsfreeze -f {MOUNT}; sleep {frozen}; fsfreeze -u {MOUNT}; sleep {flowing}; done"
    )
    lab.on(node, "sh", "-c", loop, timeout=4 * seconds + 60)


@contextmanager
def frozen(node: str) -> Iterator[None]:
    """Meanwhile whoever writes there waits."""
    lab.on(node, "fsfreeze", "-f", MOUNT)
    try:
        yield
    finally:
        lab.on(node, "fsfreeze", "-u", MOUNT)


def _attach(node: str) -> None:
    lab.on(node, "sh", "-c", "cat > /etc/systemd/system/lab-disk.service", stdin=UNIT)
    lab.on(
        node,
        "sh",
        "-c",
        f"truncate -s 700M {IMAGE} && mkfs.ext4 -q -m 0 {IMAGE} && mkdir -p {MOUNT} && systemctl daemon-reload && "
        f"systemctl enable -q --now lab-disk && chown postgres: {MOUNT}",
    )


def _detach(node: str) -> None:
    lab.on(node, "sh", "-c", f"systemctl disable -q lab-disk; umount {MOUNT}; rm -rf {IMAGE}; systemctl stop lab-disk")


def _while_down(node: str, command: str) -> None:
    """Run it while this node's PostgreSQL is stopped, with no skyha that could mind."""
    for one in lab.NODES:
        lab.on(one, "systemctl", "stop", "skyha")
    lab.on(node, *lab.AS_POSTGRES, "pg_ctl stop -m fast || true")
    lab.on(node, "runuser", "-u", "postgres", "--", "sh", "-c", command)
    lab.on(node, "systemctl", "start", "sky-postgresql")
    faults.make_whole()

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node's data is not what it was: a disk is not mounted, the directory is another cluster's, or not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults import disk
from tests.faults.rows import row
from tests.faults.scene import Scene
from tests.lab import faults, lab

AWAY = f"{faults.DATA}.away"


@contextmanager
def tablespace_on_the_standby(primary: str) -> Iterator[str]:
    """A tablespace with a table, on the standby on a disk of its own."""
    with disk.for_tablespace(lab.other(primary)) as mount:
        lab.sql(primary, "CREATE TABLE lab_kept TABLESPACE lab AS SELECT generate_series(1, 100000) n")
        lab.wait_for("the table", lambda: lab.sql(lab.other(primary), "SELECT count(*) FROM lab_kept") == "100000", 30)
        try:
            yield mount
        finally:
            lab.sql(lab.primary(), "DROP TABLE lab_kept")


@row(
    "a tablespace's disk is not mounted on the standby after a reboot, then the primary dies",
    "N+A",
    before=tablespace_on_the_standby,
)
def tablespace_not_mounted(scene: Scene) -> None:
    """The old primary holds the last copy of it: it must neither be fenced for good nor be made like the standby."""
    standby = scene.standby
    lab.on(standby, "systemctl", "disable", "-q", "lab-disk")
    scene.later(lab.on, standby, "systemctl", "enable", "-q", "--now", "lab-disk")
    lab.lab("power", standby, "off")
    lab.lab("power", standby, "on", "--wait")
    scene.alarm(standby, "storage", disk.MOUNT)
    assert lab.status(standby)["server"] == "down"
    faults.power_loss(scene.primary)
    scene.quiet()
    assert not lab.is_writable(standby)
    lab.lab("power", scene.primary, "on", "--wait")
    # It must not serve before its peer, that may have been promoted, answers: with the disk back it does.
    scene.alarm(scene.primary, "down", "waiting until the peer answers")
    lab.on(standby, "systemctl", "enable", "-q", "--now", "lab-disk")
    lab.wait_for("the primary serving again", lambda: lab.is_writable(scene.primary), 90)
    assert lab.sql(scene.primary, "SELECT count(*) FROM lab_kept") == "100000"


def _stopped(node: str, command: str) -> None:
    """Run it as PostgreSQL's user while nothing of the cluster works on this node; skyha is started after it."""
    lab.on(node, "systemctl", "stop", "skyha")
    lab.on(node, "systemctl", "stop", "sky-postgresql")
    lab.on(node, *lab.AS_POSTGRES, command)
    lab.on(node, "systemctl", "start", "skyha")


@row("the standby's data directory is another cluster's", "N+A")
def another_cluster(scene: Scene) -> None:
    standby = scene.standby
    scene.later(_stopped, standby, f"test ! -e {AWAY} || {{ rm -rf {faults.DATA} && mv {AWAY} {faults.DATA}; }}")
    _stopped(standby, f"mv {faults.DATA} {AWAY} && initdb -N -D {faults.DATA} >/dev/null")
    scene.alarm(standby, "other_cluster")
    scene.quiet()
    assert lab.status(standby)["server"] == "down"
    assert "standby.signal" not in lab.on(standby, "ls", faults.DATA), "nothing is written into it"


@row("the standby's data directory is not there", "N+A")
def no_data(scene: Scene) -> None:
    standby = scene.standby
    scene.later(_stopped, standby, f"test ! -e {AWAY} || mv {AWAY} {faults.DATA}")
    _stopped(standby, f"mv {faults.DATA} {AWAY}")
    scene.alarm(standby, "no_data", "is its disk mounted?")
    scene.quiet()
    assert faults.DATA.rpartition("/")[2] not in lab.on(standby, "ls", faults.DATA.rpartition("/")[0]).split()

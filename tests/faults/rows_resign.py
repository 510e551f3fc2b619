# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A primary that ends, or whose PostgreSQL cannot start again, hands over in the register: nobody's power is cut. Played where the lab
has one."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults import disk
from tests.faults.rows import row
from tests.faults.scene import Scene
from tests.lab import faults, lab, register

KILL = f"kill -9 $({faults.POSTMASTER})"


def _ends(name: str, end: Callable[[str], object]) -> None:
    @row(f"{name} the primary's host: it hands over in the register, and nobody is fenced", "F", outage=2.5)
    def story(scene: Scene) -> None:
        scene.lost_within = 0.0  # PostgreSQL was stopped cleanly, and the standby has all of it
        with scene.unfenced():
            end(scene.primary)
            scene.took_over()
        assert register.holder() == scene.standby


def _typed(verb: str) -> Callable[[str], object]:
    """As somebody does it who is logged in there. Its own end may cut the answer short."""
    return lambda node: lab.on(node, "systemctl", verb, check=False)


_ends("the power button of", faults.host_shut_down)
_ends("poweroff typed on", _typed("poweroff"))


@row("reboot typed on the primary's host: it hands over, and comes back as a standby by itself", "F", outage=2.5)
def rebooted(scene: Scene) -> None:
    scene.lost_within = 0.0
    with scene.unfenced():
        _typed("reboot")(scene.primary)
        scene.took_over()
        lab.wait_for("the old primary as a standby", lab.is_whole, 120, every=0.5)
    assert register.holder() == scene.standby


def _resigned(scene: Scene, before: int) -> None:
    """The old primary's host ran on all the time."""
    assert lab.pid_of(scene.primary) == before, "its power was cut"
    assert register.holder() == scene.standby


@row(
    "PostgreSQL on the primary cannot be started again, its program is gone: it hands over, and nobody is fenced",
    "F",
    outage=8,
)
def program_gone(scene: Scene) -> None:
    host = lab.pid_of(scene.primary)
    with scene.unfenced():
        faults.postgres_without_program(scene.primary)
        scene.took_over()
        _resigned(scene, host)
        faults.heal()
        lab.wait_for("the old primary as a standby", lab.is_whole, 120, every=0.5)


@row(
    "PostgreSQL on the primary cannot be started again, its settings cannot be read: it hands over, and nobody is fenced",
    "F",
    outage=8,
)
def settings_unreadable(scene: Scene) -> None:
    host = lab.pid_of(scene.primary)
    settings = f"{faults.DATA}/pg_hba.conf"
    scene.later(lab.on, scene.primary, "sh", "-c", f"test ! -e {settings}.kept || mv {settings}.kept {settings}")
    with scene.unfenced():
        lab.on(scene.primary, "sh", "-c", f"mv {settings} {settings}.kept; {KILL}")
        scene.took_over()
        _resigned(scene, host)


@row("the disk of the primary's WAL dies: it hands over, and nobody is fenced", "F", outage=12, before=disk.for_wal)
def disk_dies(scene: Scene) -> None:
    """Every access ends in an error from one instant on."""
    host = lab.pid_of(scene.primary)
    scene.later(disk.replace_cable, scene.primary)
    with scene.unfenced():
        disk.die(scene.primary)
        scene.took_over()
        _resigned(scene, host)


@row("postmaster killed -9 on a primary with a register: it is started in place, and keeps its VIP", "R", outage=5)
def killed_in_place(scene: Scene) -> None:
    with scene.unfenced():
        faults.postmaster_killed(scene.primary)
        lab.wait_for("the primary serving again", lambda: lab.is_writable(scene.primary), 40)
        scene.commits()
    assert register.holder() == scene.primary

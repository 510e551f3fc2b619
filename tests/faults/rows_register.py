# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register itself fails; played where the lab has one (LAB_REGISTER=vote_host)."""

from __future__ import annotations

from tests.faults.rows import row
from tests.faults.scene import Scene
from tests.lab import faults, lab, register


@row("the register is stopped", "N+A", outage=5)
def stopped(scene: Scene) -> None:
    register.stopped()
    scene.later(register.heal)
    scene.alarm(scene.primary, "register", "does not answer")
    scene.alarm(scene.standby, "register", "does not answer")
    scene.quiet()
    assert not lab.status(scene.standby)["armed"]


@row("the register hangs", "N+A", outage=5)
def hung(scene: Scene) -> None:
    register.hung()
    scene.later(register.heal)
    scene.alarm(scene.primary, "register", "stalled")
    scene.quiet()


@row("the register's login has another password", "N+A", outage=5)
def other_password(scene: Scene) -> None:
    register.other_password()
    scene.later(register.right_password)
    scene.alarm(scene.primary, "register", "does not answer")
    scene.quiet()


@row("the register is restored from an old copy", "N+A", outage=5)
def restored(scene: Scene) -> None:
    """Who serves and who follows it agree on a new row, with a higher epoch."""
    epoch = lab.status(scene.primary)["register"]["epoch"]
    register.copied()
    lab.wait_for("the cluster with the copied register", lab.is_whole, 60, every=0.5)
    scene.quiet(5)
    register.restored()
    new = lab.wait_for(
        "a new row", lambda: (lab.status(scene.primary).get("register") or {}).get("epoch", 0) > epoch, 60, every=0.5
    )
    assert new
    scene.named.append("register_back")


@row("the register is stopped, then the primary dies: nobody is promoted before it is back", "F+A")
def stopped_then_dead(scene: Scene) -> None:
    register.stopped()
    scene.later(register.heal)
    faults.power_loss(scene.primary)
    scene.alarm(scene.standby, "register", "does not answer")
    scene.quiet()
    assert not lab.is_writable(scene.standby)
    register.heal()
    scene.took_over()


@row("the register and the primary die, an operator orders the takeover", "F+A")
def dead_with_the_primary(scene: Scene) -> None:
    register.stopped()
    scene.later(register.heal)
    faults.power_loss(scene.primary)
    scene.alarm(scene.standby, "no_failover")
    lab.on(scene.standby, "skyctl", "takeover", "--yes", scene.primary, timeout=130)
    scene.took_over()
    register.heal()
    lab.wait_for(
        "the register that names the new primary",
        lambda: (lab.status(scene.standby).get("register") or {}).get("holder") == scene.standby,
        30,
        every=0.5,
    )


@row("both hosts lose power, and only the former primary comes back: it still holds, and serves", "R")
def only_the_holder_comes_back(scene: Scene) -> None:
    faults.power_loss(scene.standby)
    faults.power_loss(scene.primary)
    lab.lab("power", scene.primary, "on")
    lab.wait_for(
        "the former primary with the VIP",
        lambda: lab.holds_vip(scene.primary) and lab.is_writable(scene.primary),
        90,
        every=0.3,
    )
    scene.commits()


@row("the primary's host is shut down by hand: it hands over in the register, and nobody is fenced", "F")
def shut_down(scene: Scene) -> None:
    before = _fences(scene.standby)
    lab.lab("power", scene.primary, "soft")
    scene.took_over()
    assert _fences(scene.standby) == before, "the old primary was fenced, and had handed over"


def _fences(node: str) -> int:
    return int(lab.on(node, "sh", "-c", 'grep -c \'"kind":"fencing"\' /var/lib/skyha/history.jsonl || true'))

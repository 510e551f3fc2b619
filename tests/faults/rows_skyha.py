# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyha itself killed, at any moment, and what is asked of it by people: pauses, broken configuration, clocks."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

from tests.faults import clock, disk
from tests.faults.rows import row
from tests.faults.scene import CONF, Scene
from tests.lab import faults, lab

KILL = ("sh", "-c", "kill -9 $(systemctl show -p MainPID --value skyha)")


@row("skyha killed -9 on the primary", "N", outage=5)
def killed_on_the_primary(scene: Scene) -> None:
    lab.on(scene.primary, *KILL)
    scene.quiet(5)


@row("skyha killed -9 on the standby", "N", outage=5)
def killed_on_the_standby(scene: Scene) -> None:
    lab.on(scene.standby, *KILL)
    scene.quiet(5)


@row("skyha killed -9 when the trouble has begun", "F")
def killed_in_trouble(scene: Scene) -> None:
    _killed_after(scene, "trouble")


@row("skyha killed -9 while it fences", "F", selection=True)
def killed_while_fencing(scene: Scene) -> None:
    _killed_after(scene, "fencing")


@row("skyha killed -9 when the fence is read back", "F")
def killed_after_the_fence(scene: Scene) -> None:
    _killed_after(scene, "fence_read_back")


@row("skyha killed -9 while it promotes", "F")
def killed_while_promoting(scene: Scene) -> None:
    _killed_after(scene, "fenced")


@row("skyha killed -9 when it has promoted", "F")
def killed_after_the_promotion(scene: Scene) -> None:
    _killed_after(scene, "promoted")


def _killed_after(scene: Scene, kind: str) -> None:
    after(scene, kind, KILL[2])
    faults.power_loss(scene.primary)
    scene.took_over()


def after(scene: Scene, kind: str, command: str) -> None:
    """A shell in the standby waits for that line of the history, and does it at once."""
    file = "/var/lib/skyha/history.jsonl"
    wait = f"n=$(wc -l < {file}); for i in $(seq 4000); do tail -n +$((n+1)) {file} | grep -q '\"{kind}\"' && break; sleep 0.005; done; "
    lab.on(scene.standby, "systemd-run", "-q", "sh", "-c", wait + command)


@row("skyha stopped (SIGSTOP) for 60 s when the trouble has begun", "F")
def stopped_in_trouble(scene: Scene) -> None:
    _stopped_after(scene, "trouble")


@row("skyha stopped (SIGSTOP) for 60 s while it fences", "F", selection=True)
def stopped_while_fencing(scene: Scene) -> None:
    """Its watchdog kills it, and the next one goes on; before, it came back too late to trust what it had known."""
    _stopped_after(scene, "fencing")


@row("skyha stopped (SIGSTOP) for 60 s when the fence is read back", "F")
def stopped_after_the_fence(scene: Scene) -> None:
    _stopped_after(scene, "fence_read_back")


@row("skyha stopped (SIGSTOP) for 60 s while it promotes", "F")
def stopped_while_promoting(scene: Scene) -> None:
    _stopped_after(scene, "fenced")


def _stopped_after(scene: Scene, kind: str) -> None:
    after(scene, kind, "p=$(systemctl show -p MainPID --value skyha); kill -STOP $p; sleep 60; kill -CONT $p")
    faults.power_loss(scene.primary)
    scene.took_over(45)  # before the 60 s are over
    lab.wait_for("skyha started again by its watchdog", lambda: _restarts(scene.standby) > 0, 30)


def _restarts(node: str) -> int:
    return int(lab.on(node, "systemctl", "show", "-p", "NRestarts", "--value", "skyha"))


@row("skyha killed -9 every two seconds during a failover", "F")
def killed_again_and_again(scene: Scene) -> None:
    faults.power_loss(scene.primary)
    # Within the arming window: what was seen before that is too old.
    for _ in range(5):
        lab.on(scene.standby, *KILL, check=False)
        time.sleep(2)
    scene.took_over(150)


@row("skyha killed -9 on both nodes at once", "N", outage=5)
def killed_on_both(scene: Scene) -> None:
    """As the kernel does when a host's memory is used up."""
    for node in lab.NODES:
        lab.on(node, *KILL)
    scene.quiet(5)


@row("paused, then the primary dies", "N+A")
def paused(scene: Scene) -> None:
    lab.on(scene.primary, "skyctl", "pause")
    scene.later(lab.on, scene.primary, "sh", "-c", "skyctl resume || true")
    lab.wait_for("the pause on the standby", lambda: "paused" in lab.status(scene.standby)["alarms"], 20)
    faults.postmaster_killed(scene.primary)
    scene.alarm(scene.standby, "no_failover", "paused")
    scene.quiet()
    assert not lab.is_writable(scene.standby)
    lab.on(scene.primary, "systemctl", "start", "sky-postgresql")
    scene.commits()


@row("half filled configuration on the standby", "N+A", selection=True, outage=5)
def half_filled_configuration(scene: Scene) -> None:
    """It is named, and the daemon does not spin."""
    node = scene.standby
    lab.on(node, "sh", "-c", f"cp -p {CONF} {CONF}.good; sed -i '/^\\[vip\\]/,/^\\[/ s/^address.*//' {CONF}")
    back = f"mv {CONF}.good {CONF}; systemctl reset-failed skyha; systemctl restart skyha"
    scene.later(lab.on, node, "sh", "-c", back)
    lab.on(node, "systemctl", "restart", "skyha", check=False)
    told = lab.wait_for("the status", lambda: lab.status(node).get("problems"), 30)
    assert "[vip] address is missing" in " ".join(told)
    scene.named.append("misconfigured")
    scene.quiet(3)
    assert lab.on(node, "systemctl", "show", "-p", "NRestarts", "--value", "skyha").strip() == "0"


@row("the primary's clock jumps an hour ahead", "N", outage=5, before=clock.jumping)
def primary_clock_ahead(scene: Scene) -> None:
    clock.jump(scene.primary, 3600)
    scene.quiet()
    assert lab.status(scene.standby)["armed"]


@row("the standby's clock jumps an hour back", "N", outage=5, before=clock.jumping)
def standby_clock_back(scene: Scene) -> None:
    clock.jump(scene.standby, -3600)
    scene.quiet()
    assert lab.is_whole()


@row("the standby's clock jumps a minute ahead while the primary stands still for a moment", "N", before=clock.jumping)
def standby_clock_ahead(scene: Scene) -> None:
    """By the wall clock the patience would be used up at once."""
    faults.frozen_host(scene.primary)

    def troubled_for(seconds: float) -> bool:
        trouble = lab.status(scene.standby)["trouble"]
        return trouble is not None and trouble["for"] >= seconds

    lab.wait_for("the trouble noticed", lambda: troubled_for(0.0), 5, every=0.05)
    clock.set_to(scene.standby, 60)
    lab.wait_for("looks after the jump", lambda: troubled_for(1.0), 5, every=0.05)
    lab.lab("unpause", scene.primary)
    scene.quiet()


@row("the primary's clock jumps an hour back, then its power is cut", "F", before=clock.jumping)
def clock_back_and_power(scene: Scene) -> None:
    clock.jump(scene.primary, -3600)
    scene.quiet(5)
    faults.power_loss(scene.primary)
    scene.took_over()


def _record_of_the_standby(primary: str) -> AbstractContextManager[None]:
    return disk.for_the_record(lab.other(primary))


@row("disk of skyha's record full on the standby, then the primary dies", "F+A", before=_record_of_the_standby)
def record_full_on_the_standby(scene: Scene) -> None:
    """Alarmed in quiet times; nothing is done while nothing can be written down; what waited goes on when there is room."""
    disk.fill(scene.standby)
    scene.alarm(scene.standby, "record", "No space left", within=60)
    assert not lab.status(scene.standby)["armed"], lab.status(scene.standby)
    faults.power_loss(scene.primary)
    scene.quiet()
    assert not lab.is_writable(scene.standby)
    disk.free(scene.standby)
    scene.took_over(40)


@row("disk of skyha's record full on the primary", "N+A", outage=5, before=disk.for_the_record)
def record_full_on_the_primary(scene: Scene) -> None:
    disk.fill(scene.primary)
    scene.alarm(scene.primary, "record", "No space left", within=60)
    disk.free(scene.primary)
    lab.wait_for("the end of the alarm", lambda: "record" not in lab.status(scene.primary)["alarms"], 30, every=0.5)

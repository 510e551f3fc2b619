# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A switchover, and faults in the middle of it: it ends cleanly on either node, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.rows import row
from tests.faults.rows_skyha import KILL
from tests.faults.scene import Scene
from tests.lab import faults, lab, pause_points
from tests.lab.watch import history


def _order(scene: Scene) -> None:
    scene.lost_within = 0.0
    lab.on(scene.primary, "skyctl", "switchover")


@row("switchover", "S", outage=10)
def switchover(scene: Scene) -> None:
    _order(scene)
    scene.took_over()


@row("switchover while the standby's power is off", "N", outage=5)
def refused(scene: Scene) -> None:
    scene.lost_within = 0.0
    faults.power_loss(scene.standby)
    lab.wait_for("that to be seen", lambda: "standby" in lab.status(scene.primary)["alarms"], 90)
    lab.on(scene.primary, "skyctl", "switchover", check=False)
    scene.quiet(5)
    assert lab.is_writable(scene.primary)


def _during(name: str, fault: Callable[[Scene], None], expect: str = "S") -> None:
    @row(f"switchover, and {name} in the middle of it", expect)
    def story(scene: Scene) -> None:
        _order(scene)
        fault(scene)
        scene.quiet()


_during("the old primary's power cut", lambda scene: faults.power_loss(scene.primary), "S or F")
_during("the new primary's power cut", lambda scene: faults.power_loss(scene.standby))
_during("skyha killed -9 on the old primary", lambda scene: lab.on(scene.primary, *KILL) and None)
_during("skyha killed -9 on the new primary", lambda scene: lab.on(scene.standby, *KILL) and None)
_during("the link between the nodes cut", lambda scene: scene.cut_both(scene.primary, scene.standby))
_during("the old primary cut off", lambda scene: faults.network_cut(scene.primary), "S or F")
_during("the vote host dead", lambda scene: faults.power_loss("vote"))


@row("switchover with a long checkpoint: it takes 40 s", "S", outage=10)
def long_checkpoint(scene: Scene) -> None:
    """Nothing is stopped before it is made, and clients are served on."""
    with pause_points.held(scene.primary, "checkpointer"):
        _order(scene)
        scene.quiet(40)
        assert lab.is_writable(scene.primary)
        scene.commits(5)
    scene.took_over()
    _no_false_reason(scene)


@row("switchover with a long stop: it takes 20 s", "S", outage=40)
def long_stop(scene: Scene) -> None:
    """Its last checkpoint does not end. The old primary is neither taken for dead nor fenced meanwhile."""
    scene.lost_within = 0.0
    with pause_points.switchover_that_stops(scene.primary):
        scene.quiet(20)
        assert not any(lab.is_writable(node) for node in lab.NODES)
    scene.took_over()
    _no_false_reason(scene)


def _no_false_reason(scene: Scene) -> None:
    for node in lab.NODES:
        kinds = {event["kind"] for event in history(node) if event.get("monotonic", 0) >= scene.watch.began}
        assert not kinds & {"trouble", "fencing", "switchover_failed"}, kinds

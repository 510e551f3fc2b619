# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of the vote host."""

from __future__ import annotations

from tests.faults.rows import row
from tests.faults.scene import Scene
from tests.lab import faults, lab


@row("vote host dead", "N+A", outage=5)
def vote_dead(scene: Scene) -> None:
    faults.power_loss("vote")
    scene.alarm(scene.standby, "vote_path")
    scene.quiet(3)


@row("vote proxy stopped", "N+A", selection=True, outage=5)
def proxy_stopped(scene: Scene) -> None:
    lab.on("vote", "systemctl", "stop", "sky-vote-proxy")
    scene.alarm(scene.standby, "vote_path")


@row("vote proxy up but not forwarding from the start, then the primary dies", "N+A")
def proxy_forwards_nothing(scene: Scene) -> None:
    """It accepts, and closes at once: a witness that never saw the primary alive is no witness of its death."""
    scene.cut_both("vote", scene.primary)
    scene.alarm(scene.standby, "vote_path")
    faults.power_loss(scene.primary)
    scene.alarm(scene.standby, "no_failover", "vote port")
    scene.quiet()
    assert not lab.is_writable(scene.standby)


@row("vote proxy hangs (accepts, says nothing)", "N+A", outage=5)
def proxy_hangs(scene: Scene) -> None:
    lab.on("vote", "systemctl", "kill", "-s", "STOP", "sky-vote-proxy")
    scene.alarm(scene.standby, "vote_path")
    scene.quiet(3)


@row("vote host dead, then the primary dies", "N+A")
def vote_and_primary_dead(scene: Scene) -> None:
    faults.power_loss("vote")
    faults.power_loss(scene.primary)
    scene.alarm(scene.standby, "cut_off")
    scene.quiet(
        20
    )  # longer than arming_window: if the vote host is back before the primary, the standby would take over
    assert not lab.is_writable(scene.standby)


@row(
    "vote proxy hangs and the link primary-standby is cut, at once (false, but safe)",
    "F",
    without_register="the primary's beat in the register is life: a row of its own",
)
def proxy_hangs_and_nodes_apart(scene: Scene) -> None:
    """Two faults at once that look like a dead primary from where the standby stands."""
    # Nothing replicates from the cut on, and clients go on committing on the primary until it is fenced.
    scene.lost_within = 15.0
    lab.on("vote", "systemctl", "kill", "-s", "STOP", "sky-vote-proxy")
    scene.cut_both(scene.primary, scene.standby)
    scene.took_over()

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The document's four tests, each with skyha's repair in place and, where it applies, without it."""

from __future__ import annotations

from tests.faults.rows import NO_HEIR, row
from tests.faults.scene import Scene
from tests.lab import faults, lab, register


@row("the document's 1: the VIP goes down on the primary", "R", selection=True, outage=5)
def vip_lost(scene: Scene) -> None:
    faults.drop_vip(scene.primary)
    lab.wait_for("the VIP back", lambda: lab.holds_vip(scene.primary), 10)
    scene.commits()
    scene.quiet(3)


@row("... with the primary's skyha stopped", "F", selection=True, without_register=NO_HEIR)
def vip_lost_for_good(scene: Scene) -> None:
    scene.skyha(scene.primary, "stop")
    faults.drop_vip(scene.primary)
    scene.took_over()


@row("the document's 2: VIP and vote port both down", "N+A", selection=True)
def vip_and_vote_port_down(scene: Scene) -> None:
    lab.on("vote", "systemctl", "stop", "sky-vote-proxy")
    scene.skyha(scene.primary, "stop")
    faults.drop_vip(scene.primary)
    # The majority of an etcd is the witness in the vote port's place, and says that there is no heir.
    scene.alarm(scene.standby, "no_failover" if register.ENGINE == "etcd" else "cut_off")
    scene.quiet()
    assert lab.is_writable(scene.primary)


@row("the document's 3: the primary database shut down", "R", selection=True, outage=15)
def database_shut_down(scene: Scene) -> None:
    faults.shut_down(scene.primary)
    scene.commits()
    assert lab.is_writable(scene.primary)


@row("... and it does not come back in its grace", "F", selection=True, without_register=NO_HEIR)
def database_stays_down(scene: Scene) -> None:
    scene.skyha(scene.primary, "stop")
    faults.shut_down(scene.primary)
    scene.took_over()


@row("the document's 4: the standby's network card down", "N", selection=True, outage=5)
def network_of_the_standby(scene: Scene) -> None:
    faults.network_cut(scene.standby)
    scene.quiet()
    assert lab.is_writable(scene.primary)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Members of an etcd that is the register are lost, hang, or another one leads; played with LAB_REGISTER=etcd."""

from __future__ import annotations

from tests.faults.rows import row
from tests.faults.scene import Scene
from tests.lab import faults, lab, register, register_etcd


def _renews(scene: Scene) -> None:
    """The row goes on, and nobody misses the register."""
    before = register.beat() or 0
    lab.wait_for("renewals", lambda: (register.beat() or 0) > before + 3, 30, every=0.5)
    assert "register" not in lab.status(scene.primary)["alarms"]
    assert lab.is_writable(scene.primary)


@row("the primary's own member of the etcd is stopped: it renews at another", "N", outage=5, engine="etcd")
def own_member_stopped(scene: Scene) -> None:
    scene.leased()
    scene.later(register.heal)
    register_etcd.stopped(scene.primary)
    scene.quiet(10)
    _renews(scene)
    assert lab.status(scene.standby)["armed"]


@row("the standby's own member of the etcd stands still, then the primary's power is cut", "F", engine="etcd")
def standbys_member_hangs(scene: Scene) -> None:
    scene.leased()
    scene.later(register.heal)
    register_etcd.hung(scene.standby)
    scene.quiet(10)
    _renews(scene)
    assert lab.status(scene.standby)["armed"]
    register.heal()  # with the primary's host its member goes, and two must be left
    faults.power_loss(scene.primary)
    scene.took_over()


@row("the etcd's leader is killed: another one leads, nobody notices", "N", outage=5, engine="etcd")
def leader_killed(scene: Scene) -> None:
    scene.leased()
    for _ in range(3):
        register_etcd.killed(register_etcd.leader())
        scene.quiet(5)
        lab.wait_for("three members", lambda: register_etcd.leader() != "", 20, every=0.5)
    _renews(scene)


@row(
    "the primary's host leads the etcd, and loses power together with its BMC: the standby takes over by the lease",
    "F",
    outage=10,
    engine="etcd",
)
def leader_dies_with_the_primary(scene: Scene) -> None:
    scene.leased()
    register_etcd.lead(scene.primary)
    faults.power_loss_with_bmc(scene.primary)
    scene.took_over()
    assert register.holder() == scene.standby


@row(
    "two of the etcd's three members are stopped: the primary serves on by the standby's promises",
    "N+A",
    outage=5,
    engine="etcd",
)
def no_majority(scene: Scene) -> None:
    scene.leased()
    before = register.bites(scene.primary)
    scene.later(register.heal)
    register_etcd.stopped(scene.standby, "vote")
    scene.alarm(scene.primary, "register", "does not answer")
    scene.quiet(20)
    assert lab.is_writable(scene.primary)
    assert not lab.status(scene.standby)["armed"]
    assert register.bites(scene.primary) == before


@row("the vote host is lost, for long: the etcd has its majority, the primary renews", "N+A", outage=5, engine="etcd")
def vote_lost_for_long(scene: Scene) -> None:
    scene.leased()
    faults.power_loss("vote")
    scene.alarm(scene.standby, "vote_path")
    scene.quiet(20)
    _renews(scene)


@row("no majority, then the primary dies: nobody is promoted before there is one again", "F+A", engine="etcd")
def no_majority_then_dead(scene: Scene) -> None:
    scene.leased()
    scene.later(register.heal)
    register_etcd.stopped("vote")
    faults.power_loss(scene.primary)
    scene.alarm(scene.standby, "register", "does not answer")
    scene.quiet()
    assert not lab.is_writable(scene.standby)
    register.heal()
    scene.took_over()

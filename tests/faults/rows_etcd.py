# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Members of an etcd that is the register are lost, hang, are cut off, or another one leads; played with LAB_REGISTER=etcd. docs/safety.md
has the table of what holds.
"""

from __future__ import annotations

from tests.faults.rows import row
from tests.faults.rows_operator import takeover
from tests.faults.rows_skyha import after
from tests.faults.scene import QUIET, Scene
from tests.lab import faults, lab, register, register_etcd


def _goes_on(scene: Scene, seconds: float = QUIET) -> None:
    """Meanwhile the primary renews, about once a second, and is not reset; neither node's skyha misses the register."""
    before, bitten = _beat(), register.bites(scene.primary)
    scene.quiet(seconds)
    beats = _beat() - before
    assert beats >= seconds / 2, f"it has renewed {beats} times in {seconds:g} s"
    for node in lab.NODES:
        assert "register" not in lab.status(node)["alarms"], lab.status(node)["alarms"]["register"]
    assert lab.is_writable(scene.primary)
    assert register.bites(scene.primary) == bitten
    scene.leased()


def _beat() -> int:
    """While another member comes to lead nobody tells it."""
    return lab.wait_for("the beat", register.beat, 15, every=0.3) or 0


# --- one member is lost -------------------------------------------------------------------------------------------------------


@row("the primary's own member of the etcd is stopped: it renews at another", "N+A", outage=5, engine="etcd")
def own_member_stopped(scene: Scene) -> None:
    """Both nodes say so, in time for the night after: the next one that is lost takes the majority along."""
    scene.leased()
    scene.later(register.heal)
    register_etcd.stopped(scene.primary)
    for node in lab.NODES:
        scene.alarm(node, "register_member", within=60)
    _goes_on(scene)
    assert lab.status(scene.standby)["armed"]


@row("the primary's own member of the etcd is stopped, then the primary's power is cut", "F", engine="etcd")
def own_member_stopped_then_dead(scene: Scene) -> None:
    """The two members that are left are the majority."""
    scene.leased()
    scene.later(register.heal)
    register_etcd.stopped(scene.primary)
    _goes_on(scene)
    faults.power_loss(scene.primary)
    scene.took_over()
    assert register.holder() == scene.standby


@row("the primary's own member leads the etcd, and stands still: it renews at another", "N", outage=5, engine="etcd")
def own_member_hangs(scene: Scene) -> None:
    scene.leased()
    scene.later(register.heal)
    register_etcd.lead(scene.primary)
    register_etcd.hung(scene.primary)
    _goes_on(scene, 20)
    assert lab.status(scene.standby)["armed"]


@row(
    "the disk of the primary's own member of the etcd is full: it renews at another",
    "N",
    outage=5,
    engine="etcd",
    before=register_etcd.primarys_on_a_small_disk,
)
def own_disk_full(scene: Scene) -> None:
    scene.leased()
    scene.later(register.free)
    register_etcd.fill(scene.primary)
    _goes_on(scene, 20)
    assert lab.status(scene.standby)["armed"]


@row("the standby's own member of the etcd stands still, then the primary's power is cut", "F", engine="etcd")
def standbys_member_hangs(scene: Scene) -> None:
    scene.leased()
    scene.later(register.heal)
    register_etcd.hung(scene.standby)
    _goes_on(scene)
    assert lab.status(scene.standby)["armed"]
    register.heal()  # with the primary's host its member goes, and two must be left
    lab.wait_for("three members", register.is_whole, 20, every=0.3)
    faults.power_loss(scene.primary)
    scene.took_over()


@row("the vote host is lost, for long: the etcd has its majority, the primary renews", "N+A", outage=5, engine="etcd")
def vote_lost_for_long(scene: Scene) -> None:
    """The standby is not armed all the same: a failover needs the vote port."""
    scene.leased()
    faults.power_loss("vote")
    scene.alarm(scene.standby, "vote_path")
    _goes_on(scene, 20)
    assert not lab.status(scene.standby)["armed"]


@row("the vote host leads the etcd, and stands still for 30 s: the primary renews", "N+A", outage=5, engine="etcd")
def vote_stands_still(scene: Scene) -> None:
    scene.leased()
    register_etcd.lead("vote")
    faults.frozen_host("vote")
    scene.alarm(scene.standby, "vote_path", within=25)
    _goes_on(scene, 15)


@row(
    "the vote host is lost, then PostgreSQL on the primary cannot be started again: by the etcd it hands over all the same",
    "F",
    outage=8,
    engine="etcd",
)
def vote_lost_then_hands_over(scene: Scene) -> None:
    faults.power_loss("vote")
    scene.alarm(scene.standby, "vote_path")
    host = lab.pid_of(scene.primary)
    with scene.unfenced():
        faults.postgres_without_program(scene.primary)
        scene.took_over()
        assert lab.pid_of(scene.primary) == host, "its power was cut"
        assert register.holder() == scene.standby


# --- the leader ---------------------------------------------------------------------------------------------------------------


@row("the etcd's leader is killed: another one leads, nobody notices", "N", outage=5, engine="etcd")
def leader_killed(scene: Scene) -> None:
    """Wherever it is."""
    scene.leased()
    before = scene.noted(scene.primary, "lease_over")
    for member in register_etcd.MEMBERS:
        register_etcd.lead(member)
        register_etcd.killed(member)
        _goes_on(scene)
        lab.wait_for("three members", register.is_whole, 30, every=0.5)
    assert scene.noted(scene.primary, "lease_over") == before
    assert lab.status(scene.standby)["armed"]


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


@row("the primary's host leads the etcd, and is cut off from everything: another leads", "F", engine="etcd")
def leader_cut_off_with_the_primary(scene: Scene) -> None:
    scene.leased()
    register_etcd.lead(scene.primary)
    faults.network_cut(scene.primary)
    scene.took_over()
    assert register.holder() == scene.standby


@row("the standby's host leads the etcd, and is cut off from everything: another leads", "N", outage=5, engine="etcd")
def leader_cut_off_with_the_standby(scene: Scene) -> None:
    """Its promises end with it, so a renewal must succeed while the lease lasts."""
    scene.leased()
    register_etcd.lead(scene.standby)
    faults.network_cut(scene.standby)
    scene.quiet()
    assert lab.is_writable(scene.primary)


@row("the etcd's leader is killed between the fence and the take: it takes when another leads", "F", engine="etcd")
def leader_killed_before_the_take(scene: Scene) -> None:
    """With the primary's host a member is gone already: the vote host's is alone until the killed one is back."""
    scene.leased()
    register_etcd.lead(scene.standby)
    after(scene, "fence_read_back", f"systemctl kill -s KILL {register_etcd.UNIT}")
    faults.power_loss(scene.primary)
    scene.took_over()
    assert register.holder() == scene.standby


# --- two of three -------------------------------------------------------------------------------------------------------------


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
    assert register.beat() is None, "a member that is alone answers"
    assert lab.is_writable(scene.primary)
    assert register.is_guarded(scene.primary)
    assert not lab.status(scene.standby)["armed"]
    assert register.bites(scene.primary) == before


@row(
    "the standby and the vote host, two of the etcd's three, lose power: the primary stops with its lease, and serves when one is back",
    "R+A",
    engine="etcd",
)
def standby_and_vote_lost(scene: Scene) -> None:
    """The price of the lease, as where a register is lost and then the standby."""
    scene.leased()
    bitten, before = register.bites(scene.primary), scene.noted(scene.primary, "lease_over")
    faults.power_loss("vote")
    faults.power_loss(scene.standby)
    lab.wait_for("the end of the lease", lambda: scene.noted(scene.primary, "lease_over") > before, 20, every=0.3)
    lab.wait_for("no writing any more", lambda: not lab.is_writable(scene.primary), 5)
    scene.alarm(scene.primary, "register", "does not answer")
    scene.quiet()
    assert not lab.is_writable(scene.primary)
    assert register.bites(scene.primary) == bitten, "it had stopped in time, and was reset all the same"
    lab.lab("power", "vote", "on", "--wait")
    scene.commits(60)


@row("no majority, then the primary dies: nobody is promoted before there is one again", "F+A", engine="etcd")
def no_majority_then_dead(scene: Scene) -> None:
    scene.leased()
    scene.later(register.heal)
    register_etcd.stopped("vote")
    _goes_on(scene)
    faults.power_loss(scene.primary)
    scene.alarm(scene.standby, "register", "does not answer")
    scene.alarm(scene.standby, "no_failover")
    scene.quiet()
    assert not lab.is_writable(scene.standby)
    register.heal()
    scene.took_over()


@row(
    "the vote host is lost, then the primary: no majority, nobody is promoted; with the vote host back an operator orders it",
    "F+A",
    engine="etcd",
)
def vote_lost_then_dead(scene: Scene) -> None:
    """By then nothing was heard through the vote port for too long."""
    faults.power_loss("vote")
    scene.alarm(scene.standby, "vote_path")
    faults.power_loss(scene.primary)
    scene.alarm(scene.standby, "cut_off")
    scene.quiet()
    assert not lab.is_writable(scene.standby)
    lab.lab("power", "vote", "on", "--wait")
    takeover(scene)
    lab.wait_for("the register to name it", lambda: register.holder() == scene.standby, 30, every=0.5)


# --- a majority is a witness --------------------------------------------------------------------------------------------------


@row("vote proxy stopped and the primary's power cut, at once: the etcd is the witness", "F", outage=15, engine="etcd")
def proxy_stopped_and_dead(scene: Scene) -> None:
    scene.leased()
    lab.on("vote", "systemctl", "stop", "sky-vote-proxy")
    faults.power_loss(scene.primary)
    scene.took_over()


# --- links --------------------------------------------------------------------------------------------------------------------

LINKS = (
    ("primary", "vote"),
    ("vote", "primary"),
    ("standby", "vote"),
    ("vote", "standby"),
    ("primary", "standby"),
    ("standby", "primary"),
)


def _cut(scene: Scene, sender: str, receiver: str, *ports: int) -> None:
    """The receiver's member leads, so that what the sender's has for the leader is lost."""
    names = {"primary": scene.primary, "standby": scene.standby, "vote": "vote"}
    register_etcd.lead(names[receiver])
    for port in ports:
        scene.cut(names[sender], names[receiver], port=port)


def _members_apart(sender: str, receiver: str) -> None:
    @row(f"one way cut: {sender} to {receiver}, the etcd's ports: nobody notices", "N", outage=5, engine="etcd")
    def story(scene: Scene) -> None:
        """Each node asks another member, by a link that is there."""
        scene.leased()
        _cut(scene, sender, receiver, register_etcd.PORT, register_etcd.PEER_PORT)
        _goes_on(scene)
        assert lab.status(scene.standby)["armed"]


def _hosts_apart(sender: str, receiver: str) -> None:
    @row(f"one way cut: {sender} to {receiver}, all traffic: the etcd goes on", "N+A", outage=5, engine="etcd")
    def story(scene: Scene) -> None:
        scene.leased()
        _cut(scene, sender, receiver, 0)
        scene.alarm(scene.standby, "path_vote")
        _goes_on(scene)


for _link in LINKS:
    _members_apart(*_link)
for _link in LINKS:
    if "vote" in _link:
        _hosts_apart(*_link)

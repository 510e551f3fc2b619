# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register itself fails, or cannot be reached, or decides; played where the lab has one."""

from __future__ import annotations

from tests.faults.rows import row
from tests.faults.scene import Scene
from tests.lab import faults, lab, pause_points, register, register_sql


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
    epoch = register.told(scene.primary)["epoch"]
    register.copied()
    lab.wait_for("the cluster with the copied register", lab.is_whole, 60, every=0.5)
    scene.quiet(5)
    register.restored()
    lab.wait_for("a new row", lambda: register.told(scene.primary).get("epoch", 0) > epoch, 60, every=0.5)
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
        lambda: register.told(scene.standby).get("holder") == scene.standby,
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


@row("the register's disk is full", "N+A", outage=5, before=register.on_a_small_disk)
def disk_full(scene: Scene) -> None:
    """It cannot write, so it renews nothing; with space it comes back by itself."""
    scene.later(register.free)
    register.fill()
    scene.alarm(scene.primary, "register")
    scene.alarm(scene.standby, "register")
    before = register.beat()
    scene.quiet()
    assert register.beat() in (None, before), "it has renewed: its disk is not full"
    assert lab.is_writable(scene.primary)
    register.free()
    lab.wait_for("renewals again", lambda: (register.beat() or 0) > (before or 0), 60, every=0.5)
    lab.wait_for("the end of the alarm", lambda: "register" not in lab.status(scene.primary)["alarms"], 30, every=0.5)


@row("the register's host stands still for 30 s, the vote proxy with it", "N+A", outage=5, engine="vote_host")
def host_stands_still(scene: Scene) -> None:
    faults.frozen_host("vote")
    scene.alarm(scene.primary, "register", "stalled", within=25)
    scene.quiet(30)
    assert lab.is_writable(scene.primary)


# sender, receiver, who names it
LINKS = (
    ("primary", "vote", "primary"),
    ("vote", "primary", "primary"),
    ("standby", "vote", "standby"),
    ("vote", "standby", "standby"),
)


def _one_way(sender: str, receiver: str, who: str, port: int) -> None:
    what = "the register's port" if port else "all traffic, the register's too"

    @row(f"one way cut: {sender} to {receiver}, {what}", "N+A", outage=5, engine="vote_host")
    def story(scene: Scene) -> None:
        names = {"primary": scene.primary, "standby": scene.standby, "vote": "vote"}
        scene.cut(names[sender], names[receiver], port=port)
        scene.alarm(names[who], "register", "does not answer")
        scene.quiet()
        assert lab.is_writable(scene.primary)


for _port in (register_sql.PORT, 0):
    for _link in LINKS:
        _one_way(*_link, _port)


@row(
    "vote proxy hangs and the link primary-standby is cut, at once: the primary renews, nobody is fenced",
    "N+A",
    outage=5,
)
def proxy_hangs_and_nodes_apart(scene: Scene) -> None:
    with scene.unfenced():
        lab.on("vote", "systemctl", "kill", "-s", "STOP", "sky-vote-proxy")
        scene.cut_both(scene.primary, scene.standby)
        scene.alarm(scene.standby, "renews", within=15)
        scene.quiet(20)
    assert lab.is_writable(scene.primary)


@row("vote proxy hangs, the link primary-standby is cut, and some seconds later the primary dies", "F")
def proxy_hangs_and_the_primary_dies(scene: Scene) -> None:
    scene.lost_within = 15.0  # nothing replicates from the cut on
    lab.on("vote", "systemctl", "kill", "-s", "STOP", "sky-vote-proxy")
    scene.cut_both(scene.primary, scene.standby)
    scene.alarm(scene.standby, "renews", within=15)
    faults.power_loss(scene.primary)
    scene.took_over()


@row("skyha is stopped on the primary, then the VIP goes down: the heir was taken back, so nobody takes over", "N+A")
def skyha_stopped_without_vip(scene: Scene) -> None:
    """Without a register the standby would fence it. Who stops skyha takes the primary into his own hands."""
    scene.skyha(scene.primary, "stop")
    faults.drop_vip(scene.primary)
    scene.alarm(scene.standby, "no_failover", "not the heir")
    scene.quiet()
    lab.on(scene.primary, "systemctl", "start", "skyha")
    scene.commits()


@row(
    "back soon: the primary's host is reset while nobody may take over; beside its standby it serves at once",
    "R",
    outage=20,
)
def back_soon(scene: Scene) -> None:
    """Without a register it waits for 26 s, in which that standby might have fenced it and be about to promote."""
    scene.skyha(scene.standby, "stop")
    lab.lab("power", scene.primary, "reset")
    scene.commits(60)


@row(
    "both hosts lose power between hand-over and promotion; only the new holder comes back, and serves",
    "S or F",
    outage=90,
)
def power_lost_after_the_hand_over(scene: Scene) -> None:
    scene.lost_within = 0.0
    with pause_points.switchover_that_stops(scene.primary):
        startup = lab.sql(scene.standby, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'")
        lab.on(scene.standby, "kill", "-STOP", startup)  # so it receives, and does not promote
    lab.wait_for("the hand-over", lambda: register.holder() == scene.standby, 60, every=0.02)
    lab.lab("power", scene.primary, "off", "--with-bmc")
    assert not lab.is_writable(scene.standby), "promoted before the power went"
    faults.power_loss(scene.standby)
    lab.lab("power", scene.standby, "on", "--wait")
    scene.took_over()

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time takes the place of the fence: the lease, and the watchdogs that it leans on; played where the lab has a register."""

from __future__ import annotations

import os

from tests.faults.rows import row
from tests.faults.scene import CONF, Scene
from tests.lab import faults, lab, register


@row("host and BMC of the primary lose power together: the standby takes over by the lease", "F", outage=10)
def host_and_bmc_lose_power(scene: Scene) -> None:
    scene.leased()
    lab.lab("power", scene.primary, "off", "--with-bmc")
    scene.took_over()


@row("BMC unreachable in quiet times: the standby stays armed, by the lease", "N+A", outage=5)
def bmc_unreachable(scene: Scene) -> None:
    scene.leased()
    lab.lab("bmc", scene.primary, "stop")
    scene.alarm(scene.standby, "bmc", within=120)
    assert lab.status(scene.standby)["armed"]


@row("BMC says done, power stays on, and the primary is cut off: it stops by itself, then the standby takes over", "F")
def bmc_lies(scene: Scene) -> None:
    scene.leased()
    before = register.bites(scene.primary)
    lab.lab("bmc", scene.primary, "lie", "on")
    faults.network_cut(scene.primary)
    scene.took_over()
    assert register.bites(scene.primary) == before, "it had stopped in time, and was reset all the same"


@row("the primary's host freezes, and its BMC is dead: its watchdog resets it, the standby takes over", "F")
def frozen_without_bmc(scene: Scene) -> None:
    """After the reset it stays off, as one that hangs in its firmware: where it is back in time, it renews and serves on."""
    scene.leased()
    before = lab.pid_of(scene.primary)
    lab.lab("bmc", scene.primary, "stop")
    faults.frozen_host(scene.primary)
    lab.wait_for("the reset", lambda: lab.pid_of(scene.primary) not in (0, before), 20, every=0.05)
    assert not lab.is_writable(scene.standby), "promoted before the reset"
    faults.power_loss(scene.primary)
    scene.took_over()


@row("skyha on the primary stands still (SIGSTOP): the watchdog resets the host, then the standby takes over", "F")
def skyha_stands_still(scene: Scene) -> None:
    scene.leased()
    _is_not_started_at_boot(scene)
    _reset_before_promotion(scene, "kill -STOP $(systemctl show -p MainPID --value skyha)")


@row("skyha on the primary is killed and stays away: the watchdog resets the host, then the standby takes over", "F")
def skyha_stays_away(scene: Scene) -> None:
    scene.leased()
    _is_not_started_at_boot(scene)
    folder = "/run/systemd/system/skyha.service.d"  # gone with the reset
    never = f"mkdir -p {folder} && printf '[Unit]\\nConditionPathExists=!/run\\n' > {folder}/never.conf"
    scene.later(lab.on, scene.primary, "sh", "-c", f"rm -rf {folder}; systemctl daemon-reload; systemctl start skyha")
    kill = "kill -9 $(systemctl show -p MainPID --value skyha)"
    _reset_before_promotion(scene, f"{never} && systemctl daemon-reload && {kill}")


def _is_not_started_at_boot(scene: Scene) -> None:
    """So the primary is not back, and renews, before the standby has noticed: a lab host boots within some seconds."""
    lab.on(scene.primary, "systemctl", "disable", "-q", "skyha")
    scene.later(lab.on, scene.primary, "systemctl", "enable", "-q", "skyha")


def _reset_before_promotion(scene: Scene, command: str) -> None:
    """The command takes skyha away on the primary, whose PostgreSQL runs on meanwhile."""
    before = register.bites(scene.primary)
    lab.on(scene.primary, "sh", "-c", command)
    lab.wait_for("the watchdog's bite", lambda: register.bites(scene.primary) > before, 20, every=0.05)
    assert not lab.is_writable(scene.standby), "promoted before the reset"
    scene.took_over()


@row("the register is stopped, for long: the primary serves on by the standby's promises", "N+A", outage=5)
def stopped_for_long(scene: Scene) -> None:
    scene.leased()
    before = register.bites(scene.primary)
    register.stopped()
    scene.later(register.heal)
    scene.alarm(scene.primary, "register", "does not answer")
    scene.quiet(20)  # some leases long
    assert lab.is_writable(scene.primary)
    assert register.is_guarded(scene.primary)
    assert register.bites(scene.primary) == before


@row(
    "the register is stopped, then the standby is lost: the primary stops with its lease, and serves when the register is back",
    "R+A",
)
def stopped_then_standby_lost(scene: Scene) -> None:
    """The price of the lease: nobody could be told that there is no heir any more."""
    scene.leased()
    bitten, before = register.bites(scene.primary), scene.noted(scene.primary, "lease_over")
    register.stopped()
    scene.later(register.heal)
    scene.alarm(scene.primary, "register", "does not answer")
    faults.power_loss(scene.standby)
    lab.wait_for("the end of the lease", lambda: scene.noted(scene.primary, "lease_over") > before, 20, every=0.3)
    lab.wait_for("no writing any more", lambda: not lab.is_writable(scene.primary), 5)
    scene.quiet()
    assert not lab.is_writable(scene.primary)
    assert register.bites(scene.primary) == bitten, "it had stopped in time, and was reset all the same"
    register.heal()
    scene.commits(60)


@row("skyha is stopped on the primary: the host is not reset, and nobody takes over", "N", outage=5)
def skyha_stopped(scene: Scene) -> None:
    scene.leased()
    before = register.bites(scene.primary)
    scene.skyha(scene.primary, "stop")
    assert register.is_at_rest(scene.primary)
    scene.quiet(15)
    assert lab.is_writable(scene.primary)
    assert register.bites(scene.primary) == before
    lab.on(scene.primary, "systemctl", "start", "skyha")
    scene.leased()


RESTARTS = 20 if os.environ.get("LAB_LONG") else 5


@row("skyha is restarted again and again on the primary, under load: the host is not reset", "N", outage=5)
def skyha_restarted(scene: Scene) -> None:
    """20 times in make faults (LAB_LONG)."""
    scene.leased()
    before = register.bites(scene.primary)
    _load(scene)
    for _ in range(RESTARTS):
        scene.skyha(scene.primary, "restart")
        scene.leased()
    assert lab.on(scene.primary, "systemctl", "is-active", "lab-load").strip() == "active", "there was no load"
    assert register.bites(scene.primary) == before


def _load(scene: Scene) -> None:
    """Four clients of the primary write as fast as they can, until the story is over."""
    lab.on(scene.primary, *lab.AS_POSTGRES, "pgbench -q -i -s 2 postgres", timeout=120)
    scene.later(
        lab.sql, scene.primary, "DROP TABLE pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history"
    )
    scene.later(lab.on, scene.primary, "sh", "-c", "systemctl stop lab-load || true")
    load = "pgbench -n -c 4 -j 1 -T 900 postgres"
    lab.on(scene.primary, "systemd-run", "-q", "--collect", "--unit=lab-load", *lab.AS_POSTGRES, load)


@row("the primary's watchdog could not be put to rest (nowayout): no lease, the fence stays", "N+A", outage=5)
def nowayout(scene: Scene) -> None:
    _without_watchdog(scene, "nowayout")
    scene.quiet()


@row("the primary's watchdog does not answer: no lease, the fence stays", "N+A", outage=5)
def watchdog_stuck(scene: Scene) -> None:
    _without_watchdog(scene, "stuck")
    scene.quiet()


@row("the primary's watchdog is no good, and its power is cut: it is fenced as without a lease", "F+A")
def nowayout_then_power(scene: Scene) -> None:
    before = scene.noted(scene.standby, "fencing")
    _without_watchdog(scene, "nowayout")
    faults.power_loss(scene.primary)
    scene.took_over()
    assert scene.noted(scene.standby, "fencing") > before


def _without_watchdog(scene: Scene, fault: str) -> None:
    """The primary's skyha starts with this fault of its watchdog; the standby is armed by the fence then."""
    node = scene.primary
    scene.skyha(node, "stop")
    scene.later(lab.on, node, "systemctl", "restart", "skyha")
    scene.later(lab.lab, "watchdog", node, "heal")
    lab.lab("watchdog", node, fault)
    lab.on(node, "systemctl", "start", "skyha")
    scene.alarm(node, "watchdog")
    lab.wait_for("the standby armed", lambda: lab.status(scene.standby)["armed"], 60, every=0.3)
    assert register.term(node) == 0


@row("no BMC at all, and the primary's power is cut: the standby takes over by the lease alone", "F", outage=10)
def without_any_bmc(scene: Scene) -> None:
    """Virtual machines, rented hosts: neither node's skyha knows of a BMC."""
    for node in lab.NODES:
        scene.later(
            lab.on, node, "sh", "-c", f"test ! -e {CONF}.kept || mv {CONF}.kept {CONF}; systemctl restart skyha"
        )
        less = f"cp -pn {CONF} {CONF}.kept; awk '/^\\[/ {{skip = /^\\[agent/}} !skip' {CONF}.kept > {CONF}"
        lab.on(node, "sh", "-c", f"{less}; systemctl restart skyha")
    lab.wait_for("the cluster armed without a BMC", lab.is_whole, 90, every=0.5)
    scene.leased()
    faults.power_loss_with_bmc(scene.primary)
    scene.took_over()


@row("the standby is lost, then the vote host: the primary serves on", "N+A", outage=5)
def standby_then_vote_lost(scene: Scene) -> None:
    """The register was told that there is no heir, so there is no lease that could run out."""
    scene.leased()
    before = register.bites(scene.primary)
    faults.power_loss(scene.standby)
    scene.alarm(scene.primary, "standby")
    lab.wait_for("no heir any more", lambda: not register.told(scene.primary).get("heir"), 60, every=0.3)
    faults.power_loss("vote")
    scene.quiet(30)
    assert lab.is_writable(scene.primary)
    assert register.bites(scene.primary) == before


@row(
    "the vote host is lost, for long: the primary serves on by the standby's promises",
    "N+A",
    outage=5,
    engine="vote_host",
)
def vote_lost_for_long(scene: Scene) -> None:
    scene.leased()
    before = register.bites(scene.primary)
    faults.power_loss("vote")
    scene.alarm(scene.primary, "register", "does not answer")
    scene.alarm(scene.standby, "vote_path")
    scene.quiet(30)
    assert lab.is_writable(scene.primary)
    assert not lab.status(scene.standby)["armed"]
    assert register.bites(scene.primary) == before

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register itself fails, or time takes the place of the fence (the lease); played where the lab has one (LAB_REGISTER=vote_host)."""

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
    before = _noted(scene.standby, "fencing")
    lab.lab("power", scene.primary, "soft")
    scene.took_over()
    assert _noted(scene.standby, "fencing") == before, "the old primary was fenced, and had handed over"


def _noted(node: str, kind: str) -> int:
    """How many such events the node's history holds."""
    return int(lab.on(node, "sh", "-c", f'grep -c \'"kind":"{kind}"\' /var/lib/skyha/history.jsonl || true'))


# --- the lease -----------------------------------------------------------------------------------------------------


def leased(scene: Scene) -> None:
    """The lease is in force: the standby may take over by time, and the primary's watchdog is fed."""
    lab.wait_for(
        "a lease in force", lambda: _term(scene.primary) > 0 and register.is_guarded(scene.primary), 60, every=0.3
    )


def _term(node: str) -> float:
    lease = (lab.status(node).get("register") or {}).get("lease") or {}
    return lease.get("term") or 0.0


@row("host and BMC of the primary lose power together: the standby takes over by the lease", "F", outage=10)
def host_and_bmc_lose_power(scene: Scene) -> None:
    leased(scene)
    lab.lab("power", scene.primary, "off", "--with-bmc")
    scene.took_over()


@row("BMC unreachable in quiet times: the standby stays armed, by the lease", "N+A", outage=5)
def bmc_unreachable(scene: Scene) -> None:
    leased(scene)
    lab.lab("bmc", scene.primary, "stop")
    scene.alarm(scene.standby, "bmc", within=120)
    assert lab.status(scene.standby)["armed"]


@row("BMC says done, power stays on, and the primary is cut off: it stops by itself, then the standby takes over", "F")
def bmc_lies(scene: Scene) -> None:
    leased(scene)
    before = register.bites(scene.primary)
    lab.lab("bmc", scene.primary, "lie", "on")
    faults.network_cut(scene.primary)
    scene.took_over()
    assert register.bites(scene.primary) == before, "it had stopped in time, and was reset all the same"


@row("the primary's host freezes, and its BMC is dead: its watchdog resets it, the standby takes over", "F")
def frozen_without_bmc(scene: Scene) -> None:
    """After the reset it stays off, as one that hangs in its firmware: where it is back in time, it renews and serves on."""
    leased(scene)
    before = lab.pid_of(scene.primary)
    lab.lab("bmc", scene.primary, "stop")
    faults.frozen_host(scene.primary)
    lab.wait_for("the reset", lambda: lab.pid_of(scene.primary) not in (0, before), 20, every=0.05)
    assert not lab.is_writable(scene.standby), "promoted before the reset"
    faults.power_loss(scene.primary)
    scene.took_over()


@row("skyha on the primary stands still (SIGSTOP): the watchdog resets the host, then the standby takes over", "F")
def skyha_stands_still(scene: Scene) -> None:
    leased(scene)
    _is_not_started_at_boot(scene)
    _reset_before_promotion(scene, "kill -STOP $(systemctl show -p MainPID --value skyha)")


@row("skyha on the primary is killed and stays away: the watchdog resets the host, then the standby takes over", "F")
def skyha_stays_away(scene: Scene) -> None:
    leased(scene)
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
    leased(scene)
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
    leased(scene)
    bitten, before = register.bites(scene.primary), _noted(scene.primary, "lease_over")
    register.stopped()
    scene.later(register.heal)
    scene.alarm(scene.primary, "register", "does not answer")
    faults.power_loss(scene.standby)
    lab.wait_for("the end of the lease", lambda: _noted(scene.primary, "lease_over") > before, 20, every=0.3)
    lab.wait_for("no writing any more", lambda: not lab.is_writable(scene.primary), 5)
    scene.quiet()
    assert not lab.is_writable(scene.primary)
    assert register.bites(scene.primary) == bitten, "it had stopped in time, and was reset all the same"
    register.heal()
    scene.commits(60)


@row("skyha is stopped on the primary: the host is not reset, and nobody takes over", "N", outage=5)
def skyha_stopped(scene: Scene) -> None:
    leased(scene)
    before = register.bites(scene.primary)
    scene.skyha(scene.primary, "stop")
    assert register.is_at_rest(scene.primary)
    scene.quiet(15)
    assert lab.is_writable(scene.primary)
    assert register.bites(scene.primary) == before
    lab.on(scene.primary, "systemctl", "start", "skyha")
    leased(scene)


@row("skyha is restarted five times on the primary: the host is not reset", "N", outage=5)
def skyha_restarted(scene: Scene) -> None:
    leased(scene)
    before = register.bites(scene.primary)
    for _ in range(5):
        scene.skyha(scene.primary, "restart")
        leased(scene)
    assert register.bites(scene.primary) == before


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
    before = _noted(scene.standby, "fencing")
    _without_watchdog(scene, "nowayout")
    faults.power_loss(scene.primary)
    scene.took_over()
    assert _noted(scene.standby, "fencing") > before


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
    assert _term(node) == 0

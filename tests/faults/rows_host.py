# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of whole hosts, and of the fence that they need."""

from __future__ import annotations

from tests.faults.rows import NO_HEIR, row
from tests.faults.scene import Scene
from tests.lab import faults, lab


@row("power of the primary cut, BMC alive (it is off already when it is fenced)", "F", selection=True)
def power_of_the_primary(scene: Scene) -> None:
    faults.power_loss(scene.primary)
    scene.took_over()


@row("the primary's host is shut down by hand", "F")
def shut_down(scene: Scene) -> None:
    lab.lab("power", scene.primary, "soft")
    scene.took_over()


BY_TIME = "with a lease the standby takes over by itself"
ARMED_BY_TIME = "with a lease the standby is armed without its peer's BMC: a row of its own"


@row(
    "power of host and BMC both gone, an operator confirms that it is off",
    "F+A",
    selection=True,
    without_register=BY_TIME,
)
def host_and_bmc_gone(scene: Scene) -> None:
    _host_and_bmc_gone(scene)
    lab.on(scene.standby, "skyctl", "confirm-off", "--yes", scene.primary)
    scene.took_over()


@row("power of host and BMC both gone, then the BMC is back", "F+A", without_register=BY_TIME)
def bmc_comes_back(scene: Scene) -> None:
    _host_and_bmc_gone(scene)
    lab.lab("bmc", scene.primary, "start")
    scene.took_over()


def _host_and_bmc_gone(scene: Scene) -> None:
    lab.lab("bmc", scene.primary, "stop")
    faults.power_loss(scene.primary)
    scene.alarm(scene.standby, "fence_failed")
    scene.quiet()
    assert not lab.is_writable(scene.standby)


@row("host frozen", "F", selection=True)
def host_frozen(scene: Scene) -> None:
    faults.frozen_host(scene.primary)
    scene.took_over()


@row("BMC unreachable in quiet times", "N+A", outage=5, without_register=ARMED_BY_TIME)
def bmc_unreachable(scene: Scene) -> None:
    """Named within its check interval of a minute, without anybody's help."""
    lab.lab("bmc", scene.primary, "stop")
    scene.alarm(scene.standby, "bmc", within=120)
    assert not lab.status(scene.standby)["armed"]


@row("BMC hangs in quiet times", "N+A", outage=5)
def bmc_hangs(scene: Scene) -> None:
    lab.lab("bmc", scene.primary, "pause")
    scene.skyha(scene.standby, "restart")
    scene.alarm(scene.standby, "bmc", within=120)


@row("the BMC's password is wrong", "N+A", selection=True, outage=5, without_register=ARMED_BY_TIME)
def bmc_password(scene: Scene) -> None:
    lab.lab("bmc", scene.primary, "password", "another")
    scene.skyha(scene.standby, "restart")
    scene.alarm(scene.standby, "bmc", "assword")
    assert not lab.status(scene.standby)["armed"]


@row("the standby's BMC cannot be reached by the primary", "N+A", outage=5)
def standbys_bmc(scene: Scene) -> None:
    lab.lab("bmc", scene.standby, "stop")
    scene.skyha(scene.primary, "restart")
    scene.alarm(scene.primary, "bmc")


@row("BMC says done, power stays on", "N+A", selection=True, tried=True, without_register=NO_HEIR)
def bmc_lies(scene: Scene) -> None:
    lab.lab("bmc", scene.primary, "lie", "on")
    _primary_without_vip(scene)
    scene.alarm(scene.standby, "fence_failed")
    scene.quiet(4)
    assert not lab.is_writable(scene.standby)
    # Before the BMC is honest again: an attempt that comes between that and the VIP would succeed.
    scene.skyha(scene.primary, "start")
    lab.wait_for("the failover called off", lambda: lab.status(scene.standby)["intent"] is None, 60)


@row("BMC says done and off, and the host runs on", "N+A", tried=True, without_register=NO_HEIR)
def bmc_lies_fully(scene: Scene) -> None:
    scene.later(lab.on, scene.standby, "skyctl", "acknowledge")
    scene.skyha(scene.primary, "stop")
    # A quiet check that reads 'off' of a host that answers would disarm: the next one is a minute after this.
    lab.on(scene.standby, "skyctl", "fence-test")
    lab.lab("bmc", scene.primary, "lie", "full")
    faults.drop_vip(scene.primary)
    scene.quiet()
    scene.skyha(scene.primary, "start")
    scene.alarm(scene.standby, "fence_distrusted")
    assert not lab.is_writable(scene.standby)


def _primary_without_vip(scene: Scene) -> None:
    scene.skyha(scene.primary, "stop")
    faults.drop_vip(scene.primary)


@row("BMC is slow: two seconds for each answer", "F")
def bmc_slow(scene: Scene) -> None:
    lab.lab("bmc", scene.primary, "slow", "2")
    faults.network_cut(scene.primary)
    scene.took_over()


@row("BMC carries the order out 60 s late", "F", without_register=BY_TIME)
def bmc_late(scene: Scene) -> None:
    """The primary is cut off and accepts commits all that time: nobody is promoted before its real end."""
    lab.lab("bmc", scene.primary, "late", "60")
    faults.network_cut(scene.primary)
    scene.alarm(scene.standby, "fence_failed", within=40)
    assert not lab.is_writable(scene.standby)
    scene.took_over(120)


@row("BMC says off a second before it is", "F")
def bmc_early(scene: Scene) -> None:
    lab.lab("bmc", scene.primary, "early", "1")
    faults.network_cut(scene.primary)
    scene.took_over()


@row("both nodes rebooted together", "N")
def both_rebooted(scene: Scene) -> None:
    """The former primary serves again; nobody is fenced or promoted."""
    for node in lab.NODES:
        faults.power_loss(node)
    for node in lab.NODES:
        lab.lab("power", node, "on")
    scene.commits(120)


@row("only the former standby comes back", "N+A")
def only_the_standby_comes_back(scene: Scene) -> None:
    for node in lab.NODES:
        faults.power_loss(node)
    lab.lab("power", scene.standby, "on", "--wait")
    scene.alarm(scene.standby, "no_failover")
    scene.quiet()
    assert not lab.is_writable(scene.standby)


@row("only the former primary comes back", "N+A", without_register="who holds serves: a row of its own")
def only_the_primary_comes_back(scene: Scene) -> None:
    """Its peer may have been promoted meanwhile: it waits for it."""
    for node in lab.NODES:
        faults.power_loss(node)
    lab.lab("power", scene.primary, "on", "--wait")
    scene.alarm(scene.primary, "down", "may have been promoted")
    scene.quiet()
    assert not lab.is_writable(scene.primary)


@row("power of the standby cut", "N+A", outage=5)
def power_of_the_standby(scene: Scene) -> None:
    faults.power_loss(scene.standby)
    scene.alarm(scene.primary, "standby")
    scene.quiet(3)


@row("the standby's host frozen", "N", outage=5)
def standby_frozen(scene: Scene) -> None:
    """For longer than every patience; when it thaws it must not act on what it saw before."""
    faults.frozen_host(scene.standby)
    scene.quiet(20)
    lab.lab("unpause", scene.standby)
    scene.quiet(5)

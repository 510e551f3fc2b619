# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the proof of a fence is worth, and for how long: BMCs that lie, hosts that are back before the promotion is."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import begin
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Intent, Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.standby import decide_standby
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Outcome, Power, Seen, Task

from tests.simulation.story import story
from tests.simulation.verbs import QUIET, converges, ready


@pytest.mark.parametrize("action", ["off", "reset"])
@pytest.mark.parametrize("boot_time", [0.5, 1.0, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("hangs", [1.0, 2.5, 4.0, 5.5, 8.0, 15.0])
def test_fenced_host_that_boots_before_the_promotion_is_through_does_not_serve(
    action: str, boot_time: float, hangs: float
) -> None:
    """It sees by SQL a standby that was not promoted; that may change at any moment."""
    world = ready(fence={"action": action})
    world.boot_time = boot_time
    world.node2.pg.promotion_hangs = True
    world.node1.freeze()
    assert world.run_until(lambda: world.node2.pg.promoting, 30) is not None, story(world)
    world.node1.switch_on("somebody pressed the button")
    world.run(hangs)
    world.node2.pg.promotion_hangs = False
    world.run(60)
    assert not world.broken, story(world)
    converges(world, 200)


def test_bmc_that_says_off_of_a_serving_primary_disarms() -> None:
    """It is the BMC of another host; a primary that is cut off from everything would be silent, and not be off."""
    world = ready()
    world.bmcs["node1"].lies = True
    world.run(world.config("node2").timing.bmc_check_interval + 5)
    assert "bmc" in world.alarms("node2"), story(world)
    world.isolate("node1")
    world.run(120)
    assert world.oracles.promotions == 0, story(world)
    assert not world.broken, story(world)
    world.heal()
    world.bmcs["node1"].lies = False
    world.run(world.config("node2").timing.bmc_retry_interval + 5)
    assert not [alarm for alarm in world.alarms("node2") if alarm not in QUIET], story(world)


def test_bmc_that_has_said_nothing_but_off_arms_nobody() -> None:
    """skyha was stopped for a while, and the primary falls silent right after the first check: nothing has belied that BMC yet."""
    world = ready()
    world.bmcs["node1"].lies = True
    world.node2.skyha_off = True
    world.node2.daemon.kill("stopped")
    world.run(world.config("node2").timing.arming_window)
    world.node2.skyha_off = False
    world.node2.daemon.start()
    loop = world.node2.daemon
    assert (
        world.run_until(lambda: loop.loop is not None and loop.loop.memory.upkeep.bmc_off_at is not None, 30)
        is not None
    )
    world.isolate("node1")
    world.run(120)
    assert world.oracles.promotions == 0, story(world)
    assert not world.broken, story(world)


def test_bmc_that_was_belied_disarms_the_next_skyha_too() -> None:
    """Killed with the primary: what the last one knew before it was disarmed is not taken up."""
    world = ready()
    world.bmcs["node1"].lies = True
    seen = world.config("node2").timing.bmc_check_interval + 5
    assert world.run_until(lambda: "bmc" in world.alarms("node2"), seen) is not None, story(world)
    world.node2.daemon.kill()
    world.isolate("node1")
    world.run(60)
    assert world.oracles.promotions == 0, story(world)
    assert not world.broken, story(world)


def test_bmc_that_says_off_of_a_streaming_standby_is_alarmed_on_the_primary() -> None:
    world = ready()
    world.bmcs["node2"].lies = True
    world.run(world.config("node1").timing.bmc_check_interval + 50)
    assert "bmc" in world.alarms("node1"), story(world)


@pytest.mark.parametrize("sign", ["accepts", "refuses", "streams"])
def test_host_that_is_said_to_be_off_and_is_not_silent_is_not_believed(sign: str) -> None:
    """A host without power accepts nothing, refuses nothing and sends no WAL, whatever its BMC says."""
    world = ready()
    world.bmcs["node1"].lies = True
    world.node1.skyha_off = True
    world.node1.daemon.kill("stopped")
    if sign == "accepts":
        world.node1.pg.set_hung(True)
    elif sign == "refuses":
        world.node1.pg.stop(False)
    else:
        world.node1.set_vip(False)
    assert world.run_until(lambda: "fence_read_back" in world.events("node2"), 30) is not None, story(world)
    world.run(30)
    assert world.oracles.promotions == 0, story(world)
    assert world.alarms("node2").keys() & {"listening", "no_failover", "fencing"}, story(world)


@pytest.mark.parametrize("before", [0.0, 0.01, 0.05, 0.1, 0.3, 0.6, 1.0])
def test_power_loss_that_the_bmc_tells_first_is_no_contradiction(before: float) -> None:
    """The quiet check reads off, and the standby has not noticed yet that the primary is gone."""
    world = ready()
    assert world.run_until(lambda: world.events("node2") != [] and _check_is_near(world, before), 130) is not None
    world.node1.switch_off("its power is cut")
    assert world.run_until(lambda: world.primary() is world.node2, 30) is not None, story(world)


def _check_is_near(world, before: float) -> bool:
    loop = world.node2.daemon.loop
    asked = loop.memory.upkeep.bmc_asked_at
    due = world.config("node2").timing.bmc_check_interval - (world.node2.daemon.monotonic() - asked)
    return due <= before + 0.05


@pytest.mark.parametrize(("late", "stage"), [(0.0, Stage.LISTENING), (60.0, Stage.FENCING)])
def test_proof_that_was_read_before_this_host_stood_still_is_none(late: float, stage: Stage) -> None:
    world = ready()
    config = world.config("node2")
    memory = world.node2.daemon.loop.memory
    memory = begin(
        dataclasses.replace(memory, fence=dataclasses.replace(memory.fence, at=100.0)),
        Intent(Stage.FENCING, 100.0, 95.0, "", attempts=1),
    )
    proven = Outcome(Task.FENCE, True, "read back: off", Power.OFF, proof=True)
    local = world.node2.daemon.loop.seen.local
    decision = decide_standby(config, memory, Seen(local, outcomes=(proven,)), 101.0 + late)
    assert decision.memory.record.intent.stage is stage

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Orders to a BMC that are carried out late, or that nobody lived to see carried out: what was switched off comes back."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order, Task

from tests.simulation.story import story
from tests.simulation.verbs import fails_over

LONGER_THAN_ALL_TRIES = 600


def fencing(world):
    """The primary is out of sight, and its BMC has the order."""
    world.isolate("node1")
    assert world.run_until(lambda: world.bmcs["node1"].ordered_off, 15) is not None, story(world)


def serves_again(world):
    assert world.run_until(lambda: world.node1.power and world.primary() is not None, 120) is not None, story(world)
    world.run(LONGER_THAN_ALL_TRIES)
    assert world.node1.power, story(world)
    assert world.primary() is not None, story(world)
    assert not world.broken, story(world)


class TestOrderNobodySawCarriedOut:
    @pytest.mark.parametrize("after", [0.0, 1.0, 2.5])
    def test_standby_that_reboots_while_it_is_carried_out(self, world, after):
        world.bmcs["node1"].takes = 3.0
        fencing(world)
        world.run(after)
        world.node2.reset("the standby's host reboots")
        world.run(5)
        assert not world.node1.power
        world.heal()
        serves_again(world)
        assert "switching_on" in world.events("node2")

    def test_standby_whose_own_server_does_not_come_up_then(self, world):
        world.bmcs["node1"].takes = 3.0
        fencing(world)
        world.node2.pg.broken = True
        world.node2.reset("the standby's host reboots")
        world.run(5)
        assert not world.node1.power
        world.heal()
        assert world.run_until(lambda: world.node1.power, 60) is not None, story(world)
        world.node2.pg.broken = False
        serves_again(world)

    @pytest.mark.without_register("the register is on that vote host: nobody takes without it")
    def test_standby_that_cannot_reach_the_vote_host_then(self, world):
        world.bmcs["node1"].takes = 3.0
        fencing(world)
        world.node2.reset("the standby's host reboots")
        world.network.vote.power = False
        world.run(5)
        world.heal()
        serves_again(world)

    def test_standby_that_is_switched_off_for_an_hour_then(self, world):
        world.bmcs["node1"].takes = 3.0
        fencing(world)
        world.node2.switch_off("power cut")
        world.heal()
        world.run(3600)
        world.node2.switch_on("power is back")
        serves_again(world)

    def test_pause_in_the_middle(self, world):
        """Paused means nothing automatic; after it the host comes back."""
        world.bmcs["node1"].takes = 14.0
        fencing(world)
        assert world.run_until(lambda: "fence_failed" in world.events("node2"), 30) is not None
        world.node2.daemon.order(Order.PAUSE)
        world.run(30)
        assert not world.node1.power
        world.heal()
        world.run(30)
        assert not world.node1.power
        world.node2.daemon.order(Order.RESUME)
        serves_again(world)

    def test_nobody_is_switched_on_in_the_middle_of_a_failover(self, world):
        begun, begins = [], world.oracles.task_begins

        def note(host, task):
            begun.append((task, world.primary() is world.node2))
            begins(host, task)

        world.oracles.task_begins = note
        world.bmcs["node1"].takes = 14.0  # the first attempt is not read back, the second is
        world.node2.pg.promote_time = 8.0
        world.isolate("node1")
        assert world.run_until(lambda: world.primary() is world.node2, 60) is not None, story(world)
        world.heal()
        serves_again(world)
        assert {serving for task, serving in begun if task is Task.POWER_ON} == {True}, story(world)

    def test_host_that_its_operator_switches_off_stays_off(self, world):
        """Only an order of skyha's own is undone: here none is out any more."""
        fencing_called_off(world, 14.0)
        world.run(200)
        assert world.primary() is world.node1 or world.node1.power, story(world)
        for host in world.hosts.values():
            assert not host.daemon.loop.memory.record.power_on_due, story(world)


def fencing_called_off(world, takes):
    """A healthy primary is out of sight for a while; its BMC carries the order out when it is long back."""
    world.bmcs["node1"].takes = takes
    fencing(world)
    assert world.run_until(lambda: "fence_failed" in world.events("node2"), 30) is not None, story(world)
    world.heal()
    assert world.run_until(lambda: "called_off" in world.events("node2"), 10) is not None, story(world)


class TestLateBlow:
    """The BMC carries an order out a minute late, when the host has long been seen healthy again."""

    def test_is_told_as_what_it_was_and_the_standby_takes_over(self, world):
        fencing_called_off(world, 60.0)
        world.run(5)
        began = world.oracles.fence_count
        assert world.run_until(lambda: not world.node1.power, 90) is not None, story(world)
        assert world.oracles.fence_count == began
        fails_over(world, within=8)
        told = [event.text for _, event in world.node2.daemon.events if event.kind in ("trouble", "fencing")]
        assert all("may have carried that order out only now" in text for text in told[-2:]), told
        serves_again(world)

    def test_of_a_standby_that_may_not_take_over_is_undone(self, world):
        fencing_called_off(world, 60.0)
        world.run(5)
        world.node2.pg.replay_paused = True
        assert world.run_until(lambda: not world.node1.power, 90) is not None, story(world)
        assert world.run_until(lambda: world.node1.power, 10) is not None, story(world)
        world.node2.pg.replay_paused = False
        serves_again(world)

    def test_no_promotion_before_the_real_end(self, world):
        world.bmcs["node1"].takes = 60.0
        world.isolate("node1")
        assert world.run_until(lambda: not world.node1.power, 90) is not None, story(world)
        assert world.oracles.promotions == 0
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None, story(world)
        world.heal()
        serves_again(world)


class TestBmcThatSaysOffTooSoon:
    """The host has power for a second yet, and is cut off: nobody could see that it still commits."""

    def test_it_is_read_twice(self, world):
        world.bmcs["node1"].takes, world.bmcs["node1"].early = 1.2, True
        world.isolate("node1")
        fails_over(world, within=7)
        assert not world.broken, story(world)

    def test_host_that_was_off_already_is_read_once(self, world):
        world.bmcs["node1"].early = True
        world.node1.switch_off("power cut")
        fails_over(world, within=3.6)

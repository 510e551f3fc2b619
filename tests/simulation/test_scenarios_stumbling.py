# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes wrong in the middle of a failover."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order, Task

from tests.simulation.story import story
from tests.simulation.verbs import converges, fails_over, frozen_before_the_fence, nobody_is_fenced, ready

WATCHDOG = 9.0  # seconds until a skyha that hangs is back: skyha_daemon_watchdog, and the time to kill and start it


class TestStumblingOnTheWay:
    @pytest.mark.parametrize("stage", ["fence_read_back", "fenced"])
    @pytest.mark.without_register("it holds by then, and serves itself")
    def test_standby_rebooted_after_the_fence_switches_the_old_primary_on_again(self, world, stage):
        world.node2.pg.promotion_hangs = True
        world.isolate("node1")
        assert world.run_until(lambda: stage in world.events("node2"), 10) is not None
        world.node2.reset("test")
        world.node2.pg.promotion_hangs = False
        world.heal()
        converges(world)
        assert world.primary() is world.node1
        assert world.oracles.promotions == 0

    def test_hanging_promotion_is_told_again_and_alarmed(self, world):
        world.node2.pg.promotion_hangs = True
        world.node1.switch_off("test")
        world.run(90)
        assert world.alarms("node2")
        world.node2.pg.promotion_hangs = False
        assert world.run_until(lambda: world.primary() is world.node2, 30) is not None, story(world)

    def test_old_primary_that_comes_on_while_the_promotion_hangs_is_fenced_again(self, world):
        world.node2.pg.promotion_hangs = True
        world.node1.switch_off("test")
        world.run(6)
        world.node1.switch_on("its power came back")
        world.run(40)
        world.node2.pg.promotion_hangs = False
        world.run(30)
        assert world.primary() is not None, story(world)

    @pytest.mark.parametrize("action", ["off", "reset"])
    @pytest.mark.without_register("it holds by then: the old primary starts nothing, nothing is taken back")
    def test_promotion_that_hangs_beyond_all_limits_is_taken_back(self, action):
        world = ready(fence={"action": action})
        world.boot_time = 25.0
        world.node2.pg.promotion_hangs = True
        world.node1.freeze()
        world.run(900)
        assert not world.node2.pg.promoting, story(world)
        assert "promotion_taken_back" in world.events("node2")
        world.node2.pg.promotion_hangs = False
        world.node1.switch_on("the operator")
        assert world.run_until(lambda: world.primary() is not None, 120) is not None, story(world)
        assert not world.broken, story(world)

    @pytest.mark.parametrize("stage", ["trouble", "fencing", "fence_read_back", "fenced"])
    def test_skyha_that_hangs_is_killed_by_its_watchdog_and_goes_on(self, world, stage):
        world.node1.switch_off("test")
        world.node1.mains = False
        before = world.events("node2").count(stage)
        assert world.run_until(lambda: world.events("node2").count(stage) > before, 10) is not None
        world.node2.skyha_off = True
        world.node2.daemon.kill("hangs")
        world.run(WATCHDOG)
        world.node2.skyha_off = False
        world.node2.daemon.start()
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None, story(world)

    def test_slot_that_cannot_be_made_holds_nothing_else_back(self, world):
        """max_replication_slots are used up, say: the peer is switched on again, and its BMC asked, all the same."""
        world.node2.failing.add("ensure_slot")
        world.node1.switch_off("test")
        fails_over(world, within=5)
        assert world.run_until(lambda: world.node1.power, 30) is not None, story(world)
        asked = world.node2.daemon.loop.memory.upkeep.bmc_ok_at
        world.run(200)
        assert (world.node2.daemon.loop.memory.upkeep.bmc_ok_at or 0) > (asked or 0), story(world)
        assert "action_ensure_slot" in world.alarms("node2")

    def test_tries_to_switch_the_peer_on_count_when_they_were_made(self, world):
        begun, begins = [], world.oracles.task_begins
        world.oracles.task_begins = lambda host, task: (begun.append(task), begins(host, task))
        world.node2.failing.add("ensure_slot")
        world.bmcs["node1"].acts = False  # says done, and does nothing
        world.node1.switch_off("test")
        fails_over(world, within=5)
        world.run(100)
        assert world.node2.daemon.loop.memory.upkeep.power_on_tries == begun.count(Task.POWER_ON) > 3, story(world)

    def test_vip_that_cannot_be_added_is_retried(self, world):
        world.node2.failing.add("add_vip")
        world.node1.switch_off("test")
        world.run(30)
        assert not world.node2.pg.is_standby
        assert "action_add_vip" in world.alarms("node2")
        world.node2.failing.clear()
        assert world.run_until(lambda: world.primary() is world.node2, 10) is not None

    def test_record_that_cannot_be_written_stops_everything(self, world):
        world.node2.store_fails = True
        world.node1.switch_off("test")
        nobody_is_fenced(world, 60)
        assert "record" in world.alarms("node2")
        world.node2.store_fails = False
        assert world.run_until(lambda: world.primary() is world.node2, 30) is not None, story(world)

    def test_record_that_cannot_be_written_is_found_in_quiet_times(self, world):
        """Within a minute, on either node; the standby is not armed, and takes over soon after there is room."""
        for host in ("node1", "node2"):
            getattr(world, host).store_fails = True
            assert world.run_until(lambda host=host: "record" in world.alarms(host), 60) is not None, story(world)
        assert not world.armed()
        world.node1.switch_off("test")
        nobody_is_fenced(world, 60)
        world.node2.store_fails = False
        assert world.run_until(lambda: world.primary() is world.node2, 15) is not None, story(world)

    @pytest.mark.parametrize("after", [0.5, 1.0, 1.5, 2.0, 2.5])
    def test_skyha_killed_before_the_fencing_began(self, world, after):
        world.node1.switch_off("test")
        assert world.run_until(lambda: "trouble" in world.events("node2"), 10) is not None
        world.run(after - 0.5)
        world.node2.daemon.kill()
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None, story(world)

    @pytest.mark.parametrize("before", [-0.9, -0.5, -0.1, 0.0, 0.3, 0.9, 1.1, 1.3, 1.6, 2.0, 3.0])
    def test_skyha_killed_around_the_death_of_the_primary(self, world, before):
        """The next one goes on with what this one knew, whether or not it has seen the primary alive."""
        if before >= 0:
            world.node2.daemon.kill()
            world.run(before)
        world.node1.switch_off("test")
        if before < 0:
            world.run(-before)
            world.node2.daemon.kill()
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None, story(world)

    def test_skyha_killed_every_two_seconds_from_the_death_of_the_primary_on(self, world):
        world.node1.switch_off("test")
        for _ in range(5):
            world.node2.daemon.kill()
            world.run(2.0)
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None, story(world)

    def test_skyha_that_is_restarted_with_another_configuration_has_to_see_it_work(self, world):
        """Its BMC may be another one now."""
        world.node2.daemon.kill()
        world.node1.switch_off("test")
        world.node1.mains = False
        world.configs["node2"] = replace(world.config("node2"), agents=world.config("node2").agents * 2)
        nobody_is_fenced(world, 30)

    def test_skyha_that_was_dead_for_long_does_not_take_up_old_evidence(self, world):
        world.isolate("node1")
        world.run(1.5)
        world.node2.skyha_off = True
        world.node2.daemon.kill()
        world.heal()
        world.run(300)
        world.isolate("node1")
        world.node2.skyha_off = False
        world.node2.daemon.start()
        nobody_is_fenced(world, 60)

    @pytest.mark.parametrize("calls", range(0, 40))
    def test_skyha_killed_once_the_fencing_began(self, world, calls):
        world.node1.switch_off("test")
        assert world.run_until(lambda: "fencing" in world.events("node2"), 10) is not None
        world.node2.daemon.doom = calls
        assert world.run_until(lambda: world.primary() is world.node2, 30) is not None, story(world)
        world.node2.daemon.doom = None
        converges(world)
        assert world.oracles.promotions == 1

    @pytest.mark.parametrize("stage", ["fencing", "fence_read_back", "fenced"])
    def test_pause_in_the_middle_of_a_failover(self, world, stage):
        world.node2.pg.promotion_hangs = True
        world.node1.switch_off("test")
        assert world.run_until(lambda: stage in world.events("node2"), 10) is not None
        world.node2.daemon.order(Order.PAUSE)
        world.run(2)
        world.node2.pg.promotion_hangs = False
        world.node1.switch_on("the operator")
        world.run(60)
        world.node2.daemon.order(Order.RESUME)
        world.run(60)
        assert world.primary() is not None, story(world)

    @pytest.mark.parametrize("apart", [0.5, 1.0, 2.0, 2.4, 2.5, 2.6, 2.8, 3.0])
    def test_standby_frozen_in_the_middle_of_a_failover(self, world, apart):
        """What it saw before it froze is an hour old when it thaws: the primary has gone on without it."""
        world.cut("node1", "node2")
        world.cut("node1", "vote")
        world.run(apart)
        world.node2.freeze()
        world.heal()
        world.run(3600)
        fences = world.oracles.fence_count
        world.node2.thaw()
        world.run(60)
        assert world.oracles.fence_count == fences, story(world)
        assert world.oracles.promotions == 0 or fences

    def test_standby_frozen_between_the_decision_to_fence_and_the_deed(self, world):
        frozen_before_the_fence(world)
        nobody_is_fenced(world, 60)

    def test_pause_survives_reboots_and_its_end_reaches_a_node_that_is_down(self, world):
        world.node2.daemon.order(Order.PAUSE)
        world.run(5)
        for host in (world.node1, world.node2):
            host.reset("test")
        world.run(60)
        assert [host.pg.state for host in (world.node1, world.node2)] == ["down", "down"]
        assert all("paused" in world.alarms(name) for name in ("node1", "node2"))
        world.node2.pg.start()  # by hand, a standby: that is always safe
        world.run(5)
        world.node1.daemon.order(Order.RESUME)
        converges(world)
        assert world.primary() is world.node1

    def test_pause_that_was_extended_lasts_over_a_reboot(self, world):
        world.node1.daemon.order(Order.PAUSE, 30.0)
        world.run(5)
        world.node1.daemon.order(Order.PAUSE, 300.0)
        world.run(5)
        world.node1.reset("test")
        world.run(60)
        assert "paused" in world.alarms("node1")
        world.run(300)
        assert world.primary() is not None

    @pytest.mark.parametrize("apart", [0.0, 0.1, 0.5, 1.0, 1.5])
    @pytest.mark.parametrize("last", [Order.PAUSE, Order.RESUME])
    @pytest.mark.parametrize("node", ["node1", "node2"])
    def test_opposite_orders_on_both_nodes_end_in_one_of_them(self, world, node, last, apart):
        """Neither node goes on to write its own: they would undo each other's for ever."""
        late = getattr(world, node)
        late.peer.daemon.order(Order.PAUSE if last is Order.RESUME else Order.RESUME)
        world.run(apart)
        late.daemon.order(last)
        world.run(10)
        paused = {name for name in ("node1", "node2") if "paused" in world.alarms(name)}
        assert paused in (set(), {"node1", "node2"}), story(world)
        if apart:
            assert bool(paused) == (last is Order.PAUSE), story(world)

    @pytest.mark.without_register("a paused cluster has no heir: after the pause only its holder names one")
    def test_pause_stops_all_and_resume_starts_it(self, world):
        world.node1.daemon.order(Order.PAUSE)
        world.run(5)
        assert "paused" in world.alarms("node2")
        world.node1.switch_off("test")
        nobody_is_fenced(world, 60)
        world.node2.daemon.order(Order.RESUME)
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None, story(world)

    def test_resume_on_the_primary_reaches_a_standby_that_is_down(self, world):
        """Its own copy of the database tells it nothing while it is down."""
        world.node2.daemon.order(Order.PAUSE)
        world.run(5)
        world.node2.pg.stop(False)
        world.run(10)
        assert not world.node2.pg.is_up
        world.node1.daemon.order(Order.RESUME)
        assert world.run_until(lambda: world.node2.pg.answers, 30) is not None, story(world)
        converges(world)


class TestPlannedStop:
    """stop_cluster.yml and start_cluster.yml: both servers are stopped while paused."""

    def test_standby_that_is_back_first_does_not_miss_the_primary_that_was_stopped(self, world):
        world.node1.daemon.order(Order.PAUSE)
        world.run(5)
        world.node1.pg.stop(False)
        world.run(6)
        world.node2.pg.stop(False)
        world.run(5)
        # The primary's host boots meanwhile, so that it is the later one.
        world.node1.switch_off("operator")
        world.node1.switch_on("operator")
        assert world.run_until(lambda: world.node1.daemon.alive, 60) is not None, story(world)
        world.run(3)
        world.node2.daemon.order(Order.RESUME)
        nobody_is_fenced(world, 20)
        world.node1.daemon.order(Order.RESUME)
        nobody_is_fenced(world, 30)
        converges(world)
        assert world.primary() is world.node1

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What comes after a failover: a node that was down comes back, or never does."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from tests.simulation.story import story
from tests.simulation.verbs import converges, fails_over, nobody_is_fenced, ready


class TestReturn:
    def test_fenced_node_that_cannot_reach_its_peer_stays_down(self, world):
        world.isolate("node1")
        fails_over(world, within=5)
        world.run(120)
        assert world.node1.power
        assert world.node1.pg.state == "down"
        assert not world.node1.vip
        assert "down" in world.alarms("node1")
        world.heal()
        converges(world)

    def test_isolated_primary_that_has_noted_that_it_is_alone_is_not_fenced_any_more(self, world):
        """It would serve again after the fence: nothing tells it that somebody was promoted."""
        world.node2.pg.replay_paused = True
        world.isolate("node1")
        world.run(world.configs["node1"].timing.alone_after + 60)
        assert not world.node1.daemon.loop.memory.record.standby_recorded
        world.node2.pg.replay_paused = False
        nobody_is_fenced(world, 120)
        assert "alone" in world.alarms("node2")["no_failover"]
        world.heal()
        converges(world)

    def test_fenced_node_meets_a_dead_new_primary_and_waits(self, world):
        world.node1.switch_off("test")
        world.node1.mains = False
        fails_over(world, within=5)
        world.run(5)
        world.node2.switch_off("test")
        world.node1.mains = True
        world.node1.switch_on("test")
        nobody_is_fenced(world, 120)
        assert world.node1.pg.state == "down"
        world.node2.switch_on("test")
        converges(world)
        assert world.primary() is world.node2

    def test_new_primary_alone_serves_again_after_a_reboot(self, world):
        world.node1.switch_off("test")
        world.node1.mains = False
        fails_over(world, within=5)
        world.node2.reset("test")
        assert world.run_until(lambda: world.primary() is world.node2, 60) is not None, story(world)

    def test_pg_rewind_impossible_keeps_the_data_and_alarms(self, world):
        world.rewind_impossible = True
        world.node1.switch_off("test")
        fails_over(world, within=5)
        world.run(40)
        assert "attempt 3 of 3" in world.alarms("node1")["down"]
        world.run(600)
        assert world.node1.pg.state == "down"
        assert "failover_rebuild" in world.alarms("node1")["down"]
        assert world.events("node1").count("rewind_failed") == 3

    def test_pg_rewind_that_failed_for_a_passing_reason_is_tried_again(self, world):
        world.rewind_impossible = True
        world.node1.switch_off("test")
        fails_over(world, within=5)
        assert world.run_until(lambda: "rewind_failed" in world.events("node1"), 60) is not None, story(world)
        world.rewind_impossible = False
        converges(world)

    def test_operator_orders_one_more_pg_rewind(self, world):
        world.rewind_impossible = True
        world.node1.switch_off("test")
        fails_over(world, within=5)
        world.run(200)
        world.rewind_impossible = False
        world.run(200)
        assert world.node1.pg.state == "down"
        world.node1.daemon.order(Order.REJOIN)
        converges(world)

    def test_failover_stays_alarmed_over_a_restart_in_place(self, world):
        world.node1.switch_off("test")
        fails_over(world, within=5)
        converges(world)
        world.node2.pg.crash("is killed")
        converges(world)
        told = [event.facts.get("code") for _, event in world.node2.daemon.events if event.kind == "alarm"]
        assert told.count("failover") == 1

    def test_interrupted_rewind_is_done_again_before_any_start(self, world):
        world.rewind_time = 5.0
        world.node1.switch_off("test")
        fails_over(world, within=5)
        assert world.run_until(lambda: world.node1.pg.rewinding, 60) is not None
        world.node1.switch_off("again")
        world.run(5)
        world.node1.switch_on("test")
        converges(world)

    def test_auto_rejoin_off_waits_for_the_operator(self):
        world = ready(failover={"auto_rejoin": False})
        world.node1.switch_off("test")
        fails_over(world, within=5)
        world.run(60)
        assert world.node1.pg.state == "down"
        assert "auto_rejoin" in world.alarms("node1")["down"]
        world.node1.daemon.order(Order.REJOIN)
        converges(world)

    @pytest.mark.parametrize("apart", [0.0, 0.3, 1.0, 2.0])
    @pytest.mark.parametrize("first", ["node1", "node2"])
    def test_both_rebooted_former_primary_serves_without_promotion(self, world, apart, first):
        host = world.hosts[first]
        host.reset("test")
        world.run(apart)
        host.peer.reset("test")
        converges(world)
        assert world.primary() is world.node1
        assert world.oracles.promotions == 0

    def test_only_the_former_standby_comes_back(self, world):
        world.node1.mains = False
        world.node1.switch_off("test")
        world.node2.reset("test")
        nobody_is_fenced(world, 180)
        assert "no_failover" in world.alarms("node2")

    def test_long_lonely_primary_serves_after_a_reboot_without_its_peer(self, world):
        world.node2.mains = False
        world.node2.switch_off("test")
        world.run(world.config("node1").timing.alone_after + 10)
        world.node1.reset("test")
        assert world.run_until(lambda: world.primary() is world.node1, 60) is not None, story(world)

    @pytest.mark.without_register("it is the holder: it serves at once")
    def test_briefly_lonely_primary_waits_after_a_reboot_without_its_peer(self, world):
        world.node2.mains = False
        world.node2.switch_off("test")
        world.run(60)
        world.node1.reset("test")
        nobody_is_fenced(world, 120)
        assert world.node1.pg.state == "down"
        world.node1.daemon.order(Order.CONFIRM_OFF)
        assert world.run_until(lambda: world.primary() is world.node1, 20) is not None, story(world)


class TestPeerThatIsGoneForEverAfterTheHandOver:
    """The old primary has all commits but those that the new one may have taken before it died."""

    def handed_over(self, world):
        world.node1.daemon.order(Order.SWITCHOVER)
        loop = world.node1.daemon.loop

        def told() -> bool:
            intent = loop.memory.record.intent
            return intent is not None and intent.stage is Stage.HANDED_OVER

        assert world.run_until(told, 30) is not None, story(world)
        world.node2.mains = False
        world.node2.switch_off("its mainboard dies")
        world.run(60)
        assert world.node1.pg.state == "down"
        assert "handed_over" in world.alarms("node1")

    def test_the_old_primary_serves_at_an_operators_word(self, world):
        self.handed_over(world)
        world.node1.daemon.order(Order.CONFIRM_OFF)
        assert world.run_until(lambda: world.primary() is world.node1, 20) is not None, story(world)

    def test_and_after_a_reboot_as_well(self, world):
        self.handed_over(world)
        world.node1.reset("the operator")
        world.run(60)
        assert world.node1.pg.state == "down"
        world.node1.daemon.order(Order.CONFIRM_OFF)
        assert world.run_until(lambda: world.primary() is world.node1, 20) is not None, story(world)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What comes after a failover, what goes wrong in the middle of one, and switchovers."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Stage
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
        world = ready(auto_rejoin=False)
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


class TestStumblingOnTheWay:
    @pytest.mark.parametrize("stage", ["fence_read_back", "fenced"])
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
    def test_promotion_that_hangs_beyond_all_limits_is_taken_back(self, action):
        world = ready(fence_action=action)
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

    @pytest.mark.parametrize("after", [0.5, 1.0, 1.5, 2.0, 2.5])
    def test_skyha_killed_before_the_fencing_began(self, world, after):
        world.node1.switch_off("test")
        assert world.run_until(lambda: "trouble" in world.alarms("node2"), 10) is not None
        world.run(after - 0.5)
        world.node2.daemon.kill()
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None, story(world)

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
        world.cut("node1", "node2")
        world.cut("node1", "vote")
        assert world.run_until(lambda: "trouble" in world.alarms("node2"), 10) is not None
        world.fsync_time = 3.0
        assert world.run_until(lambda: world.node2.daemon.saving, 20) is not None
        world.node2.freeze()
        world.heal()
        world.run(3600)
        world.node2.thaw()
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


class TestSwitchover:
    def test_moves_the_primary_without_loss_and_back(self, world):
        world.node1.daemon.order(Order.SWITCHOVER)
        began = world.now
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None, story(world)
        assert world.outage(began) <= 3
        converges(world)
        world.node2.daemon.order(Order.SWITCHOVER)
        assert world.run_until(lambda: world.primary() is world.node1, 20) is not None, story(world)
        assert world.oracles.fence_count == 0

    @pytest.mark.parametrize(
        "fault",
        [
            "power1",
            "power2",
            "isolate1",
            "isolate2",
            "cut",
            "freeze1",
            "freeze2",
            "kill1",
            "kill2",
            "hang1",
            "hang2",
            "crash2",
            "promote_peer",
            "promotion",
            "both",
        ],
    )
    @pytest.mark.parametrize("after", [0.02, 0.1, 0.3, 0.45, 0.6, 0.9, 1.5])
    def test_any_fault_during_it_ends_clean(self, world, fault, after):
        world.node1.daemon.order(Order.SWITCHOVER)
        world.run(after)
        node = world.hosts[f"node{fault[-1]}"] if fault[-1] in "12" else world.node2
        undo = {
            "power": lambda: (node.switch_off("test"), lambda: node.switch_on("test")),
            "isolate": lambda: (world.isolate(node.name), world.heal),
            "freeze": lambda: (node.freeze(), node.thaw),
            "kill": lambda: (node.daemon.kill(), lambda: None),
            "hang": lambda: (node.pg.set_hung(True), lambda: node.pg.set_hung(False)),
            "crash": lambda: (node.pg.crash("is killed"), lambda: None),
            "cut": lambda: (world.cut("node1", "node2"), world.heal),
            "promote_peer": lambda: (world.node1.failing.add("promote_peer"), world.node1.failing.clear),
            "promotion": lambda: (
                setattr(world.node2.pg, "promotion_hangs", True),
                lambda: setattr(world.node2.pg, "promotion_hangs", False),
            ),
            "both": lambda: ((world.node1.reset("test"), world.node2.reset("test")), lambda: None),
        }[fault.rstrip("12")]()[1]
        world.run(45)
        undo()
        converges(world, 200)

    @pytest.mark.parametrize("trouble", ["replay_paused", "slow replication", "walreceiver stopped"])
    def test_is_given_up_before_anything_stops_where_the_standby_is_behind(self, world, trouble):
        if trouble == "replay_paused":
            world.node2.pg.replay_paused = True
        elif trouble == "slow replication":
            world.stream.delay = 60.0
        else:
            world.stream.walsender_stopped = True
        world.run(2)
        began = world.now
        world.node1.daemon.order(Order.SWITCHOVER)
        nobody_is_fenced(world, 40)
        assert world.primary() is world.node1
        assert world.outage(began) == 0
        assert "switchover_failed" in world.events("node1")

    @pytest.mark.parametrize("after", [0.1, 0.3, 0.6, 1.0])
    def test_death_of_the_old_primary_during_it_ends_in_a_failover(self, world, after):
        world.node1.daemon.order(Order.SWITCHOVER)
        world.run(after)
        world.node1.mains = False
        world.node1.switch_off("test")
        assert world.run_until(lambda: world.primary() is world.node2, 60) is not None, story(world)

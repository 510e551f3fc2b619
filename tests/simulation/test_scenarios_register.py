# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A register says who may write: its rules hold in whatever state it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from tests.simulation.story import story
from tests.simulation.verbs import converges, fails_over, nobody_is_fenced, ready

REGISTER = {"register": {"engine": "vote_host", "address": "198.51.100.35"}}


@pytest.fixture
def world():
    """An armed cluster with a register; at the end no rule may be broken."""
    world = ready(**REGISTER)
    yield world
    assert not world.broken, story(world)


def known(host):
    """What its skyha has been told."""
    return host.daemon.loop.memory.register


class TestTheRegisterIsLookedAt:
    def test_the_primary_makes_the_row_and_renews_it_and_both_know_it(self, world):
        row = world.register.row
        assert (row.holder, row.epoch) == ("node1", 1)
        assert known(world.node1).hold is not None
        assert known(world.node2).hold is None
        world.run(10)
        assert world.register.row.beat >= row.beat + 8
        assert world.register.row.beat - known(world.node2).row.beat <= 7  # it reads every five seconds
        assert world.node1.daemon.loop.memory.record.epoch == world.node2.daemon.loop.memory.record.epoch == 1

    @pytest.mark.parametrize("state", ["down", "hung"])
    def test_one_that_does_not_answer_is_told_and_costs_no_service(self, world, state):
        began = world.now
        world.register.state = state
        nobody_is_fenced(world)
        assert "register" in world.alarms("node1")
        assert "register" in world.alarms("node2")
        assert world.outage(began) == 0.0
        world.register.state = "ok"
        world.run(5)
        assert world.armed(), story(world)

    def test_one_that_is_slow_loses_nothing(self, world):
        world.register.late = 0.3
        nobody_is_fenced(world)
        assert "register" not in world.alarms("node1")

    def test_one_that_was_restored_is_none_until_both_nodes_agree_on_a_new_row(self, world):
        world.register.keep()
        world.run(30)
        world.cut("node1", "node2")
        world.run(40)
        assert not world.stream.streams_to(world.node2.pg)
        world.register.restore()
        world.run(10)
        assert "register_back" in world.alarms("node1")
        assert world.register.row.epoch == 1
        world.heal()
        assert world.run_until(lambda: world.register.row.epoch == 2, 60) is not None, story(world)
        world.run(10)
        assert known(world.node1).hold is not None
        assert known(world.node2).row.epoch == 2

    def test_one_that_was_made_anew_gets_a_row_of_a_higher_epoch(self, world):
        world.register.row = None
        world.run(5)
        assert (world.register.row.holder, world.register.row.epoch) == ("node1", 2)
        assert world.armed(), story(world)

    def test_another_clusters_row_is_refused(self, world):
        world.register.identifier = "7300000000000000099"
        world.run(10)
        assert "register_foreign" in world.alarms("node1")
        assert "register_foreign" in world.alarms("node2")

    @pytest.mark.without_register("it is about having none")
    def test_a_cluster_without_one_knows_of_none(self):
        world = ready()
        assert world.register.row is None
        assert known(world.node1).row is None

    def test_a_standby_that_sees_its_primary_asks_rarely(self, world):
        """Ten clusters share a vote host."""
        before = world.node2.daemon.line.asked, world.node1.daemon.line.asked
        world.run(100)
        assert world.node2.daemon.line.asked - before[0] <= 21
        assert world.node1.daemon.line.asked - before[1] >= 90


class TestTheRegisterSaysWhoMayWrite:
    def test_the_standby_that_streams_is_the_heir_and_one_that_is_gone_is_none(self, world):
        assert world.register.row.heir == "node2"
        world.node2.switch_off("test")
        assert world.run_until(lambda: not world.register.row.heir, 30) is not None, story(world)
        world.node2.switch_on("test")
        assert world.run_until(lambda: world.register.row.heir == "node2", 60) is not None, story(world)

    def test_a_failover_takes_it_and_costs_no_time(self, world):
        world.node1.switch_off("test")
        fails_over(world, within=5)
        assert (world.register.row.holder, world.register.row.epoch) == ("node2", 2)
        world.node1.switch_on("test")
        converges(world)
        assert world.register.row.heir == "node1"

    def test_a_take_names_the_row_from_before_the_proof(self, world):
        """A holder that was fenced, came back early and renewed is not taken over from by that fence: it is fenced again."""
        world.node1.switch_off("test")
        assert world.run_until(lambda: "fence_read_back" in world.events("node2"), 20) is not None, story(world)
        row = world.register.row
        world.register.row = replace(row, beat=row.beat + 1)
        assert world.run_until(lambda: "proof_old" in world.events("node2"), 3) is not None, story(world)
        assert world.register.row.holder == "node1"
        assert world.run_until(lambda: world.primary() is world.node2, 10) is not None, story(world)

    def test_nobody_is_fenced_while_it_is_silent(self, world):
        """Nothing would follow; and the host that somebody switches on again serves."""
        world.register.state = "down"
        world.run(1)
        world.node1.switch_off("test")
        fences = world.oracles.fence_count
        world.run(60)
        assert world.oracles.fence_count <= fences + 1, story(world)
        assert "register" in world.alarms("node2"), story(world)
        world.node1.switch_on("test")
        world.run(30)
        assert world.node1.power, story(world)
        world.register.state = "ok"
        converges(world)

    def test_a_row_that_was_read_long_before_the_register_fell_silent_is_read_again(self, world):
        world.register.state = "down"
        world.node1.switch_off("test")
        world.run(12)
        world.register.state = "ok"
        assert world.run_until(lambda: world.primary() is world.node2, 15) is not None, story(world)

    @pytest.mark.parametrize("state", ["down", "hung"])
    def test_without_it_nothing_is_promoted(self, world, state):
        """An order at the wrong moment would be a guess: the old primary may be the holder still."""
        world.register.state = state
        world.node1.switch_off("test")
        world.node1.mains = False
        world.run(60)
        assert world.oracles.promotions == 0, story(world)
        world.register.state, world.node1.mains = "ok", True
        world.node1.switch_on("test")
        converges(world, within=300)

    def test_nor_where_it_falls_silent_between_the_fence_and_the_take(self, world):
        world.node1.mains = False
        world.node1.switch_off("test")
        assert world.run_until(lambda: "fence_read_back" in world.events("node2"), 10) is not None, story(world)
        world.register.state = "down"
        world.run(30)
        assert world.oracles.promotions == 0, story(world)
        world.register.state = "ok"
        assert world.run_until(lambda: world.primary() is world.node2, 30) is not None, story(world)

    def test_one_that_is_restored_in_the_middle_of_a_fence_leaves_nobody_off(self, world):
        world.register.keep()
        world.run(30)
        world.isolate("node1")
        assert world.run_until(lambda: not world.node1.power, 20) is not None, story(world)
        world.register.restore()
        world.heal()
        assert world.run_until(lambda: world.node1.power, 60) is not None, story(world)
        converges(world, within=300)

    def test_nobody_is_promoted_who_is_no_heir(self, world):
        world.node1.daemon.order(Order.PAUSE, 5.0)
        assert world.run_until(lambda: not world.register.row.heir, 10) is not None, story(world)
        world.node1.switch_off("test")
        world.run(60)
        assert world.oracles.promotions == 0, story(world)

    def test_only_the_former_primary_comes_back_and_serves_at_once(self, world):
        world.node2.switch_off("test")
        world.run(1)
        world.node1.switch_off("test")
        world.node1.switch_on("test")
        took = world.run_until(lambda: world.primary() is world.node1, 60)
        assert took is not None, story(world)
        assert took < world.boot_time + 5, story(world)

    def test_one_that_boots_while_the_register_is_silent_waits_for_it(self, world):
        world.node2.switch_off("test")
        world.node1.reset("test")
        world.register.state = "down"
        world.run(60)
        assert world.primary() is None, story(world)
        world.register.state = "ok"
        assert world.run_until(lambda: world.primary() is world.node1, 10) is not None, story(world)

    def test_a_primary_that_is_no_holder_stops(self, world):
        """Whose take was late: the other is no holder by its own word, so it fences before it promotes."""
        row = world.register.row
        world.register.row = replace(row, holder="node2", epoch=2, beat=row.beat + 1, heir="")
        assert world.run_until(lambda: world.node1.pg.state == "down", 10) is not None, story(world)
        assert "gave_way" in world.events("node1")

    def test_a_switchover_hands_over(self, world):
        world.node1.daemon.order(Order.SWITCHOVER)
        assert world.run_until(lambda: world.primary() is world.node2, 30) is not None, story(world)
        assert (world.register.row.holder, world.register.row.epoch) == ("node2", 2)
        converges(world)
        assert "failover" not in world.alarms("node2")

    def test_power_lost_between_hand_over_and_promotion(self, world):
        world.node1.daemon.order(Order.SWITCHOVER)
        assert world.run_until(lambda: world.register.row.holder == "node2", 30) is not None, story(world)
        world.node1.switch_off("mains cut")
        world.node1.mains = world.bmcs["node1"].up = False
        took = world.run_until(lambda: world.primary() is world.node2, 10)
        assert took is not None, story(world)
        assert took < 3, story(world)

    def test_a_switchover_with_a_register_that_dies_is_given_up(self, world):
        world.node1.daemon.order(Order.SWITCHOVER)
        assert world.run_until(lambda: world.node1.pg.state != "up", 30) is not None, story(world)
        world.register.state = "down"
        world.run(60)
        world.register.state = "ok"
        converges(world, within=300)


class TestABeatIsLife:
    """The vote proxy hangs and the link between the nodes is cut: all that the standby sees of its primary is that it renews."""

    def proxy_hangs_and_nodes_apart(self, world):
        world.network.vote.proxy = "hung"
        world.cut("node1", "node2")

    def test_nobody_is_fenced_and_all_heals(self, world):
        self.proxy_hangs_and_nodes_apart(world)
        nobody_is_fenced(world, 20)
        assert "renews" in world.alarms("node2"), story(world)
        nobody_is_fenced(world, 300)
        assert world.primary() is world.node1
        world.network.vote.proxy = "ok"
        world.heal()
        converges(world)

    def test_a_primary_that_dies_then_is_replaced(self, world):
        self.proxy_hangs_and_nodes_apart(world)
        world.run(8)
        world.node1.switch_off("test")
        assert world.run_until(lambda: world.primary() is world.node2, 12) is not None, story(world)

    def test_one_that_hangs_is_not_protected_by_its_skyha(self, world):
        self.proxy_hangs_and_nodes_apart(world)
        world.node1.pg.set_hung(True)
        assert world.run_until(lambda: world.primary() is world.node2, 25) is not None, story(world)

    def test_nor_one_that_is_down_and_stays_down(self, world):
        """Its skyha renews and starts it again and again: that is waited for (restart_grace), and no longer."""
        world.cut("node1", "node2")
        world.node1.pg.broken = True
        world.node1.pg.crash("is damaged")
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None, story(world)


class TestAnOperatorsWordStandsOverASilentRegister:
    def dead_with_the_register(self, world):
        world.register.state = "down"
        world.bmcs["node1"].up = world.node1.mains = False
        world.node1.switch_off("host and BMC died together, and the vote host")
        nobody_is_fenced(world, 60)

    def test_takeover_makes_the_standby_serve_and_the_register_learns_of_it(self, world):
        self.dead_with_the_register(world)
        world.node2.daemon.order(Order.TAKEOVER)
        assert world.run_until(lambda: world.primary() is world.node2, 40) is not None, story(world)
        world.register.state = "ok"
        assert world.run_until(lambda: world.register.row.holder == "node2", 10) is not None, story(world)
        assert world.register.row.epoch == 2
        world.bmcs["node1"].up = world.node1.mains = True
        world.node1.switch_on("test")
        converges(world)
        assert world.primary() is world.node2
        assert world.register.row.heir == "node1"

    def test_it_is_over_once_the_register_tells_of_a_newer_holder(self, world):
        self.dead_with_the_register(world)
        row = world.register.row
        world.node2.daemon.order(Order.TAKEOVER)
        assert world.run_until(lambda: world.primary() is world.node2, 40) is not None, story(world)
        world.register.row = replace(row, holder="node1", epoch=row.epoch + 1, beat=row.beat + 1, heir="")
        world.register.state = "ok"
        assert world.run_until(lambda: world.node2.pg.state == "down", 10) is not None, story(world)
        assert "gave_way" in world.events("node2")

    def test_it_outlives_skyha(self, world):
        self.dead_with_the_register(world)
        world.node2.daemon.order(Order.TAKEOVER)
        assert world.run_until(lambda: world.primary() is world.node2, 40) is not None, story(world)
        world.node2.daemon.kill()
        world.run(30)
        world.register.state = "ok"
        world.run(10)
        assert world.primary() is world.node2, story(world)
        assert world.register.row.holder == "node2"

    @pytest.mark.parametrize("order", [Order.TAKEOVER, Order.CONFIRM_OFF])
    def test_a_former_primary_alone_serves_by_it(self, world, order):
        world.register.state = "down"
        world.bmcs["node2"].up = world.node2.mains = False
        world.node2.switch_off("test")
        world.node1.reset("test")
        world.run(60)
        assert world.primary() is None, story(world)
        world.node1.daemon.order(order)
        assert world.run_until(lambda: world.primary() is world.node1, 20) is not None, story(world)

    def test_nothing_else_promotes_beside_a_silent_register(self, world):
        self.dead_with_the_register(world)
        assert world.oracles.promotions == 0


class TestAHolderThatIsShutDownResigns:
    def test_its_heir_takes_over_at_once_and_nobody_is_fenced(self, world):
        fences, began = world.oracles.fence_count, world.now
        world.node1.shut_down()
        assert world.run_until(lambda: world.primary() is world.node2, 10) is not None, story(world)
        assert world.outage(began) < 1.5, story(world)
        assert world.oracles.fence_count == fences
        assert (world.register.row.holder, world.register.row.epoch) == ("node2", 2)
        world.node1.switch_on("test")
        converges(world)
        assert world.primary() is world.node2
        assert world.oracles.lost == 0

    def test_one_whose_postgresql_cannot_start_again_too(self, world):
        fences, began = world.oracles.fence_count, world.now
        world.node1.pg.broken = True
        world.node1.pg.crash("is damaged")
        assert world.run_until(lambda: world.primary() is world.node2, 10) is not None, story(world)
        assert world.outage(began - 0.1) < 6, story(world)
        assert world.oracles.fence_count == fences
        assert (world.register.row.holder, world.register.row.epoch) == ("node2", 2)
        world.node1.pg.broken = False
        converges(world)
        assert world.primary() is world.node2

    def test_one_whose_data_is_not_all_there_too(self, world):
        fences = world.oracles.fence_count
        world.node1.pg.mounted = False
        world.node1.pg.crash("has lost a disk")
        assert world.run_until(lambda: world.primary() is world.node2, 10) is not None, story(world)
        assert world.oracles.fence_count == fences
        assert world.node1.power

    def test_one_that_was_stopped_on_purpose_is_started_first(self, world):
        world.node1.daemon.order(Order.PAUSE)
        world.run(5)
        world.node1.pg.stop(immediate=False)
        world.run(60)
        world.node1.daemon.order(Order.RESUME)
        assert world.run_until(lambda: world.primary() is world.node1, 20) is not None, story(world)
        assert world.register.row.epoch == 1

    def test_one_that_crashes_and_can_be_started_again_serves_on(self, world):
        for _ in range(3):
            world.node1.pg.crash("is killed")
            assert world.run_until(lambda: world.primary() is world.node1, 10) is not None, story(world)
            world.run(1.5)  # so that its skyha has seen it up
        assert world.register.row.epoch == 1

    def test_a_word_whose_answer_is_lost_starts_nothing_again(self, world):
        """The order to the register is on its way when its answers stop: the heir may hold by now, and promote."""
        world.bmcs["node1"].up = False
        pg = world.node1.pg
        pg.start_time = pg.recovery_time = 0.05
        pg.broken = True
        pg.crash("is damaged")
        while not known(world.node1).hold.gave_word:  # the answer is there within milliseconds
            world.run(0.001)
        world.cut("vote", "node1", both=False)
        world.cut("node1", "node2")
        pg.broken = False
        world.run(120)
        assert world.primary() is world.node2, story(world)

    def test_soon_after_a_failover_too(self, world):
        """The heir, once its stream has ended, tells the timeline of its last restartpoint: the one before the failover."""
        world.node1.switch_off("test")
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None
        converges(world)
        fences = world.oracles.fence_count
        world.node2.shut_down()
        assert world.run_until(lambda: world.primary() is world.node1, 3) is not None, story(world)
        assert world.oracles.fence_count == fences

    def test_not_to_a_standby_that_lacks_something(self, world):
        world.cut("node1", "node2")
        world.run(2)
        world.node1.shut_down()
        world.run(6)
        assert world.register.row.holder == "node1", story(world)

    def test_not_in_a_pause(self, world):
        world.node1.daemon.order(Order.PAUSE)
        world.run(5)
        world.node1.shut_down()
        world.run(30)
        assert world.register.row.holder == "node1", story(world)
        assert world.oracles.promotions == 0

    def test_beside_a_silent_register_it_ends_all_the_same(self, world):
        world.register.state = "hung"
        world.run(10)
        world.node1.shut_down()
        assert world.run_until(lambda: not world.node1.power, 15) is not None, story(world)

    def test_a_standby_that_is_shut_down_changes_nothing(self, world):
        world.node2.shut_down()
        assert world.run_until(lambda: not world.node2.power, 15) is not None, story(world)
        assert world.register.row.holder == "node1"
        assert world.primary() is world.node1

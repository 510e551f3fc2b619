# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What comes of an operator's word, that the peer is off: a promotion, or one sentence why not and what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Event, Order, Task

from tests.simulation.story import story
from tests.simulation.verbs import converges, nobody_is_fenced, ready


def dies_with_its_bmc(world):
    """Nobody can switch it on again but the operator."""
    world.bmcs["node1"].up = False
    world.node1.mains, world.node1.unplugged = False, True
    world.node1.switch_off("host and BMC died together")


def serves(world, within=60):
    assert world.run_until(lambda: world.primary() is world.node2, within) is not None, story(world)
    assert not world.broken, story(world)


def _distrusting(memory: Memory) -> Memory:
    return replace(memory, record=replace(memory.record, fence_distrusted="its BMC said off, and it answered"))


def told(world, name="node2") -> Event:
    """What the last order came to that nothing followed from."""
    events = [event for _, event in getattr(world, name).daemon.events if event.kind == "order_refused"]
    assert events, story(world)
    return events[-1]


def orders(world, order, name="node2", within=15) -> Event:
    """Gives an order that is refused, and returns what the operator is told."""
    before = world.events(name).count("order_refused")
    getattr(world, name).daemon.order(order)
    refused = world.run_until(lambda: world.events(name).count("order_refused") > before, within)
    assert refused is not None, story(world)
    return told(world, name)


class TestWordHolds:
    """It is off and stays off: that does not age as a BMC's word does."""

    @pytest.mark.parametrize("promotion_takes", [2.0, 7.0, 30.0, 120.0])
    @pytest.mark.parametrize("comes_after", [60.0, 750.0])
    def test_promotion_may_take_long(self, promotion_takes, comes_after):
        """With attempts at the fence left, and with none."""
        world = ready()
        world.node2.pg.promote_time = promotion_takes
        dies_with_its_bmc(world)
        world.run(comes_after)
        world.node2.daemon.order(Order.CONFIRM_OFF)
        serves(world, promotion_takes + 20)
        assert "promotion_taken_back" not in world.events("node2")

    def test_word_survives_a_restart_of_skyha_while_the_promotion_runs(self):
        world = ready()
        world.node2.pg.promote_time = 30.0
        dies_with_its_bmc(world)
        world.run(30)
        world.node2.daemon.order(Order.CONFIRM_OFF)
        assert world.run_until(lambda: world.node2.pg.promoting, 15) is not None, story(world)
        world.node2.daemon.kill()
        serves(world, 50)
        assert "promotion_taken_back" not in world.events("node2")

    @pytest.mark.without_register("it holds by then: the host that comes back starts nothing")
    def test_host_that_comes_back_while_the_promotion_hangs_takes_the_word_back(self):
        world = ready()
        world.node2.pg.promotion_hangs = True
        dies_with_its_bmc(world)
        world.run(30)
        world.node2.daemon.order(Order.CONFIRM_OFF)
        assert world.run_until(lambda: world.node2.pg.promoting, 15) is not None, story(world)
        world.run(60)
        world.node1.mains, world.node1.unplugged = True, False
        world.node1.switch_on("somebody, in spite of the word")
        assert world.run_until(lambda: "called_off" in world.events("node2"), 20) is not None, story(world)
        world.node2.pg.promotion_hangs = False
        assert world.run_until(lambda: world.primary() is world.node1, 60) is not None, story(world)
        assert not world.broken, story(world)

    def test_word_waits_until_another_holder_of_the_vip_is_gone(self):
        world = ready()
        dies_with_its_bmc(world)
        world.network.alien = True
        world.changed()
        world.run(60)
        world.node2.daemon.order(Order.CONFIRM_OFF)
        nobody_is_fenced(world, 120)
        assert "another host answers for the VIP" in world.alarms("node2")["listening"]
        world.network.alien = False
        world.changed()
        serves(world, 20)


class TestWordThatCannotBeUsed:
    """confirm-off takes the place of the BMC's proof and of nothing else: it says so, and what to do."""

    def test_cut_off(self):
        world = ready()
        world.network.vote.power = False
        dies_with_its_bmc(world)
        world.run(30)
        said = orders(world, Order.CONFIRM_OFF).text
        assert "the vote port" in said
        assert "skyctl takeover" in said
        nobody_is_fenced(world, 60)

    def test_evidence_is_missing(self):
        world = ready()
        world.node2.skyha_off = True
        world.node2.daemon.kill()
        world.run(world.config("node2").timing.arming_window)
        dies_with_its_bmc(world)
        world.node2.skyha_off = False
        world.node2.daemon.start()
        world.run(30)
        said = orders(world, Order.CONFIRM_OFF).text
        assert "has not caught up" in said
        assert "skyctl takeover" in said

    def test_primary_answers_meanwhile(self):
        world = ready()
        world.node1.pg.set_hung(True)
        world.run(2)
        world.node2.daemon.order(Order.CONFIRM_OFF)
        world.node1.pg.set_hung(False)
        assert "the primary answers" in orders(world, Order.CONFIRM_OFF).text
        nobody_is_fenced(world, 30)

    def test_a_server_of_ones_own_that_is_only_starting(self):
        """Nothing can be begun, and after a while that is said."""
        world = ready()
        dies_with_its_bmc(world)
        world.node2.pg.set_hung(True)
        world.run(10)
        assert "PostgreSQL here is stalled" in orders(world, Order.CONFIRM_OFF, within=40).text
        assert "PostgreSQL here is stalled" in orders(world, Order.TAKEOVER, within=40).text


class TestTakeover:
    """One order out of every dead end: the primary is dead, and this standby is to serve."""

    def stuck(self, world, alarm="no_failover"):
        """Nobody is promoted, and the alarm names the order."""
        nobody_is_fenced(world, 60)
        assert "skyctl takeover" in world.alarms("node2")[alarm], story(world)

    def taken_over(self, world, within=60):
        world.node2.daemon.order(Order.TAKEOVER)
        serves(world, within)

    def test_vote_host_died_together_with_the_primary(self):
        world = ready()
        world.network.vote.power = False
        dies_with_its_bmc(world)
        self.stuck(world, "cut_off")
        self.taken_over(world)

    def test_vote_host_dead_and_the_bmc_answers(self):
        """The host is fenced: its word is not needed."""
        world = ready()
        world.network.vote.power = False
        world.changed()
        world.run(3)
        world.node1.freeze()
        self.stuck(world, "cut_off")
        self.taken_over(world)
        assert world.oracles.fence_count == 1
        world.network.vote.power = True
        world.changed()
        converges(world)
        assert world.node1.pg.is_standby

    @pytest.mark.parametrize("bmc", [True, False])
    def test_heartbeat_was_refused_before_the_primary_died(self, bmc):
        """default_transaction_read_only = on, or a pg_hba.conf that locks the heartbeat out."""
        world = ready()
        world.node1.pg.mute = True
        world.changed()
        world.run(60)
        if bmc:
            world.node1.switch_off("test")
        else:
            dies_with_its_bmc(world)
        self.stuck(world)
        self.taken_over(world)

    def test_vote_path_that_leads_to_the_standby_itself(self):
        world = ready()
        world.network.vote.leads_to = "node2"
        world.changed()
        world.run(60)
        dies_with_its_bmc(world)
        self.stuck(world)
        self.taken_over(world)

    def test_standby_alone_comes_back_for_good(self):
        world = ready()
        dies_with_its_bmc(world)
        world.node2.reset("the room's power")
        world.run(30)
        self.stuck(world)
        self.taken_over(world)

    def test_record_was_moved_away(self):
        world = ready()
        dies_with_its_bmc(world)
        world.node2.store = None
        world.node2.daemon.kill()
        world.run(20)
        self.stuck(world)
        self.taken_over(world)

    def test_lag_and_flap_guard(self):
        world = ready()
        world.node1.switch_off("test")
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None
        converges(world)
        world.node2.mains = False
        world.node2.switch_off("test")
        nobody_is_fenced(world, 60)
        assert "too recent" in world.alarms("node1")["no_failover"]
        world.node1.daemon.order(Order.TAKEOVER)
        assert world.run_until(lambda: world.primary() is world.node1, 30) is not None, story(world)
        assert not world.broken, story(world)

    def test_attempts_at_the_fence_are_used_up(self):
        world = ready()
        dies_with_its_bmc(world)
        world.run(1200)
        self.taken_over(world)

    def test_bmc_that_is_not_believed_is_not_asked(self):
        """It is another host's: to switch that off would harm somebody, and its 'off' proves nothing."""
        world = ready()
        dies_with_its_bmc(world)
        world.bmcs["node1"].up = world.bmcs["node1"].lies = True
        world.node2.daemon.loop.memory = _distrusting(world.node2.daemon.loop.memory)
        self.stuck(world)
        fences = world.oracles.fence_count
        self.taken_over(world)
        assert world.oracles.fence_count == fences

    def test_handed_over_to_a_peer_that_died(self):
        """A switchover went wrong on its last step, and this node runs as a standby of nobody."""
        world = ready()
        world.node1.daemon.order(Order.SWITCHOVER)
        assert world.run_until(lambda: "handed_over" in str(world.node1.store), 30) is not None, story(world)
        world.node2.pg.broken = True
        world.bmcs["node2"].up = False
        world.node2.mains, world.node2.unplugged = False, True
        world.node2.switch_off("test")
        world.run(60)
        assert world.primary() is None
        world.node1.daemon.order(Order.TAKEOVER)
        world.run(20)
        if world.primary() is None:
            world.node1.daemon.order(Order.TAKEOVER)
        assert world.run_until(lambda: world.primary() is world.node1, 60) is not None, story(world)


class TestTakeoverIsRefused:
    """Never over a sign of life."""

    def test_primary_answers(self):
        world = ready()
        assert "the primary shows life" in orders(world, Order.TAKEOVER).text
        nobody_is_fenced(world, 30)

    def test_primary_answers_with_an_error(self):
        world = ready()
        world.node1.pg.mute = True
        world.changed()
        world.run(60)
        assert "the primary shows life" in orders(world, Order.TAKEOVER).text
        nobody_is_fenced(world, 30)

    @pytest.mark.parametrize("link", [("node1", "node2"), ("node2", "vote")])
    def test_primary_is_seen_along_one_path_only(self, link):
        world = ready()
        world.cut(*link)
        world.run(20)
        assert "the primary shows life" in orders(world, Order.TAKEOVER).text
        nobody_is_fenced(world, 30)

    def test_primary_without_the_vip_answers_at_its_own_address(self):
        world = ready()
        world.node1.failing.add("add_vip")
        world.node1.set_vip(False)
        world.network.vote.power = False
        world.changed()
        world.run(20)
        assert "PostgreSQL on node1 answers at" in orders(world, Order.TAKEOVER).text
        nobody_is_fenced(world, 30)

    def test_paused(self):
        world = ready()
        world.node2.daemon.order(Order.PAUSE)
        world.run(5)
        world.node1.switch_off("test")
        world.run(20)
        assert "skyctl resume" in orders(world, Order.TAKEOVER).text
        world.node2.daemon.order(Order.RESUME)
        world.run(1)
        TestTakeover().taken_over(world)

    def test_host_that_is_on_and_whose_bmc_is_dead(self):
        """The word is belied by the host itself: PostgreSQL there is down, and could be started."""
        world = ready()
        world.bmcs["node1"].up = False
        world.node1.skyha_off = True
        world.node1.daemon.kill()
        world.node1.pg.broken = True
        world.node1.pg.crash("is damaged")
        world.node1.set_vip(False)
        world.run(60)
        world.node2.daemon.order(Order.TAKEOVER)
        assert world.run_until(lambda: "called_off" in world.events("node2"), 30) is not None, story(world)
        assert world.oracles.promotions == 0

    def test_bmc_that_says_on_and_does_not_switch_off(self):
        world = ready()
        world.bmcs["node1"].acts = False
        world.isolate("node1")
        world.run(5)
        world.node2.daemon.order(Order.TAKEOVER)
        assert world.run_until(lambda: "called_off" in world.events("node2"), 30) is not None, story(world)
        assert world.oracles.promotions == 0


@pytest.mark.without_register("it is the holder: it serves without an order")
class TestFormerPrimaryAlone:
    """It waits for its peer, which may have been promoted. The same order makes it serve."""

    @staticmethod
    def alone(world):
        world.bmcs["node2"].up = False
        world.node2.mains, world.node2.unplugged = False, True
        world.node2.switch_off("died for good")
        world.node1.reset("the room's power")
        world.run(60)
        assert world.primary() is None
        assert "skyctl takeover" in world.alarms("node1")["down"]

    @pytest.mark.parametrize("order", [Order.TAKEOVER, Order.CONFIRM_OFF])
    def test_order_makes_it_serve(self, order):
        world = ready()
        self.alone(world)
        world.node1.daemon.order(order)
        assert world.run_until(lambda: world.primary() is world.node1, 30) is not None, story(world)
        assert not world.broken, story(world)

    def test_bmc_that_says_the_peer_is_on_is_heeded(self):
        world = ready()
        world.isolate("node2")
        world.node1.reset("test")
        world.run(40)
        world.node1.daemon.tasks.start(Task.CHECK_BMC)
        world.run(3)
        assert "says that it is on" in orders(world, Order.TAKEOVER, "node1").text
        assert world.primary() is None

    def test_started_by_hand_it_gets_the_vip_by_the_order(self):
        world = ready()
        self.alone(world)
        world.node1.pg.start()
        world.run(20)
        assert "unlawful" in world.alarms("node1"), story(world)
        world.node1.daemon.order(Order.TAKEOVER)
        assert world.run_until(lambda: world.primary() is world.node1, 30) is not None, story(world)

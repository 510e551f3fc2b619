# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lease: what cannot be proven by power is proven by time."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from tests.simulation.schedules import LEASE
from tests.simulation.story import story
from tests.simulation.verbs import converges, fails_over, nobody_is_fenced, ready
from tests.simulation.world import World


@pytest.fixture
def world():
    """An armed cluster whose holder goes by a lease; at the end no rule may be broken."""
    world = ready(**LEASE)
    assert world.register.row.term == 7.0, story(world)
    yield world
    assert not world.broken, story(world)


def bmcs_die(world):
    for bmc in world.bmcs.values():
        bmc.up = False


def all_is_mended(world):
    for bmc in world.bmcs.values():
        bmc.up = True
    world.heal()
    converges(world)


class TestInForce:
    def test_the_holders_watchdog_runs_and_no_other(self, world):
        assert world.node1.watchdog.runs
        assert not world.node2.watchdog.runs

    def test_an_hour_of_calm_costs_nothing(self, world):
        world.run(3600)
        assert world.armed(), story(world)
        assert (world.node1.watchdog.bites, world.node2.watchdog.bites) == (0, 0)

    def test_without_a_watchdog_there_is_no_lease_and_the_fence_stays(self):
        world = World(**LEASE)
        world.node1.watchdog.broken = True
        assert world.run_until(lambda: bool(world.register.row and world.register.row.heir), 60) is not None
        world.run(20)
        assert world.register.row.term == 0.0
        assert "watchdog" in world.alarms("node1")
        world.node1.mains = False
        world.node1.switch_off("its supply fails")
        fails_over(world, 6)
        assert not world.broken, story(world)

    def test_a_watchdog_that_fails_later_ends_the_lease_without_a_reset(self, world):
        world.node1.watchdog.broken = True
        assert world.run_until(lambda: world.register.row.term == 0.0, 3) is not None, story(world)
        world.run(60)
        assert world.node1.watchdog.bites == 0
        assert world.primary() is world.node1


class TestTakeover:
    def test_host_and_bmc_lose_power_together(self, world):
        bmcs_die(world)
        world.node1.mains = False
        world.node1.switch_off("its supply fails, and its BMC's")
        fails_over(world, 10)

    def test_an_order_that_acts_after_the_takeover_is_undone(self, world):
        """The fence was under way when the lease ran out; by the time that its BMC carries it out the old primary is back."""
        bmc, offs = world.bmcs["node1"], world.node1.boots
        bmc.latency = 9.5
        world.node1.mains = False
        world.node1.switch_off("its supply fails")
        fails_over(world, 12)
        world.boot_time, bmc.latency, world.node1.mains = 0.2, 0.05, True
        world.node1.switch_on("its supply is back")
        world.run(10)
        assert world.node1.boots > offs + 1, "the order has come to nothing"
        converges(world)

    def test_without_any_bmc(self):
        world = ready(**LEASE, without_bmc=True)
        world.node1.mains = False
        world.node1.switch_off("its supply fails")
        fails_over(world, 10)
        assert world.oracles.fence_count == 0
        assert not world.broken, story(world)

    def test_one_that_took_and_died_before_its_promotion_goes_on_where_nobody_could_fence(self):
        world = ready(**LEASE, without_bmc=True)
        world.node1.mains = False
        world.node1.switch_off("its supply fails")
        assert world.run_until(lambda: world.register.row.holder == "node2", 20) is not None, story(world)
        world.node2.reset("its supply flickers")
        assert world.run_until(lambda: world.primary() is world.node2, 60) is not None, story(world)
        assert not world.broken, story(world)

    def test_an_operator_takes_over_where_nothing_can_be_asked(self):
        world = ready(**LEASE, without_bmc=True)
        world.register.state = "down"
        world.node1.mains = False
        world.node1.switch_off("its supply fails")
        world.run(30)
        assert world.primary() is None
        world.node2.daemon.order(Order.TAKEOVER)
        assert world.run_until(lambda: world.primary() is world.node2, 30) is not None, story(world)
        assert not world.broken, story(world)

    def test_a_frozen_host_with_a_dead_bmc_is_reset_by_its_watchdog(self, world):
        bmcs_die(world)
        world.node1.freeze()
        world.boot_time = 30.0
        fails_over(world, 12)
        assert world.node1.watchdog.bites == 1
        all_is_mended(world)

    def test_one_that_boots_before_the_heir_has_taken_serves_on(self, world):
        bmcs_die(world)
        world.boot_time = 1.0
        world.node1.freeze()
        assert world.run_until(lambda: world.node1.watchdog.bites == 1, 10) is not None
        all_is_mended(world)

    def test_a_primary_that_is_cut_off_stops_before_the_heir_takes(self, world):
        bmcs_die(world)
        world.isolate("node1")
        fails_over(world, 12)
        assert not world.node1.pg.accepts
        all_is_mended(world)

    def test_skyha_killed_for_good_costs_its_host_a_reset(self, world):
        bmcs_die(world)
        world.node1.skyha_off = True
        world.node1.daemon.kill()
        fails_over(world, 12)
        assert world.node1.watchdog.bites == 1


class TestResigning:
    def test_postgresql_that_cannot_start_again_where_nobody_could_fence(self, world):
        bmcs_die(world)
        world.node1.pg.broken = True
        world.node1.pg.crash("is damaged")
        assert world.run_until(lambda: world.primary() is world.node2, 40) is not None, story(world)
        assert world.node1.power
        assert world.node1.watchdog.bites == 0

    @pytest.mark.parametrize("moment", range(0, 1000, 125))
    def test_the_heir_of_a_host_that_is_shut_down_promotes_at_once(self, world, moment):
        """Whatever it is about: its look at a VIP that is gone, or the wait before the next one. PostgreSQL promotes in 0.4 s here."""
        world.run(moment / 1000)
        world.node1.shut_down()
        assert world.run_until(lambda: world.node1.pg.state == "down", 10) is not None, story(world)
        assert world.run_until(lambda: world.register.row.holder == "node2", 0.12) is not None, story(world)
        assert world.run_until(lambda: world.primary() is world.node2, 0.5) is not None, story(world)
        assert world.oracles.fence_count == 0

    def test_postgresql_that_hangs_where_nobody_could_fence(self, world):
        """Its holder renews no more; what cannot be stopped is reset."""
        bmcs_die(world)
        world.node1.pg.set_hung(True)
        assert world.run_until(lambda: world.primary() is world.node2, 40) is not None, story(world)
        assert world.node1.watchdog.bites == 1

    def test_a_start_that_was_given_up_is_not_tried_again_past_the_lease(self, world):
        """Its peer could not be asked to take over at once, and has taken over by time since."""
        bmcs_die(world)
        pg = world.node1.pg
        pg.start_time = pg.recovery_time = 0.05
        world.cut("node1", "node2")
        world.run(1)
        pg.broken = True
        pg.crash("is damaged")
        world.run(20)
        world.isolate("node1")
        assert world.run_until(lambda: world.primary() is world.node2, 30) is not None, story(world)
        pg.broken = False
        world.run(100)
        assert pg.state == "down", story(world)


class TestRegisterLost:
    def test_the_primary_serves_on_by_its_heirs_promises(self, world):
        world.register.state = "down"
        nobody_is_fenced(world, 300)
        assert world.primary() is world.node1
        assert world.node1.watchdog.bites == 0
        world.register.state = "ok"
        converges(world)

    def test_and_the_standby_too_it_stops_and_comes_back_with_the_register(self, world):
        world.register.state = "down"
        world.run(20)
        world.node2.mains = False
        world.node2.switch_off("its supply fails")
        assert world.run_until(lambda: world.primary() is None, 5) is not None, story(world)
        assert "lease_over" in world.events("node1")
        assert world.node1.watchdog.bites == 0, story(world)
        world.register.state = "ok"
        assert world.run_until(lambda: world.primary() is world.node1, 30) is not None, story(world)

    def test_the_standby_lost_first_it_serves_on_without_either(self, world):
        world.node2.mains = False
        world.node2.switch_off("its supply fails")
        assert world.run_until(lambda: not world.register.row.heir, 60) is not None, story(world)
        world.register.state = "down"
        world.run(300)
        assert world.primary() is world.node1
        assert not world.node1.watchdog.runs


class TestOrderlyEnds:
    def test_skyha_is_stopped(self, world):
        world.node1.skyha_off = True
        world.node1.daemon.leave()
        assert world.run_until(lambda: not world.node1.daemon.alive, 5) is not None
        assert world.register.row.heir == ""
        world.run(60)
        assert world.primary() is world.node1
        assert world.node1.watchdog.bites == 0

    def test_skyha_is_stopped_while_the_register_is_silent(self, world):
        world.register.state = "down"
        world.run(10)
        world.node1.daemon.leave()
        assert world.run_until(lambda: not world.node1.daemon.alive, 60) is not None
        assert not world.node1.pg.accepts, "it can be replaced, and nobody would stop it"
        world.run(60)
        assert world.node1.watchdog.bites == 0

    def test_skyha_is_killed_and_comes_back_in_time(self, world):
        for _ in range(20):
            world.node1.daemon.kill()
            world.run(10)
        assert world.node1.watchdog.bites == 0
        assert world.primary() is world.node1
        assert world.register.row.term == 7.0

    def test_a_pause_ends_the_lease(self, world):
        world.node1.daemon.order(Order.PAUSE)
        assert world.run_until(lambda: not world.node1.watchdog.runs, 10) is not None, story(world)
        assert world.register.row.heir == ""

    def test_a_switchover_moves_it(self, world):
        world.node1.daemon.order(Order.SWITCHOVER)
        assert world.run_until(lambda: world.primary() is world.node2, 30) is not None, story(world)
        assert world.run_until(lambda: world.register.row.term == 7.0, 60) is not None, story(world)
        assert world.node2.watchdog.runs
        assert not world.node1.watchdog.runs

    def test_the_host_is_shut_down(self, world):
        world.node1.shut_down()
        assert world.run_until(lambda: world.primary() is world.node2, 10) is not None, story(world)
        assert world.oracles.fence_count == 0


class TestNoFalseAlarm:
    @pytest.mark.parametrize(("one", "other"), [("node1", "node2"), ("node1", "vote"), ("node2", "vote")])
    def test_one_link_is_cut(self, world, one, other):
        world.cut(one, other)
        nobody_is_fenced(world, 120)
        assert world.primary() is world.node1
        assert world.node1.watchdog.bites == 0

    def test_the_vote_proxy_hangs_and_the_link_between_the_nodes_is_cut_at_once(self, world):
        world.network.vote.proxy = "hung"
        world.cut("node1", "node2")
        nobody_is_fenced(world, 20)
        assert "renews" in world.alarms("node2")
        nobody_is_fenced(world, 300)
        assert world.primary() is world.node1
        assert world.node1.watchdog.bites == 0
        world.network.vote.proxy = "ok"
        world.heal()
        converges(world)

    @pytest.mark.parametrize("later", [0.3, 1.8])
    def test_the_switch_dies_and_its_ports_come_up_the_primary_s_last(self, world, later):
        """Its lease is over by then, so PostgreSQL is down and the VIP is nowhere: it renews, and is let start again."""
        for name in ("node1", "node2"):
            world.isolate(name)
        nobody_is_fenced(world, 10)
        assert world.node1.pg.state == "down", story(world)
        world.heal(("node2", "vote"))
        world.run(later)
        world.heal()
        assert world.run_until(lambda: world.node1.pg.state == "up" and world.node1.vip, 4) is not None, story(world)
        nobody_is_fenced(world, 60)

    def test_old_datagrams_that_are_sent_again_change_nothing(self, world):
        """Not even where the peer has booted since, and this skyha has never seen the boot that they are of."""
        recorded = tuple(world.network.recorded)
        world.node2.reset("its supply flickers")
        world.run(60)
        world.network.again = recorded
        world.node1.daemon.kill()
        world.run(20)
        world.register.state = "down"
        nobody_is_fenced(world, 60)
        assert world.primary() is world.node1, story(world)
        assert world.node1.watchdog.bites == 0

    def test_signs_of_life_that_do_not_arrive_are_named(self, world):
        world.network.loses_datagrams = True
        world.run(20)
        assert "signs" in world.alarms("node1")
        assert "signs" in world.alarms("node2")
        nobody_is_fenced(world, 60)

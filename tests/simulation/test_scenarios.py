# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rows of the fault table, one by one, with the default timing. F: fenced and promoted, N: nobody is."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import DOCUMENT
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from tests.simulation.story import story
from tests.simulation.verbs import converges, fails_over, nobody_is_fenced, ready


class TestPrimaryDies:
    def test_power_cut_fails_over_and_comes_back_as_standby(self, world):
        world.node1.switch_off("test")
        fails_over(world, within=5)
        converges(world)
        assert world.node1.pg.is_standby

    def test_power_that_is_off_needs_no_patience(self, world):
        world.run(60.5)  # so that it is known how quick this network is
        world.node1.switch_off("test")
        began = world.now
        assert world.run_until(lambda: "fenced" in world.events("node2"), 10) is not None
        assert world.now - began < 2.0, story(world)

    def test_where_the_network_is_quick_that_is_seen_sooner_whenever_it_happens(self):
        took = []
        for tenth in range(10):  # of the second between two looks
            world = ready()
            world.run(60 + tenth / 10)
            world.node1.switch_off("test")
            began = world.now
            assert world.run_until(lambda w=world: "fenced" in w.events("node2"), 10) is not None, story(world)
            took.append(world.now - began)
        assert max(took) < 1.9, took  # with looks of look_deadline up to 2.1

    def test_where_it_is_slow_a_look_waits_as_long_as_is_set(self, world):
        """1.5 s are more than three quick looks wait for an answer, and less than three that last as long as is set."""
        world.node1.pg.slow = 0.2
        world.run(120)
        troubles = world.events("node2").count("trouble")
        world.node1.pg.slow = 1.5
        world.run(20)
        assert world.events("node2").count("trouble") == troubles, story(world)

    def test_a_bmc_that_fails_in_that_moment_disarms_nobody(self, world):
        """It is asked before the trouble begins, and what it answers then speaks of the trouble."""
        world.bmcs["node1"].password_ok = False
        world.node1.freeze()
        assert world.run_until(lambda: "fence_failed" in world.events("node2"), 20) is not None, story(world)
        world.bmcs["node1"].password_ok = True
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None, story(world)

    def test_datagrams_that_are_lost_are_no_trouble_and_leave_the_bmc_alone(self, world):
        asked = []
        for _ in range(60):
            world.network.loses_datagrams = not world.network.loses_datagrams
            world.run(1.0)
            asked.append(world.node2.daemon.loop.memory.upkeep.bmc_asked_at)
        assert "trouble" not in world.events("node2")[-5:], story(world)
        assert len(set(asked)) <= 60 / 5 + 2

    def test_short_cut_of_a_host_with_power_hurries_nobody(self, world):
        world.isolate("node1")
        world.run(1.4)
        world.heal()
        nobody_is_fenced(world, 60)

    def test_mains_cut_with_bmc_waits_for_the_operator(self, world):
        world.node1.mains = world.bmcs["node1"].up = False
        world.node1.switch_off("test")
        nobody_is_fenced(world, 120)
        assert "fence_failed" in world.events("node2")
        world.node2.daemon.order(Order.CONFIRM_OFF)
        fails_over(world, within=150)

    def test_mains_cut_waits_beyond_its_limit_for_the_operator(self, world):
        world.node1.mains = world.bmcs["node1"].up = False
        world.node1.switch_off("test")
        nobody_is_fenced(world, 1200)
        world.node2.daemon.order(Order.CONFIRM_OFF)
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None, story(world)

    def test_frozen_host_fails_over(self, world):
        world.node1.freeze()
        fails_over(world, within=6)

    def test_stopped_postmaster_fails_over(self, world):
        world.node1.pg.set_hung(True)
        fails_over(world, within=6.5)

    def test_server_that_is_slow_for_a_while_is_left_alone(self, world):
        """For longer than standstill_timeout: its skyha lives, and does not say that it is stopped."""
        world.node1.pg.slow = 60.0
        world.run(4.5)
        world.node1.pg.slow = 0.0
        nobody_is_fenced(world, 60)

    def test_host_that_stands_still_for_a_moment_is_left_alone(self, world):
        world.node1.freeze()
        world.run(2.0)
        world.node1.thaw()
        nobody_is_fenced(world, 60)

    def test_cut_off_from_everything_fails_over(self, world):
        world.isolate("node1")
        fails_over(world, within=5)
        assert not world.node1.pg.accepts

    def test_stopped_postmaster_whose_skyha_cannot_say_so_fails_over_after_hang_timeout(self, world):
        world.network.loses_datagrams = True
        world.run(10)
        world.node1.pg.set_hung(True)
        world.run(6)
        assert world.oracles.fence_count == 0, story(world)
        fails_over(world, within=10)

    def test_already_off_counts_as_fenced(self, world):
        world.node1.switch_off("test")
        fails_over(world, within=5)
        assert world.oracles.fence_count == 0

    def test_reset_fences_as_well(self):
        world = ready(fence={"action": "reset"})
        world.node1.freeze()
        fails_over(world, within=10)
        converges(world)
        assert not world.broken, story(world)

    def test_the_documents_own_timing(self):
        world = ready(timing=DOCUMENT)
        world.node1.switch_off("test")
        fails_over(world, within=60)
        converges(world, within=200)
        assert not world.broken, story(world)

    def test_sick_storage_fails_over_where_that_is_the_policy(self):
        world = ready(failover={"tablespace_policy": "failover"})
        world.settle()
        world.node1.pg.sick = True
        world.changed()
        fails_over(world, within=12)
        assert not world.broken, story(world)

    def test_vip_is_lost_and_skyha_stopped_fails_over(self, world):
        world.node1.skyha_off = True
        world.node1.daemon.kill()
        world.node1.set_vip(False)
        fails_over(world, within=8)


class TestRepairedInPlace:
    def test_lost_vip_is_taken_again(self, world):
        world.node1.set_vip(False)
        took = world.run_until(lambda: world.node1.vip, 10)
        assert took is not None
        assert took <= 2
        nobody_is_fenced(world)

    def test_killed_postmaster_is_restarted(self, world):
        world.node1.pg.recovery_time = 0.3
        world.node1.pg.crash("is killed -9")
        nobody_is_fenced(world)
        assert world.primary() is world.node1
        assert world.outage(20) <= 2.2  # a lost connection wakes the real loop at once; here it sleeps its second out

    def test_stopped_database_is_restarted(self, world):
        world.node1.pg.stop(False)
        nobody_is_fenced(world)
        assert world.primary() is world.node1

    def test_server_that_cannot_start_fails_over(self, world):
        world.node1.pg.broken = True
        world.node1.pg.crash("is damaged")
        fails_over(world, within=20)

    @pytest.mark.parametrize("starting_up_for", [4.0, 8.0, 30.0])
    def test_server_that_starts_up_for_long_and_never_comes_up_fails_over(self, world, starting_up_for):
        """A full WAL disk: it is alive each time, as far as anybody sees, and so are the standby's signs of before."""
        world.node1.pg.broken = True
        world.node1.pg.broken_after = starting_up_for
        world.node1.pg.crash("its WAL disk is full")
        fails_over(world, within=40 + 4 * starting_up_for)

    def test_what_was_seen_before_a_start_does_not_count_for_ever(self, world):
        """A server that shuts down and waits for its clients says the same, and those clients commit."""
        world.node1.pg.broken = True
        world.node1.pg.broken_after = 400.0
        world.node1.pg.crash("is damaged")
        world.run(390.0)
        world.node1.switch_off("test")
        nobody_is_fenced(world, 30)


class TestNobodyIsFenced:
    def test_vip_and_vote_port_both_down(self, world):
        world.node1.failing.add("add_vip")
        world.node1.set_vip(False)
        world.network.vote.proxy = "down"
        nobody_is_fenced(world)
        assert "cut_off" in world.alarms("node2")

    def test_standby_cut_off(self, world):
        world.isolate("node2")
        nobody_is_fenced(world, 600)
        world.heal()
        nobody_is_fenced(world, 60)
        assert not world.not_converged()

    def test_standby_is_healed_piece_by_piece(self, world):
        """What it saw while it was cut off counts for nothing, however long that was."""
        world.isolate("node2")
        world.cut("node1", "vote")
        world.run(600)
        world.heal(("node2", "vote"))
        nobody_is_fenced(world, 30)
        world.heal()
        converges(world)

    @pytest.mark.parametrize(("one", "other"), [("node1", "node2"), ("node1", "vote"), ("node2", "vote")])
    @pytest.mark.parametrize("both", [True, False])
    @pytest.mark.parametrize("turned", [False, True])
    def test_one_link_cut(self, world, one, other, both, turned):
        if turned:
            one, other = other, one
        world.cut(one, other, both=both)
        nobody_is_fenced(world, 120)
        assert world.alarms("node2")
        world.heal()
        converges(world)

    def test_link_flaps_every_second(self, world):
        for _ in range(60):
            world.cut("node1", "node2")
            nobody_is_fenced(world, 1)
            world.heal()
            nobody_is_fenced(world, 1)

    def test_lossy_network(self, world):
        world.network.loss = 0.3
        nobody_is_fenced(world, 600)

    @pytest.mark.parametrize("proxy", ["down", "refused", "hung"])
    def test_vote_proxy_fails_then_the_primary_dies(self, world, proxy):
        world.network.vote.proxy = proxy
        nobody_is_fenced(world, 60)
        assert "vote_path" in world.alarms("node2")
        world.node1.switch_off("test")
        nobody_is_fenced(world, 60)

    def test_vote_host_is_dead(self, world):
        world.network.vote.power = False
        nobody_is_fenced(world, 60)
        assert "vote_path" in world.alarms("node2")

    @pytest.mark.parametrize("what", ["mute", "sick"])
    def test_server_answers_with_errors(self, world, what):
        world.settle()
        setattr(world.node1.pg, what, True)
        nobody_is_fenced(world)
        assert world.alarms("node2")

    def test_slow_server_answers_in_time(self, world):
        world.node1.pg.slow = 0.7
        nobody_is_fenced(world)

    def test_one_walsender_stopped(self, world):
        world.settle()
        world.stream.walsender_stopped = True
        world.changed()
        nobody_is_fenced(world)
        assert "replication" in world.alarms("node2")
        assert "standby" in world.alarms("node1")

    def test_standby_whose_replay_is_paused_is_not_promoted(self, world):
        world.node2.pg.replay_paused = True
        world.run(90)
        assert world.alarms("node2")
        world.node1.switch_off("test")
        nobody_is_fenced(world, 120)
        assert "no_failover" in world.alarms("node2")

    def test_standby_that_receives_late_is_not_promoted(self, world):
        world.stream.delay = 60.0
        world.run(90)
        assert "lag" in world.alarms("node2")
        world.node1.switch_off("test")
        nobody_is_fenced(world, 120)

    def test_clock_jumps(self, world):
        world.node1.wall_offset = 3600
        world.node2.wall_offset = -3600
        nobody_is_fenced(world)
        assert not world.not_converged()

    def test_another_host_answers_for_the_vip(self, world):
        world.node1.set_vip(False)
        world.network.alien = True
        world.run(4)
        assert not world.node1.vip
        assert "vip_conflict" in world.alarms("node1")

    def test_second_failure_within_the_flap_guard(self, world):
        world.node1.switch_off("test")
        fails_over(world, within=5)
        converges(world)
        world.node2.switch_off("test")
        nobody_is_fenced(world, 60)
        assert "no_failover" in world.alarms("node1")


class TestBmc:
    @pytest.mark.parametrize("what", ["up", "password_ok"])
    def test_unusable_in_quiet_times_is_alarmed_and_disarms(self, world, what):
        setattr(world.bmcs["node1"], what, False)
        world.run(70)
        assert "bmc" in world.alarms("node2")
        world.node1.switch_off("test")
        nobody_is_fenced(world, 60)

    @pytest.mark.parametrize("what", ["up", "password_ok", "acts"])
    def test_fails_at_the_time_of_need_then_works(self, world, what):
        setattr(world.bmcs["node1"], what, False)
        world.node1.freeze()
        world.run(60)
        assert world.oracles.promotions == 0
        assert "fence_failed" in world.events("node2")
        setattr(world.bmcs["node1"], what, True)
        assert world.run_until(lambda: world.primary() is world.node2, 30) is not None, story(world)

    def test_keeps_trying_to_its_limit_only(self, world):
        world.bmcs["node1"].up = False
        world.node1.freeze()
        world.run(1200)
        tries = world.node2.daemon.loop.memory.record.intent.attempts
        assert tries <= 60
        world.run(300)
        assert world.node2.daemon.loop.memory.record.intent.attempts == tries

    def test_wrong_host_switched_off_is_noticed_by_its_answers(self, world):
        world.bmcs["node1"].lies = True
        world.node1.freeze()
        assert world.run_until(lambda: "fence_read_back" in world.events("node2"), 20) is not None
        world.node1.thaw()
        world.run(10)
        assert world.oracles.promotions == 0
        assert "fence_distrusted" in world.alarms("node2")

    def test_call_off_when_the_primary_is_back(self, world):
        world.bmcs["node1"].password_ok = False
        world.node1.freeze()
        world.run(20)
        failed = world.events("node2").count("fence_failed")
        assert world.run_until(lambda: world.events("node2").count("fence_failed") > failed, 10) is not None, story(
            world
        )
        world.node1.thaw()
        world.bmcs["node1"].password_ok = True
        nobody_is_fenced(world, 30)
        assert "called_off" in world.events("node2")
        assert world.primary() is world.node1

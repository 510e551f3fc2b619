# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Planned stops of the primary that take long: no failure, unless they never end."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import STOP_LIMIT

from tests.simulation.story import story
from tests.simulation.verbs import converges, nobody_is_fenced


def stopped_by_its_unit(world, seconds):
    """systemctl restart sky-postgresql, by an operator or by needrestart: the VIP goes first."""
    world.node1.pg.stop_time = seconds
    world.node1.set_vip(False)
    world.node1.pg.stop(False)


class TestASlowStopOfThePrimary:
    @pytest.mark.parametrize("seconds", [2.5, 4, 9, 20, 60, 290])
    def test_is_no_reason_to_fence(self, world, seconds):
        stopped_by_its_unit(world, seconds)
        nobody_is_fenced(world, seconds + 20)
        assert world.primary() is world.node1
        converges(world)

    def test_is_told_while_it_lasts(self, world):
        stopped_by_its_unit(world, 20)
        world.run(10)
        assert "shuts down" in world.alarms("node2")["stopping"]

    def test_that_never_ends_is_a_failure_in_the_end(self, world):
        stopped_by_its_unit(world, 10 * STOP_LIMIT)
        nobody_is_fenced(world, STOP_LIMIT - 10)
        assert world.run_until(lambda: world.primary() is world.node2, 40) is not None, story(world)

    @pytest.mark.parametrize("after", [1, 5, 30])
    def test_in_which_the_host_dies_costs_no_more_than_any_death(self, world, after):
        stopped_by_its_unit(world, 100)
        world.run(after)
        world.node1.mains = False
        world.node1.switch_off("test")
        assert world.run_until(lambda: world.primary() is world.node2, 10) is not None, story(world)

    @pytest.mark.parametrize("after", [1, 5, 30])
    def test_in_which_the_node_is_cut_off_is_not_waited_for(self, world, after):
        stopped_by_its_unit(world, 100)
        world.run(after)
        world.isolate("node1")
        assert world.run_until(lambda: world.primary() is world.node2, 10) is not None, story(world)


class TestBothUnitsStoppedAtOnce:
    """systemctl stop skyha sky-postgresql: systemd stops PostgreSQL first, and tells skyha to end right after."""

    @pytest.mark.parametrize("late", [0.005, 0.1, 0.3])
    def test_leaves_the_server_of_a_standby_stopped(self, world, late):
        node = world.node2
        node.pg.stop(False)
        assert world.run_until(lambda: node.pg.state == "down", 10) is not None, story(world)
        world.run(late)
        node.daemon.leave()
        world.run(30)
        assert node.pg.state == "down", story(world)
        node.daemon.start_again()
        converges(world)

    def test_server_alone_is_started_again(self, world):
        world.node2.pg.stop(False)
        assert world.run_until(lambda: world.node2.pg.state == "down", 10) is not None, story(world)
        assert world.run_until(lambda: world.node2.pg.is_up, 3) is not None, story(world)

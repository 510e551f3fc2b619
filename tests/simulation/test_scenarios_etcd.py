# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A register in an etcd: a majority of its members that answers is a witness that this node is not cut off, beside the vote port."""

from __future__ import annotations

import pytest

from tests.simulation.story import story
from tests.simulation.verbs import converges, fails_over, nobody_is_fenced, ready

ETCD = {"register": {"engine": "etcd", "endpoints": ("198.51.100.110:11923",)}}
ELSEWHERE = ("far1", "far2", "far3")


@pytest.fixture
def world():
    """An armed cluster with members on both nodes and the vote host; at the end no rule may be broken."""
    world = ready(**ETCD)
    yield world
    assert not world.broken, story(world)


class TestItHolds:
    def test_one_of_three_members_lost(self, world):
        world.network.vote.power = False
        world.changed()
        nobody_is_fenced(world)
        assert "register" not in world.alarms("node1")
        assert "vote: " in world.alarms("node1")["register_member"]
        world.network.vote.power = True
        assert world.run_until(world.armed, 60) is not None, story(world)
        world.node1.switch_off("test")
        fails_over(world, within=12)

    def test_two_of_three_members_lost_nothing_is_promoted_and_it_says_why(self, world):
        world.network.vote.power = False
        world.node1.switch_off("test")
        world.run(60)
        assert world.primary() is None
        assert world.oracles.promotions == 0
        assert "cut_off" in world.alarms("node2")
        assert "register" in world.alarms("node2")
        world.network.vote.power = True
        world.changed()
        world.node1.switch_on("test")
        converges(world)


class TestItIsAWitness:
    def test_the_primary_dies_together_with_the_vote_proxy(self, world):
        world.network.vote.proxy = "down"
        world.node1.switch_off("test")
        fails_over(world, within=15)

    def test_the_primary_dies_together_with_the_vote_host_and_the_members_are_elsewhere(self, world):
        world.register.members = ELSEWHERE
        world.run(10)
        world.network.vote.power = False
        world.node1.switch_off("test")
        fails_over(world, within=15)


class TestItIsNone:
    def test_the_other_engine_never_is(self):
        world = ready(register={"engine": "vote_host", "address": "198.51.100.35"})
        world.network.vote.proxy = "down"
        world.node1.switch_off("test")
        nobody_is_fenced(world)
        assert "cut_off" in world.alarms("node2")

    def test_a_primary_that_renews_lives_whoever_else_can_see_it(self, world):
        world.register.members = ELSEWHERE
        world.run(10)
        world.cut("node1", "node2")
        world.cut("node2", "vote")
        nobody_is_fenced(world, 60)
        assert "cut_off" in world.alarms("node2")
        assert world.primary() is world.node1

    def test_the_majority_is_this_node_and_the_primarys(self, world):
        """Only the VIP is lost on the way, and the vote host."""
        world.network.vote.power = False
        world.node1.failing.add("add_vip")
        world.node1.set_vip(False)
        nobody_is_fenced(world, 60)
        assert "cut_off" in world.alarms("node2")

    def test_a_node_that_is_cut_off_has_no_majority(self, world):
        world.isolate("node2")
        nobody_is_fenced(world, 600)
        world.heal()
        nobody_is_fenced(world, 60)
        assert not world.not_converged()

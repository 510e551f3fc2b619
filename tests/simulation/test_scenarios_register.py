# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A register says who may write: its rules hold in whatever state it is."""

from __future__ import annotations

import pytest

from tests.simulation.story import story
from tests.simulation.verbs import nobody_is_fenced, ready

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
        assert abs(known(world.node2).row.beat - world.register.row.beat) <= 2
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

    def test_a_cluster_without_one_knows_of_none(self):
        world = ready()
        assert world.register.row is None
        assert known(world.node1).row is None

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Zero loss as its users see it: protected or not, since when, and what a takeover would lose. What is said must be so in the world."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.explain import explain
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.sources import View
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.text import Paint
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.board import Board
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.page import zero_loss_text
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.status import Moment, snapshot
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from tests.simulation.schedules import LEASE, REGISTER, ZERO_LOSS
from tests.simulation.story import story
from tests.simulation.verbs import converges, ready

GONE = View(None, "it does not answer")


@pytest.fixture(params=[REGISTER, LEASE], ids=["register", "lease"])
def world(request):
    """An armed cluster whose commits wait for the standby; at the end no rule may be broken."""
    world = ready(**request.param, **ZERO_LOSS)
    yield world
    assert not world.broken, story(world)


def status(world, name):
    """What this node's skyha publishes after its last cycle."""
    daemon = world.hosts[name].daemon
    loop, now = daemon.loop, daemon.monotonic()
    return snapshot(
        loop.config, loop.memory, loop.seen, loop.decision, Board(), Moment(now, daemon.wall(), daemon.wall(), 1)
    )


def shown(world, name):
    return status(world, name).postgres.replication


def explained(world, name):
    loop = world.hosts[name].daemon.loop
    return " ".join(explain(loop.config, View(status(world, name)), GONE, Paint(False)).split())


def dies(host):
    host.mains = False
    host.switch_off("its supply fails")


def told_in_history(world, name, kind):
    return [event.text for _, event in world.hosts[name].daemon.events if event.kind == kind]


class TestProtected:
    def test_both_nodes_say_so(self, world):
        here, there = shown(world, "node1"), shown(world, "node2")
        assert (here.mode, here.commit, here.protected, here.tried_in) == ("zero_loss", "on", True, None)
        assert here.for_ > 10.0
        assert (there.heir, there.for_, there.protected) == (True, None, None)
        assert zero_loss_text(status(world, "node1"))[1] == "good"
        assert "Zero loss holds since" in explained(world, "node1")
        assert "zero loss: it has all that node1 had acknowledged when the register was last read" in explained(
            world, "node2"
        )

    def test_calm_raises_nothing(self, world):
        world.run(600)
        for name in ("node1", "node2"):
            assert not {"not_protected", "commits_wait", "heir"} & world.alarms(name).keys()
            assert told_in_history(world, name, "held_back") == []
        assert shown(world, "node1").for_ > 600

    def test_a_skyha_that_starts_again_raises_no_alarm_for_that(self, world):
        world.node1.daemon.kill()
        world.run(20)
        assert shown(world, "node1").protected
        assert not [text for text in told_in_history(world, "node1", "alarm") if "on this node only" in text]

    def test_a_pause_is_told_as_what_it_is(self, world):
        world.node1.daemon.order(Order.PAUSE)
        world.run(15)
        assert shown(world, "node1").protected is False
        assert world.alarms("node1")["not_protected"].endswith("the cluster is paused")
        assert "Zero loss does NOT hold since" in explained(world, "node1")


class TestStandbyLost:
    def test_how_long_commits_wait_and_from_when_on_they_are_not_protected(self, world):
        dies(world.node2)
        waited = []
        world.run_until(
            lambda: waited.append(shown(world, "node1").waiting) or shown(world, "node1").protected is False, 20
        )
        assert max(waited) >= 2.9, story(world)
        at = world.now
        world.run(2)
        assert 0.0 < shown(world, "node1").tried_in < 3.5
        assert "node2 is tried again in" in explained(world, "node1")
        world.run(10)
        here = shown(world, "node1")
        assert here.waiting == 0.0
        assert here.for_ == pytest.approx(world.now - at, abs=0.3)
        assert here.tried_in is None  # its stream is waited for, no time any more
        assert zero_loss_text(status(world, "node1")) == ("NOT protected, for 12 s", "bad")
        assert "not_protected" in world.alarms("node1")

    def test_with_the_register_out_of_reach_commits_wait_and_are_protected(self):
        world = ready(**REGISTER, **ZERO_LOSS)
        world.register.state = "down"
        world.run(10)
        dies(world.node2)
        world.run(30)
        here = shown(world, "node1")
        assert (here.protected, here.waiting > 25.0) == (True, True)
        assert zero_loss_text(status(world, "node1"))[0].startswith("commits wait, ")
        assert "they wait on until the register has heard" in world.alarms("node1")["commits_wait"]
        assert "not_protected" not in world.alarms("node1")

    def test_out_of_that_an_operator_stops_it_and_takes_over(self):
        world = ready(**REGISTER, **ZERO_LOSS)
        world.register.state = "down"
        world.run(10)
        dies(world.node2)
        world.run(30)
        world.node1.pg.stop(False)
        world.run(10)
        world.node1.daemon.order(Order.TAKEOVER)
        assert world.run_until(lambda: world.primary() is world.node1, 30) is not None, story(world)
        assert not world.node1.pg.sync.holds_up
        world.run(10)
        assert shown(world, "node1").protected is False
        assert not world.broken, story(world)


class TestNotTheHeir:
    """node2 was away; node1 has written on alone, and dies."""

    def passed_by(self, world, more):
        """node2 is back, and lacks `more` seconds of commits; the acknowledged positions that the world saw meanwhile."""
        seen = []
        world.run_until(lambda: seen.append((world.now, world.node1.pg.sync.acked)) or False, 1)
        world.cut("node1", "node2")
        world.run_until(lambda: seen.append((world.now, world.node1.pg.sync.acked)) or False, more)
        return seen

    def test_the_standby_says_since_when_and_what_would_be_lost(self, world):
        seen = self.passed_by(world, 30)
        here = shown(world, "node2")
        assert here.heir is False
        assert 15 < here.for_ < 30
        text = world.alarms("node2")["heir"]
        assert "at least node1 commits without it; a takeover would lose what node1 has committed since" in text
        assert text in explained(world, "node2")
        # All that was acknowledged when it was last named is there, and the commits of later are not.
        until = world.now - here.complete_age
        assert max(acked for at, acked in seen if at <= until) <= world.node2.pg.lsn
        assert world.node1.pg.sync.acked > world.node2.pg.lsn
        world.heal()
        converges(world)
        assert shown(world, "node2").heir is True
        assert "heir" not in world.alarms("node2")

    def test_after_the_primary_died_it_says_so_still_and_once_in_the_history(self, world):
        self.passed_by(world, 20)
        dies(world.node1)
        dead_at = world.now
        world.run(60)
        assert world.primary() is None
        here = shown(world, "node2")
        assert here.heir is False
        assert here.for_ > 60.0
        assert here.heard_age >= world.now - dead_at - 1.0  # by the end of the look that heard it
        [text] = told_in_history(world, "node2", "held_back")
        assert "this node is not the heir" in text
        assert "and all that it wrote after that" in text
        assert "a takeover would lose" in explained(world, "node2")
        assert world.node1.pg.lsn - world.node2.pg.lsn >= (here.lacks or 0)

    def test_an_operator_who_takes_over_all_the_same_loses_no_more_than_was_said(self, world):
        self.passed_by(world, 20)
        dies(world.node1)
        world.run(30)
        world.node2.daemon.order(Order.TAKEOVER)
        assert world.run_until(lambda: world.primary() is world.node2, 60) is not None, story(world)
        assert world.oracles.promotions == 1

    def test_a_standby_whose_register_is_silent_says_what_it_last_knew(self, world):
        self.passed_by(world, 20)
        world.register.state = "down"
        dies(world.node1)
        world.run(60)
        reasons = world.hosts["node2"].daemon.loop.decision.readiness.reasons
        assert "register" in reasons
        assert "a takeover would lose" in reasons["heir"]

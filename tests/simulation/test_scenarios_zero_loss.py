# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Zero loss: what was acknowledged the heir has, and a standby that is lost stops the service for a moment only (R6)."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from tests.simulation.schedules import LEASE, REGISTER, ZERO_LOSS
from tests.simulation.story import story
from tests.simulation.verbs import converges, fails_over, ready


@pytest.fixture(params=[REGISTER, LEASE], ids=["register", "lease"])
def world(request):
    """An armed cluster whose commits wait for the standby; at the end no rule may be broken."""
    world = ready(**request.param, **ZERO_LOSS)
    assert world.node1.pg.sync.waits, story(world)
    assert world.register.row.heir == "node2"
    yield world
    assert not world.broken, story(world)


class TestInForce:
    def test_commits_wait_for_the_standby_before_it_is_the_heir(self, world):
        told = [text for _, who, text in world.story if who == "register" and "heir node2" in text]
        assert told

    def test_an_hour_of_calm_costs_nothing(self, world):
        began = world.now
        world.run(3600)
        assert world.armed(), story(world)
        assert world.outage(began) < 0.2

    def test_power_loss_loses_nothing(self, world):
        world.stream.delay = 0.3
        world.run(5)
        world.node1.mains = False
        world.node1.switch_off("its supply fails")
        fails_over(world, 10)
        assert world.oracles.lost == 0

    def test_and_the_one_that_comes_back_is_waited_for_again(self, world):
        world.node1.switch_off("its supply fails")
        fails_over(world, 10)
        began = world.now
        world.node1.switch_on("it is back")
        converges(world)
        assert world.node2.pg.sync.waits
        assert world.register.row.heir == "node1"
        assert world.outage(began) < 0.2, story(world)


class TestStandbyLost:
    @pytest.mark.parametrize("how", ["power", "hang", "cut"])
    def test_the_service_goes_on_after_the_patience(self, world, how):
        began = world.now
        if how == "power":
            world.node2.mains = False
            world.node2.switch_off("its supply fails")
        elif how == "hang":
            world.node2.pg.set_hung(True)
        else:
            world.cut("node1", "node2")
        world.run(10)
        assert world.primary() is world.node1
        assert not world.node1.pg.sync.waits
        assert 1.0 < world.outage(began) <= 3.5, story(world)
        assert world.register.row.heir == ""
        assert "not_protected" in world.alarms("node1")

    def test_back_it_becomes_the_heir_without_a_pause(self, world):
        world.node2.pg.set_hung(True)
        world.run(20)
        world.node2.pg.set_hung(False)
        began = world.now
        converges(world)
        assert world.register.row.heir == "node2"
        assert world.node1.pg.sync.waits
        assert world.outage(began) < 0.2, story(world)

    def test_a_short_absence_is_waited_for(self, world):
        world.node2.pg.set_hung(True)
        world.run(1.5)
        world.node2.pg.set_hung(False)
        world.run(5)
        assert world.register.row.heir == "node2"
        assert "sync_ended" not in world.events("node1")

    def test_then_the_primary_nobody_is_promoted_by_itself(self, world):
        world.node2.pg.set_hung(True)
        world.run(10)
        world.node1.mains = False
        world.node1.switch_off("its supply fails")
        world.node2.pg.set_hung(False)
        world.run(60)
        assert world.primary() is None
        assert "heir" in world.alarms("node2") or "heir" in world.hosts["node2"].daemon.loop.decision.readiness.reasons

    def test_with_the_register_out_of_reach_commits_wait(self):
        world = ready(**REGISTER, **ZERO_LOSS)
        world.register.state = "down"
        world.run(10)
        world.node2.mains = False
        world.node2.switch_off("its supply fails")
        world.run(30)
        assert world.node1.pg.sync.holds_up
        assert "commits_wait" in world.alarms("node1")
        world.register.state = "ok"
        assert world.run_until(lambda: not world.node1.pg.sync.holds_up, 10) is not None, story(world)
        assert not world.broken, story(world)


class TestChanges:
    def test_nothing_is_taken_for_synchronous_before_the_checkpointer_has_read_it(self):
        world = ready(**REGISTER, **ZERO_LOSS)
        world.node2.pg.set_hung(True)
        world.run(10)
        world.node1.pg.sync.checkpointer_late = 20.0
        world.node2.pg.set_hung(False)
        assert world.run_until(lambda: world.node1.pg.sync.names == "node2", 30) is not None, story(world)
        world.run(10)
        assert world.register.row.heir == "", "it is the heir, and commits do not wait for it yet"
        world.run(20)
        assert world.register.row.heir == "node2"
        assert not world.broken, story(world)

    def test_one_that_hangs_before_it_has_flushed_all_is_no_heir(self):
        world = ready(**REGISTER, **ZERO_LOSS)
        world.node2.pg.set_hung(True)
        world.run(10)
        world.node1.pg.sync.checkpointer_late = 2.0  # commits are acknowledged alone so long after the setting
        world.node2.pg.set_hung(False)
        assert world.run_until(lambda: world.node1.pg.sync.names == "node2", 30) is not None, story(world)
        world.node2.pg.set_hung(True)
        seen = set()
        for _ in range(60):
            world.run(0.1)
            seen.add(world.register.row.heir)
        assert seen == {""}, story(world)
        assert not world.broken, story(world)

    def test_a_pause_lets_commits_go_on_alone(self, world):
        world.node1.daemon.order(Order.PAUSE)
        world.run(5)
        assert world.register.row.heir == ""
        assert not world.node1.pg.sync.waits
        world.node1.daemon.order(Order.RESUME)
        converges(world)
        assert world.register.row.heir == "node2"

    def test_skyha_stopped_lets_commits_go_on_alone(self, world):
        world.node1.daemon.leave()
        world.run(5)
        assert not world.node1.daemon.alive
        assert world.register.row.heir == ""
        assert not world.node1.pg.sync.waits
        assert world.node1.pg.accepts

    def test_skyha_does_not_end_before_commits_go_on_alone(self, world):
        world.node1.failing.add("set_sync")
        world.node1.daemon.leave()
        world.run(2)
        assert world.node1.daemon.alive
        assert world.node1.pg.sync.waits
        world.node1.failing.discard("set_sync")
        world.run(3)
        assert not world.node1.daemon.alive
        assert not world.node1.pg.sync.waits

    def test_skyha_restarted_keeps_the_heir(self, world):
        heirs = len([1 for _, who, text in world.story if who == "register" and "heir none" in text])
        world.node1.daemon.kill()
        world.run(10)
        assert world.register.row.heir == "node2"
        assert heirs == len([1 for _, who, text in world.story if who == "register" and "heir none" in text]), story(
            world
        )

    def test_a_setting_in_its_way_ends_the_promise_and_is_told(self, world):
        world.node1.pg.sync.override("")
        world.run(5)
        assert world.register.row.heir == ""
        assert "sync_overridden" in world.alarms("node1")
        world.node1.pg.sync.override(None)
        converges(world)
        assert world.register.row.heir == "node2"

    def test_a_setting_that_was_in_its_way_while_the_register_was_silent(self):
        """What is acknowledged while it stands nobody has promised; what is after it was removed, skyha has."""
        world = ready(**REGISTER, **ZERO_LOSS)
        world.register.state = "down"
        world.run(3)
        world.node1.pg.sync.override("somebody")
        world.run(5)
        world.node1.pg.sync.override(None)
        world.run(2)
        world.settle()
        world.stream.walsender_stopped = True
        world.changed()
        world.run(3)
        world.node1.mains = False
        world.node1.switch_off("its supply fails")
        world.register.state = "ok"
        world.run(30)
        assert not world.broken, story(world)

    def test_a_switchover_and_back(self, world):
        for old in (world.node1, world.node2):
            old.daemon.order(Order.SWITCHOVER)
            assert world.run_until(lambda old=old: world.primary() is old.peer, 30) is not None, story(world)
            converges(world)
            assert world.register.row.heir == old.name
        assert world.oracles.lost == 0

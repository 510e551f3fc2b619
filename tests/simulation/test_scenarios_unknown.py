# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a look did not tell is neither yes nor no: nothing that safety stands on changes by it, and an alarm names it."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from tests.simulation.story import story
from tests.simulation.verbs import converges, fails_over, nobody_is_fenced, ready

REFUSED = "FATAL: too many clients already"


class TestOwnServerDoesNotTell:
    """PostgreSQL serves its clients, and answers its own node's skyha with an error."""

    def test_primary_keeps_its_record_and_is_not_resurrected(self):
        world = ready()
        world.node1.asks_in_vain = True
        world.run(world.config("node1").timing.alone_after + 30)
        assert world.node1.daemon.loop.memory.record.standby_recorded
        assert REFUSED in world.alarms("node1")["local"]
        assert "standby" not in world.alarms("node1")
        assert not world.alarms("node2")
        world.node1.mains = False
        world.node1.switch_off("its mains fail")
        fails_over(world, 10)
        world.node1.asks_in_vain = False
        world.node2.switch_off("dies too")
        world.node1.mains = True
        world.node1.switch_on("its mains are back")
        world.run(60)
        assert not world.node1.pg.accepts, story(world)

    def test_primary_counts_the_time_alone_only_while_it_is_told(self):
        """The standby streamed unseen, and is gone by the next look that tells: it may be about to promote."""
        world = ready()
        alone_after = world.config("node1").timing.alone_after
        world.node1.asks_in_vain = True
        world.run(alone_after)
        world.node2.switch_off("dies")
        world.node1.asks_in_vain = False
        world.run(alone_after - 5)
        assert world.node1.daemon.loop.memory.record.standby_recorded
        world.run(10)
        assert not world.node1.daemon.loop.memory.record.standby_recorded

    def test_standby_is_not_armed(self):
        world = ready()
        world.node2.asks_in_vain = True
        world.run(3)
        assert REFUSED in world.alarms("node2")["local"]
        world.node1.switch_off("dies")
        world.run(20)
        assert world.oracles.promotions == 0
        assert REFUSED in world.alarms("node2")["no_failover"]
        world.node2.asks_in_vain = False
        assert world.run_until(lambda: world.primary() is world.node2, 10) is not None, story(world)

    def test_standby_is_not_promoted_before_it_has_seen_that_no_more_wal_arrives(self):
        world = ready()
        world.node1.switch_off("dies")
        assert world.run_until(lambda: "fencing" in world.events("node2"), 20) is not None
        world.node2.asks_in_vain = True
        assert world.run_until(lambda: REFUSED in world.alarms("node2").get("listening", ""), 5) is not None
        world.run(20)
        assert world.oracles.promotions == 0, story(world)
        world.node2.asks_in_vain = False
        assert world.run_until(lambda: world.primary() is world.node2, 15) is not None, story(world)
        converges(world)

    def test_switchover_is_refused(self):
        world = ready()
        world.node1.asks_in_vain = True
        world.run(2)
        world.node1.daemon.order(Order.SWITCHOVER)
        world.run(10)
        assert world.primary() is world.node1
        assert "switchover_refused" in world.events("node1")


class TestOwnLooksFail:
    """No descriptor, no buffer: that proves nothing in either direction, whatever is under way."""

    @staticmethod
    def blind_for(world, seconds):
        world.node2.blind = True
        world.run(seconds)
        world.node2.blind = False

    def test_in_quiet_it_is_no_trouble_and_told(self):
        world = ready()
        before = len(world.events("node2"))
        world.node2.blind = True
        nobody_is_fenced(world)
        assert "trouble" not in world.events("node2")[before:]
        assert "No buffer space available" in world.alarms("node2")["blind"]
        world.node2.blind = False
        converges(world)

    def test_trouble_neither_ends_nor_uses_up_patience(self):
        world = ready()
        world.node1.skyha_off = True
        world.node1.daemon.kill()
        world.node1.pg.crash("crashes, and nobody starts it")
        assert world.run_until(lambda: "trouble" in world.alarms("node2"), 5) is not None
        before = len(world.events("node2"))
        grace = world.config("node2").timing.restart_grace
        self.blind_for(world, grace)
        world.run(1)
        assert not {"recovered", "fencing"} & set(world.events("node2")[before:])
        assert world.run_until(lambda: world.primary() is world.node2, grace + 10) is not None, story(world)

    def test_between_two_attempts_to_fence_nothing_is_called_off(self):
        world = ready()
        world.bmcs["node1"].up = False
        world.node1.mains = False
        world.node1.switch_off("dies")
        assert world.run_until(lambda: "fence_failed" in world.events("node2"), 40) is not None
        self.blind_for(world, 1.5)
        world.bmcs["node1"].up = True
        assert world.run_until(lambda: world.primary() is world.node2, 60) is not None, story(world)
        assert "called_off" not in world.events("node2")

    @pytest.mark.parametrize("event", ["fencing", "fence_read_back", "fenced"])
    @pytest.mark.parametrize("seconds", [1.5, 9.0])
    def test_on_the_way_to_the_promotion_no_bmc_is_distrusted_and_no_promotion_killed(self, event, seconds):
        world = ready()
        world.node2.pg.promote_time = 9.0
        world.node1.mains = False
        world.node1.switch_off("dies")
        assert world.run_until(lambda: event in world.events("node2"), 40) is not None
        self.blind_for(world, seconds)
        assert world.run_until(lambda: world.primary() is world.node2, 60) is not None, story(world)
        assert "called_off" not in world.events("node2")
        assert not world.node2.daemon.loop.memory.record.fence_distrusted

    def test_when_the_proof_is_renewed_the_promotion_goes_on(self):
        world = ready()
        world.node2.pg.promote_time = 9.0
        world.node1.mains = False
        world.node1.switch_off("dies")
        assert world.run_until(lambda: world.node2.pg.promoting, 40) is not None
        world.run(5.0)
        self.blind_for(world, 1.5)
        assert world.run_until(lambda: world.primary() is world.node2, 10) is not None, story(world)
        assert "called_off" not in world.events("node2")

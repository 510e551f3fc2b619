# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a look did not tell is neither yes nor no: nothing that safety stands on changes by it, and an alarm names it."""

from __future__ import annotations

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from tests.simulation.story import story
from tests.simulation.verbs import converges, fails_over, ready

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

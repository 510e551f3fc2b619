# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One node waits for what the other may still do, and their monotonic clocks differ as much as docs/safety.md allows."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import DOCUMENT, Timing

from tests.simulation.story import story
from tests.simulation.world import World


def armed_with_clocks(timing, of_node1, of_node2):
    world = World(failover={"max_lag_seconds": 180.0}, timing=timing)  # as the document has it
    world.node1.clock_rate, world.node2.clock_rate = of_node1, of_node2
    assert world.run_until(world.armed, 200) is not None, story(world)
    world.run(20)
    return world


@pytest.mark.parametrize("timing", [Timing(), DOCUMENT], ids=["fast", "document"])
@pytest.mark.parametrize("clocks", [(1.0, 1.0), (1.1, 1.0), (1.0, 1 / 1.1)])
def test_primary_that_is_cut_off_does_not_note_that_it_is_alone_while_it_may_still_be_fenced(timing, clocks):
    """The stream broke first and the evidence is as old as it may be; the BMC does not answer until the record has changed."""
    world = armed_with_clocks(timing, *clocks)
    world.stream.walsender_stopped = True
    world.stream.stop()
    world.run((timing.arming_window - 2 * (timing.interval + timing.look_deadline)) / clocks[1])
    world.bmcs["node1"].up = False
    world.isolate("node1")
    assert world.run_until(lambda: "fencing" in world.events("node2"), 120) is not None, story(world)
    alone = world.run_until(lambda: not world.node1.daemon.loop.memory.record.standby_recorded, 3000)
    assert alone is not None
    world.bmcs["node1"].up = True
    world.run(60)
    assert world.oracles.promotions == 0, story(world)


@pytest.mark.parametrize(
    "timing",
    [
        Timing(failures_before_failover=30, retry_interval=2.0, fence_attempts=3),
        Timing(failures_before_failover=10, retry_interval=3.0, fence_attempts=1),
        Timing(
            arming_window=60.0, failures_before_failover=10, retry_interval=2.0, look_deadline=2.0, fence_attempts=1
        ),
    ],
)
def test_standby_that_says_armed_fails_over_however_few_attempts_it_has(timing):
    world = armed_with_clocks(timing, 1.0, 1.0)
    world.node1.mains = False
    world.node1.switch_off("dies")
    assert world.run_until(lambda: world.primary() is world.node2, timing.failover_limit) is not None, story(world)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verbs of the scenarios."""

from __future__ import annotations

from .story import story
from .world import World

QUIET = ("flap_guard", "failover")


def ready(**settings):
    world = World(**settings)
    assert world.run_until(world.armed, 60) is not None, story(world)
    world.run(20)
    return world


def fails_over(world, within):
    """F: node2 serves within so many seconds, and the clients' outage was no longer."""
    began = world.now
    took = world.run_until(lambda: world.primary() is world.node2, within + 20)
    assert took is not None, story(world)
    assert world.outage(began - 0.1) <= within, story(world)
    assert world.oracles.promotions == 1
    handed_over = any("has handed over to this node in the register" in text for _, _, text in world.story)
    how = set() if handed_over else {"fencing"}
    assert {"trouble", "fenced", "promoted"} | how <= set(world.events("node2")), story(world)


def nobody_is_fenced(world, seconds=60):
    """N: neither fenced nor promoted."""
    fences, promotions = world.oracles.fence_count, world.oracles.promotions
    world.run(seconds)
    assert (world.oracles.fence_count, world.oracles.promotions) == (fences, promotions), story(world)


def converges(world, within=120):
    assert world.run_until(lambda: not world.not_converged(but=QUIET), within) is not None, story(world)


def frozen_before_the_fence(world):
    """The standby's host stands still for an hour between the decision to fence, being saved, and the deed; all is healed by then."""
    world.cut("node1", "node2")
    world.cut("node1", "vote")
    assert world.run_until(lambda: "trouble" in world.alarms("node2"), 10) is not None
    world.fsync_time = 3.0
    assert world.run_until(lambda: world.node2.daemon.saving, 20) is not None
    world.node2.freeze()
    world.heal()
    world.run(3600)
    world.node2.thaw()

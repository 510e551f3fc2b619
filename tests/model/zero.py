# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commits that wait for the standby, and what clients were told: what a world has besides where `zero` is set.

The writer commits all the time. What it commits while WAL flows the standby has at once; so an acknowledged commit can be missing there
only when one was acknowledged while nothing flowed. A session reads the setting at once, the checkpointer, by whose word commits wait, at the
end of the step (after its commits) or, busy, later.
"""

from __future__ import annotations

from .build import NAMES
from .state import Broken, World, accepts, flows, history, put


def write(world: World, i: int, name: str) -> World:
    """skyha writes its file and tells the server to read it."""
    world = put(world, i, file=name)
    return put(world, i, names=name) if world.nodes[i].server == "up" else world


def started(world: World, i: int) -> World:
    """A server that starts has read it."""
    node = world.nodes[i]
    return put(world, i, names=node.file, waits=bool(node.file)) if world.zero else world


def keeps(world: World, i: int, how: str) -> None:
    """R6: who becomes primary has all that was acknowledged."""
    if not world.zero:
        return
    acked_on, acked = world.acked
    if not any(branch == acked_on and acked <= limit for branch, limit in history(world, i)):
        raise Broken(f"R6: node{i + 1} {how}, and lacks commits that were acknowledged")


def tick(world: World) -> World:
    """What is acknowledged in this step; then the checkpointers read their settings."""
    for i in (0, 1):
        node = world.nodes[i]
        if accepts(node) and not holds_up(world, i):
            world = world._replace(acked=(node.branch, node.lsn))
    for i in (0, 1):
        node = world.nodes[i]
        if node.server == "up" and not node.busy and not node.frozen:
            world = put(world, i, waits=bool(node.names))
        elif node.server == "down":  # what it had read ended with it
            world = put(world, i, names="", waits=False, busy=False)
    return world


def holds_up(world: World, i: int) -> bool:
    """Does no commit get through?"""
    node = world.nodes[i]
    return node.waits and not (flows(world) and world.sink == 1 - i and node.names == NAMES[1 - i])


def overruled(world: World) -> World:
    """An operator answers for what may be lost from here on."""
    return world._replace(acked=(0, 0)) if world.zero else world

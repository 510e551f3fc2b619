# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a random schedule breaks something."""

from __future__ import annotations

import random
from collections.abc import Callable

from .host import Host
from .world import World

Undo = Callable[[], None]


class Scene:
    """The world, and the chance that chooses among its hosts."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance

    def host(self) -> Host:
        """Mostly the node that serves: its faults are the interesting ones."""
        primary = self.world.primary()
        if primary is not None and self.chance.random() < 0.65:
            return primary
        return self.chance.choice(list(self.world.hosts.values()))

    def standby(self) -> Host:
        """The node that follows, or would."""
        primary = self.world.primary()
        return primary.peer if primary is not None else self.world.node2


def nothing() -> None:
    """How to repair what needs no repair."""

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Liveness: from a state with all its faults mended the cluster serves again by itself, or says which order an operator must give.

Mended, nothing is left to chance, so each state has one future; it is followed until it repeats itself, or joins one that is known.
"""

from __future__ import annotations

from dataclasses import dataclass

from .cluster import Cluster, Way
from .state import Broken, World

SERVES, ASKS, STUCK = "serves", "asks", "stuck"


@dataclass
class Futures:
    """What became of every state that was asked about."""

    cluster: Cluster
    longest: int = 0  # steps until it served again
    asked: int = 0

    def __post_init__(self) -> None:
        self._known: dict[int, tuple[str, int]] = {}  # hash -> (what becomes of it, after how many steps)
        self.ends = {SERVES: 0, ASKS: 0, STUCK: 0}

    def of(self, world: World) -> str:
        """What becomes of it, mended: '' or what is wrong with that."""
        self.asked += 1
        world, way, seen = self.cluster.healed(world), [], set()
        while hash(world) not in self._known:
            here = hash(world)
            try:
                following = self._next(world)
            except Broken as broken:
                return f"with all faults mended: {broken}"
            if self.cluster.serves(world) and self.cluster.serves(following):
                self._known[here] = (SERVES, 0)
                break
            if here in seen:  # it has come round: this is what it does for ever
                asks = any(self.cluster.asks_for_order(one) for one in self._circle(world))
                self._known[here] = (ASKS if asks else STUCK, 0)
                break
            seen.add(here)
            way.append(here)
            world = following
        end, steps = self._known[hash(world)]
        for here in reversed(way):
            if here not in self._known:
                steps += 1
                self._known[here] = (end, steps)
        self.ends[end] += 1
        self.longest = max(self.longest, steps if end == SERVES else 0)
        return "with all faults mended nobody serves, and no alarm names an operator's order" if end == STUCK else ""

    def _next(self, world: World) -> World:
        return self.cluster.step(world, Way())

    def _circle(self, world: World) -> list[World]:
        circle, here = [world], self._next(world)
        while here != world:
            circle.append(here)
            here = self._next(here)
        return circle

    def tale(self, world: World, steps: int = 40) -> list[str]:
        """The future in plain words."""
        world = self.cluster.healed(world)
        return ["all faults are mended", *self.cluster.follow(world, [("", Way())] * steps)]

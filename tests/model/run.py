# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""python -m tests.model.run: explore the cluster, tell what was explored, or the shortest story in which a rule breaks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

# As tests/conftest.py does: the collection is imported from the clone.
sys.path.insert(0, str(Path(__file__).parents[2] / "collections"))

from .build import STEP
from .cluster import Cluster, Way
from .events import events
from .explore import Found, explore
from .live import Futures
from .state import Broken, World

NOT_EXPLORED = """\
not explored: links that pass packets in one direction only, or lose some; two events in the same step, and what lies within a step (both
nodes look in one order or the other; one may act a step late, or die between record and deed); a slow or hung PostgreSQL, replay that
waits, lag, full or failing disks, more than one data directory; a BMC that says off before it is (it is read a step after the order); an
operator who errs; clocks that run apart; that two states are taken for one by a hash of 64 bits. With a register: questions to it, and
datagrams, that come late (test_register_rules.py has some of that); a row that is lost, or older than it was, unless a story begins with a
backup. Without loss: a lease; a standby that is slow, and not stuck; a setting that somebody lowers or overrides; that a client gives up waiting."""


@dataclass
class Explored:
    """One exploration, and what it can tell."""

    cluster: Cluster
    starts: list[World]
    found: Found[tuple[str, Way]]
    futures: Futures

    def counts(self) -> str:
        """For people."""
        found, ends = self.found, self.futures.ends
        return (
            f"{found.states} states and {found.transitions} transitions to depth {found.depth} ({found.depth * STEP:g} s), at most "
            f"{self.starts[0].faults} faults and {self.starts[0].heals} heals in a story, in {found.seconds:.0f} s; "
            f"{found.left} states of the last depth were not followed further; {self.cluster.decisions} different decisions. "
            f"Mended, {ends['serves']} states serve again by themselves (after {self.futures.longest} steps at most), {ends['asks']} "
            f"name an operator's order, {ends['stuck']} do neither"
        )

    def story(self) -> str:
        """The shortest story of what broke, in plain words."""
        start = world = self.starts[self.found.start]
        lines = [f"BROKEN: {self.found.broken}", *self.cluster.follow(start, self.found.story)]
        for name, way in self.found.story:
            world = next(after for event, after in events(world, self.cluster.stages(world)) if event == name)
            try:
                world = self.cluster.step(self.cluster.spent(world, way), way)
            except Broken:
                return "\n".join(lines)
        return "\n".join([*lines, *self.futures.tale(world)])


Starts = Callable[[Cluster], list[World]]


def in_order(cluster: Cluster) -> list[World]:
    """An armed cluster, and one in which node1's BMC is another host's."""
    return [cluster.start(), cluster.start(bmc="lies")]


def with_register(cluster: Cluster) -> list[World]:
    """The same with a register and a lease, and one that has the lease alone: node1's BMC is dead."""
    return [cluster.start(register=True), cluster.start(bmc="dead", register=True)]


def without_loss(cluster: Cluster) -> list[World]:
    """The same with a register, no lease, and zero loss."""
    return [cluster.start(zero=True)]


def after(*stories: Sequence[str], **start: Any) -> Starts:
    """Beginnings: an armed cluster (`start`: as Cluster.start takes it), and these events since, one a step ('': nothing happens)."""

    def worlds(cluster: Cluster) -> list[World]:
        found = []
        for story in stories:
            world = cluster.start(**start)._replace(faults=9, heals=9)
            for name in story:
                world = next(one for event, one in events(world, cluster.stages(world)) if event == name)
                world = cluster.step(world, Way())
            found.append(world)
        return found

    return worlds


def explored(
    faults: int,
    heals: int,
    depth: int,
    starts: Starts = in_order,
    progress: Callable[[str], None] = lambda text: None,
) -> Explored:
    """All stories from these beginnings."""
    cluster = Cluster()
    worlds = [world._replace(faults=faults, heals=heals) for world in starts(cluster)]
    futures = Futures(cluster)
    found = explore(worlds, cluster.successors, depth, futures.of, progress)
    return Explored(cluster, worlds, found, futures)


def main() -> int:
    """0: nothing breaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=2, help="in one story")
    parser.add_argument("--heals", type=int, default=1, help="in one story")
    parser.add_argument("--depth", type=int, default=5, help=f"steps of {STEP:g} s")
    parser.add_argument("--register", action="store_true", help="with a register and a lease")
    parser.add_argument(
        "--zero-loss", action="store_true", help="with a register, no lease, and commits that wait for the standby"
    )
    options = parser.parse_args()
    starts = without_loss if options.zero_loss else with_register if options.register else in_order
    result = explored(options.faults, options.heals, options.depth, starts, lambda text: print(text, flush=True))
    print(result.story() if result.found.broken else "no rule breaks")
    print(result.counts())
    print(NOT_EXPLORED)
    return 1 if result.found.broken else 0


if __name__ == "__main__":
    raise SystemExit(main())

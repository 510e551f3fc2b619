# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Breadth first through all that may follow: each state once, so the first breach found has the shortest story.

Of a state only its hash (64 bits) and how it was reached is kept; a story is told by playing it again.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Callable, Generic, TypeVar

State = TypeVar("State", bound=Hashable)
Label = TypeVar("Label")


@dataclass
class Found(Generic[Label]):
    """What came of an exploration."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    left: int = 0  # states at the last depth, of which nothing further was followed
    seconds: float = 0.0
    broken: str = ""
    story: list[Label] = field(default_factory=list)
    start: int = 0  # which of the beginnings the story begins with


def explore(
    starts: list[State],
    successors: Callable[[State], Iterable[tuple[Label, State | Exception]]],
    depth: int,
    visit: Callable[[State], str] = lambda state: "",
    progress: Callable[[str], None] = lambda text: None,
) -> Found[Label]:
    """All states within so many steps. `visit` says of each new one what is wrong with it, '' for nothing."""
    began, found = time.monotonic(), Found[Label]()
    reached: dict[int, tuple[int, Label | None]] = {hash(state): (number, None) for number, state in enumerate(starts)}
    frontier = list(starts)

    def stop(why: str, at: int, last: Label | None) -> Found[Label]:
        found.broken, found.states, found.seconds = why, len(reached), time.monotonic() - began
        story = [] if last is None else [last]
        while why and reached[at][1] is not None:
            at, label = reached[at]
            story.append(label)  # type: ignore[arg-type]
        found.story, found.start = story[::-1], reached[at][0] if why else 0
        return found

    while frontier and found.depth < depth:
        following: list[State] = []
        for state in frontier:
            here = hash(state)
            for label, after in successors(state):
                found.transitions += 1
                if isinstance(after, Exception):
                    return stop(str(after), here, label)
                number = hash(after)
                if number in reached:
                    continue
                reached[number] = (here, label)
                why = visit(after)
                if why:
                    return stop(why, number, None)
                following.append(after)
        frontier, found.depth, found.left = following, found.depth + 1, len(following)
        progress(
            f"depth {found.depth}: {len(reached)} states, {found.transitions} transitions, {time.monotonic() - began:.0f} s"
        )
    return stop("", 0, None)

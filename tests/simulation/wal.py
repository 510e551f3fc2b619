# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which commits a node has: WAL as positions on branches.

Each promotion begins a branch of its own, that one node alone writes. So a position (branch, LSN) says exactly which
commits are in it: those of its branch up to the LSN, and those of the branches it came from up to the forks.
"""

from __future__ import annotations

from dataclasses import dataclass

Position = tuple[int, int]  # (branch, LSN)


@dataclass(frozen=True)
class Branch:
    """Where a branch began."""

    parent: int
    fork: int  # the LSN at which it left its parent
    timeline: int


class Branches:
    """All branches of a world."""

    def __init__(self) -> None:
        self._all = [Branch(-1, 0, 1)]
        self.by_hand: set[int] = set()  # begun by a hand on pg_promote(), past every skyha
        self.changes: list[tuple[Position, str, object]] = []  # what was written into cluster_control

    @property
    def newest(self) -> int:
        """The lawful branch that was begun last."""
        return max(branch for branch in range(len(self._all)) if branch not in self.by_hand)

    def timeline(self, branch: int) -> int:
        """PostgreSQL's number for it; two branches may have the same."""
        return self._all[branch].timeline

    def fork(self, at: Position, by_hand: bool = False) -> int:
        """A promotion at this position; the new branch."""
        self._all.append(Branch(at[0], at[1], self._all[at[0]].timeline + 1))
        branch = len(self._all) - 1
        if by_hand:
            self.by_hand.add(branch)
        return branch

    def contains(self, whole: Position, part: Position) -> bool:
        """Are all commits up to `part` among those up to `whole`?"""
        return any(branch == part[0] and part[1] <= limit for branch, limit in self._history(whole))

    def covered(self, whole: Position, branch: int) -> int:
        """Up to which LSN the commits of `branch` are among those up to `whole`; 0: none of them."""
        return next((limit for one, limit in self._history(whole) if one == branch), 0)

    def looks_contained(self, whole: Position, part: Position) -> bool:
        """The same as `contains`, as PostgreSQL judges it: it knows a history by the numbers of its timelines alone."""
        timeline = self.timeline(part[0])
        return any(self.timeline(one) == timeline and part[1] <= limit for one, limit in self._history(whole))

    def parts_unseen(self, source: Position, target: Position) -> bool:
        """Would pg_rewind, that goes by the timelines' numbers, take for common what is not?"""
        theirs = self._history(source)
        mine = self._history(target)
        seen = max((min(a, b) for x, a in theirs for y, b in mine if self.timeline(x) == self.timeline(y)), default=0)
        true = max((min(a, b) for x, a in theirs for y, b in mine if x == y), default=0)
        return seen > true

    def _history(self, whole: Position) -> list[Position]:
        """Each branch of the history up to `whole`, and up to which LSN it is in it; the newest first."""
        branch, limit = whole
        found = []
        while branch >= 0:
            found.append((branch, limit))
            limit = min(limit, self._all[branch].fork)
            branch = self._all[branch].parent
        return found

    def control(self, at: Position, key: str, default: object) -> object:
        """The value of one field of cluster_control in a database at this position."""
        for position, name, value in reversed(self.changes):
            if name == key and self.contains(at, position):
                return value
        return default

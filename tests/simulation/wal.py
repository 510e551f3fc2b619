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
        self.changes: list[tuple[Position, str, object]] = []  # what was written into cluster_control

    @property
    def newest(self) -> int:
        """The branch that was begun last."""
        return len(self._all) - 1

    def timeline(self, branch: int) -> int:
        """PostgreSQL's number for it; two branches may have the same."""
        return self._all[branch].timeline

    def fork(self, at: Position) -> int:
        """A promotion at this position; the new branch."""
        self._all.append(Branch(at[0], at[1], self._all[at[0]].timeline + 1))
        return self.newest

    def contains(self, whole: Position, part: Position) -> bool:
        """Are all commits up to `part` among those up to `whole`?"""
        branch, limit = whole
        while branch >= 0:
            if branch == part[0]:
                return part[1] <= limit
            limit = min(limit, self._all[branch].fork)
            branch = self._all[branch].parent
        return False

    def control(self, at: Position, key: str, default: object) -> object:
        """The value of one field of cluster_control in a database at this position."""
        for position, name, value in reversed(self.changes):
            if name == key and self.contains(at, position):
                return value
        return default

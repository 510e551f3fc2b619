# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is all of the data there? The WAL and the tablespaces may be on disks of their own, and one that is not mounted leaves an
empty directory that nobody misses: PostgreSQL starts, and replays into it."""

from __future__ import annotations

import os
import time
from typing import Callable

from ..words import Place
from .datadir import Bounded

EVERY = 5.0  # seconds between two looks while the server runs
HOLDS = 20.0  # seconds that an answer counts while the next one is late


def places(data_dir: str) -> tuple[Place, ...]:
    """The WAL and the tablespaces of `data_dir`; raises OSError where it cannot be read."""
    with open(os.path.join(data_dir, "PG_VERSION"), encoding="ascii", errors="replace") as file:
        major = file.read().strip()
    tablespaces = sorted(name for name in os.listdir(os.path.join(data_dir, "pg_tblspc")) if name.isdigit())
    return (
        _place(data_dir, "pg_wal", "archive_status"),
        *(_place(data_dir, f"pg_tblspc/{name}", f"PG_{major}_") for name in tablespaces),
    )


def _place(data_dir: str, name: str, prefix: str) -> Place:
    """`prefix`: with which the name of a directory begins that PostgreSQL made there."""
    path = os.path.realpath(os.path.join(data_dir, name))
    try:
        is_whole = any(entry.startswith(prefix) for entry in os.listdir(path))
    except OSError:
        is_whole = False
    mount = path
    while not os.path.ismount(mount):
        mount = os.path.dirname(mount)
    return Place(name, path, mount, is_whole)


class Storage:
    """Looks at a node's places. A dead disk hangs whoever touches it: the last answer counts for a while, then none."""

    def __init__(self, data_dir: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._data_dir = data_dir
        self._clock = clock
        self._bounded: Bounded[tuple[Place, ...] | None] = Bounded()
        self._last: tuple[Place, ...] | None = None
        self._at = float("-inf")

    def look(self, deadline: float, now_on: bool = False) -> tuple[Place, ...] | None:
        """The places, None where they are not known. now_on: an answer from before this look does not count."""
        if now_on or self._clock() - self._at >= EVERY:
            found = self._bounded.call(self._look, deadline)
            if found is not None:
                self._last, self._at = found, self._clock()
            elif now_on or self._clock() - self._at > HOLDS:
                self._last = None
        return self._last

    def _look(self) -> tuple[Place, ...] | None:
        try:
            return places(self._data_dir)
        except OSError:
            return None

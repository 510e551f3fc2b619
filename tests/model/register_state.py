# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The world in which the register's rules are played alone: two nodes, one row, and what is on its way."""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.book import NEVER, Hold, Row, Terms, Watch

TERMS = Terms(lease=2.0, watchdog=4.0)
FAR = 8.0  # longer ago than the heir waits
TROUBLE = 2.0  # so long nothing was heard of the holder
GIVES_UP = 4.0  # an answer that is so late is not waited for
BOOTS = 2
RATES = ((1.0, 1.0), (0.953, 1.047), (1.047, 0.953))
NAMES = ("node1", "node2")


class Question(NamedTuple):
    """On its way to the register, or back. `sent_at` by the asker's clock."""

    node: int
    kind: str  # renew, name, read, take
    sent_at: float
    row: Row | None  # the one that it names (name, take), or the epoch of (renew)
    heir: str = ""
    term: float = 0.0
    order: int = 0
    is_waited_for: bool = True
    answer: Row | None = None  # None: it is still on its way there
    ok: bool = False
    is_late: bool = False  # on a connection that was given up: it arrives whenever it likes


class Mark(NamedTuple):
    """A time of the holder, as it travels to the heir and back. It means something within the boot that it names only."""

    at: float
    boot: str  # now, then


class Side(NamedTuple):
    """One node. Times by its own clock, relative to now."""

    power: bool = True
    boot: int = 0
    frozen: bool = False
    stuck: bool = False  # skyha stands still, PostgreSQL runs on
    writes: bool = False
    fed_at: float | None = None  # None: the watchdog rests
    hold: Hold | None = None
    watch: Watch = Watch()
    mark: Mark | None = None  # that the answer to the last heartbeat carried
    heard_at: float = NEVER  # the holder's last answer to a heartbeat
    wish: tuple[str, float] | None = None  # the heir that it is to name, and the lease's term
    fenced: Row | None = None  # it has switched the other off; the row that it had read before
    taking: bool = False


class World(NamedTuple):
    """All of it. Links: '' well, cut, questions (wait), answers (wait)."""

    sides: tuple[Side, Side]
    row: Row
    rates: tuple[float, float] = RATES[0]
    questions: tuple[Question, ...] = ()
    links: tuple[str, str] = ("", "")
    link: str = ""  # between the nodes: '', cut, beats (wait), answers (wait)
    beats: tuple[tuple[int, Mark], ...] = ()  # promises on their way: (to whom, the mark)
    marks: tuple[
        tuple[int, Mark, Row], ...
    ] = ()  # answers to heartbeats: (to whom, the mark, the row that the holder knows)
    faults: int = 0
    heals: int = 0


class Way(NamedTuple):
    """How a step goes."""

    first: int = 0


def put(world: World, i: int, **changes: Any) -> World:
    """The world with this side changed."""
    side = world.sides[i]._replace(**changes)
    return world._replace(sides=(side, world.sides[1]) if i == 0 else (world.sides[0], side))


def runs(side: Side) -> bool:
    """Its kernel runs."""
    return side.power and not side.boot and not side.frozen


def writes(side: Side) -> bool:
    """It would acknowledge a commit now."""
    return side.writes and runs(side)

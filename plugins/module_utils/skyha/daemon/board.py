# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the daemon keeps to show: the last look along each path, the peer, the BMC, counters, the last events.

The decision needs none of it. It is fed once after each cycle and read by status.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..backup_report import Told
from ..words import Certificate, Event, Look, Outcome, Path, Peer, Power, Role, Seen, Server, Task

MAX_EVENTS = 50
SAME_ALARM = 15.0  # seconds: an alarm that is back sooner was on all the time


@dataclass(frozen=True)
class Noted:
    """An event with its place in the row and its time."""

    seq: int
    at: float  # seconds since 1970
    event: Event


@dataclass(frozen=True)
class Board:
    """What was seen last of each thing. Times are monotonic seconds of this node."""

    looks: Mapping[Path, tuple[float, Look]] = field(default_factory=dict)
    peer: tuple[float, Peer] | None = None
    power: Power = Power.UNKNOWN
    bmc_at: float | None = None  # the BMC last gave an answer of any kind, good or bad
    vip_held: bool | None = None  # None: before the first cycle
    alarms: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # code -> (since when, when last on)
    fence_error: str = ""  # why the last try to switch the peer's power failed
    counts: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    cycle_seconds: float = 0.0
    backup: Told | None = None
    certificate: Certificate | None = None


def observe(board: Board, seen: Seen, now: float, took: float) -> tuple[Board, tuple[Event, ...]]:
    """The board after one cycle that took `took` seconds, and the events that only the eye of a reader needs."""
    counts = dict(board.counts)
    _count(counts, ("cycles",))
    for path, look in seen.looks.items():
        _count(counts, ("looks", path.value, look.sight.value))
    power, bmc_at, fence_error = board.power, board.bmc_at, board.fence_error
    for outcome in seen.outcomes:
        _count(counts, ("tasks", outcome.task.value, "ok" if _succeeded(outcome) else "failed"))
        if outcome.task in (Task.FENCE, Task.POWER_ON, Task.CHECK_BMC):
            power, bmc_at = outcome.power, now
            fence_error = "" if _succeeded(outcome) else outcome.detail or "no reason given"
    events = _vip_events(board, seen)
    board = dataclasses.replace(
        board,
        looks={**board.looks, **{path: (now, look) for path, look in seen.looks.items()}},
        peer=board.peer if seen.peer is None else (now, seen.peer),
        power=power,
        bmc_at=bmc_at,
        fence_error=fence_error,
        vip_held=seen.local.vip_held,
        counts=counts,
        cycle_seconds=took,
    )
    return board, events


def alarmed(board: Board, codes: Iterable[str], now: float) -> Board:
    """The board with the alarms that are on now, each with its beginning."""
    kept = {code: times for code, times in board.alarms.items() if now - times[1] < SAME_ALARM}
    return dataclasses.replace(board, alarms={**kept, **{code: (kept.get(code, (now, now))[0], now) for code in codes}})


def count_events(board: Board, events: Iterable[Event]) -> Board:
    """The board with these events counted by kind."""
    counts = dict(board.counts)
    for event in events:
        _count(counts, ("events", event.kind))
    return dataclasses.replace(board, counts=counts)


def _count(counts: dict[tuple[str, ...], int], key: tuple[str, ...]) -> None:
    counts[key] = counts.get(key, 0) + 1


def _succeeded(outcome: Outcome) -> bool:
    return outcome.proof if outcome.task is Task.FENCE else outcome.ok


def _vip_events(board: Board, seen: Seen) -> tuple[Event, ...]:
    """The VIP went, whoever took it away. (That skyha took it is told by the loop.)"""
    if not board.vip_held or seen.local.vip_held:
        return ()
    serving = seen.local.server is Server.UP and seen.local.role is Role.PRIMARY
    return (Event("vip_down", "the VIP is no longer here", "warning" if serving else "info"),)

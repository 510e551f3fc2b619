# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An operator's orders and words, until they are carried out, used up or lapse. He is told where nothing follows from one:
one sentence why, and what to do instead.
"""

from __future__ import annotations

from dataclasses import replace

from ..margins import PAUSE_SETTLES, WALL_DRIFT, WORD_HOLDS
from ..words import Event, Order, Path, Role, Seen, Server
from .memory import Memory, Word, age
from .record import Record

_NAMES = {Order.TAKEOVER: "the takeover", Order.CONFIRM_OFF: "the word that the peer is off"}
INSTEAD = "where the peer is dead for good, 'skyctl takeover' makes this node the primary all the same"


def refused(order: Order, why: str) -> Event:
    """The event that skyctl waits for and shows."""
    return Event("order_refused", f"nothing follows from {_NAMES[order]}: {why}", "warning", {"order": order.value})


def not_followed(memory: Memory, why: str) -> tuple[Memory, tuple[Event, ...]]:
    """The memory without an operator's word that cannot be used, and what he is told; nothing where none was given."""
    if not memory.word.confirmed_off:
        return memory, ()
    return confirmed(memory, None), (refused(Order.CONFIRM_OFF, f"{why}; {INSTEAD}"),)


def confirmed(memory: Memory, at: float | None) -> Memory:
    """The memory with an operator's word that the peer is off, given then; None: without, it is used up or refused."""
    return replace(memory, word=replace(memory.word, confirmed_at=at))


def takeover_answered(memory: Memory) -> Memory:
    """The memory without an operator's order to take over: something came of it, or he was told why not."""
    return replace(memory, word=replace(memory.word, takeover_at=None))


def lapsed(before: Memory, after: Memory, why: str) -> tuple[Event, ...]:
    """Orders that were given up since nothing could be begun in time."""
    events: tuple[Event, ...] = ()
    if before.word.confirmed_off and not after.word.confirmed_off:
        events += (refused(Order.CONFIRM_OFF, f"{why}; see 'skyctl status', and give it again when that is over"),)
    if before.word.takeover_at is not None and after.word.takeover_at is None:
        events += (refused(Order.TAKEOVER, f"{why}; see 'skyctl status', and order it again when that is over"),)
    return events


def remember_orders(memory: Memory, seen: Seen, now: float) -> Memory:
    """With the orders that came, without those that lapsed, and with what is known of a pause.

    The database holds the pause for both nodes; an order just given here counts until it stands there.
    It is written there once: where the other node's operator has ordered the opposite meanwhile, the last one to write
    wins. If each node went on writing its own, they would undo each other's for ever.
    """
    word = _with_orders(memory.word, seen, now)
    told = _pause_told(seen)
    pending = word.pause_request
    if pending is not None:
        wanted = pending.order is Order.PAUSE
        if pending in seen.requests:
            told = (pending.seconds if pending.seconds is not None else float("inf")) if wanted else 0.0
        elif told is not None and ((told > 0) == wanted or _has_settled(word, now)):
            word = replace(word, pause_request=None)
        else:
            told = None
    record = memory.record if told is None else _paused(memory.record, told, now)
    return replace(memory, word=word, record=_on_the_wall(record, seen.wall, now))


def _with_orders(word: Word, seen: Seen, now: float) -> Word:
    if seen.pause_written:
        word = replace(word, pause_written_at=now)
    for request in seen.requests:
        if request.order in (Order.PAUSE, Order.RESUME):
            word = replace(word, pause_request=request, pause_written_at=None)
        if request.order is Order.CONFIRM_OFF:
            word = replace(word, confirmed_at=now)
        if request.order is Order.TAKEOVER:
            word = replace(word, takeover_at=now)
    if age(now, word.confirmed_at) > WORD_HOLDS:
        word = replace(word, confirmed_at=None)
    if age(now, word.takeover_at) > WORD_HOLDS:
        word = replace(word, takeover_at=None)
    return word


def _on_the_wall(record: Record, wall: float | None, now: float) -> Record:
    """The end of the pause on the wall clock, by which the next boot goes: written anew only where it moved."""
    if wall is None:
        return record
    until = None if record.paused_until is None else wall + record.paused_until - now
    old = record.paused_until_wall
    if until is old is None or (until is not None and old is not None and abs(until - old) < WALL_DRIFT):
        return record
    return replace(record, paused_until_wall=until)


def _has_settled(word: Word, now: float) -> bool:
    """Was this node's pause or resume written so long ago that what the database says otherwise is newer?"""
    return word.pause_written_at is not None and now - word.pause_written_at >= PAUSE_SETTLES


def _pause_told(seen: Seen) -> float | None:
    """For how long the primary's database says that the cluster is paused, 0 for not; None when it did not tell."""
    for path in (Path.VIP, Path.VOTE):
        look = seen.looks.get(path)
        if look is not None and look.beat is not None and look.beat.paused_for is not None:
            return look.beat.paused_for
    if seen.local.server is Server.UP and seen.local.role is Role.PRIMARY:
        return seen.local.paused_for
    return None


def _paused(record: Record, seconds: float, now: float) -> Record:
    if seconds <= 0:
        return record if not record.paused else replace(record, paused=False, paused_until=None)
    until = None if seconds == float("inf") else now + seconds
    same = (
        record.paused
        and (until is None) == (record.paused_until is None)
        and (until is None or record.paused_until is None or abs(until - record.paused_until) < WALL_DRIFT)
    )
    return record if same else replace(record, paused=True, paused_until=until)

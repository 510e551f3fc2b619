# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator is told whose word or order nothing follows from: one sentence why, and what to do instead."""

from __future__ import annotations

from dataclasses import replace

from ..words import Event, Order
from .memory import Memory

_NAMES = {Order.TAKEOVER: "the takeover", Order.CONFIRM_OFF: "the word that the peer is off"}
INSTEAD = "where the peer is dead for good, 'skyctl takeover' makes this node the primary all the same"


def refused(order: Order, why: str) -> Event:
    """The event that skyctl waits for and shows."""
    return Event("order_refused", f"nothing follows from {_NAMES[order]}: {why}", "warning", {"order": order.value})


def not_followed(memory: Memory, why: str) -> tuple[Memory, tuple[Event, ...]]:
    """The memory without an operator's word that cannot be used, and what he is told; nothing where none was given."""
    if not memory.confirmed_off:
        return memory, ()
    return replace(memory, confirmed_off=False), (refused(Order.CONFIRM_OFF, f"{why}; {INSTEAD}"),)


def lapsed(before: Memory, after: Memory, why: str) -> tuple[Event, ...]:
    """Orders that were given up since nothing could be begun in time."""
    events: tuple[Event, ...] = ()
    if before.confirmed_off and not after.confirmed_off:
        events += (refused(Order.CONFIRM_OFF, f"{why}; see 'skyctl status', and give it again when that is over"),)
    if before.takeover_at is not None and after.takeover_at is None:
        events += (refused(Order.TAKEOVER, f"{why}; see 'skyctl status', and order it again when that is over"),)
    return events

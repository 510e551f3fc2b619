# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Orders that make no sense now: refused before they are taken, by what the last cycle saw and decided."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import Config
from ..words import Order, Role, Seen, Server
from .decision import Decision
from .record import is_paused
from .switchover import obstacle


@dataclass(frozen=True)
class Refusal:
    """Why an order is not taken: a code to decide by, and a sentence with the next step."""

    code: str
    text: str


PAUSED = Refusal("paused", "the cluster is paused; run 'skyctl resume' first")
NOT_LOOKED = Refusal("not_looked", "skyha has just started and has completed no cycle yet: order it again in a moment")


def refusal(order: Order, config: Config, decision: Decision | None, seen: Seen | None, now: float) -> Refusal | None:
    """Why this order makes no sense after the last cycle; None when it does. Without one most are taken for the first."""
    if decision is None or seen is None:
        return NOT_LOOKED if order in (Order.SWITCHOVER, Order.REJOIN) else None
    memory, server, peer = decision.memory, seen.local.server, config.peer.name
    is_primary = server is Server.UP and seen.local.role is Role.PRIMARY
    serves = is_primary and "unlawful" not in decision.alarms
    if order is Order.REJOIN and server is not Server.DOWN:
        return Refusal("not_down", f"PostgreSQL is {server.value} here: there is nothing to rejoin")
    if order is Order.CONFIRM_OFF:
        if serves:
            return Refusal("serves", "this node is the running primary: there is nothing to confirm")
        if server is Server.UP and memory.watch.trouble is None and memory.record.intent is None:
            return Refusal("answers", f"the primary on {peer} answers: there is nothing to confirm")
    if order is Order.TAKEOVER and serves:
        return Refusal("serves", "this node is the running primary: there is nothing to take over")
    if order is Order.SWITCHOVER and not is_primary:
        return Refusal(
            "not_primary",
            f"a switchover is driven by the primary, which this node is not: run 'skyctl switchover' on {peer}",
        )
    if order in (Order.SWITCHOVER, Order.TAKEOVER) and is_paused(memory.record, now):
        return PAUSED
    if order is Order.SWITCHOVER and memory.record.intent is not None:
        return Refusal("under_way", f"{memory.record.intent.stage.value} is under way")
    why = obstacle(config, memory, seen) if order is Order.SWITCHOVER else None
    return None if why is None else Refusal("not_ready", f"{why}; 'skyctl explain' says more")

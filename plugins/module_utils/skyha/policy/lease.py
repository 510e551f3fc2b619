# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lease: until when the holder may write, how long its watchdog is fed, and when the heir may take over by time alone.

book.py has the rules (R3 to R5). A holder is bound by it only while its watchdog runs; an heir leans on what the row says.
"""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..margins import PROMISES_FOR
from ..words import Action, Do, Event, Food, Role, Seen, Server, Signs
from . import book
from .decision import Decision, Wants
from .memory import Memory, Register, age, ended
from .proof import Kind, Proof
from .record import is_overruled
from .vip import drop_vip

KILL_POLL = 0.2
TELL_AFTER = 5.0  # seconds of silence
TRY_EVERY = 30.0  # seconds between two attempts at a watchdog that could not be used


def terms(config: Config) -> book.Terms:
    """This node's own times, for when it holds."""
    return book.Terms(config.register.lease, float(config.watchdog.timeout))


def remember_lease(memory: Memory, seen: Seen, now: float) -> Memory:
    """With how the watchdog is."""
    part = replace(memory.lease, guard=seen.guard)
    if seen.local.server is Server.DOWN:
        part = replace(part, stopping=False)
    if seen.guard.problem:
        part = replace(part, problem=seen.guard.problem, failed_at=now)
    elif seen.guard.fed or memory.register.hold is None:  # who does not hold does not try it
        part = replace(part, problem="", failed_at=None)
    return replace(memory, lease=part)


def with_signs(part: Register, signs: Signs) -> Register:
    """What is known of the register, with what the datagrams told: the heir's promise, one's own, the holder's beat."""
    if part.hold is not None and signs.promise is not None:
        part = replace(part, hold=book.promised(part.hold, signs.promise))
    if part.watch is not None and signs.promised_at is not None:
        promised_at = max(part.watch.promised_at, signs.promised_at)
        part = replace(part, watch=replace(part.watch, promised_at=promised_at))
    if part.watch is not None and signs.beat is not None and signs.beat_at is not None:
        part = replace(part, watch=book.heard(part.watch, *signs.beat, signs.beat_at))
    return part


def no_signs(config: Config, memory: Memory, seen: Seen, now: float) -> dict[str, str]:
    """The alarm where no datagram comes of a peer that is there otherwise."""
    silent = age(now, memory.started_at if seen.signs.heard_at is None else seen.signs.heard_at) > TELL_AFTER
    streams, has_lease = seen.local.streaming or seen.local.peer_streaming, is_bound(memory) or stands(config, memory)
    if not config.signs.port or not silent or not (streams or has_lease):
        return {}
    why = seen.signs.problem or "nothing arrives: is its skyha up, does a firewall drop it?"
    at_stake = (
        "were the register lost now, the primary would have to stop"
        if has_lease
        else "its death would be seen up to a second later"
    )
    return {
        "signs": f"no sign of life comes from {config.peer.name} to UDP port {config.signs.port} ({why}): {at_stake}"
    }


# --- the holder --------------------------------------------------------------------------------------------------------------


def is_bound(memory: Memory) -> bool:
    """Is this node the holder, and may its heir take over by time, for all that is known? An operator's word ends that."""
    hold = memory.register.hold
    return hold is not None and hold.is_bound and not is_overruled(memory.record)


def holds_until(config: Config, hold: book.Hold) -> float:
    """Until when this holder may write, by this node's clock."""
    return book.writes_until(hold, terms(config))


def may_write_now(config: Config, memory: Memory, now: float) -> bool:
    """Does the lease let this holder write? One that is not bound by any may."""
    return book.may_write(memory.register.hold, terms(config), now)


def is_over(config: Config, memory: Memory, seen: Seen, now: float) -> bool:
    """Has the lease of this holder run out? Or must skyha end without being let out of it? Its heir may take over soon."""
    return is_bound(memory) and (seen.overdue or not may_write_now(config, memory, now))


def term(config: Config, memory: Memory, heir: str) -> float:
    """What to say in the register beside this heir: so long after its last renewal this node has stopped, or was reset. 0: no such thing."""
    return terms(config).term if heir and config.has_lease and memory.lease.guard.fed else 0.0


def is_guarded(memory: Memory) -> bool:
    """May PostgreSQL be started as primary here, as far as the lease goes? Not bound by one without a watchdog that runs."""
    return not is_bound(memory) or memory.lease.guard.fed


def food(config: Config, memory: Memory, seen: Seen, heir: str, now: float) -> Food | None:
    """For how long this host's watchdog may be fed; None: it is to rest. heir: whom this holder wants to name.

    Food that is past: it is neither fed nor started, and bites where it runs.
    """
    hold, local = memory.register.hold, seen.local
    if not config.has_lease or (local.server is Server.UP and local.role is Role.STANDBY):
        return None
    if hold is None:  # just started, or another node holds: what runs here, and must not, is reset
        return None if local.server is Server.DOWN else Food(0.0)
    if not is_bound(memory):
        is_tried = age(now, memory.lease.failed_at) >= TRY_EVERY or not memory.lease.problem
        return Food(now + config.register.lease) if heir and is_tried else None
    if local.server is Server.DOWN:  # it writes nothing, and may be about to start
        return None if seen.leaving else Food(now + config.register.lease)
    # A cycle may last (a slow disk under the record): the peer's promises count meanwhile, too.
    return Food(holds_until(config, hold), config.register.lease)


def gives_up(config: Config, memory: Memory, seen: Seen, now: float) -> bool:
    """Does PostgreSQL here hang for so long that its holder renews no more? A beat counts as its life (patience.py), and by the lease the
    heir takes over where nobody can fence.
    """
    if memory.own.down_since is None or seen.local.server is not Server.STALLED:
        return False
    return now - memory.own.down_since > config.timing.hang_timeout


def stopping(config: Config, memory: Memory, seen: Seen) -> Decision:
    """The lease of this primary has run out: it stops at once, before its heir may take over and its watchdog bites."""
    why = memory.register.problem or "the register does not answer"
    text = (
        f"neither the register nor {config.peer.name} lets this node write on ({why}), and {config.peer.name} may take over soon: stopping "
        "at once; it starts again when the register says so"
    )
    events = () if memory.lease.stopping else (Event("lease_over", text, "alarm"),)
    memory = replace(ended(memory), lease=replace(memory.lease, stopping=True))
    actions = (*drop_vip(seen.local), Action(Do.KILL_POSTGRES))
    return Decision(memory, f"primary: {text}", Wants(KILL_POLL, peer=True), actions, events, {"lease_over": text})


def beat_to_tell(memory: Memory) -> tuple[int, int] | None:
    """What this node knows of the register, for its peer, which reads it only now and then: a beat, or that it has handed over."""
    row = memory.register.row
    return None if row is None else (row.epoch, row.beat)


# --- the heir ----------------------------------------------------------------------------------------------------------------


def _row_of_an_heir(config: Config, memory: Memory) -> book.Row | None:
    """The row that was read last, where it names this node as the peer's heir."""
    row = memory.register.row
    is_heir = row is not None and row.holder == config.peer.name and row.heir == config.node.name
    return row if is_heir else None


def stands(config: Config, memory: Memory) -> bool:
    """May this node take over by time, should its peer fall silent?"""
    row = _row_of_an_heir(config, memory)
    return row is not None and row.term > 0


def promise_until(config: Config, memory: Memory, seen: Seen, now: float) -> float:
    """Until when this heir promises to take nothing by the lease; past: not any more. In trouble it promises nothing (R4).

    Without a register there is nothing to take: then it says that it is calm, and both send half as often.
    """
    quiet = memory.watch.trouble is None and memory.record.intent is None
    quiet = quiet and seen.local.server is Server.UP and seen.local.role is Role.STANDBY
    quiet = quiet and (not config.has_register or _row_of_an_heir(config, memory) is not None)
    return now + PROMISES_FOR if quiet else 0.0


def proof(config: Config, memory: Memory, now: float) -> Proof | None:
    """That the peer does not write, by the register alone: its lease is over, or this node holds. None: not yet, or never."""
    part = memory.register
    if part.hold is not None and not part.code:  # it took, by a proof, and died before it was promoted
        how = f"this node holds in the register, epoch {part.hold.row.epoch}, so nothing starts there as primary"
        return Proof(Kind.LEASE, now, how)
    if part.watch is None or part.code or memory.lease.promising:
        return None
    row = book.may_take(part.watch, config.node.name, Kind.LEASE, now)
    if row is None:
        return None
    waited = now - max(part.watch.row_at, part.watch.promised_at)
    how = f"its lease has run out: it has not renewed in the register for {waited:.1f} s, and its watchdog bites by {row.term:g} s"
    return Proof(Kind.LEASE, now, how)


def promising(memory: Memory, is_promising: bool) -> Memory:
    """The memory with whether this node is to promise from now on."""
    return replace(memory, lease=replace(memory.lease, promising=is_promising))


def left(config: Config, memory: Memory, now: float) -> float | None:
    """Seconds until the peer's lease has run out if it stays silent; None: no lease of it is known."""
    watch = memory.register.watch
    return None if watch is None or not stands(config, memory) else max(0.0, book.over_at(watch) - now)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The last stage of a failover: PostgreSQL is told to promote, until it has. No other module asks for that (S1)."""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..margins import FREE_HOLDS, WORD_EVERY
from ..words import Action, Do, Event, Role, Seen
from .decision import Decision, Wants
from .failover import checked, claim, told, without_proof
from .holding import in_force, may_promote
from .memory import Memory, age
from .patience import BOTH, facts
from .proof import Kind, Proof, is_fresh, is_younger
from .record import Intent, Stage, is_overruled, is_paused
from .vip import unheard

PROMOTE_POLL = 0.03
PROMOTE_AGAIN = 5.0


def promoting(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """PostgreSQL is told to promote until it has; when the proof expires the peer is fenced again."""
    # An operator's word holds: to take the promotion back because nobody looked for a while would only lose it.
    holds = intent.by_operator or is_fresh(config, memory.fence.proof, now) or _holds(config, memory)
    without = without_proof(config, memory, intent, now, holds)
    return told(config, memory, intent, now, without or _promoting(config, memory, intent, seen, now))


def _holds(config: Config, memory: Memory) -> bool:
    """Does the register say so, or has it not been asked yet? Then the peer starts nothing, whatever power it has (R1)."""
    row = memory.register.row
    return in_force(config, memory) and (row is None or row.holder == config.node.name or is_overruled(memory.record))


def _promoting(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    waited = now - intent.at
    actions: tuple[Action, ...] = ()
    sentence = f"standby, being promoted for {waited:.1f} s"
    listen = memory.vip.free_at is None and not memory.vip.taken
    if intent.by_operator and seen.looks:
        after = checked(config, memory, intent, seen, now)
        if isinstance(after, Decision):
            return after
        memory = after
    elif intent.by_operator and not is_younger(memory.fence.proof, WORD_EVERY, now):
        look = Wants(0.0, BOTH, config.timing.silence_deadline, fresh=BOTH, peer=True, vip_conflict=listen)
        return Decision(memory, sentence, look)
    if age(now, memory.fence.promote_at) >= PROMOTE_AGAIN and may_promote(config, memory):
        actions = (Action(Do.PROMOTE),)
        memory = replace(memory, fence=replace(memory.fence, promote_at=now))
    ended, events = _out_of_the_way(seen)
    return Decision(memory, sentence, Wants(PROMOTE_POLL, vip_conflict=listen), ended + actions, events)


def promote(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """The proof is there, and, where a register is, this node holds."""
    memory = _to_promote(memory, replace(intent, stage=Stage.PROMOTING, at=now))
    memory = replace(memory, fence=replace(memory.fence, promote_at=now))
    event = Event("fenced", f"{claim(config, intent)} and is silent: promoting", "warning", facts(seen))
    ended, events = _out_of_the_way(seen)
    actions, wants = (*ended, Action(Do.PROMOTE)), Wants(0.0, vip_conflict=memory.vip.free_at is None)
    return Decision(memory, "standby, the fence is proven: promoting", wants, actions, (event, *events))


def invited(config: Config, memory: Memory, seen: Seen, now: float) -> Decision | None:
    """The former holder has handed over to this standby: it promotes by itself, should nobody be left to tell it."""
    begun = memory.record.intent
    if begun is not None and begun.stage not in (Stage.FENCING, Stage.LISTENING):
        return None
    if not memory.register.invited or is_paused(memory.record, now):
        return None
    why = f"{config.peer.name} has handed over to this node in the register"
    since = now if begun is None else begun.since
    memory = _to_promote(memory, Intent(Stage.PROMOTING, now, since, why, proven_by=Kind.WORD))
    memory = replace(memory, fence=replace(memory.fence, proof=Proof(Kind.WORD, now, why), promote_at=None))
    event = Event("fenced", f"{why}: promoting", "warning")
    return Decision(memory, f"standby, {why}: promoting", Wants(0.0), (), (event,))


def _to_promote(memory: Memory, intent: Intent) -> Memory:
    record = replace(memory.record, intent=intent, role=Role.PRIMARY, standby_recorded=False)
    # What was seen of the old primary is no sign of trouble on the way to the new one.
    memory = replace(memory, record=record, heard=replace(memory.heard, vote_look=None))
    return memory if age(intent.at, memory.vip.free_at) <= FREE_HOLDS else unheard(memory)


def _out_of_the_way(seen: Seen) -> tuple[tuple[Action, ...], tuple[Event, ...]]:
    """A promotion replays all that was received first: a reader that this waits for would hold it up for minutes."""
    readers = seen.local.readers
    if not readers:
        return (), ()
    text = f"replay waited for {', '.join(map(str, readers))}: ended, for the promotion"
    return (Action(Do.END_READERS, tuple(reader.pid for reader in readers)),), (Event("reader_ended", text, "warning"),)

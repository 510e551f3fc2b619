# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stages of a failover share: the signs that speak against it, and the ways back.

Each stage is on disk before it begins: fencing.py (the peer's BMC is told 'off' and read back), listening.py (nothing may
answer any more), promoting.py. Until the fence is proven it can be called off.
"""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..words import Action, Do, Event, Role, Seen
from .decision import Decision
from .memory import Memory, begin
from .orders import confirmed
from .patience import living, look_at_primary
from .proof import Kind, by_operator
from .record import Intent, Stage, has_ordered, is_paused


def told(config: Config, memory: Memory, intent: Intent, now: float, decision: Decision) -> Decision:
    """With an alarm where a promotion that was ordered does not end."""
    waited = now - intent.since
    if memory.record.role is not Role.PRIMARY or waited < config.timing.promote_deadline:
        return decision
    text = (
        f"PostgreSQL was told to promote and has not left recovery, {waited:.0f} s after the trouble began; see its log"
    )
    return replace(decision, alarms={**decision.alarms, "promotion": text})


def without_proof(config: Config, memory: Memory, intent: Intent, now: float, holds: bool) -> Decision | None:
    """The way back where the cluster is paused, or the proof does not hold any more."""
    if is_paused(memory.record, now):
        return call_off(config, memory, now, "the cluster was paused", answers=False)
    return None if holds else prove_again(config, memory, intent, now)


def prove_again(
    config: Config, memory: Memory, intent: Intent, now: float, why: str = "the proof is too old"
) -> Decision:
    """The proof is old (the promotion hangs), or another daemon's (this one was restarted): the peer may be on again."""
    memory = begin(memory, replace(intent, stage=Stage.FENCING, at=now, proven_by=None))
    sentence = f"standby, {why}: fencing {config.peer.name} again"
    event = Event("proof_old", sentence, "warning")
    return Decision(memory, sentence, look_at_primary(config, memory, 0.0), (), (event,), {"fencing": sentence})


def call_off(
    config: Config, memory: Memory, now: float, why: str, distrust: str = "", answers: bool = True
) -> Decision:
    """Back to watching. answers: the peer does; an order that it was given may act all the same."""
    intent = memory.record.intent
    # PostgreSQL was told to promote and has not: only a restart makes it forget that.
    actions = (Action(Do.KILL_POSTGRES),) if memory.record.role is Role.PRIMARY else ()
    recovered_at = now if answers else memory.watch.recovered_at
    watch = replace(memory.watch, trouble=None, switch_evidence=None, recovered_at=recovered_at)
    record = replace(memory.record, intent=None, role=Role.STANDBY, standby_recorded=True, trouble_at=None)
    if intent is not None and has_ordered(intent):
        record = replace(record, order_out_at=now)
    if distrust:
        record = replace(record, fence_distrusted=distrust)
    memory = confirmed(replace(memory, record=record, watch=watch), None)
    event = Event("called_off", f"failover called off: {why}", "alarm" if distrust else "warning")
    return Decision(
        memory, f"standby, failover called off: {why}", look_at_primary(config, memory, 0.0), actions, (event,)
    )


def life_of(config: Config, intent: Intent, seen: Seen) -> str | None:
    """How the primary showed life. In a takeover a path that leads to a standby, this node itself perhaps, shows none."""
    return living(seen.looks, config.failover.tablespace_policy, but_standbys=intent.takeover)


def answers_after_all(config: Config, memory: Memory, intent: Intent, now: float, life: str) -> Decision:
    """It was said to be off, or to write no more, and shows life: whoever said so was wrong."""
    last = memory.fence.proof  # the one that is doubted now, perhaps: the intent names it no more then
    if last is not None and last.kind is Kind.LEASE:  # it may be back, and just have renewed
        why = f"the lease of {config.peer.name} had run out, and its PostgreSQL answers ({life})"
        return call_off(config, memory, now, why)
    who = "an operator said" if intent.by_operator else "its BMC said"
    why = f"{who} that {config.peer.name} is off, yet its PostgreSQL answers ({life}): is it the right BMC?"
    return call_off(config, memory, now, why, distrust="" if intent.by_operator else why)


def checked(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Memory | Decision:
    """An operator's word is belied by an answer of the peer's host, on whatever address. Else it holds on."""
    life = life_of(config, intent, seen)
    if life is not None:
        return answers_after_all(config, memory, intent, now, life)
    if seen.peer is None or not seen.peer.has_power:
        proof = by_operator(now, "an operator said so, and nothing belies it")
        return replace(memory, fence=replace(memory.fence, proof=proof))
    why = (
        f"an operator said that {config.peer.name} is off, yet its host answers at {config.peer.address} (PostgreSQL there "
        f"is {seen.peer.server.value}): switch it off and keep it off, then run 'skyctl confirm-off' again"
    )
    return call_off(config, memory, now, why, answers=False)


def claim(config: Config, intent: Intent) -> str:
    """What the proof says of the peer."""
    return f"{config.peer.name} {'writes no more' if intent.proven_by is Kind.LEASE else 'is off'}"

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stages of a failover, each on disk before it begins: fencing (the peer's BMC is told 'off' and read back),
listening (nothing may answer any more), promoting. Until the fence is proven it can be called off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..config import Config
from ..margins import LISTEN_LIMIT, ORDER_TAKES, SOON, WORD_EVERY
from ..words import Action, Do, Event, Outcome, Path, Power, Refused, Role, Seen, Sight, Task
from . import lease
from .decision import Decision, Wants
from .holding import TAKES, in_force, may_promote, not_heir, overruled
from .memory import Memory, age, begin
from .orders import confirmed, not_followed
from .patience import BOTH, blind, cut_off, cut_off_why, facts, led_elsewhere, living, look_at_primary, signs
from .proof import Kind, Proof, by_operator, in_time, is_fresh, is_younger, of_fence
from .record import Intent, Stage, has_ordered, is_overruled, is_paused
from .vip import unheard

TASK_POLL = 0.2  # a task's end wakes the loop; this is only for a wake that was lost
PROMOTE_POLL = 0.03
PROMOTE_AGAIN = 5.0
LISTEN_POLL = 0.05


def fencing(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """The peer's BMC is told *off* and read back, again and again; a sign of life calls it off."""
    return _told(config, memory, intent, now, _fencing(config, memory, intent, seen, now))


def listening(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """The peer is said to be off: everything must be silent, else it is called off or fenced again."""
    without = _without_proof(config, memory, intent, now, is_fresh(config, memory.fence.proof, now))
    return _told(config, memory, intent, now, without or _listening(config, memory, intent, seen, now))


def promoting(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """PostgreSQL is told to promote until it has; when the proof expires the peer is fenced again."""
    # An operator's word holds: to take the promotion back because nobody looked for a while would only lose it.
    holds = intent.by_operator or is_fresh(config, memory.fence.proof, now) or _holds(config, memory)
    without = _without_proof(config, memory, intent, now, holds)
    return _told(config, memory, intent, now, without or _promoting(config, memory, intent, seen, now))


def _holds(config: Config, memory: Memory) -> bool:
    """Does the register say so, or has it not been asked yet? Then the peer starts nothing, whatever power it has (R1)."""
    row = memory.register.row
    return in_force(config, memory) and (row is None or row.holder == config.node.name or is_overruled(memory.record))


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


def _without_proof(config: Config, memory: Memory, intent: Intent, now: float, holds: bool) -> Decision | None:
    if is_paused(memory.record, now):
        return _call_off(config, memory, intent, now, "the cluster was paused", (), answers=False)
    return None if holds else _prove_again(config, memory, intent, now)


def _told(config: Config, memory: Memory, intent: Intent, now: float, decision: Decision) -> Decision:
    """With an alarm where a promotion that was ordered does not end."""
    waited = now - intent.since
    if memory.record.role is not Role.PRIMARY or waited < config.timing.promote_deadline:
        return decision
    text = (
        f"PostgreSQL was told to promote and has not left recovery, {waited:.0f} s after the trouble began; see its log"
    )
    return replace(decision, alarms={**decision.alarms, "promotion": text})


def fence_once(config: Config, memory: Memory, intent: Intent, now: float, events: tuple[Event, ...] = ()) -> Decision:
    """The next attempt at the fence, or the word of an operator in its place."""
    memory = reads_row(memory)
    if memory.word.confirmed_off:
        return proven(config, memory, intent, by_operator(now, "an operator confirmed that it is off"), events)
    if not config.agents:
        return _wait_for_lease(config, memory, intent, now, events)
    memory = begin(memory, replace(intent, stage=Stage.FENCING, at=now, attempts=intent.attempts + 1))
    # What must be undone is on record before it is done: the order may act although nobody lives to see it.
    record = replace(memory.record, power_on_due=memory.record.power_on_due or config.fence.power_on_after)
    memory = replace(memory, record=record, fence=replace(memory.fence, at=now))
    sentence = f"standby, fencing {config.peer.name} (attempt {intent.attempts + 1} of {config.timing.fence_attempts})"
    alarms = _fence_alarms(config, intent.attempts)
    return Decision(memory, sentence, Wants(TASK_POLL), (Action(Do.RUN, Task.FENCE),), events, alarms)


def _wait_for_lease(config: Config, memory: Memory, intent: Intent, now: float, events: tuple[Event, ...]) -> Decision:
    """The peer has no BMC. A takeover that was ordered waits for its lease, too; where there is none the order is the word."""
    left = lease.left(config, memory, now)
    if intent.takeover and not left:
        how = f"an operator ordered the takeover; {config.peer.name} has no BMC that could be asked"
        return proven(config, memory, intent, by_operator(now, how), events)
    memory = begin(memory, replace(intent, stage=Stage.FENCING, at=now))
    until = "no lease of it is known" if left is None else f"its lease has run out in {left:.1f} s"
    sentence = f"standby, {config.peer.name} has no BMC to switch it off by: {until}"
    look = look_at_primary(config, config.timing.retry_interval)
    return Decision(
        memory, sentence, look, (), events, {"fencing": f"{config.peer.name} has no BMC: its lease must run out first"}
    )


def reads_row(memory: Memory) -> Memory:
    """The memory with the row that a take will name: as it was read before there is a proof (R2)."""
    return replace(memory, fence=replace(memory.fence, row=memory.register.row, silent_at=None))


def _fence_alarms(config: Config, failed: int) -> dict[str, str]:
    """The same codes through all attempts: an alarm that flickers fills the history."""
    alarms = {"fencing": f"fencing of {config.peer.name} is under way"}
    if failed:
        alarms["fence_failed"] = f"{config.peer.name} is not fenced after {failed} attempts"
    return alarms


def _fencing(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    events: tuple[Event, ...] = ()
    outcome = next((done for done in seen.outcomes if done.task is Task.FENCE), None)
    if outcome is not None:
        outcome = in_time(config, outcome, age(now, memory.fence.at))
        if outcome.proof:
            return proven(config, memory, intent, of_fence(outcome, now), last_receive=seen.local.receive_lsn)
        memory = replace(memory, record=replace(memory.record, order_out_at=now), fence=replace(memory.fence, at=now))
        events = (_failed(config, intent, outcome),)
        if intent.takeover and _unseen_for(config, intent, now) <= config.timing.arming_window:
            return _by_word(config, memory, intent, now, outcome, events)
    by_time = None if is_paused(memory.record, now) else lease.proof(config, memory, now)
    if by_time is not None and _life(config, intent, seen) is None:
        memory = reads_row(memory)
        return proven(config, memory, intent, by_time, events, last_receive=seen.local.receive_lsn)
    if Task.FENCE in seen.running:
        # Its skyha renews until the power is gone; what is read without a proof was read before it (R2).
        memory = reads_row(memory)
        sentence = f"standby, fencing {config.peer.name} (attempt {intent.attempts} of {config.timing.fence_attempts})"
        return Decision(memory, sentence, Wants(TASK_POLL), (), events, _fence_alarms(config, intent.attempts - 1))
    life = _life(config, intent, seen)
    if life is not None and is_younger(memory.fence.proof, SOON, now):
        return _answers_after_all(config, memory, intent, now, life, events)
    if life is not None:
        return _call_off(config, memory, intent, now, f"the primary answers again: {life}", events)
    if is_paused(memory.record, now):
        return _call_off(config, memory, intent, now, "the cluster was paused", events, answers=False)
    look = look_at_primary(config, config.timing.retry_interval)
    alarms = _fence_alarms(config, intent.attempts)
    if not seen.looks:
        sentence = f"standby, about to fence {config.peer.name}: one more look"
        return Decision(memory, sentence, replace(look, delay=0.0), (), events, alarms)
    unseen = _unseen_for(config, intent, now)
    why = blind(seen.looks)
    if why is not None and unseen <= config.timing.arming_window and not memory.word.confirmed_off:
        sentence = f"standby, fencing of {config.peer.name} waits, this node cannot see whether it lives: {why}"
        return Decision(memory, sentence, look, (), events, {**alarms, "blind": sentence})
    if why is None and cut_off(seen.looks) and not intent.takeover:
        memory, told = not_followed(memory, cut_off_why(config))
        sentence = (
            f"standby, fencing of {config.peer.name} waits: the vote port does not accept, this node may be cut off"
        )
        sentence += f"; where {config.peer.name} is dead for good 'skyctl takeover' goes on"
        return Decision(memory, sentence, look, (), events + told, {**alarms, "cut_off": sentence})
    lives = led_elsewhere(memory, seen, memory.fence.at, now)
    if lives is not None and not memory.word.confirmed_off and not intent.takeover:
        return _call_off(
            config,
            memory,
            intent,
            now,
            f"another host answers for the VIP, and {config.peer.name} lives: {lives}",
            events,
        )
    barred = not_heir(config, memory, now)
    if barred is not None and not memory.word.confirmed_off and not intent.takeover:
        if barred.code == "heir" or memory.register.code not in ("", "register"):
            # It took this node's right back in time, or the register is none any more. Where it was switched off since, it is to serve.
            return _call_off(config, memory, intent, now, barred.text, events, answers=False)
        # Nothing would follow from it, and whoever switches the host on would see it go off again.
        sentence = f"standby, {config.peer.name} is not fenced again, nothing could be promoted: {barred.text}"
        return Decision(memory, sentence, look, (), events, {**alarms, barred.code: sentence})
    # A host that was proven off had no time since to become the only one that serves: the limits begin again.
    began = intent.since if intent.proven_at is None else intent.proven_at
    spent = intent.attempts >= config.timing.fence_attempts or now - began > config.timing.failover_limit
    spent = spent and not intent.takeover
    if not spent and unseen > config.timing.arming_window and not memory.word.confirmed_off:
        sentence = (
            f"standby, nothing was seen of {config.peer.name} for {unseen:.0f} s in the middle of its fencing, nothing is "
            "promoted: make sure that the host is off and run 'skyctl confirm-off'"
        )
        return _for_the_operator(memory, sentence, look, events, alarms)
    if spent and not memory.word.confirmed_off:
        sentence = (
            f"standby, {config.peer.name} could not be fenced in {intent.attempts} attempts, nothing is promoted: make "
            "sure that the host is off and run 'skyctl confirm-off'"
        )
        return _for_the_operator(memory, sentence, look, events, alarms)
    if memory.word.confirmed_off or age(now, memory.fence.at) >= config.timing.fence_interval:
        return fence_once(config, memory, intent, now, events)
    return Decision(
        memory, f"standby, fencing of {config.peer.name} failed, next attempt soon", look, (), events, alarms
    )


def _unseen_for(config: Config, intent: Intent, now: float) -> float:
    """Cut off, frozen or dead for so long between two attempts: nobody knows what the primary did meanwhile."""
    return now - intent.at - config.timing.fence_deadline - config.timing.fence_interval


def _by_word(
    config: Config, memory: Memory, intent: Intent, now: float, failed: Outcome, events: tuple[Event, ...]
) -> Decision:
    """A takeover's fence failed: the order is the operator's word that the peer is off, if its BMC does not know better."""
    if failed.power is Power.ON:
        why = (
            f"the BMC of {config.peer.name} says that it is on and did not switch it off ({failed.detail}): pull its power cord, "
            "then run 'skyctl takeover' again"
        )
        return _call_off(config, memory, intent, now, why, events, answers=False)
    how = f"an operator ordered the takeover, and its BMC could not be asked ({failed.detail})"
    return proven(config, memory, intent, by_operator(now, how), events)


def _life(config: Config, intent: Intent, seen: Seen) -> str | None:
    """How the primary showed life. In a takeover a path that leads to a standby, this node itself perhaps, shows none."""
    return living(seen.looks, config.failover.tablespace_policy, but_standbys=intent.takeover)


def _for_the_operator(
    memory: Memory, sentence: str, look: Wants, events: tuple[Event, ...], alarms: Mapping[str, str]
) -> Decision:
    """No more attempts; the primary's life or an operator's word end this stage."""
    actions: tuple[Action, ...] = ()
    if memory.record.role is Role.PRIMARY:
        # The promotion hangs, and nobody keeps the peer off any more: only a restart makes PostgreSQL forget the order.
        memory = replace(memory, record=replace(memory.record, role=Role.STANDBY, standby_recorded=True))
        actions = (Action(Do.KILL_POSTGRES),)
        events += (
            Event("promotion_taken_back", "PostgreSQL did not promote in time: it is restarted as a standby", "alarm"),
        )
    return Decision(memory, sentence, look, actions, events, {**alarms, "fence_failed": sentence})


def _failed(config: Config, intent: Intent, outcome: Outcome) -> Event:
    text = f"attempt {intent.attempts} to fence {config.peer.name} failed: {outcome.detail}"
    return Event("fence_failed", text, "alarm", {"power": outcome.power.value})


def _call_off(
    config: Config,
    memory: Memory,
    intent: Intent,
    now: float,
    why: str,
    events: tuple[Event, ...],
    distrust: str = "",
    answers: bool = True,
) -> Decision:
    """Back to watching. answers: the peer does; an order that it was given may act all the same."""
    # PostgreSQL was told to promote and has not: only a restart makes it forget that.
    actions = (Action(Do.KILL_POSTGRES),) if memory.record.role is Role.PRIMARY else ()
    recovered_at = now if answers else memory.watch.recovered_at
    watch = replace(memory.watch, trouble=None, switch_evidence=None, recovered_at=recovered_at)
    record = replace(memory.record, intent=None, role=Role.STANDBY, standby_recorded=True, trouble_at=None)
    if has_ordered(intent):
        record = replace(record, order_out_at=now)
    if distrust:
        record = replace(record, fence_distrusted=distrust)
    memory = confirmed(replace(memory, record=record, watch=watch), None)
    events += (Event("called_off", f"failover called off: {why}", "alarm" if distrust else "warning"),)
    return Decision(memory, f"standby, failover called off: {why}", look_at_primary(config, 0.0), actions, events)


def _prove_again(
    config: Config, memory: Memory, intent: Intent, now: float, why: str = "the proof is too old"
) -> Decision:
    """The proof is old (the promotion hangs), or another daemon's (this one was restarted): the peer may be on again."""
    memory = begin(memory, replace(intent, stage=Stage.FENCING, at=now, proven_by=None))
    sentence = f"standby, {why}: fencing {config.peer.name} again"
    event = Event("proof_old", sentence, "warning")
    return Decision(memory, sentence, look_at_primary(config, 0.0), (), (event,), {"fencing": sentence})


def proven(
    config: Config,
    memory: Memory,
    intent: Intent,
    proof: Proof,
    events: tuple[Event, ...] = (),
    last_receive: int | None = None,
) -> Decision:
    """The peer does not write, it is said: listen whether anything still answers."""
    due, said = memory.record.power_on_due, proof.kind is Kind.OPERATOR
    intent = replace(intent, stage=Stage.LISTENING, at=proof.at, proven_by=proof.kind)
    is_fenced = proof.kind in (Kind.OFF, Kind.RESET)
    if is_fenced and memory.record.role is not Role.PRIMARY:  # a promotion that hangs is taken back in the end
        intent = replace(intent, attempts=0, proven_at=proof.at)
    memory = replace(memory, record=replace(memory.record, intent=intent, power_on_due=due and not said))
    memory = confirmed(replace(memory, fence=replace(memory.fence, proof=proof, last_receive=last_receive)), None)
    events += (Event("fence_read_back", f"{_claim(config, intent)}: {proof.how}", "warning"),)
    sentence = f"standby, {_claim(config, intent)}; listening whether anything still answers"
    return Decision(memory, sentence, _listen(config, intent), (), events)


def _claim(config: Config, intent: Intent) -> str:
    return f"{config.peer.name} {'writes no more' if intent.proven_by is Kind.LEASE else 'is off'}"


def _listen(config: Config, intent: Intent) -> Wants:
    return Wants(LISTEN_POLL, BOTH, config.timing.silence_deadline, fresh=BOTH, peer=intent.by_operator)


def _checked(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Memory | Decision:
    """An operator's word is belied by an answer of the peer's host, on whatever address. Else it holds on."""
    life = _life(config, intent, seen)
    if life is not None:
        return _answers_after_all(config, memory, intent, now, life, ())
    if seen.peer is None or not seen.peer.has_power:
        proof = by_operator(now, "an operator said so, and nothing belies it")
        return replace(memory, fence=replace(memory.fence, proof=proof))
    why = (
        f"an operator said that {config.peer.name} is off, yet its host answers at {config.peer.address} (PostgreSQL there "
        f"is {seen.peer.server.value}): switch it off and keep it off, then run 'skyctl confirm-off' again"
    )
    return _call_off(config, memory, intent, now, why, (), answers=False)


def _listening(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """It is said to be off. A host that is off accepts nothing, resets nothing and streams nothing."""
    listen = _listen(config, intent)
    answered = _told_by_register(config, memory, intent, seen, now)
    if answered is not None:
        return answered
    if not seen.looks or (intent.by_operator and seen.peer is None):
        memory = replace(memory, fence=replace(memory.fence, last_receive=seen.local.receive_lsn))
        return Decision(memory, f"standby, listening whether {config.peer.name} still answers", listen)
    life = _life(config, intent, seen)
    if life is not None:
        return _answers_after_all(config, memory, intent, now, life, ())
    why = blind(seen.looks)
    if why is not None:
        sentence = f"standby, cannot listen whether {config.peer.name} still answers: {why}"
        return Decision(memory, sentence, listen, (), (), {"listening": sentence})
    if intent.by_operator:
        checked = _checked(config, memory, intent, seen, now)
        if isinstance(checked, Decision):
            return checked
        memory = checked
    received, before = seen.local.receive_lsn, memory.fence.last_receive
    if received is None:
        memory = replace(memory, fence=replace(memory.fence, last_receive=None))
        sentence = (
            f"standby, cannot listen for WAL: PostgreSQL here does not tell what it received: {seen.local.detail}"
        )
        return Decision(memory, sentence, listen, (), (), {"listening": sentence})
    if seen.looks[Path.VIP].sight is Sight.UNREACHABLE and before is not None and received == before:
        if memory.fence.silent_at is not None and memory.register.code and (intent.by_operator or intent.takeover):
            memory = overruled(memory)  # it was asked, and is silent: the operator's word stands in its place
        if not may_promote(config, memory):
            row = memory.fence.row
            if row is not None and row.heir != config.node.name and not (intent.by_operator or intent.takeover):
                why = "this node is not the heir in the register any more"
                return _call_off(config, memory, intent, now, why, (), answers=False)
            memory = replace(memory, fence=replace(memory.fence, silent_at=now))
            return Decision(memory, f"standby, {_claim(config, intent)} and is silent; asking the register", Wants(0.0))
        return _promotes(config, memory, intent, seen, now)
    memory = replace(memory, fence=replace(memory.fence, last_receive=received))
    sentence = f"standby, it is said that {_claim(config, intent)}, but it is not silent: {signs(seen.looks)}"
    if seen.looks[Path.VIP].reached or seen.looks[Path.VIP].sight is Sight.REFUSED:
        sentence += f"; if it is off indeed, another host answers for the VIP {config.vip.address}: find it"
    if intent.by_operator or now - intent.at < LISTEN_LIMIT:
        return Decision(memory, sentence, listen, (), (), {"listening": sentence})
    memory = begin(memory, replace(intent, stage=Stage.FENCING, at=now))
    event = Event("not_silent", sentence + "; asking the BMC again", "alarm", facts(seen))
    return Decision(memory, sentence, look_at_primary(config, 0.0), (), (event,), {"listening": sentence})


def _promotes(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """The proof is there, and, where a register is, this node holds."""
    memory = _to_promote(memory, replace(intent, stage=Stage.PROMOTING, at=now))
    memory = replace(memory, fence=replace(memory.fence, promote_at=now))
    event = Event("fenced", f"{_claim(config, intent)} and is silent: promoting", "warning", facts(seen))
    ended, told = _out_of_the_way(seen)
    actions, wants = (*ended, Action(Do.PROMOTE)), Wants(0.0, vip_conflict=True)
    return Decision(memory, "standby, the fence is proven: promoting", wants, actions, (event, *told))


def _to_promote(memory: Memory, intent: Intent) -> Memory:
    record = replace(memory.record, intent=intent, role=Role.PRIMARY, standby_recorded=False)
    # What was seen of the old primary is no sign of trouble on the way to the new one.
    return unheard(replace(memory, record=record, heard=replace(memory.heard, vote_look=None)))


def _told_by_register(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision | None:
    """The register was asked once all was silent, for the row that it had before the proof (R2). None: listen on."""
    told = seen.register
    if memory.fence.silent_at is None or told is None or told.verb.name not in TAKES:
        return None
    row = memory.register.row
    if isinstance(told.answer, Refused) and row is not None and row.heir == config.node.name:
        # It was read too early, or the peer is back: whichever, a new proof after the row of now tells (R2).
        return _prove_again(config, memory, intent, now, f"{config.peer.name} has renewed in the register since")
    if isinstance(told.answer, Refused):
        why = f"{config.peer.name} has renewed in the register, and this node is not the heir any more"
        return _call_off(config, memory, intent, now, why, (), answers=False)
    is_fresh_silence = age(now, memory.fence.silent_at) <= ORDER_TAKES
    if not is_fresh_silence or not may_promote(config, memory):
        return None
    return _promotes(config, memory, intent, seen, now)


def _answers_after_all(
    config: Config, memory: Memory, intent: Intent, now: float, life: str, events: tuple[Event, ...]
) -> Decision:
    last = memory.fence.proof  # the one that is doubted now, perhaps: the intent names it no more then
    if last is not None and last.kind is Kind.LEASE:  # it may be back, and just have renewed
        why = f"the lease of {config.peer.name} had run out, and its PostgreSQL answers ({life})"
        return _call_off(config, memory, intent, now, why, events)
    claim = "an operator said" if intent.by_operator else "its BMC said"
    why = f"{claim} that {config.peer.name} is off, yet its PostgreSQL answers ({life}): is it the right BMC?"
    return _call_off(config, memory, intent, now, why, events, distrust="" if intent.by_operator else why)


def _promoting(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    waited = now - intent.at
    actions: tuple[Action, ...] = ()
    sentence = f"standby, being promoted for {waited:.1f} s"
    listen = memory.vip.free_at is None and not memory.vip.taken
    if intent.by_operator and seen.looks:
        checked = _checked(config, memory, intent, seen, now)
        if isinstance(checked, Decision):
            return checked
        memory = checked
    elif intent.by_operator and not is_younger(memory.fence.proof, WORD_EVERY, now):
        look = Wants(0.0, BOTH, config.timing.silence_deadline, fresh=BOTH, peer=True, vip_conflict=listen)
        return Decision(memory, sentence, look)
    if age(now, memory.fence.promote_at) >= PROMOTE_AGAIN and may_promote(config, memory):
        actions = (Action(Do.PROMOTE),)
        memory = replace(memory, fence=replace(memory.fence, promote_at=now))
    ended, told = _out_of_the_way(seen)
    return Decision(memory, sentence, Wants(PROMOTE_POLL, vip_conflict=listen), ended + actions, told)


def _out_of_the_way(seen: Seen) -> tuple[tuple[Action, ...], tuple[Event, ...]]:
    """A promotion replays all that was received first: a reader that this waits for would hold it up for minutes."""
    readers = seen.local.readers
    if not readers:
        return (), ()
    text = f"replay waited for {', '.join(map(str, readers))}: ended, for the promotion"
    return (Action(Do.END_READERS, tuple(reader.pid for reader in readers)),), (Event("reader_ended", text, "warning"),)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The first stage of a failover: the peer's BMC is told 'off' and read back, again and again, until there is a proof or something
speaks against it. An operator's word stands in its place, and the end of the peer's lease.
"""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..margins import FREE_HOLDS, SOON
from ..words import Action, Do, Event, Outcome, Power, Role, Seen, Task
from . import lease
from .decision import Decision, Wants
from .failover import answers_after_all, call_off, life_of, told
from .holding import majority_answers, not_heir
from .listening import proven
from .loss import passed_by
from .memory import Memory, age, begin
from .orders import not_followed
from .patience import blind, cut_off, cut_off_why, led_elsewhere, look_at_primary
from .proof import by_operator, in_time, is_younger, of_fence
from .record import Intent, Stage, is_paused

TASK_POLL = 0.2  # a task's end wakes the loop; this is only for a wake that was lost


def fence_once(config: Config, memory: Memory, intent: Intent, now: float) -> Decision:
    """The next attempt at the fence, or the word of an operator in its place."""
    memory = reads_row(memory)
    if memory.word.confirmed_off:
        return proven(config, memory, intent, by_operator(now, "an operator confirmed that it is off"))
    if not config.agents:
        return _wait_for_lease(config, memory, intent, now)
    memory = begin(memory, replace(intent, stage=Stage.FENCING, at=now, attempts=intent.attempts + 1))
    # What must be undone is on record before it is done: the order may act although nobody lives to see it.
    record = replace(memory.record, power_on_due=memory.record.power_on_due or config.fence.power_on_after)
    memory = replace(memory, record=record, fence=replace(memory.fence, at=now))
    sentence = f"standby, fencing {config.peer.name} (attempt {intent.attempts + 1} of {config.timing.fence_attempts})"
    alarms = _alarms(config, intent.attempts)
    return Decision(memory, sentence, _meanwhile(memory, now), (Action(Do.RUN, Task.FENCE),), (), alarms)


def _meanwhile(memory: Memory, now: float) -> Wants:
    """While an attempt runs it is listened whether anybody still answers for the VIP: after the promotion clients wait for that."""
    listen = age(now, memory.vip.free_at) > FREE_HOLDS / 2
    return Wants(0.0 if listen and not memory.vip.taken else TASK_POLL, vip_conflict=listen)


def _wait_for_lease(config: Config, memory: Memory, intent: Intent, now: float) -> Decision:
    """The peer has no BMC. A takeover that was ordered waits for its lease, too; where there is none the order is the word."""
    left = lease.left(config, memory, now)
    if intent.takeover and not left:
        how = f"an operator ordered the takeover; {config.peer.name} has no BMC that could be asked"
        return proven(config, memory, intent, by_operator(now, how))
    memory = begin(memory, replace(intent, stage=Stage.FENCING, at=now))
    until = "no lease of it is known" if left is None else f"its lease has run out in {left:.1f} s"
    sentence = f"standby, {config.peer.name} has no BMC to switch it off by: {until}"
    look = look_at_primary(config, memory, config.timing.retry_interval)
    return Decision(
        memory, sentence, look, (), (), {"fencing": f"{config.peer.name} has no BMC: its lease must run out first"}
    )


def reads_row(memory: Memory) -> Memory:
    """The memory with the row that a take will name: as it was read before there is a proof (R2)."""
    return replace(memory, fence=replace(memory.fence, row=memory.register.row, silent_at=None))


def _alarms(config: Config, failed: int) -> dict[str, str]:
    """The same codes through all attempts: an alarm that flickers fills the history."""
    alarms = {"fencing": f"fencing of {config.peer.name} is under way"}
    if failed:
        alarms["fence_failed"] = f"{config.peer.name} is not fenced after {failed} attempts"
    return alarms


def fencing(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """The peer's BMC is told *off* and read back, again and again; a sign of life calls it off."""
    return told(config, memory, intent, now, _fencing(config, memory, intent, seen, now))


def _fencing(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    outcome = next((done for done in seen.outcomes if done.task is Task.FENCE), None)
    if outcome is None:
        return _unproven(config, memory, intent, seen, now)
    outcome = in_time(config, outcome, age(now, memory.fence.at))
    if outcome.proof:
        return proven(config, memory, intent, of_fence(outcome, now), last_receive=seen.local.receive_lsn)
    memory = replace(memory, record=replace(memory.record, order_out_at=now), fence=replace(memory.fence, at=now))
    if intent.takeover and _unseen_for(config, intent, now) <= config.timing.arming_window:
        decision = _by_word(config, memory, intent, now, outcome)
    else:
        decision = _unproven(config, memory, intent, seen, now)
    return decision.after(_failed(config, intent, outcome))


def _failed(config: Config, intent: Intent, outcome: Outcome) -> Event:
    text = f"attempt {intent.attempts} to fence {config.peer.name} failed: {outcome.detail}"
    return Event("fence_failed", text, "alarm", {"power": outcome.power.value})


def _by_word(config: Config, memory: Memory, intent: Intent, now: float, failed: Outcome) -> Decision:
    """A takeover's fence failed: the order is the operator's word that the peer is off, if its BMC does not know better."""
    if failed.power is Power.ON:
        why = (
            f"the BMC of {config.peer.name} says that it is on and did not switch it off ({failed.detail}): pull its power cord, "
            "then run 'skyctl takeover' again"
        )
        return call_off(config, memory, now, why, answers=False)
    how = f"an operator ordered the takeover, and its BMC could not be asked ({failed.detail})"
    return proven(config, memory, intent, by_operator(now, how))


def _unproven(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """No attempt has proven anything yet: wait for the one that runs, else look whether there is to be another."""
    life, paused = life_of(config, intent, seen), is_paused(memory.record, now)
    by_time = None if paused else lease.proof(config, memory, now)
    if by_time is not None and life is None:
        memory = reads_row(memory)
        if Task.FENCE in seen.running:  # it may act yet, on a host that is back by then
            memory = replace(memory, record=replace(memory.record, order_out_at=now))
        return proven(config, memory, intent, by_time, last_receive=seen.local.receive_lsn)
    if Task.FENCE in seen.running:
        # Its skyha renews until the power is gone; what is read without a proof was read before it (R2).
        memory = reads_row(memory)
        sentence = f"standby, fencing {config.peer.name} (attempt {intent.attempts} of {config.timing.fence_attempts})"
        return Decision(memory, sentence, _meanwhile(memory, now), (), (), _alarms(config, intent.attempts - 1))
    if life is not None and is_younger(memory.fence.proof, SOON, now):
        return answers_after_all(config, memory, intent, now, life)
    if life is not None:
        return call_off(config, memory, now, f"the primary answers again: {life}")
    if paused:
        return call_off(config, memory, now, "the cluster was paused", answers=False)
    held_up = _cannot_see(config, memory, intent, seen, now) or _has_no_right(config, memory, intent, seen, now)
    held_up = held_up or _gives_up(config, memory, intent, now)
    if held_up is not None:
        return held_up
    if memory.word.confirmed_off or age(now, memory.fence.at) >= config.timing.fence_interval:
        return fence_once(config, memory, intent, now)
    return _waits(config, memory, intent, f"fencing of {config.peer.name} failed, next attempt soon")


def _waits(config: Config, memory: Memory, intent: Intent, why: str, code: str = "") -> Decision:
    """No attempt now. code: of the alarm that says why."""
    look = look_at_primary(config, memory, config.timing.retry_interval)
    alarms = _alarms(config, intent.attempts)
    sentence = f"standby, {why}"
    return Decision(memory, sentence, look, (), (), {**alarms, code: sentence} if code else alarms)


def _cannot_see(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision | None:
    """Nobody is fenced without a look just before, by a node that sees."""
    if not seen.looks:
        waits = _waits(config, memory, intent, f"about to fence {config.peer.name}: one more look")
        return replace(waits, wants=look_at_primary(config, memory, 0.0))
    why = blind(seen.looks)
    is_recent = _unseen_for(config, intent, now) <= config.timing.arming_window
    if why is not None and is_recent and not memory.word.confirmed_off:
        text = f"fencing of {config.peer.name} waits, this node cannot see whether it lives: {why}"
        return _waits(config, memory, intent, text, "blind")
    witness = majority_answers(config, memory, seen, intent.at, now)
    if why is None and cut_off(seen.looks) and not witness and not intent.takeover:
        memory, events = not_followed(memory, cut_off_why(config))
        text = f"fencing of {config.peer.name} waits: the vote port does not accept, this node may be cut off"
        text += f"; where {config.peer.name} is dead for good 'skyctl takeover' goes on"
        return replace(_waits(config, memory, intent, text, "cut_off"), events=events)
    return None


def _has_no_right(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision | None:
    """The primary serves elsewhere, or the register would not let this node promote: nobody is fenced for that but by an operator."""
    if memory.word.confirmed_off or intent.takeover:
        return None
    lives = led_elsewhere(memory, seen, memory.fence.at, now)
    if lives is not None:
        why = f"another host answers for the VIP, and {config.peer.name} lives: {lives}"
        return call_off(config, memory, now, why)
    barred = not_heir(config, memory, now)
    if barred is None:
        return None
    if barred.code == "heir" or memory.register.code not in ("", "register"):
        # It took this node's right back in time, or the register is none any more. Where it was switched off since, it is to serve.
        why = passed_by(config, memory, seen.local, now) or barred.text
        return call_off(config, memory, now, why, answers=False)
    # Nothing would follow from it, and whoever switches the host on would see it go off again.
    text = f"{config.peer.name} is not fenced again, nothing could be promoted: {barred.text}"
    return _waits(config, memory, intent, text, barred.code)


def _gives_up(config: Config, memory: Memory, intent: Intent, now: float) -> Decision | None:
    """The limits of attempts and time are reached, or nobody knows what the primary did meanwhile: only an operator can tell."""
    if memory.word.confirmed_off:
        return None
    # A host that was proven off had no time since to become the only one that serves: the limits begin again.
    began = intent.since if intent.proven_at is None else intent.proven_at
    spent = intent.attempts >= config.timing.fence_attempts or now - began > config.timing.failover_limit
    unseen = _unseen_for(config, intent, now)
    if spent and not intent.takeover:
        why = f"{config.peer.name} could not be fenced in {intent.attempts} attempts, nothing is promoted"
    elif unseen > config.timing.arming_window:
        why = f"nothing was seen of {config.peer.name} for {unseen:.0f} s in the middle of its fencing, nothing is promoted"
    else:
        return None
    return _for_the_operator(config, memory, intent, why)


def _unseen_for(config: Config, intent: Intent, now: float) -> float:
    """Cut off, frozen or dead for so long between two attempts: nobody knows what the primary did meanwhile."""
    return now - intent.at - config.timing.fence_deadline - config.timing.fence_interval


def _for_the_operator(config: Config, memory: Memory, intent: Intent, why: str) -> Decision:
    """No more attempts; the primary's life or an operator's word end this stage."""
    next_step = "make sure that the host is off and run 'skyctl confirm-off'"
    waits = _waits(config, memory, intent, f"{why}: {next_step}", "fence_failed")
    if memory.record.role is not Role.PRIMARY:
        return waits
    # The promotion hangs, and nobody keeps the peer off any more: only a restart makes PostgreSQL forget the order.
    memory = replace(memory, record=replace(memory.record, role=Role.STANDBY, standby_recorded=True))
    text = "PostgreSQL did not promote in time: it is restarted as a standby"
    event = Event("promotion_taken_back", text, "alarm")
    return replace(waits, memory=memory, actions=(Action(Do.KILL_POSTGRES),), events=(event,))

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The second stage of a failover: the peer is said to be off, or to write no more. Once nothing answers any more, and the register
lets it, this node is promoted.
"""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..margins import LISTEN_LIMIT, ORDER_TAKES
from ..words import Event, Path, Refused, Role, Seen, Sight
from .decision import Decision, Wants
from .failover import answers_after_all, call_off, checked, claim, life_of, prove_again, told, without_proof
from .holding import TAKES, may_promote, overruled
from .memory import Memory, age, begin
from .orders import confirmed
from .patience import BOTH, blind, facts, look_at_primary, signs
from .promoting import promote
from .proof import Kind, Proof, is_fresh
from .record import Intent, Stage

LISTEN_POLL = 0.05


def proven(config: Config, memory: Memory, intent: Intent, proof: Proof, last_receive: int | None = None) -> Decision:
    """The peer does not write, it is said: listen whether anything still answers."""
    due, said = memory.record.power_on_due, proof.kind is Kind.OPERATOR
    intent = replace(intent, stage=Stage.LISTENING, at=proof.at, proven_by=proof.kind)
    is_fenced = proof.kind in (Kind.OFF, Kind.RESET)
    if is_fenced and memory.record.role is not Role.PRIMARY:  # a promotion that hangs is taken back in the end
        intent = replace(intent, attempts=0, proven_at=proof.at)
    memory = replace(memory, record=replace(memory.record, intent=intent, power_on_due=due and not said))
    memory = confirmed(replace(memory, fence=replace(memory.fence, proof=proof, last_receive=last_receive)), None)
    event = Event("fence_read_back", f"{claim(config, intent)}: {proof.how}", "warning")
    sentence = f"standby, {claim(config, intent)}; listening whether anything still answers"
    return Decision(memory, sentence, _listen(config, intent), (), (event,))


def _listen(config: Config, intent: Intent) -> Wants:
    return Wants(LISTEN_POLL, BOTH, config.timing.silence_deadline, fresh=BOTH, peer=intent.by_operator)


def listening(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """The peer is said to be off: everything must be silent, else it is called off or fenced again."""
    without = without_proof(config, memory, intent, now, is_fresh(config, memory.fence.proof, now))
    return told(config, memory, intent, now, without or _listening(config, memory, intent, seen, now))


def _listening(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """It is said to be off. A host that is off accepts nothing, resets nothing and streams nothing."""
    answered = _told_by_register(config, memory, intent, seen, now)
    if answered is not None:
        return answered
    if not seen.looks or (intent.by_operator and seen.peer is None):
        memory = replace(memory, fence=replace(memory.fence, last_receive=seen.local.receive_lsn))
        sentence = f"standby, listening whether {config.peer.name} still answers"
        return Decision(memory, sentence, _listen(config, intent))
    life = life_of(config, intent, seen)
    if life is not None:
        return answers_after_all(config, memory, intent, now, life)
    why = blind(seen.looks)
    if why is not None:
        return _goes_on(config, memory, intent, f"cannot listen whether {config.peer.name} still answers: {why}")
    if intent.by_operator:
        after = checked(config, memory, intent, seen, now)
        if isinstance(after, Decision):
            return after
        memory = after
    received, before = seen.local.receive_lsn, memory.fence.last_receive
    if received is None:
        memory = replace(memory, fence=replace(memory.fence, last_receive=None))
        why = f"PostgreSQL here does not tell what it received: {seen.local.detail}"
        return _goes_on(config, memory, intent, f"cannot listen for WAL: {why}")
    if seen.looks[Path.VIP].sight is Sight.UNREACHABLE and before is not None and received == before:
        return _silent(config, memory, intent, seen, now)
    memory = replace(memory, fence=replace(memory.fence, last_receive=received))
    return _not_silent(config, memory, intent, seen, now)


def _goes_on(config: Config, memory: Memory, intent: Intent, why: str) -> Decision:
    """It listens on; an alarm says what is in the way."""
    sentence = f"standby, {why}"
    return Decision(memory, sentence, _listen(config, intent), (), (), {"listening": sentence})


def _silent(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """Nothing answers any more: the register is asked, where one is, and this node is promoted."""
    if memory.fence.silent_at is not None and memory.register.code and (intent.by_operator or intent.takeover):
        memory = overruled(memory)  # it was asked, and is silent: the operator's word stands in its place
    if may_promote(config, memory):
        return promote(config, memory, intent, seen, now)
    row = memory.fence.row
    if row is not None and row.heir != config.node.name and not (intent.by_operator or intent.takeover):
        why = "this node is not the heir in the register any more"
        return call_off(config, memory, now, why, answers=False)
    memory = replace(memory, fence=replace(memory.fence, silent_at=now))
    return Decision(memory, f"standby, {claim(config, intent)} and is silent; asking the register", Wants(0.0))


def _not_silent(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """Something answers that shows no life of the primary, or WAL still arrives: listen on, in the end fence again."""
    why = f"it is said that {claim(config, intent)}, but it is not silent: {signs(seen.looks)}"
    if seen.looks[Path.VIP].reached or seen.looks[Path.VIP].sight is Sight.REFUSED:
        why += f"; if it is off indeed, another host answers for the VIP {config.vip.address}: find it"
    goes_on = _goes_on(config, memory, intent, why)
    if intent.by_operator or now - intent.at < LISTEN_LIMIT:
        return goes_on
    event = Event("not_silent", f"{goes_on.sentence}; asking the BMC again", "alarm", facts(seen))
    memory = begin(memory, replace(intent, stage=Stage.FENCING, at=now))
    return replace(goes_on, memory=memory, wants=look_at_primary(config, memory, 0.0), events=(event,))


def _told_by_register(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision | None:
    """The register was asked once all was silent, for the row that it had before the proof (R2). None: listen on."""
    answer = seen.register
    if memory.fence.silent_at is None or answer is None or answer.verb.name not in TAKES:
        return None
    row = memory.register.row
    if isinstance(answer.answer, Refused) and row is not None and row.heir == config.node.name:
        # It was read too early, or the peer is back: whichever, a new proof after the row of now tells (R2).
        return prove_again(config, memory, intent, now, f"{config.peer.name} has renewed in the register since")
    if isinstance(answer.answer, Refused):
        why = f"{config.peer.name} has renewed in the register, and this node is not the heir any more"
        return call_off(config, memory, now, why, answers=False)
    is_fresh_silence = age(now, memory.fence.silent_at) <= ORDER_TAKES
    if not is_fresh_silence or not may_promote(config, memory):
        return None
    return promote(config, memory, intent, seen, now)

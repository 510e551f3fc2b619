# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this node knows of the register, and asks it; book.py has the rules. Nothing of it where no register is configured."""

from __future__ import annotations

from dataclasses import replace

from .. import verbs
from ..config import Config
from ..words import Answer, Done, Lost, Missing, Refused, Role, Row, Seen, Server, Verb
from . import book
from .belongs import Obstacle
from .decision import Decision
from .memory import Memory, Register
from .record import Record

BEATS = 600  # so many renewals of one holder lie between two notes of the beat on record: each costs an fsync
_HOLDS = ("renew", "take", "found")  # what makes a holder, or keeps one
TELL_AFTER = 5.0  # seconds without an answer that can be believed, then an alarm


def remember_register(config: Config, memory: Memory, seen: Seen, now: float) -> Memory:
    """With what the register told."""
    told = seen.register
    if not config.has_register:  # what was known before means nothing by the time there is one again
        return replace(memory, record=replace(memory.record, epoch=0, beat=0)) if memory.record.epoch else memory
    if told is None:
        return memory
    answer, part = told.answer, memory.register
    wrong = _wrong(config, memory, seen, answer)
    if isinstance(answer, (Lost, Missing)) or wrong is not None:
        other = part.other if isinstance(answer, Lost) else None if isinstance(answer, Missing) else _row(answer.row)
        code, problem = (part.code, part.problem) if wrong is None else (wrong.code, wrong.text)
        return replace(memory, register=replace(memory.register, code=code, problem=problem, other=other))
    row = _row(answer.row)
    hold = _held(config, part.hold, told.verb, answer, row)
    watch = None if hold is not None else book.read(part.watch or book.Watch(), row, now)
    return replace(memory, register=Register(row, now, hold=hold, watch=watch), record=_noted(memory.record, row))


def _row(row: Row) -> book.Row:
    return book.Row(row.holder, row.epoch, row.beat, row.heir or "")


def _wrong(config: Config, memory: Memory, seen: Seen, answer: Answer) -> Obstacle | None:
    """Why this answer cannot be believed (R7), or that there is none; None: it can."""
    where = f"{config.register.address}:{config.register.port}"
    if isinstance(answer, Lost):
        failure = answer.failure
        return Obstacle(
            "register", f"the register {where} does not answer: {failure.sight.value} {failure.detail}".rstrip()
        )
    if isinstance(answer, Missing):
        return Obstacle("register_missing", f"the register {where} has no row of this cluster")
    own, row, record = memory.record.system_identifier, answer.row, memory.record
    if own and row.system_identifier != own:
        text = (
            f"the register's row is another cluster's (system identifier {row.system_identifier}, this one's is {own})"
        )
        return Obstacle("register_foreign", text)
    known = memory.register.row
    newest = (record.epoch, record.beat) if known is None else (known.epoch, known.beat)
    if (row.epoch, row.beat) < newest:
        text = f"the register is older than what this node has seen: epoch {row.epoch}, beat {row.beat} after {newest[0]}, {newest[1]}"
        return Obstacle("register_back", text)
    if not record.epoch and row.holder != config.node.name and _serves_both(memory, seen):
        text = f"the register's row is from before: it names {row.holder}, and this node serves"
        return Obstacle("register_back", text)
    return None


def _held(
    config: Config, hold: book.Hold | None, verb: Verb, answer: Done | Refused, row: book.Row
) -> book.Hold | None:
    """What a holder knows by this answer; None: this node is none."""
    if row.holder != config.node.name:
        return None
    if hold is not None and hold.row.epoch != row.epoch:
        hold = None
    if isinstance(answer, Done) and verb.name in _HOLDS:
        if hold is None:
            return book.held(config.node.name, row, answer.sent_at)
        return book.renewed(hold, row, answer.sent_at)
    if hold is not None and isinstance(answer, Done) and verb.name == "set_heir":
        return book.ordered(hold, hold.order, row)
    return None if hold is None else book.known(hold, row)


def _noted(record: Record, row: book.Row) -> Record:
    if row.epoch == record.epoch and row.beat < record.beat + BEATS:
        return record
    return replace(record, epoch=row.epoch, beat=row.beat)


def _serves_both(memory: Memory, seen: Seen) -> bool:
    """Does this node lawfully serve as primary, and its standby follow it? Then both agree on who writes."""
    local, record = seen.local, memory.record
    serves = local.server is Server.UP and local.role is Role.PRIMARY and record.role is Role.PRIMARY
    return serves and record.served_boot == record.boot and record.intent is None and local.peer_streaming is True


def asking(config: Config, decision: Decision, seen: Seen, now: float) -> Decision:
    """With what the next cycle shall ask the register."""
    if not config.has_register:
        return decision
    verb = _question(config, decision.memory, seen)
    alarms = _alarms(decision.memory, now)
    return replace(decision, wants=replace(decision.wants, register=verb), alarms={**decision.alarms, **alarms})


def _question(config: Config, memory: Memory, seen: Seen) -> Verb:
    own, part, node = memory.record.system_identifier, memory.register, config.node.name
    if own and part.code in ("register_missing", "register_back") and _serves_both(memory, seen):
        # Never from a standby alone (R7): it follows, so it takes nothing at this moment.
        epoch = max(memory.record.epoch, part.other.epoch if part.other is not None else 0) + 1
        return verbs.found(own, node, epoch, part.other)
    if own and part.row is not None and part.row.holder == node:
        return verbs.renew(own, node, part.row.epoch)
    return verbs.read()


def _alarms(memory: Memory, now: float) -> dict[str, str]:
    part = memory.register
    since = memory.started_at if part.answered_at is None else part.answered_at
    return {part.code: part.problem} if part.code and now - since > TELL_AFTER else {}

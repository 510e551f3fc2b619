# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this node knows of the register, and asks it; book.py has the rules. Nothing of it where no register is configured."""

from __future__ import annotations

from dataclasses import replace

from .. import verbs
from ..config import Config
from ..margins import by_any_clock
from ..words import Answer, Done, Lost, Missing, Refused, Role, Row, Seen, Server, Sight, Told, Verb
from . import book
from .belongs import Obstacle
from .decision import Decision, Wants
from .lease import (
    beat_to_tell,
    food,
    gives_up,
    is_guarded,
    may_write_now,
    no_signs,
    promise_until,
    promising,
    remember_lease,
    term,
    with_signs,
)
from .members import check_members, members_alarm
from .memory import Memory, Naming, Register, age
from .patience import is_silent
from .record import Record, Stage, is_overruled, is_paused
from .resigning import is_down, resigns
from .sync import may_be_heir

BEATS = 600  # so many renewals of one holder lie between two notes of the beat on record: each costs an fsync
TAKES = ("take", "found")
_HOLDS = ("renew", "take", "found")  # what makes a holder, or keeps one
# A failover needs it: nobody is fenced while it has been silent for so long. (It is read with each look then.)
SILENT_AFTER = 2.0
LEAVING_POLL = 0.05  # seconds between two cycles once skyha is told to end
READ_EVERY = 5.0  # seconds: a standby that sees its primary need not know more; each question costs the vote host
TELL_AFTER = 5.0  # seconds without an answer that can be believed, then an alarm


def remember_register(config: Config, memory: Memory, seen: Seen, now: float) -> Memory:
    """With what the register told."""
    told = seen.register
    if not config.has_register:  # what was known before means nothing by the time there is one again
        return replace(memory, record=replace(memory.record, epoch=0, beat=0)) if memory.record.epoch else memory
    memory = memory if told is None else _remember_answer(config, memory, seen, told, now)
    memory = replace(memory, register=with_signs(memory.register, seen.signs))
    return remember_lease(memory, seen, now)


def _remember_answer(config: Config, memory: Memory, seen: Seen, told: Told, now: float) -> Memory:
    answer, part = told.answer, memory.register
    wrong = _wrong(config, memory, seen, answer)
    if isinstance(answer, (Lost, Missing)) or wrong is not None:
        other = part.other if isinstance(answer, Lost) else None if isinstance(answer, Missing) else _row(answer.row)
        code, problem = (part.code, part.problem) if wrong is None else (wrong.code, wrong.text)
        return replace(memory, register=replace(memory.register, code=code, problem=problem, other=other))
    row = _row(answer.row)
    hold = _held(config, part.hold, told.verb, answer, row)
    watch = None if hold is not None else book.read(part.watch or book.Watch(), row, now)
    denied, invited = _denied(config, memory, seen, row), _invited(config, row)
    naming = _named(config, part.naming, row, answer.sent_at, seen.wall, now)
    part = Register(row, now, hold=hold, watch=watch, denied=denied, invited=invited, naming=naming)
    return replace(memory, register=part, record=_noted(memory.record, row))


def _denied(config: Config, memory: Memory, seen: Seen, row: book.Row) -> int:
    return memory.register.denied + 1 if _is_primary(seen) and row.holder != config.node.name else 0


def _named(config: Config, naming: Naming, row: book.Row, sent_at: float, wall: float | None, now: float) -> Naming:
    """Whether, and since when, the holder counts on this standby. How the question left tells until when it did for sure."""
    clock = None if wall is None else wall - now
    if row.holder != config.peer.name:
        return Naming()
    if row.heir == config.node.name:
        return Naming(sent_at, None, clock)
    return naming if naming.gone_at is not None else Naming(naming.at, now, clock)


def _is_primary(seen: Seen) -> bool:
    return seen.local.server is Server.UP and seen.local.role is Role.PRIMARY


def _invited(config: Config, row: book.Row) -> bool:
    """Has the former holder handed over to this node? Who takes is no heir any more."""
    return row.holder == row.heir == config.node.name


def in_force(config: Config, memory: Memory) -> bool:
    """Does the register say who may write? Not before this node has seen a row of it."""
    return config.has_register and memory.record.epoch > 0


def overruled(memory: Memory) -> Memory:
    """The memory with an operator's word over the row that is known: the register is silent, and he answers for the holder's end."""
    return replace(memory, record=replace(memory.record, overruled=memory.record.epoch))


def may_start(config: Config, memory: Memory, now: float) -> bool:
    """May PostgreSQL be started as primary here? Only by a renewal that was sent after it was down (R1), while that lets it write (R4),
    or by an operator's word.
    """
    hold, down_since = memory.register.hold, memory.own.down_since
    if not in_force(config, memory) or is_overruled(memory.record):
        return True
    has_renewed = hold is not None and (not hold.has_heir or hold.renewed_at >= (down_since or 0.0))
    return has_renewed and is_guarded(memory) and may_write_now(config, memory, now)


def keeps_vip(config: Config, memory: Memory, seen: Seen, now: float) -> bool:
    """Has PostgreSQL of this holder just gone down, is it to be started again or handed over? Then clients are refused for that long,
    which tells them, and the peer, more than silence does.
    """
    hold, own = memory.register.hold, memory.own
    just_now = own.lived_as is Role.PRIMARY and age(now, own.down_since) < config.timing.restart_grace
    if (
        hold is None
        or not just_now
        or seen.leaving
        or is_paused(memory.record, now)
        or memory.record.intent is not None
    ):
        return False
    return not hold.gave_word and may_write_now(config, memory, now)


def may_promote(config: Config, memory: Memory) -> bool:
    """May PostgreSQL be promoted here? Only by a take or a renewal that has succeeded (R1), or an operator's word."""
    return not in_force(config, memory) or memory.register.hold is not None or is_overruled(memory.record)


def is_peers(config: Config, memory: Memory) -> bool:
    """Is the peer known to hold? Where no register is in force nobody asks."""
    row = memory.register.row
    return not in_force(config, memory) or (row is not None and row.holder == config.peer.name)


def beat_of_peer(memory: Memory) -> float | None:
    """When the newest beat of the peer's, which holds, was received; None: it is not known to hold, or the register is not believed."""
    part = memory.register
    return part.watch.row_at if part.watch is not None and part.code in ("", "register") else None


def is_denied(config: Config, memory: Memory) -> bool:
    """Runs PostgreSQL here as primary, and another node holds? The second answer was asked for after it was seen to run."""
    return in_force(config, memory) and memory.register.denied > 1 and not is_overruled(memory.record)


def other_holder(memory: Memory, seen: Seen) -> int | None:
    """The epoch that the peer tells, where it is later than what the register has told; None: it is not."""
    row, told = memory.register.row, seen.signs.beat
    return told[0] if row is not None and told is not None and told[0] > row.epoch else None


def not_heir(config: Config, memory: Memory, now: float) -> Obstacle | None:
    """Why a standby could not take; None: it can, as far as the register says."""
    part = memory.register
    if not in_force(config, memory):
        return None
    silent = age(now, part.answered_at)
    in_trouble = memory.watch.trouble is not None or memory.record.intent is not None
    is_missed = part.code == "register" and in_trouble and silent > SILENT_AFTER
    if silent > config.timing.arming_window or is_missed or part.code not in ("", "register"):
        return Obstacle("register", part.problem or "the register has not answered yet")
    if part.row is not None and config.node.name in (part.row.holder, part.row.heir):
        return None
    holder = "nobody" if part.row is None else part.row.holder
    return Obstacle("heir", f"this node is not the heir in the register (holder: {holder})")


def majority_answers(config: Config, memory: Memory, seen: Seen, since: float, now: float) -> bool:
    """Is there a witness, beside the vote port, that it is not this node that is cut off?

    An etcd has answered in this cycle what was asked after `since`: it does so with a majority of its members behind it. But the majority may
    be this host and the primary's. So the holder must not have renewed for longer than one that lives would take, a lost answer included.
    """
    told, watch = seen.register, memory.register.watch
    if config.register.engine != "etcd" or told is None or isinstance(told.answer, Lost) or memory.register.code:
        return False
    if watch is None or told.answer.sent_at <= since:
        return False
    return age(now, watch.row_at) > by_any_clock(config.timing.least_lease)


def _row(row: Row) -> book.Row:
    return book.Row(row.holder, row.epoch, row.beat, row.heir or "", row.term)


def _wrong(config: Config, memory: Memory, seen: Seen, answer: Answer) -> Obstacle | None:
    """Why this answer cannot be believed (R7), or that there is none; None: it can."""
    where = config.register.where
    if isinstance(answer, Lost):
        where, failure = answer.at or where, answer.failure
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
    if not record.epoch and row.holder == config.node.name and seen.local.role is Role.STANDBY:
        return Obstacle(
            "register_back", f"the register's row is from before: it names this node, which follows {config.peer.name}"
        )
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
        wants = replace(decision.wants, promise_until=promise_until(config, decision.memory, seen, now))
        return replace(
            decision, wants=wants, alarms={**decision.alarms, **no_signs(config, decision.memory, seen, now)}
        )
    memory, verb = decision.memory, None
    if not _is_in_no_hurry(config, memory, seen, now):
        memory, verb = _question(config, memory, seen, now)
    wants = decision.wants
    if any(look.starting for look in seen.looks.values()):  # it shuts down, perhaps, and hands over
        wants = replace(wants, delay=min(wants.delay, config.timing.retry_interval))
    wants = _in_a_hurry(wants, memory, verb, seen)
    wants = replace(
        wants, register=verb, promise_until=promise_until(config, memory, seen, now), beat=beat_to_tell(memory)
    )
    wants = replace(wants, food=food(config, memory, seen, _wish(config, memory, seen, now), now))
    memory = promising(memory, wants.promise_until > now)
    return replace(
        decision,
        memory=memory,
        wants=wants,
        actions=decision.actions + check_members(config, memory, seen, now),
        alarms={**decision.alarms, **_alarms(config, memory, seen, now)},
    )


def _in_a_hurry(wants: Wants, memory: Memory, verb: Verb | None, seen: Seen) -> Wants:
    """PostgreSQL stops here, perhaps since the host is shut down: nobody serves until the heir is told that it holds. Whether it has
    everything is to be known by then."""
    hold = memory.register.hold
    if hold is not None and hold.has_heir and (seen.leaving or seen.local.server is Server.STARTING):
        wants = replace(wants, peer=True)
    was_asked = seen.register is not None and seen.register.verb.name == "hand_over"  # in vain, if it is asked again
    if verb is not None and verb.name == "hand_over" and not was_asked:
        return replace(wants, delay=0.0)
    return replace(wants, delay=min(wants.delay, LEAVING_POLL)) if seen.leaving else wants


def _is_in_no_hurry(config: Config, memory: Memory, seen: Seen, now: float) -> bool:
    """An heir in quiet times, whose peer goes by a lease where there is to be one: whoever waits for that wants to know at once. In trouble it
    reads with each look: a take names the row from right before the proof."""
    local, part = seen.local, memory.register
    if part.row is None or part.row.heir != config.node.name or (config.has_lease and part.row.term <= 0):
        return False
    quiet = local.server is Server.UP and local.role is Role.STANDBY and memory.record.intent is None
    quiet = quiet and memory.watch.trouble is None and memory.own.switching_since is None
    quiet = quiet and all(look.sight is Sight.OK for look in seen.looks.values()) and not is_silent(seen, now)
    quiet = quiet and other_holder(memory, seen) is None
    return quiet and not part.code and age(now, part.answered_at) < READ_EVERY


def _question(config: Config, memory: Memory, seen: Seen, now: float) -> tuple[Memory, Verb]:
    own = memory.record.system_identifier or seen.local.system_identifier or ""
    part, node = memory.register, config.node.name
    stands = _serves_both(memory, seen) or (is_overruled(memory.record) and _is_primary(seen))
    if own and part.code in ("register_missing", "register_back") and stands:
        # Never from a standby alone (R7): it follows, so it takes nothing at this moment.
        epoch = max(memory.record.epoch, part.other.epoch if part.other is not None else 0) + 1
        return memory, verbs.found(own, node, epoch, part.other)
    if not own or part.row is None:
        return memory, verbs.read()
    if part.hold is not None:
        return _holders_question(config, memory, part.hold, own, seen, now)
    if part.row.holder == node:
        return memory, verbs.renew(own, node, part.row.epoch)
    if is_overruled(memory.record) and _is_primary(seen):
        return memory, verbs.found(own, node, part.row.epoch + 1, part.row)
    intent, row = memory.record.intent, memory.fence.row
    if (
        memory.fence.silent_at is not None
        and row is not None
        and intent is not None
        and intent.stage is Stage.LISTENING
    ):
        if row.heir == node:
            return memory, verbs.take(own, node, row)
        if intent.by_operator or intent.takeover:  # he answers for what this node may lack
            return memory, verbs.found(own, node, row.epoch + 1, row)
    if is_down(seen) and memory.word.confirmed_off:
        return memory, verbs.found(own, node, part.row.epoch + 1, part.row)
    return memory, verbs.read()


def _holders_question(
    config: Config, memory: Memory, hold: book.Hold, own: str, seen: Seen, now: float
) -> tuple[Memory, Verb]:
    """Renew, or after that: name the heir, or hand over to it."""
    node, told, intent = config.node.name, seen.register, memory.record.intent
    has_renewed = told is not None and isinstance(told.answer, Done) and told.verb.name in _HOLDS
    is_received = memory.switching.received and intent is not None and intent.stage is Stage.SWITCHING
    if is_received or resigns(config, memory, seen, now):
        # It may be carried out although no answer comes: a renewal must succeed before anything is started again (R1).
        memory = replace(memory, register=replace(memory.register, hold=book.gives_word(hold)))
        return memory, verbs.hand_over(own, node, hold.row)
    if gives_up(config, memory, seen, now):
        return memory, verbs.read()
    wish = _heir(config, memory, seen, hold.row.heir, now)
    lease = term(config, memory, wish)
    stands = hold.row.heir == wish and (hold.has_heir == bool(wish) or wish == node)
    stands = stands and hold.row.term == lease and hold.is_bound == (lease > 0)
    if not has_renewed or stands:
        return memory, verbs.renew(own, node, hold.row.epoch)
    part = replace(memory.register, hold=book.orders(hold, wish, lease))
    return replace(memory, register=part), verbs.set_heir(own, node, hold.row, wish or None, lease)


def _wish(config: Config, memory: Memory, seen: Seen, now: float) -> str:
    hold = memory.register.hold
    return "" if hold is None else _heir(config, memory, seen, hold.row.heir, now)


def _heir(config: Config, memory: Memory, seen: Seen, present: str, now: float) -> str:
    """Who is to be the heir: the peer while it follows and may be promoted; it stays so as long as its evidence counts."""
    local, intent = seen.local, memory.record.intent
    if present == config.node.name:  # handed over to: that stays until PostgreSQL here is primary
        return "" if _is_primary(seen) else present
    if is_paused(memory.record, now) or (seen.leaving and seen.local.server is not Server.DOWN):
        return ""
    if not _is_primary(seen) or intent is not None:
        return present
    if config.zero_loss and not may_be_heir(config, memory, seen, present):
        return ""
    if local.peer_streaming and local.standby_recorded:
        return config.peer.name
    if config.zero_loss:
        return present  # commits wait for it
    is_gone = local.peer_streaming is False  # None: PostgreSQL here does not tell
    return "" if is_gone and age(now, memory.stream.at) > config.timing.arming_window else present


def _alarms(config: Config, memory: Memory, seen: Seen, now: float) -> dict[str, str]:
    part, found = memory.register, {}
    since = memory.started_at if part.answered_at is None else part.answered_at
    if part.code and now - since > TELL_AFTER:
        found[part.code] = part.problem
    elif not part.code:
        found |= members_alarm(config, memory, now)
    if config.has_lease and memory.lease.problem:
        text = f"there is no lease while this node is the primary, so {config.peer.name} cannot take over by time"
        found["watchdog"] = f"{memory.lease.problem}; {text}"
    return {**found, **no_signs(config, memory, seen, now)}

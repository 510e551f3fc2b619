# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Chores that both roles share."""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..margins import ORDER_ACTS_WITHIN, POWER_READ_HOLDS, RECORD_EVERY
from ..words import Action, Do, Event, Outcome, Path, Power, Seen, Sight, Task
from .armed import bmc_problem, is_bmc_belied
from .members import members_told
from .memory import Memory, Upkeep, age
from .patience import is_silent
from .record import Stage, is_paused

READ_POWER_EVERY = 0.4  # seconds between two questions for it, while the peer's host answers nothing ...
SILENT_EVERY = 5.0  # ... and while only its datagrams stay away: a link that loses some must not keep its BMC busy
POWER_ON_EVERY = 15.0
POWER_ON_TRIES = 20
RECORD_RETRY = 5.0
_FAILOVER = (Stage.FENCING, Stage.LISTENING, Stage.PROMOTING)


def check_bmc(config: Config, memory: Memory, seen: Seen, now: float) -> tuple[Action, ...]:
    """Ask the peer's BMC for its power status when that is due; more often after a failure."""
    timing = config.timing
    interval = timing.bmc_retry_interval if bmc_problem(config, memory) else timing.bmc_check_interval
    if not config.agents or Task.CHECK_BMC in seen.running or age(now, memory.upkeep.bmc_asked_at) < interval:
        return ()
    return (Action(Do.RUN, Task.CHECK_BMC),)


def reads_power(config: Config, memory: Memory, seen: Seen, now: float) -> tuple[Action, ...]:
    """Ask the BMC of a peer whose host answers nothing, at once and again: a power that is off ends all patience. Where its datagrams stay
    away it is asked before the look, since that may last for as long as the BMC's answer."""
    if seen.looks:
        is_gone, every = seen.looks[Path.VIP].sight is Sight.UNREACHABLE, READ_POWER_EVERY
    else:
        is_gone, every = is_silent(seen, now), SILENT_EVERY
    is_known = age(now, memory.upkeep.bmc_asked_at) < every
    if not is_gone or is_known or not config.agents or Task.CHECK_BMC in seen.running:
        return ()
    return (Action(Do.RUN, Task.CHECK_BMC),)


def says_off(memory: Memory, since: float, now: float) -> bool:
    """Has the peer's BMC said, since then or right before, that the power is off, and does nothing belie it? It said 'on' before, or
    nothing is armed."""
    upkeep = memory.upkeep
    if (
        upkeep.bmc_off_at is None
        or upkeep.bmc_off_at < since - POWER_READ_HOLDS
        or upkeep.bmc_error
        or is_bmc_belied(memory)
    ):
        return False
    return age(now, upkeep.bmc_ok_at) <= POWER_READ_HOLDS


def check_record(memory: Memory, seen: Seen, now: float) -> tuple[Action, ...]:
    """Try whether the record can be written, when that is due: without it there is no failover, and no restart in place."""
    interval = RECORD_RETRY if memory.upkeep.record_error else RECORD_EVERY
    if Task.CHECK_RECORD in seen.running or age(now, memory.upkeep.record_tried_at) < interval:
        return ()
    return (Action(Do.RUN, Task.CHECK_RECORD),)


def power_on(memory: Memory, seen: Seen, now: float) -> tuple[Memory, tuple[Action, ...]]:
    """Switch the peer, that this node has fenced, on again when that is due: tried a number of times."""
    if not memory.record.power_on_due:
        return memory, ()
    if Task.POWER_ON in seen.running or age(now, memory.upkeep.power_on_at) < POWER_ON_EVERY:
        return memory, ()
    if memory.upkeep.power_on_tries >= POWER_ON_TRIES:
        return replace(memory, record=replace(memory.record, power_on_due=False)), ()
    return replace(memory, upkeep=replace(memory.upkeep, power_on_at=now)), (Action(Do.RUN, Task.POWER_ON),)


def remember_outcome(memory: Memory, outcome: Outcome, now: float) -> Memory:
    """With how such a chore ended."""
    upkeep, why = memory.upkeep, outcome.detail or "no reason given"
    if outcome.task is Task.CHECK_BMC:
        return replace(memory, upkeep=_bmc_checked(upkeep, outcome, why, now))
    if outcome.task is Task.CHECK_MEMBERS:
        return members_told(memory, outcome, now)
    if outcome.task is Task.CHECK_RECORD and outcome.ok:
        return replace(memory, upkeep=replace(upkeep, record_tried_at=now, record_ok_at=now, record_error=""))
    if outcome.task is Task.CHECK_RECORD:
        return replace(memory, upkeep=replace(upkeep, record_tried_at=now, record_error=why))
    if outcome.task is not Task.POWER_ON or not memory.record.power_on_due:
        return memory
    # A try counts when it was made, not when it was decided: what was decided may be held back.
    tries = 0 if outcome.ok else upkeep.power_on_tries + 1
    memory = replace(memory, upkeep=replace(upkeep, power_on_tries=tries))
    return peer_is_on(memory, now) if outcome.ok else memory


def _bmc_checked(upkeep: Upkeep, outcome: Outcome, why: str, now: float) -> Upkeep:
    if not outcome.ok:
        return replace(upkeep, bmc_asked_at=now, bmc_error=why, bmc_warning="")
    first = now if upkeep.bmc_off_at is None else upkeep.bmc_off_at
    off_at = first if outcome.power is Power.OFF else None
    on_at = now if outcome.power is Power.ON else upkeep.bmc_on_at
    told = replace(upkeep, bmc_asked_at=now, bmc_error="", bmc_warning=outcome.warning)
    return replace(told, bmc_ok_at=now, bmc_on_at=on_at, bmc_off_at=off_at)


def power_on_anew(memory: Memory) -> Memory:
    """With no try counted to switch the peer on again."""
    return replace(memory, upkeep=replace(memory.upkeep, power_on_at=None, power_on_tries=0))


def order_is_out(memory: Memory, now: float) -> bool:
    """May an 'off' of this node, that it has not seen obeyed, still be carried out?"""
    return age(now, memory.record.order_out_at) <= ORDER_ACTS_WITHIN


def late_order(config: Config, memory: Memory, now: float) -> str:
    """What to say where the peer falls silent while such an order is out; empty: none is."""
    if not order_is_out(memory, now):
        return ""
    return (
        f"; this node had ordered {config.peer.name} off, last {age(now, memory.record.order_out_at):.0f} s ago or later, and not "
        "seen it obeyed: its BMC may have carried that order out only now"
    )


def peer_is_on(memory: Memory, now: float) -> Memory:
    """The peer was seen to have power: nothing is left to undo, unless an order is out that may still act."""
    if order_is_out(memory, now) or not (memory.record.power_on_due or memory.record.order_out_at is not None):
        return memory
    return replace(memory, record=replace(memory.record, power_on_due=False, order_out_at=None))


def undo_fence(
    config: Config, memory: Memory, seen: Seen, now: float
) -> tuple[Memory, tuple[Action, ...], tuple[Event, ...], dict[str, str]]:
    """A fence whose failover did not come: the peer is to serve again. For a node that is no primary and shows nobody life.

    (memory, actions, events, alarms). Never in the middle of a failover: what is to be replaced must stay off.
    """
    intent = memory.record.intent
    if is_paused(memory.record, now) or (intent is not None and intent.stage in _FAILOVER):
        return memory, (), (), {}
    is_first = memory.upkeep.power_on_tries == 0 and memory.upkeep.power_on_at is None
    memory, actions = power_on(memory, seen, now)
    alarms = {"power_on": not_switched_on(config)} if is_given_up(memory) else {}
    if not actions or not is_first:
        return memory, actions, (), alarms
    text = f"this node had ordered {config.peer.name} off and did not take over: it is switched on again"
    return memory, actions, (Event("switching_on", text, "warning"),), alarms


def fence_device(config: Config, memory: Memory) -> str:
    """The alarm for a device by which the peer could not be switched off, where another level could."""
    return f"one of several fences of {config.peer.name} cannot be used, another would be: {memory.upkeep.bmc_warning}"


def is_given_up(memory: Memory) -> bool:
    """Was the peer not to be switched on again, as often as it was tried?"""
    return memory.upkeep.power_on_tries >= POWER_ON_TRIES and not memory.record.power_on_due


def not_switched_on(config: Config) -> str:
    """The alarm for that."""
    return f"{config.peer.name} could not be switched on again: do so by hand, and see to its BMC"

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Chores that both roles share."""

from __future__ import annotations

import dataclasses

from ..config import Config
from ..words import Action, Do, Seen, Task
from .armed import RECORD_EVERY, bmc_problem
from .memory import Memory, age, on_record

POWER_ON_EVERY = 15.0
POWER_ON_TRIES = 20
RECORD_RETRY = 5.0


def check_bmc(config: Config, memory: Memory, seen: Seen, now: float) -> tuple[Action, ...]:
    """Ask the peer's BMC for its power status when that is due; more often after a failure."""
    timing = config.timing
    interval = timing.bmc_retry_interval if bmc_problem(config, memory) else timing.bmc_check_interval
    if Task.CHECK_BMC in seen.running or age(now, memory.bmc_asked_at) < interval:
        return ()
    return (Action(Do.RUN, Task.CHECK_BMC),)


def check_record(memory: Memory, seen: Seen, now: float) -> tuple[Action, ...]:
    """Try whether the record can be written, when that is due: without it there is no failover, and no restart in place."""
    interval = RECORD_RETRY if memory.record_error else RECORD_EVERY
    if Task.CHECK_RECORD in seen.running or age(now, memory.record_tried_at) < interval:
        return ()
    return (Action(Do.RUN, Task.CHECK_RECORD),)


def power_on(memory: Memory, seen: Seen, now: float) -> tuple[Memory, tuple[Action, ...]]:
    """Switch the peer, that this node has fenced, on again when that is due: tried a number of times (remember.py counts)."""
    if not memory.record.power_on_due:
        return memory, ()
    wait = 0.0 if memory.power_on_tries == 0 else POWER_ON_EVERY
    if Task.POWER_ON in seen.running or now - memory.power_on_at < wait:
        return memory, ()
    if memory.power_on_tries >= POWER_ON_TRIES:
        return on_record(memory, power_on_due=False), ()
    return dataclasses.replace(memory, power_on_at=now), (Action(Do.RUN, Task.POWER_ON),)

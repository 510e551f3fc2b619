# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How each member of the register's etcd is: skyha goes on with those that are left, so nothing else tells of one that is lost."""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..margins import MEMBERS_EVERY, MISSED_CHECKS
from ..words import Action, Do, Outcome, Seen, Task
from .memory import Memory, age


def check_members(config: Config, memory: Memory, seen: Seen, now: float) -> tuple[Action, ...]:
    """Ask each of them when that is due. In trouble there is no time for it, and the register is asked anyway."""
    if config.register.engine != "etcd" or not _is_quiet(memory) or Task.CHECK_MEMBERS in seen.running:
        return ()
    return (Action(Do.RUN, Task.CHECK_MEMBERS),) if age(now, memory.members.asked_at) >= MEMBERS_EVERY else ()


def members_told(memory: Memory, outcome: Outcome, now: float) -> Memory:
    """With what they answered."""
    error = "" if outcome.ok else outcome.detail or "no reason given"
    return replace(memory, members=replace(memory.members, asked_at=now, error=error))


def members_alarm(config: Config, memory: Memory, now: float) -> dict[str, str]:
    """What is wrong with one of them while the register answers."""
    if config.register.engine != "etcd":
        return {}
    asked_at = memory.members.asked_at
    since = memory.started_at if asked_at is None else asked_at
    if _is_quiet(memory) and age(now, since) > MISSED_CHECKS * MEMBERS_EVERY:
        return {"register_member": "the members of the register's etcd were not asked lately how they are"}
    if memory.members.error:
        return {"register_member": f"the register answers, but not each member of its etcd: {memory.members.error}"}
    return {}


def _is_quiet(memory: Memory) -> bool:
    return memory.watch.trouble is None and memory.record.intent is None

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an armed standby leans on, as its next daemon takes it up: a skyha that is killed at any moment goes on where it was.

Its times are monotonic seconds of this boot; they age as if the daemon had lived on.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from ..config import Config
from ..words import Path, Role
from .decision import Decision
from .memory import Memory, age


@dataclass(frozen=True)
class Evidence:
    """When each of these was last seen; see memory.py."""

    at: float  # all of it held then
    vote_at: float
    recorded_at: float
    covered_at: float
    stream_at: float
    bmc_ok_at: float | None  # this and the next: None where it has none, or its lease makes up for it
    bmc_on_at: float | None
    record_ok_at: float


def evidence(decision: Decision, now: float) -> Evidence | None:
    """That of a standby that is armed and sees its primary; None: of no other."""
    memory = decision.memory
    if decision.readiness is None or not decision.readiness.armed or in_doubt(memory):
        return None
    times = (
        *(memory.heard.at.get(Path.VOTE), memory.heard.recorded_at, memory.heard.covered_at, memory.stream.at),
        memory.upkeep.record_ok_at,
    )
    known = [time for time in times if time is not None]
    bmc = (memory.upkeep.bmc_ok_at, memory.upkeep.bmc_on_at)
    if len(known) < len(times):
        return None
    vote, recorded, covered, stream, record = known
    return Evidence(now, vote, recorded, covered, stream, *bmc, record)


def in_doubt(memory: Memory) -> bool:
    """Does the primary show no life, or has something begun? What was known before counts then, and stays as it is."""
    return memory.watch.trouble is not None or memory.record.intent is not None


def resume(config: Config, memory: Memory, noted: Evidence, now: float) -> Memory:
    """The memory of a daemon that starts, with what its predecessor in this boot had noted; what is too old is left out."""
    times = [time for one in fields(noted) if (time := getattr(noted, one.name)) is not None]
    if memory.record.role is not Role.STANDBY or max(times) > now or age(now, noted.at) > config.timing.arming_window:
        return memory
    # Nobody listened since: until the trouble that is on record, or now, the primary may have written on (S4).
    heard_at = now if memory.record.trouble_at is None else max(memory.record.trouble_at, noted.at)
    return replace(
        memory,
        own=replace(memory.own, lived_as=Role.STANDBY),
        heard=replace(
            memory.heard,
            at={Path.VOTE: noted.vote_at},
            recorded_at=noted.recorded_at,
            sampled_at=heard_at,
            covered_at=noted.covered_at,
        ),
        stream=replace(memory.stream, at=noted.stream_at),
        upkeep=replace(
            memory.upkeep, bmc_ok_at=noted.bmc_ok_at, bmc_on_at=noted.bmc_on_at, record_ok_at=noted.record_ok_at
        ),
    )

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one node's skyha knows, as one plain dictionary: status.json, the page, the metrics and skyctl all show this.

`snapshot` is a pure function. Ages are seconds, times are seconds since 1970, LSNs are bytes of WAL; None means unknown.
It holds no secret: it is served to whoever may read the status page.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import __version__, alarms
from ..config import Config
from ..policy.armed import bmc_problem, lag_bytes, lag_seconds
from ..policy.decision import Decision
from ..policy.memory import Memory, guard_left
from ..policy.record import Record
from ..words import Local, Path, Role, Seen, Server
from .board import Board, Noted

FORMAT = 1
FILE = "status.json"
# No completed cycle for so long: what the snapshot says may no longer be so. The longest wait between cycles is 5 s.
STALE_AFTER = 15.0

Snapshot = Mapping[str, Any]


@dataclass(frozen=True)
class Moment:
    """When and by whom a snapshot is made."""

    now: float  # monotonic
    wall: float
    started: float  # wall, of this daemon
    pid: int


def snapshot(
    config: Config,
    memory: Memory,
    seen: Seen,
    decision: Decision,
    board: Board,
    moment: Moment,
    events: Sequence[Noted] = (),
    last_failover: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The status after a cycle."""
    now, local, record = moment.now, seen.local, memory.record
    result = _identity(config, moment, "running")
    result.update(
        sentence=decision.sentence,
        role=local.role.value,
        server=local.server.value,
        detail=local.detail,
        timeline=local.timeline,
        lsn={"write": local.write_lsn, "receive": local.receive_lsn, "replay": local.replay_lsn},
        streaming=local.peer_streaming if local.role is Role.PRIMARY else local.streaming,
        replay_paused=local.replay_paused,
        pending_restart=None if local.pending_restart is None else list(local.pending_restart),
        slots=None if local.wal is None else [dataclasses.asdict(slot) for slot in local.wal.slots],
        lag=_lag(memory, local),
        vip={
            "address": config.vip.address,
            "interface": config.vip.interface,
            "held": local.vip_held,
            "taken": memory.vip.taken,
        },
        paths={path.value: _path(board, memory, path, now) for path in Path},
        peer_seen=_peer(board, now),
        bmc=_bmc(config, memory, board, now),
        register=_register(config, memory, now),
        alarms=dict(decision.alarms),
        paused=_paused(record, now),
        failover={
            # Told once, by the node that it made the primary.
            "noted": record.failover_noted or record.role is not Role.PRIMARY,
            "distrusted": record.fence_distrusted,
            "guard_left": round(guard_left(config, memory, now), 1),
            "last": last_failover,
        },
        counts={".".join(key): number for key, number in sorted(board.counts.items())},
        cycle_seconds=round(board.cycle_seconds, 4),
        events=[_event(noted) for noted in events],
    )
    result["intent"] = None
    if record.intent is not None:
        result["intent"] = {
            "stage": record.intent.stage.value,
            "for": _since(now, record.intent.at),
            "why": record.intent.why,
            "trouble_for": _since(now, record.intent.since),
            "attempts": record.intent.attempts,
        }
    result["trouble"] = None
    if memory.watch.trouble is not None:
        result["trouble"] = {
            "for": _since(now, memory.watch.trouble.since),
            "not_armed": list(memory.watch.trouble.not_armed),
        }
    ready = decision.readiness
    result.update(armed=ready.armed if ready else None, not_armed=dict(ready.reasons) if ready else {})
    result["codes"] = _codes({**decision.alarms, **result["not_armed"]}, board, now)
    return result


def _codes(codes: Iterable[str], board: Board, now: float) -> dict[str, Any]:
    """What each alarm and reason means, for whoever shows it; see alarms.py."""
    shown = {}
    for code in codes:
        alarm = alarms.of(code)
        shown[code] = {
            "severity": alarm.severity.value,
            "for": _since(now, board.alarms[code][0]) if code in board.alarms else None,
            "meaning": alarm.meaning,
            "next": alarm.next,
            "check": alarm.check,
        }
    return shown


def is_well(status: Snapshot) -> bool:
    """Is there nothing to be done or to be waited for? An alarm is raised only after a while: its absence is not enough."""
    return (
        status.get("state") == "running"
        and status.get("server") == Server.UP.value
        and bool(status.get("streaming"))
        and not any(status.get(name) for name in ("alarms", "trouble", "intent"))
        and failover_works(status) is True
    )


def failover_works(status: Snapshot) -> bool | None:
    """Would the standby take over if the primary died now? A primary knows it from its peer only; None: not known."""
    standby: Snapshot | None = status
    if status.get("role") == Role.PRIMARY.value:
        told = status.get("peer_status") or {}
        standby = None if told.get("problem") else told.get("status")
        if not standby or standby.get("role") != Role.STANDBY.value:
            return None
    armed = None if standby is None else standby.get("armed")
    return armed if isinstance(armed, bool) else None


def wanting(status: Snapshot) -> str:
    """What is not as it should be though nothing alarms, as a sentence without its end; of a status that is not well."""
    if status.get("server") != Server.UP.value:
        return f"PostgreSQL is {status.get('server', 'not looked at yet')}"
    if status.get("streaming") is None:
        return "Whether replication streams is not known"
    if not status["streaming"]:
        return "Replication does not stream"
    if failover_works(status) is None:
        return "Whether a failover would work is not known"
    return "No failover would work now"


def broken(config: Config | None, state: str, problems: Iterable[str], moment: Moment) -> dict[str, Any]:
    """The status of a daemon that does not run: state 'misconfigured', 'failed' or 'stopped', and why."""
    problems = list(problems)
    result = (
        _identity(config, moment, state)
        if config is not None
        else {
            "format": FORMAT,
            "version": __version__,
            "state": state,
            "written": moment.wall,
            "written_monotonic": moment.now,
            "started": moment.started,
            "pid": moment.pid,
        }
    )
    result.update(problems=problems, sentence=f"skyha is {state}" + (": " + "; ".join(problems) if problems else ""))
    return result


def _identity(config: Config, moment: Moment, state: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": __version__,
        "state": state,
        "problems": [],
        "cluster": config.cluster.name,
        "node": config.node.name,
        "address": config.node.address,
        "peer": config.peer.name,
        "peer_address": config.peer.address,
        "peer_http": config.peer_http or "",
        "port": config.postgresql.port,
        "vote": {"address": config.vote.address, "port": config.vote.port},
        "profile": config.timing.profile,
        "limits": {"lag_seconds": config.failover.max_lag_seconds, "lag_bytes": config.failover.max_lag_bytes},
        "started": round(moment.started, 3),
        "written": round(moment.wall, 3),
        "written_monotonic": round(moment.now, 3),
        "pid": moment.pid,
    }


def _lag(memory: Memory, local: Local) -> dict[str, Any]:
    if local.role is not Role.STANDBY or local.server is not Server.UP:
        return {"seconds": None, "bytes": None}
    seconds = lag_seconds(memory)
    return {
        "seconds": None if seconds == float("inf") else round(seconds, 3),
        "bytes": lag_bytes(memory, local) if memory.heard.samples or memory.heard.covered_at is not None else None,
    }


def _path(board: Board, memory: Memory, path: Path, now: float) -> dict[str, Any]:
    at, look = board.looks.get(path, (None, None))
    shown: dict[str, Any] = {"sight": None, "detail": "", "latency": None, "reached": None}
    if look is not None:
        shown = {
            "sight": look.sight.value,
            "detail": look.detail,
            "latency": round(look.latency, 5),
            "reached": look.reached,
        }
    return {**shown, "age": _since(now, at), "ok_age": _since(now, memory.heard.at.get(path))}


def _peer(board: Board, now: float) -> dict[str, Any] | None:
    if board.peer is None:
        return None
    at, peer = board.peer
    return {
        "server": peer.server.value,
        "role": peer.role.value,
        "timeline": peer.timeline,
        "detail": peer.detail,
        "age": _since(now, at),
    }


def _bmc(config: Config, memory: Memory, board: Board, now: float) -> dict[str, Any]:
    checks = sum(number for key, number in board.counts.items() if key[:2] == ("tasks", "check_bmc"))
    return {
        "power": board.power.value,
        "ok_age": _since(now, memory.upkeep.bmc_ok_at),
        "error": bmc_problem(config, memory) or board.fence_error,
        "checks": checks,
        "age": _since(now, board.bmc_at),
    }


def _register(config: Config, memory: Memory, now: float) -> dict[str, Any] | None:
    if not config.has_register:
        return None
    part = memory.register
    row = part.row
    return {
        "engine": config.register.engine,
        "address": config.register.address,
        "port": config.register.port,
        "holder": None if row is None else row.holder,
        "epoch": None if row is None else row.epoch,
        "beat": None if row is None else row.beat,
        "heir": None if row is None else row.heir,
        "age": _since(now, part.answered_at),
        "problem": part.problem,
    }


def _paused(record: Record, now: float) -> dict[str, Any]:
    until = record.paused_until
    on = record.paused and (until is None or now < until)
    return {"on": on, "left": None if not on or until is None else round(until - now, 1)}


def _event(noted: Noted) -> dict[str, Any]:
    event = noted.event
    return {
        "seq": noted.seq,
        "wall": round(noted.at, 3),
        "kind": event.kind,
        "level": event.level,
        "text": event.text,
        "facts": {key: _plain(value) for key, value in event.facts.items()},
    }


def _plain(value: object) -> object:
    """A fact as JSON can say it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


def _since(now: float, then: float | None) -> float | None:
    return None if then is None or then == float("-inf") else round(max(0.0, now - then), 3)


def is_serving(status: Snapshot) -> bool:
    """Does this node's PostgreSQL lawfully serve as primary?"""
    return (
        status.get("state") == "running"
        and status.get("role") == Role.PRIMARY.value
        and status.get("server") == Server.UP.value
        and "unlawful" not in status.get("alarms", {})
    )


def is_replica(status: Snapshot) -> bool:
    """Is this node's PostgreSQL a running standby that streams and is not too far behind?"""
    if (
        status.get("state") != "running"
        or status.get("role") != Role.STANDBY.value
        or status.get("server") != Server.UP.value
    ):
        return False
    lag = status["lag"]["seconds"]
    return bool(status["streaming"]) and lag is not None and lag <= status["limits"]["lag_seconds"]


def role_text(status: Snapshot) -> str:
    """The role in words: what is not running is nothing, it only was."""
    role = str(status["role"])
    return (
        f"was {role}"
        if role in (Role.PRIMARY.value, Role.STANDBY.value) and status["server"] == Server.DOWN.value
        else role
    )


def as_text(status: Snapshot) -> str:
    """As JSON on one line."""
    return json.dumps(status, default=str, separators=(",", ":"), allow_nan=False)


def write(status: Snapshot, directory: str) -> None:
    """Put the status into the run directory, whole or not at all; raises OSError. No fsync: it is of this boot only."""
    target = os.path.join(directory, FILE)
    temporary = f"{target}.{os.getpid()}"
    with open(
        os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644), "w", encoding="utf-8"
    ) as file:
        file.write(as_text(status) + "\n")
    os.replace(temporary, target)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one node's skyha knows, made from a cycle, and what follows from it: status.json, the page, the metrics and skyctl show this.

`snapshot` is a pure function. Ages are seconds, times are seconds since 1970, LSNs are bytes of WAL; None means unknown.
It holds no secret: it is served to whoever may read the status page.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import __version__, alarms
from ..config import Config
from ..policy import lease, loss, sync
from ..policy.armed import bmc_problem, lag_bytes, lag_seconds
from ..policy.decision import Decision
from ..policy.memory import Memory, guard_left
from ..policy.record import Intent, Record, is_paused
from ..policy.rhythm import Answers, look_deadline
from ..words import Certificate, Local, Path, Role, Seen, Server, Shown
from ..world.notes import put
from . import published as form
from .board import Board, Noted
from .published import Status, to_json

FILE = "status.json"
# No completed cycle for so long: what the snapshot says may no longer be so. The longest wait between cycles is 5 s.
STALE_AFTER = 15.0


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
    peer_status: form.PeerStatus = form.PeerStatus(),  # noqa: B008  # it is frozen
) -> Status:
    """The status after a cycle."""
    now, local = moment.now, seen.local
    deadline = look_deadline(config, memory.heard.answers)
    return Status(
        _run(moment, "running", decision.sentence),
        _place(config),
        _postgres(config, memory, local, now),
        form.Around(
            vip=form.Vip(config.vip.address, config.vip.interface, local.vip_held, memory.vip.taken),
            paths=form.Paths(**{path.value: _way(board, memory, path, deadline, now) for path in Path}),
            peer_seen=_peer(board, now),
            peer_status=peer_status,
            bmc=_bmc(config, memory, board, now),
            register=_register(config, memory, now),
            backup=board.backup,
            certificate=_certificate(board.certificate),
        ),
        _verdict(config, memory, decision, board, now, last_failover),
        form.Tally(
            counts={".".join(key): number for key, number in sorted(board.counts.items())},
            cycle_seconds=round(board.cycle_seconds, 4),
            events=tuple(map(_event, events)),
        ),
    )


def _postgres(config: Config, memory: Memory, local: Local, now: float) -> form.Postgres:
    return form.Postgres(
        role=local.role.value,
        server=local.server.value,
        detail=local.detail,
        timeline=local.timeline,
        lsn=form.Lsn(local.write_lsn, local.receive_lsn, local.replay_lsn),
        streaming=local.peer_streaming if local.role is Role.PRIMARY else local.streaming,
        replay_paused=local.replay_paused,
        pending_restart=local.pending_restart,
        slots=None if local.wal is None else tuple(form.Slot(**vars(slot)) for slot in local.wal.slots),
        lag=_lag(memory, local),
        replication=_replication(config, memory, local, now),
    )


def _verdict(
    config: Config,
    memory: Memory,
    decision: Decision,
    board: Board,
    now: float,
    last_failover: Mapping[str, Any] | None,
) -> form.Verdict:
    record, trouble, ready = memory.record, memory.watch.trouble, decision.readiness
    not_armed = dict(ready.reasons) if ready else {}
    return form.Verdict(
        armed=ready.armed if ready else None,
        not_armed=not_armed,
        alarms=dict(decision.alarms),
        codes=_codes({**decision.alarms, **not_armed}, board, now),
        paused=_paused(record, now),
        trouble=None if trouble is None else form.Trouble(_since(now, trouble.since), tuple(trouble.not_armed)),
        intent=None if record.intent is None else _intent(record.intent, now),
        failover=form.Failover(
            # Told once, by the node that it made the primary.
            noted=record.failover_noted or record.role is not Role.PRIMARY,
            distrusted=record.fence_distrusted,
            guard_left=round(guard_left(config, memory, now), 1),
            last=None if last_failover is None else form.LastFailover(**last_failover),
        ),
    )


def _intent(intent: Intent, now: float) -> form.Intent:
    since, trouble_for = _since(now, intent.at), _since(now, intent.since)
    return form.Intent(intent.stage.value, since, intent.why, trouble_for, intent.attempts)


def _codes(codes: Iterable[str], board: Board, now: float) -> Mapping[str, form.Code]:
    """What each alarm and reason means, for whoever shows it; see alarms.py."""
    shown = {}
    for code in codes:
        alarm, times = alarms.of(code), board.alarms.get(code)
        since = None if times is None else _since(now, times[0])
        shown[code] = form.Code(alarm.severity.value, since, alarm.meaning, alarm.next, alarm.check)
    return shown


def is_well(status: Status) -> bool:
    """Is there nothing to be done or to be waited for? An alarm is raised only after a while: its absence is not enough."""
    return (
        status.run.state == "running"
        and status.postgres.server == Server.UP.value
        and status.postgres.streaming is True
        and status.postgres.replication.protected is not False
        and not status.verdict.alarms
        and not status.verdict.is_under_way
        and failover_works(status) is True
    )


def failover_works(status: Status) -> bool | None:
    """Would the standby take over if the primary died now? A primary knows it from its peer only; None: not known."""
    if status.postgres.role != Role.PRIMARY.value:
        return status.verdict.armed
    standby = status.around.peer_status.now
    return None if standby is None or standby.postgres.role != Role.STANDBY.value else standby.verdict.armed


def wanting(status: Status) -> str:
    """What is not as it should be though nothing alarms, as a sentence without its end; of a status that is not well."""
    if status.postgres.server != Server.UP.value:
        return f"PostgreSQL is {status.postgres.server or 'not looked at yet'}"
    if status.postgres.streaming is None:
        return "Whether replication streams is not known"
    if not status.postgres.streaming:
        return "Replication does not stream"
    if status.postgres.replication.protected is False:
        return "What is committed is not protected against loss yet"
    if failover_works(status) is None:
        return "Whether a failover would work is not known"
    return "No failover would work now"


def broken(config: Config | None, state: str, problems: Iterable[str], moment: Moment) -> Status:
    """The status of a daemon that does not run: state 'misconfigured', 'failed' or 'stopped', and why."""
    problems = tuple(problems)
    sentence = f"skyha is {state}" + (": " + "; ".join(problems) if problems else "")
    return Status(_run(moment, state, sentence, problems), form.Place() if config is None else _place(config))


def _run(moment: Moment, state: str, sentence: str, problems: tuple[str, ...] = ()) -> form.Run:
    return form.Run(
        version=__version__,
        state=state,
        problems=problems,
        sentence=sentence,
        started=round(moment.started, 3),
        written=round(moment.wall, 3),
        written_monotonic=round(moment.now, 3),
        pid=moment.pid,
    )


def _certificate(seen: Certificate | None) -> form.Certificate | None:
    if seen is None:
        return None
    is_known = seen.shown not in (Shown.NOTHING, Shown.ERROR)
    return form.Certificate(seen.shown is Shown.GOOD if is_known else None, seen.detail, seen.ends)


def _place(config: Config) -> form.Place:
    return form.Place(
        cluster=config.cluster.name,
        node=config.node.name,
        address=config.node.address,
        peer=config.peer.name,
        peer_address=config.peer.address,
        peer_http=config.peer_http or "",
        port=config.postgresql.port,
        vote=form.Vote(config.vote.address, config.vote.port),
        profile=config.timing.profile,
        limits=form.Limits(config.failover.max_lag_seconds, config.failover.max_lag_bytes),
    )


def _lag(memory: Memory, local: Local) -> form.Lag:
    if local.role is not Role.STANDBY or local.server is not Server.UP:
        return form.Lag()
    seconds = lag_seconds(memory)
    return form.Lag(
        seconds=None if seconds == float("inf") else round(seconds, 3),
        bytes=lag_bytes(memory, local) if memory.heard.samples or memory.heard.covered_at is not None else None,
    )


def _replication(config: Config, memory: Memory, local: Local, now: float) -> form.Replication:
    told = form.Replication(config.replication.mode)
    if not config.zero_loss or local.server is not Server.UP:
        return told
    if local.role is Role.PRIMARY and local.sync is not None:
        again = sync.tried_in(memory, now)
        return replace(
            told,
            commit=local.sync.commit,
            protected=sync.is_protected(config, memory),
            waiting=round(sync.waiting(config, memory, local, now), 3),
            tried_in=None if again is None else round(again, 1),
            lowered=local.sync.lowered,
            for_=_since(now, memory.sync.shield.at),
        )
    if local.role is Role.STANDBY:
        naming = memory.register.naming
        return replace(
            told,
            heir=loss.is_heir(memory),
            for_=_since(now, naming.gone_at),
            complete_age=_since(now, naming.at),
            lacks=loss.lacks(memory, local),
            heard_age=_since(now, memory.heard.sampled_at),
        )
    return told


def _way(board: Board, memory: Memory, path: Path, deadline: float, now: float) -> form.Way:
    at, look = board.looks.get(path, (None, None))
    answers = memory.heard.answers.get(path, Answers())
    way = form.Way(
        age=_since(now, at),
        ok_age=_since(now, memory.heard.at.get(path)),
        answers=answers.counts,
        answers_seconds=round(answers.seconds, 5),
        recent=answers.recent,
        usual=answers.usual,
        gives_up_after=deadline,
    )
    if look is None:
        return way
    return replace(
        way, sight=look.sight.value, detail=look.detail, latency=round(look.latency, 5), reached=look.reached
    )


def _peer(board: Board, now: float) -> form.PeerSeen | None:
    if board.peer is None:
        return None
    at, peer = board.peer
    return form.PeerSeen(peer.server.value, peer.role.value, peer.timeline, peer.detail, _since(now, at))


def _bmc(config: Config, memory: Memory, board: Board, now: float) -> form.Bmc:
    if not config.agents:
        return form.Bmc(power=form.NO_BMC)
    return form.Bmc(
        power=board.power.value,
        ok_age=_since(now, memory.upkeep.bmc_ok_at),
        error=bmc_problem(config, memory) or board.fence_error,
        checks=sum(number for key, number in board.counts.items() if key[:2] == ("tasks", "check_bmc")),
        age=_since(now, board.bmc_at),
        warning=memory.upkeep.bmc_warning,
    )


def _register(config: Config, memory: Memory, now: float) -> form.Register | None:
    if not config.has_register:
        return None
    where, part = config.register, memory.register
    told = form.Register(
        where.engine,
        where.address,
        where.port if where.address else 0,
        age=_since(now, part.answered_at),
        problem=part.problem,
        endpoints=where.endpoints,
    )
    if part.row is None:
        return told
    row, by_time = part.row, _lease(config, memory, now) if config.has_lease else None
    return replace(told, holder=row.holder, epoch=row.epoch, beat=row.beat, heir=row.heir, lease=by_time)


def _lease(config: Config, memory: Memory, now: float) -> form.Lease:
    part, own = memory.register, memory.lease
    until = None if part.hold is None or not lease.is_bound(memory) else lease.holds_until(config, part.hold)
    left = lease.left(config, memory, now)
    return form.Lease(
        term=0.0 if part.row is None else part.row.term,
        left=None if until is None else round(until - now, 1),
        over_in=None if left is None else round(left, 1),
        watchdog="fails" if own.problem else "fed" if own.guard.fed else "rests",
        watchdog_name=own.guard.name,
        watchdog_software=own.guard.software,
        watchdog_problem=own.problem,
    )


def _paused(record: Record, now: float) -> form.Paused:
    on, until = is_paused(record, now), record.paused_until
    return form.Paused(on, None if not on or until is None else round(until - now, 1))


def _event(noted: Noted) -> form.PastEvent:
    event = noted.event
    facts = {key: _plain(value) for key, value in event.facts.items()}
    return form.PastEvent(noted.seq, round(noted.at, 3), event.kind, event.level, event.text, facts)


def _plain(value: object) -> object:
    """A fact as JSON can say it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


def _since(now: float, then: float | None) -> float | None:
    return None if then is None or then == float("-inf") else round(max(0.0, now - then), 3)


def is_serving(status: Status) -> bool:
    """Does this node's PostgreSQL lawfully serve as primary?"""
    return (
        status.run.state == "running"
        and status.postgres.role == Role.PRIMARY.value
        and status.postgres.server == Server.UP.value
        and "unlawful" not in status.verdict.alarms
    )


def is_replica(status: Status) -> bool:
    """Is this node's PostgreSQL a running standby that streams and is not too far behind?"""
    return (
        status.run.state == "running"
        and status.postgres.role == Role.STANDBY.value
        and status.postgres.server == Server.UP.value
        and status.postgres.streaming is True
        and status.keeps_up
    )


def role_text(status: Status) -> str:
    """The role in words: what is not running is nothing, it only was."""
    role = status.postgres.role
    was = role in (Role.PRIMARY.value, Role.STANDBY.value) and status.postgres.server == Server.DOWN.value
    return f"was {role}" if was else role


def as_text(data: Mapping[str, Any]) -> str:
    """As JSON on one line."""
    return json.dumps(data, default=str, separators=(",", ":"), allow_nan=False)


def write(status: Status, directory: str) -> None:
    """Put the status into the run directory, whole or not at all; raises OSError."""
    put(os.path.join(directory, FILE), as_text(to_json(status)) + "\n")

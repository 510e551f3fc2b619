# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the decision carries from cycle to cycle, and the part of it that survives the daemon (the record).

A Record is written to disk before anything is done that it announces. Its times are monotonic seconds and mean
something only within the boot that it names.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from ..config import Config
from ..errors import StateError
from ..words import Action, Event, Look, Path, Peer, Request, Role

VERSION = 1
MAX_SAMPLES = 128


class Stage(str, Enum):
    """How far something has come that must not be begun twice. Each is on disk before its first action."""

    FENCING = "fencing"  # standby: the peer is to be switched off
    LISTENING = "listening"  # standby: the BMC says off; is everything silent?
    PROMOTING = "promoting"  # standby: the fence is proven, this node becomes primary
    REWINDING = "rewinding"  # old primary: its data directory is being changed; it must not start
    SWITCHING = "switching"  # primary: switchover, this node still may serve again
    HANDED_OVER = "handed_over"  # old primary: the peer was told to promote; this node must not serve again


@dataclass(frozen=True)
class Intent:
    """Something begun and not finished."""

    stage: Stage
    at: float  # when this stage, or its last attempt, began
    since: float  # when the trouble (or the switchover) began
    why: str
    attempts: int = 0  # of the fence
    by_operator: bool = False  # the proof is an operator's word
    proven_at: float | None = None  # the peer was last proven off in this failover: the limits count from then
    takeover: bool = False  # an operator ordered it: the rules of evidence do not count
    lsn: int = 0  # SWITCHING: end of the announcement; HANDED_OVER: all WAL of the old primary


@dataclass(frozen=True)
class Record:
    """The part that survives the daemon."""

    boot: str
    role: Role = Role.UNKNOWN  # that this node last served as
    timeline: int = 0
    served_boot: str = ""  # the boot in which this node lawfully served as primary
    standby_recorded: bool = True  # as primary: a standby streamed, so it may have been promoted (S3)
    intent: Intent | None = None
    trouble_at: float | None = None  # standby: armed and fit, it lost sight of the primary then, in `boot`
    failover_at: float | None = None  # end of the last failover or rejoin, in `boot`
    failover_noted: bool = True  # an operator has acknowledged the last failover
    power_on_due: bool = False  # this node has ordered the peer off (or is about to), and it is to come back
    order_out_at: float | None = (
        None  # since when an 'off' is out, in `boot`, that may yet be carried out: see upkeep.py
    )
    fence_distrusted: str = ""  # the BMC said off and the host answered: why, until acknowledged
    paused: bool = False
    paused_until: float | None = None  # in `boot`; None with paused: until resumed
    paused_until_wall: float | None = None  # the same on the wall clock, for the next boot only
    system_identifier: str = ""  # of the cluster that this node belongs to; '': not seen yet
    mounts: Mapping[str, str] = field(default_factory=dict)  # directory of WAL or tablespace -> its mount point

    def to_json(self) -> Mapping[str, Any]:
        """As plain data for the store."""
        return {"version": VERSION, **dataclasses.asdict(self)}


_KINDS: Mapping[str, Any] = {
    **{"str": str, "bool": bool, "int": int, "float": (int, float)},
    "Mapping[str, str]": dict,
    **{"Role": Role, "Stage": Stage, "Intent": Intent},
}


def _check_types(part: Record | Intent | None) -> None:
    """Raises ValueError for a value of another type than its field's: it would stop the decision later."""
    for one in dataclasses.fields(part) if part is not None else ():
        kind, _, rest = str(one.type).partition(" | ")
        value = getattr(part, one.name)
        if value is None and rest:
            continue
        if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "bool"):
            raise ValueError(f"{one.name} is {value!r}, which is no {kind}")
        if kind == "Mapping[str, str]" and not all(isinstance(word, str) for pair in value.items() for word in pair):
            raise ValueError(f"{one.name} is {value!r}, which does not hold texts only")
        if kind == "float" and not abs(value) < 1e300:
            raise ValueError(f"{one.name} is {value!r}, which is no time")


def record_from_json(data: Mapping[str, Any]) -> Record:
    """The reverse; raises StateError for what this version does not understand."""
    try:
        values = dict(data)
        if values.pop("version") != VERSION:
            raise ValueError(f"version {data['version']!r}, this skyha knows {VERSION}")
        values["role"] = Role(values["role"])
        if values.get("intent") is not None:
            values["intent"] = Intent(**{**values["intent"], "stage": Stage(values["intent"]["stage"])})
        record = Record(**values)
        for part in (record, record.intent):
            _check_types(part)
        return record
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateError(
            f"the record cannot be understood ({error}); skyha will not guess what it last did: see "
            "'A damaged record' in docs/operations.md"
        ) from error


@dataclass(frozen=True)
class Trouble:
    """A run of cycles in which the primary showed no life on any path."""

    since: float
    unreachable: int = 0  # looks in a row along the VIP path that found it unreachable
    flapping: bool = False  # the link was just back from the last one
    elsewhere: bool = False  # another host answered for the VIP, and the primary lived, in the last cycle
    stopping_since: float | None = None  # the primary's server said first, on its own address, that it shuts down ...
    stopping_at: float = float("-inf")  # ... and last: patience begins then
    blind_for: float = 0.0  # seconds of it in which this node could not look
    blind_since: float | None = None  # since when it cannot
    not_armed: Mapping[str, str] = field(default_factory=dict)  # what spoke against a failover when the trouble began


@dataclass(frozen=True)
class Memory:
    """All that the decision remembers."""

    started_at: float
    record: Record
    lived_as: Role = Role.UNKNOWN  # what PostgreSQL here was when it was last up
    heard_at: Mapping[Path, float] = field(default_factory=dict)  # last committed heartbeat
    looked_at: float = float("-inf")  # primary: last look along its own paths
    fresh_at: float = float("-inf")  # standby: last time a new connection was asked for ...
    fresh_path: Path = Path.VOTE  # ... and along which path
    recorded_at: float | None = None  # the primary last said that this standby is on its record
    streaming_at: float | None = None  # standby: own WAL receiver; primary: the peer's walsender
    alone_since: float | None = None  # primary: since then each look told that no standby streams
    alone_at: float | None = None  # ... and this node's own server was last looked at
    samples: tuple[tuple[float, int], ...] = ()  # (when, the primary's LSN), not yet replayed here
    sampled_at: float | None = None
    wal_lsn: int = 0  # standby: WAL received ...
    wal_at: float = float("-inf")  # ... and when it last grew
    covered_at: float | None = None  # all that the primary had written at this time is received here
    replayed_at: float | None = None  # ... is replayed here
    bmc_ok_at: float | None = None
    bmc_on_at: float | None = None  # it answered, and said 'on'
    bmc_asked_at: float | None = None  # the last check ended, well or not
    bmc_error: str = ""
    record_ok_at: float | None = None  # it was last tried, and the record could be written
    record_tried_at: float | None = None
    record_error: str = ""  # why it could not, the last time
    bmc_off_at: float | None = None  # since when every check read 'off'
    slots_copied_at: float | None = None  # standby: when that was last begun
    slot_lost: bool = False  # the peer's slot was found without its WAL, and the peer has not streamed since
    redo_lsn: int | None = None  # primary: where its last checkpoint began ...
    redo_at: float = 0.0  # ... and since when that is the last one
    trouble: Trouble | None = None
    recovered_at: float = float("-inf")  # when an unreachable primary last answered again
    fence_at: float = float("-inf")  # when the last attempt began or ended
    proof_at: float = float("-inf")  # when the fence was last proven, by this very daemon
    last_receive: int | None = None  # LSN received when the BMC said off: must not grow any more
    peer_at: float | None = None  # the peer was last looked at directly
    peer: Peer | None = None  # ... and what was seen then
    vote_look: Look | None = None  # the last along the vote path; a primary looks only now and then
    down_since: float | None = None
    start_at: float = float("-inf")  # last START_POSTGRES
    start_asked_at: float = float("-inf")  # the same, repeats included: systemd may miss one
    starts: int = 0  # restarts since it last ran well
    up_since: float | None = None
    promote_at: float = float("-inf")  # last PROMOTE
    checkpoint_at: float = float("-inf")  # last CHECKPOINT asked for after a promotion
    power_on_at: float = float("-inf")
    power_on_tries: int = 0  # that were made and failed
    announcements: int = 0  # gratuitous ARPs still to send
    vip_free_at: float | None = None  # duplicate address detection last heard nobody
    vip_taken: bool = False  # ... or heard another host
    checkpointing: bool = False  # the switchover under way waits for a checkpoint; nothing is announced yet
    stopped_at: float | None = None  # PostgreSQL here was first seen down in the switchover under way
    announced_at: float | None = None  # the peer was first seen to have replayed this primary's switchover
    switching_since: float | None = None  # the database said that a switchover is under way
    switch_evidence: Mapping[str, str] | None = None  # what spoke against a failover when it began
    starting_at: float | None = None  # the primary was last seen starting up, and since before that not serving
    starting_since: float = float("-inf")  # when that began
    start_evidence: Mapping[str, str] = field(default_factory=dict)  # what spoke against a failover then
    pause_request: Request | None = None  # not yet read back from the database
    pause_written_at: float | None = None  # when it was written there; it is not written again
    rewind_failed: str = ""  # why
    rewind_tries: int = 0  # failed ones in a row
    rewind_at: float = float("-inf")  # when the last one ended
    rejoin_ordered: bool = False  # by an operator, although auto_rejoin is off
    confirmed_off: bool = False  # an operator's word, not yet used
    confirmed_at: float = float("-inf")
    takeover_at: float | None = None  # an operator's order to take over, not yet begun


@dataclass(frozen=True)
class Wants:
    """What the next cycle shall look at, and when."""

    delay: float
    paths: tuple[Path, ...] = ()
    deadline: float = 1.0
    fresh: tuple[Path, ...] = ()  # along these a new connection must be let in as well
    peer: bool = False
    vip_conflict: bool = False


@dataclass(frozen=True)
class Decision:
    """What one cycle decided."""

    memory: Memory
    sentence: str  # the state in one line, for the log and the status
    wants: Wants
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    alarms: Mapping[str, str] = field(default_factory=dict)  # what is wrong now: code -> sentence


def begin(memory: Memory, intent: Intent) -> Memory:
    """The memory with `intent` on record."""
    return replace(memory, record=replace(memory.record, intent=intent))


def adopt(record: Record, boot: str, now: float, wall: float) -> Record:
    """The record as a daemon that starts takes it over: times of an earlier boot mean nothing in this one.

    An earlier boot's fencing or promotion is not resumed: a starting node fences nobody (S3). Rewinding and handing
    over stay, since the data directory, or the peer, is not as it was before.
    """
    if record.boot == boot:  # nothing of this boot lies ahead: a garbled time would hold for years
        return replace(
            record,
            trouble_at=_not_ahead(record.trouble_at, now),
            failover_at=_not_ahead(record.failover_at, now),
            order_out_at=now if _was_ordered(record) else _not_ahead(record.order_out_at, now),
        )
    kept = record.intent if record.intent and record.intent.stage in (Stage.REWINDING, Stage.HANDED_OVER) else None
    until = None
    if record.paused_until_wall is not None:
        until = now + max(0.0, record.paused_until_wall - wall)
    return replace(
        record,
        boot=boot,
        intent=kept,
        paused_until=until,
        trouble_at=None,
        failover_at=None if record.failover_at is None else now,
        order_out_at=now if _was_ordered(record) or record.order_out_at is not None else None,
    )


def _was_ordered(record: Record) -> bool:
    """Was the peer ordered off by a daemon that did not live to see what came of it?"""
    return record.intent is not None and record.intent.stage is Stage.FENCING and has_ordered(record.intent)


def has_ordered(intent: Intent) -> bool:
    """Was the peer ordered off in this failover?"""
    return intent.attempts > 0 or intent.proven_at is not None


def _not_ahead(then: float | None, now: float) -> float | None:
    return None if then is None else min(then, now)


def age(now: float, then: float | None) -> float:
    """Seconds since `then`; infinite when it never was."""
    return float("inf") if then is None else now - then


def is_paused(record: Record, now: float) -> bool:
    """Has the operator said: nothing automatic?"""
    return record.paused and (record.paused_until is None or now < record.paused_until)


def guard_left(config: Config, memory: Memory, now: float) -> float:
    """Seconds in which no second failover may happen."""
    if memory.record.failover_at is None:
        return 0.0
    return max(0.0, config.timing.flap_guard - (now - memory.record.failover_at))

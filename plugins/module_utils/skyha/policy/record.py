# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What survives the daemon. It is written to disk before anything is done that it announces.

Its times are monotonic seconds and mean something only within the boot that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from ..words import Role
from .proof import Kind


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
    proven_by: Kind | None = None  # the kind of the last proof; off and reset do not outlive the daemon
    proven_at: float | None = None  # the peer was last proven off in this failover: the limits count from then
    takeover: bool = False  # an operator ordered it: the rules of evidence do not count
    lsn: int = 0  # SWITCHING: end of the announcement; HANDED_OVER: all WAL of the old primary

    @property
    def by_operator(self) -> bool:
        """Is the proof an operator's word?"""
        return self.proven_by is Kind.OPERATOR


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
    # Of the newest row of the register that this node knows, the beat not to the last; 0: it has never seen one.
    epoch: int = 0
    beat: int = 0
    overruled: int = 0  # epoch of the row over which an operator's word stands, given while the register was silent
    mounts: Mapping[str, str] = field(default_factory=dict)  # directory of WAL or tablespace -> its mount point


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


def is_paused(record: Record, now: float) -> bool:
    """Has the operator said: nothing automatic?"""
    return record.paused and (record.paused_until is None or now < record.paused_until)


def is_overruled(record: Record) -> bool:
    """Does an operator's word stand over the register's row? No longer once the register has told of another holder."""
    return 0 < record.epoch == record.overruled

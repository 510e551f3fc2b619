# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the decision carries from cycle to cycle, in parts: each names who writes it. A time that is None never was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..config import Config
from ..words import Guard, Look, Path, Peer, Request, Role
from . import book
from .proof import Proof
from .record import Intent, Record
from .rhythm import Answers

MAX_SAMPLES = 128


@dataclass(frozen=True)
class Own:
    """This node's own server. Written by remember.py, the last three by wal.py."""

    lived_as: Role = Role.UNKNOWN  # what PostgreSQL here was when it was last up
    up_since: float | None = None
    down_since: float | None = None
    stopped_since: float | None = None  # no process of it is left
    switching_since: float | None = None  # the database said that a switchover is under way
    write_lsn: int = 0  # primary: WAL written when it was last looked at
    slot_lost: bool = False  # the peer's slot was found without its WAL, and the peer has not streamed since
    redo_lsn: int | None = None  # primary: where its last checkpoint began ...
    redo_at: float = 0.0  # ... and since when that is the last one


@dataclass(frozen=True)
class Heard:
    """What looks along the paths and at the peer told, in the role that this node has. Written by remember.py.

    Apart from what evidence.py takes over from an earlier daemon, and the vote look that a promotion forgets.
    """

    at: Mapping[Path, float] = field(default_factory=dict)  # last committed heartbeat
    recorded_at: float | None = None  # the primary last said that this standby is on its record
    samples: tuple[tuple[float, int], ...] = ()  # (when, the primary's LSN), not yet replayed here
    sampled_at: float | None = None
    covered_at: float | None = None  # all that the primary had written at this time is received here
    replayed_at: float | None = None  # ... is replayed here
    vote_look: Look | None = None  # the last along the vote path; a primary looks only now and then
    peer: Peer | None = None  # what was seen when it was last looked at directly ...
    peer_at: float | None = None  # ... and when that was
    answers: Mapping[Path, Answers] = field(default_factory=dict)  # how quickly they came


@dataclass(frozen=True)
class Stream:
    """What the own server told of replication, in the role that this node has. Written by remember.py."""

    at: float | None = None  # standby: own WAL receiver; primary: the peer's walsender
    alone_since: float | None = None  # primary: since then each look told that no standby streams
    alone_at: float | None = None  # ... and this node's own server was last looked at
    wal_lsn: int = 0  # standby: WAL received ...
    wal_at: float | None = None  # ... and when it last grew


@dataclass(frozen=True)
class Trouble:
    """A run of cycles in which the primary showed no life on any path."""

    since: float
    unreachable: int = 0  # looks in a row along the VIP path that found it unreachable ...
    gone_since: float | None = None  # ... since the first of them ended, what was not seen taken off
    flapping: bool = False  # the link was just back from the last one
    held_back: bool = False  # the history has it that the failover is held back, since this node is not the heir
    elsewhere: bool = False  # another host answered for the VIP, and the primary lived, in the last cycle
    stopping_since: float | None = None  # the primary's server said first, on its own address, that it shuts down ...
    stopping_at: float | None = None  # ... and last: patience begins then
    beat_at: float | None = None  # it has renewed in the register since the trouble began, and did so last
    renewed_at: float | None = None  # ... while nothing else could be seen of it
    blind_for: float = 0.0  # seconds of it in which this node could not look
    blind_since: float | None = None  # since when it cannot
    not_armed: Mapping[str, str] = field(default_factory=dict)  # what spoke against a failover when the trouble began


@dataclass(frozen=True)
class Watch:
    """The watch over the primary. Written by standby.py; a failover that is called off, and a server that was down, end a trouble."""

    silent_at: float | None = None  # the primary's datagrams stayed away ...
    silent_evidence: Mapping[str, str] = field(default_factory=dict)  # ... and this spoke against a failover then
    trouble: Trouble | None = None
    recovered_at: float | None = None  # when an unreachable primary last answered again
    fresh_at: float | None = None  # last time a new connection was asked for ...
    fresh_path: Path = Path.VOTE  # ... and along which path
    switch_evidence: Mapping[str, str] | None = None  # what spoke against a failover when a switchover began
    starting_at: float | None = None  # the primary was last seen starting up, and since before that not serving
    starting_since: float | None = None  # when that began
    start_evidence: Mapping[str, str] = field(default_factory=dict)  # what spoke against a failover then
    slots_copied_at: float | None = None  # when the primary's slots were last copied here
    asked_for: int = 0  # the peer told of this epoch first, and the register was asked for it before the next look


@dataclass(frozen=True)
class Fence:
    """The failover under way. Written by its stages (fencing.py, listening.py, promoting.py; failover.py: what they share)."""

    at: float | None = None  # when the last attempt began or ended
    proof: Proof | None = None  # why the peer is taken to be off: only this very daemon leans on it
    last_receive: int | None = None  # LSN received when the BMC said off: must not grow any more
    promote_at: float | None = None  # last PROMOTE
    # What the register said before the proof was asked for: the row that a take may name (R2).
    row: book.Row | None = None
    silent_at: float | None = None  # nothing answered any more, so the register is asked


@dataclass(frozen=True)
class Restarts:
    """Starts and rewinds of the own server. Written by boot.py; a switchover starts it once, remember.py forgets old ones."""

    at: float | None = None  # last START_POSTGRES
    asked_at: float | None = None  # the same, repeats included: systemd may miss one
    count: int = 0  # restarts since it last ran well
    rewind_failed: str = ""  # why
    rewind_tries: int = 0  # failed ones in a row
    rewind_at: float | None = None  # when the last one ended
    rejoin_ordered: bool = False  # by an operator, although auto_rejoin is off


@dataclass(frozen=True)
class Switching:
    """The switchover under way, on the old primary. Written by switchover.py."""

    checkpointing: bool = False  # it waits for a checkpoint; nothing is announced yet
    announced_at: float | None = None  # the peer was first seen to have replayed this primary's switchover
    stopped_at: float | None = None  # PostgreSQL here was first seen down in it
    promote_at: float | None = None  # last PROMOTE_PEER
    received: bool = False  # the peer has all WAL of this node, which is down: the register may be told


@dataclass(frozen=True)
class Vip:
    """Who has the VIP. Written by vip.py."""

    free_at: float | None = None  # duplicate address detection last heard nobody
    taken: bool = False  # ... or heard another host
    announcements: int = 0  # gratuitous ARPs still to send


@dataclass(frozen=True)
class Word:
    """The operator's orders that are not yet carried out. Written by orders.py."""

    pause_request: Request | None = None  # not yet read back from the database
    pause_written_at: float | None = None  # when it was written there; it is not written again
    confirmed_at: float | None = None  # he said that the peer is off
    takeover_at: float | None = None  # he ordered this node to take over

    @property
    def confirmed_off(self) -> bool:
        """Does an operator's word hold, that the peer is off?"""
        return self.confirmed_at is not None


@dataclass(frozen=True)
class Upkeep:
    """Chores, when each was last done, and what came of it. Written by upkeep.py."""

    bmc_ok_at: float | None = None
    bmc_on_at: float | None = None  # it answered, and said 'on'
    bmc_asked_at: float | None = None  # the last check ended, well or not
    bmc_error: str = ""
    bmc_warning: str = ""  # which of its devices did not answer, where others did
    bmc_off_at: float | None = None  # since when every check read 'off'
    record_ok_at: float | None = None  # it was last tried, and the record could be written
    record_tried_at: float | None = None
    record_error: str = ""  # why it could not, the last time
    power_on_at: float | None = None
    power_on_tries: int = 0  # that were made and failed


@dataclass(frozen=True)
class Members:
    """Those of the register's etcd. Written by members.py."""

    asked_at: float | None = None
    error: str = ""  # which of them did not answer, or not well, and why


@dataclass(frozen=True)
class Serving:
    """A primary's own chores. Written by primary.py."""

    looked_at: float | None = None  # last look along its own paths
    checkpoint_at: float | None = None  # last CHECKPOINT asked for after a promotion


@dataclass(frozen=True)
class Naming:
    """Of a standby: does the register name it as the heir? Written by holding.py."""

    at: float | None = (
        None  # it did the last time that this was asked; all that was acknowledged by then is here (zero loss)
    )
    gone_at: float | None = None  # since when it was seen not to; None: it does, for all that is known
    clock: float | None = None  # for people only: what those times lack of the wall clock


@dataclass(frozen=True)
class Register:
    """What the register told, and so who may write. Written by holding.py."""

    row: book.Row | None = None  # the newest that could be believed
    answered_at: float | None = None  # when it was last answered with one
    code: str = ""  # what was wrong with the last answer; '': nothing
    problem: str = ""  # the same as a sentence
    other: book.Row | None = None  # the row that cannot be believed
    hold: book.Hold | None = None  # this node is the holder, and has renewed since skyha started
    watch: book.Watch | None = None  # this node is not the holder
    denied: int = 0  # answers in a row that named another holder while PostgreSQL here ran as primary
    invited: bool = False  # the former holder has handed over to this node
    naming: Naming = Naming()


@dataclass(frozen=True)
class Lease:
    """This node's part in the lease. Written by lease.py."""

    guard: Guard = field(default_factory=Guard)  # this host's watchdog
    problem: str = ""  # why it could not be used the last time ...
    failed_at: float | None = None  # ... and when that was
    promising: bool = False  # this node was to promise, when the cycle before this one ended
    stopping: bool = False  # the lease is over, that is told, and PostgreSQL here is not down yet


@dataclass(frozen=True)
class Pace:
    """How far the peer is behind this primary. Written by sync.py."""

    looked_at: float | None = None  # the last look that told of it ...
    written: int = 0  # ... and all that was written then
    owed: int | None = None  # so much was written and the peer had not flushed it ...
    owed_since: float = 0.0  # ... since then, at the longest
    is_late: bool = False  # it had not at the look after that, or it does not stream
    is_level: bool = False  # it has just been quick enough for commits to wait for it
    level_looks: int = 0  # looks in a row, a cycle apart, that found flushed what the one before had found written
    was_quick: bool = False  # the last look came soon after the one before


@dataclass(frozen=True)
class Shield:
    """Is all that is acknowledged here on the heir, too? Written by sync.py."""

    holds: bool = False
    at: float | None = None  # since when that is so, or is not


@dataclass(frozen=True)
class Sync:
    """Zero loss, on the primary. Written by sync.py."""

    pace: Pace = Pace()
    in_effect_at: float | None = None  # since when the setting is seen in effect
    is_loaded: bool = False  # commits wait
    floor: int | None = None  # all that was written by then; what is acknowledged later the peer has
    is_covered: bool = False  # the peer has all up to there: it may be the heir
    given_up_at: float | None = None  # it was gone, hung or slow for too long ...
    given_up: int = 0  # ... and how many times that was so lately
    told_at: float | None = None  # when the setting was last changed, or the server told again
    deaf_since: float | None = None  # the server has another setting than the file
    resumes: bool = (
        False  # since skyha started it is in effect: an heir that stands already was named by an earlier skyha
    )
    shield: Shield = Shield()


@dataclass(frozen=True)
class Memory:
    """All that the decision remembers."""

    started_at: float
    record: Record
    own: Own = Own()
    heard: Heard = Heard()
    stream: Stream = Stream()
    watch: Watch = Watch()
    fence: Fence = Fence()
    restarts: Restarts = Restarts()
    switching: Switching = Switching()
    vip: Vip = Vip()
    word: Word = Word()
    upkeep: Upkeep = Upkeep()
    serving: Serving = Serving()
    register: Register = Register()
    members: Members = Members()
    lease: Lease = Lease()
    sync: Sync = Sync()


def begin(memory: Memory, intent: Intent) -> Memory:
    """The memory with `intent` on record."""
    return replace(memory, record=replace(memory.record, intent=intent))


def ended(memory: Memory) -> Memory:
    """The memory with nothing on record that is begun and not finished."""
    return replace(memory, record=replace(memory.record, intent=None))


def age(now: float, then: float | None) -> float:
    """Seconds since `then`; infinite when it never was."""
    return float("inf") if then is None else now - then


def guard_left(config: Config, memory: Memory, now: float) -> float:
    """Seconds in which no second failover may happen."""
    if memory.record.failover_at is None:
        return 0.0
    return max(0.0, config.timing.flap_guard - (now - memory.record.failover_at))

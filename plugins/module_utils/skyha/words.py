# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words that all of skyha speaks: what can be seen, what can be done, what came of it.

Only immutable data. What a look did not tell is None, in every field of it: not known, and so neither yes nor no. Times named `*_at` or
`*_since` are seconds of one node's own monotonic clock and mean nothing on another host; durations are seconds; LSNs are plain
integers (bytes of WAL).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Union


class Sight(str, Enum):
    """What one look at the primary's PostgreSQL saw (see docs/failover.md for the patience of each)."""

    OK = "ok"  # the heartbeat was committed
    ALIVE = "alive"  # the server answered, with an error: alive, perhaps an alarm
    SICK = "sick"  # the server answered that its storage fails (58030, 53100 ...)
    STALLED = "stalled"  # TCP was accepted, no SQL answer by the deadline
    REFUSED = "refused"  # RST: host lives, nobody listens
    DROPPED = "dropped"  # accepted and closed at once, as a proxy does without a backend
    UNREACHABLE = "unreachable"  # no answer at all
    UNKNOWN = "unknown"  # the look itself failed on this node (no file descriptor ...): proves nothing


# Answers along a path are counted by how long they took, in seconds, up to each of these; the last count is of what took longer.
ANSWER_BOUNDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512)


class Path(str, Enum):
    """The two ways from a node to the primary's PostgreSQL."""

    VIP = "vip"
    VOTE = "vote"


class Role(str, Enum):
    """A node's role, from SQL while PostgreSQL runs, from its data directory while it does not."""

    PRIMARY = "primary"
    STANDBY = "standby"
    NONE = "none"  # no data directory
    UNKNOWN = "unknown"


class Server(str, Enum):
    """The state of a PostgreSQL server."""

    UP = "up"  # answers SQL
    STARTING = "starting"  # says 57P03: starting up, in recovery, shutting down
    STALLED = "stalled"  # accepts, or its process lives, but does not answer
    DOWN = "down"  # no process, nobody listens
    UNREACHABLE = "unreachable"  # (the peer's only) no answer from the host at all
    UNKNOWN = "unknown"


class Power(str, Enum):
    """What a BMC says about its host. Unknown is never taken for off."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Beat:
    """What the primary told in answer to a heartbeat."""

    lsn: int  # its WAL write position
    timeline: int
    standby_recorded: bool | None  # it wrote down that a standby streams and may be promoted (S3)
    paused_for: float | None = None  # seconds that the cluster stays paused; 0: it is not; inf: until resumed
    system_identifier: str | None = None  # which cluster answered


class Shown(str, Enum):
    """What a server showed to whoever asked it for TLS."""

    GOOD = "good"  # a certificate of the CA's, that names the address
    WRONG = "wrong"  # one that is not to be believed
    PLAIN = "plain"  # it answers, and without TLS
    NOTHING = "nothing"  # no answer: it may be down
    ERROR = "error"  # this host itself failed (the CA's file is not there ...)


@dataclass(frozen=True)
class Certificate:
    """The certificate that a server shows. detail: in words; the times: seconds since 1970, None where not known."""

    shown: Shown
    detail: str = ""
    until: float | None = None  # when it ends ...
    ca_until: float | None = None  # ... and that of the CA
    serial: str = ""

    @property
    def ends(self) -> float | None:
        """What ends first."""
        return min((end for end in (self.until, self.ca_until) if end is not None), default=None)


@dataclass(frozen=True)
class Look:
    """One look along one path."""

    sight: Sight
    detail: str = ""
    latency: float = 0.0  # seconds
    reached: bool | None = False  # somebody accepted TCP at the address looked at (for VOTE: the vote host)
    beat: Beat | None = None  # only with Sight.OK
    starting: bool = False  # only with Sight.ALIVE: it starts or stops (57P03), so nothing can be committed there
    standby: bool = (
        False  # only with Sight.ALIVE: no primary of this cluster answers, but one in recovery or of another one
    )

    @property
    def shows_life(self) -> bool:
        """The primary's PostgreSQL answered. A look that failed on this node (UNKNOWN) shows neither life nor its lack."""
        return self.sight in (Sight.OK, Sight.ALIVE, Sight.SICK)


@dataclass(frozen=True)
class Failure:
    """What a failed attempt showed. `code`: the SQLSTATE where it is known, else empty."""

    sight: Sight
    detail: str
    code: str = ""
    stopping: bool = False  # with STARTING: it shuts down


@dataclass(frozen=True)
class Slot:
    """One replication slot of this node, skyha's or not."""

    name: str
    logical: bool
    active: bool  # somebody reads by it
    lost: bool  # WAL that it was to keep is gone: it is of no use any more
    kept: int | None  # bytes of WAL from what it keeps up to the newest; None: it keeps none


@dataclass(frozen=True)
class Wal:
    """What keeps WAL on this node. Looked at now and then only."""

    slots: tuple[Slot, ...]
    slot_limit: int | None  # max_slot_wal_keep_size in bytes; None: no limit
    kept_anyway: int  # bytes of WAL that are there without any slot
    max_wal_size: int
    checkpoint_timeout: float
    redo_lsn: int | None = None  # primary: where the last completed checkpoint began
    since_checkpoint: int | None = None  # primary: bytes of WAL written since then


@dataclass(frozen=True)
class Place:
    """A directory in the data directory that may be on a disk of its own."""

    name: str  # pg_wal, pg_tblspc/16402
    path: str  # where it really is
    mount: str  # the mount point that it is on
    whole: bool  # it holds what PostgreSQL has made there


@dataclass(frozen=True)
class Reader:
    """A session on this standby that replay waits for."""

    pid: int
    user: str
    application: str
    since: str  # when its query, or its last one, began

    def __str__(self) -> str:
        return f"pid {self.pid} (user {self.user}, application {self.application or 'unnamed'}, query of {self.since or 'unknown'})"


@dataclass(frozen=True)
class Sync:
    """For whom commits wait on this node (zero loss). What is of the server is known of a running primary only."""

    file: str | None = None  # the node that skyha's file names, '': nobody; None: not known, or in doubt
    names: str | None = None  # synchronous_standby_names, as a new session has it
    commit: str | None = None  # synchronous_commit, likewise
    taken: bool | None = None  # the peer's walsender has taken those settings: it is the synchronous standby
    alone: bool | None = None  # no other walsender bears its name, and so could be waited for in its place
    # The checkpointer, by whose word commits wait, was seen idle, so it has read what was changed before; or a commit was seen to wait.
    loaded: bool | None = None
    flush_lsn: int | None = (
        None  # what the peer has flushed (replayed, where commits wait for that); None: it does not stream
    )
    lowered: tuple[
        str, ...
    ] = ()  # roles and databases whose commits do not wait: they have a lower synchronous_commit of their own


@dataclass(frozen=True)
class Local:
    """This node's own PostgreSQL and VIP. Without an answer by SQL most of it is not known."""

    server: Server
    role: Role
    detail: str = ""
    timeline: int | None = None
    write_lsn: int | None = None  # primary: WAL written; DOWN after a clean shutdown: the end of its last record
    receive_lsn: int | None = None  # standby: WAL received and flushed
    replay_lsn: int | None = None  # standby: WAL replayed
    replay_paused: bool | None = None
    streaming: bool | None = None  # standby: its WAL receiver streams
    peer_streaming: bool | None = None  # primary: the peer's walsender is in state streaming
    standby_recorded: bool | None = None  # primary: the database holds this timeline's note of RECORD_STANDBY
    noted: bool | None = None  # primary: its skyha has noted this timeline as lawfully its own (RECORD_STANDBY)
    switching: bool | None = None  # the database says that a switchover is under way
    paused_for: float | None = None  # as in Beat, from this node's own copy of the database
    slots: tuple[str, ...] | None = None  # physical replication slots that exist here
    vip_held: bool | None = None
    clean_shutdown: bool | None = None  # DOWN only: the control file says 'shut down'
    pending_restart: tuple[str, ...] | None = None  # changed settings that wait for a restart
    checkpoint_timeline: int | None = None  # primary: of the last checkpoint that was completed
    clients_left: int | None = None  # primary: connections that ordinary clients may still open
    system_identifier: str | None = None  # which cluster's data this is, as initdb drew it
    places: tuple[Place, ...] | None = None  # of the WAL and the tablespaces
    wal: Wal | None = None  # looked at now and then
    readers: tuple[Reader, ...] = ()  # standby: sessions that replay waits for; looked for only while it stands still
    sync: Sync | None = None
    is_stopped: bool = False  # with STALLED: its postmaster is stopped by a signal


@dataclass(frozen=True)
class Peer:
    """The peer's PostgreSQL, looked at on the peer's own address."""

    server: Server
    role: Role = Role.UNKNOWN
    timeline: int | None = None
    receive_lsn: int | None = None
    detail: str = ""
    replay_lsn: int | None = None
    system_identifier: str | None = None
    stopping: bool = False  # with STARTING: it says that it shuts down
    noted: bool | None = None  # as in Local: without it nobody but a hand on pg_promote() made it primary

    @property
    def has_power(self) -> bool:
        """Its host answered, if only that nobody listens: it is not off."""
        return self.server in (Server.UP, Server.STARTING, Server.STALLED, Server.DOWN)


# --- the register: which node may write --------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A cluster's row in the register. noted_*: for people only; the time is a wall clock's. term: see row_change.Row."""

    system_identifier: str
    holder: str
    epoch: int
    beat: int
    heir: str | None
    noted_by: str = ""
    noted_at: float = 0.0
    term: float = 0.0


@dataclass(frozen=True)
class Done:
    """The register holds what was asked for. sent_at: the monotonic time before the question left; a lease counts from it."""

    row: Row
    sent_at: float


@dataclass(frozen=True)
class Refused:
    """The register answered, and holds something else."""

    row: Row
    sent_at: float


@dataclass(frozen=True)
class Missing:
    """The register answered, and has no row of this cluster for this login."""

    sent_at: float


@dataclass(frozen=True)
class Lost:
    """No answer. reached: a server was there. asked: the question may have got there, and may be carried out yet. at: which of several
    addresses were asked.
    """

    failure: Failure
    asked: bool
    reached: bool
    at: str = ""


Answer = Union[Done, Refused, Missing, Lost]


@dataclass(frozen=True)
class Verb:
    """A question: a function of the register, and what it is called with after the cluster's name."""

    name: str
    values: tuple[str | float | None, ...] = ()


@dataclass(frozen=True)
class Told:
    """A question and what came of it."""

    verb: Verb
    answer: Answer


# --- the lease: what lets the holder write where its peer may take over by time ------------------------------------


@dataclass(frozen=True)
class Signs:
    """What the datagrams between both skyhas have told so far, by this node's own clock (world/signs.py)."""

    heard_at: float | None = None  # the peer's newest one came then
    promise: float | None = None  # when this node gave out the mark that the peer's newest promise brought back
    promised_at: float | None = None  # this node's own last promise left then, or later
    beat: tuple[int, int] | None = None  # epoch and beat of the register's row, as the peer last told them ...
    beat_at: float | None = None  # ... and when it first did
    stopped_at: float | None = (
        None  # PostgreSQL there is stopped by a signal, its skyha said last then; None: its newest one does not
    )
    problem: str = ""  # why none can come or go, or why the last one was not taken for the peer's


@dataclass(frozen=True)
class Food:
    """For how long the watchdog may be fed, whatever becomes of the loop meanwhile."""

    until: float  # so long at least; past: not any more
    lease: float = (
        0.0  # ... and this many seconds after the mark that the peer's newest promise brings back; 0: no longer
    )


@dataclass(frozen=True)
class Guard:
    """This host's watchdog, in skyha's hands (world/guard.py)."""

    fed: bool = False  # it runs, it resets this host in time, and it was fed when it was to be
    problem: str = ""  # why it cannot be leant on; '': nothing, or it was not asked for
    name: str = ""  # what its driver calls itself
    software: bool | None = None  # it dies with the kernel that it guards


class Task(str, Enum):
    """Work that takes longer than a cycle; it runs beside the loop, at most one of each at a time."""

    FENCE = "fence"  # switch the peer off (or reset it) and read it back
    POWER_ON = "power_on"  # switch the peer on again after a failover
    CHECK_BMC = "check_bmc"  # authenticated power status of the peer
    CHECK_RECORD = "check_record"  # can the record be written? a write and fsync beside it
    CHECK_MEMBERS = "check_members"  # does each member of the register's etcd answer, and know a leader?
    REWIND = "rewind"  # pg_rewind this node's data from the peer
    CHECKPOINT = "checkpoint"  # of this node's PostgreSQL, to its end


ONLY_LOOK = (Task.CHECK_BMC, Task.CHECK_RECORD, Task.CHECK_MEMBERS)  # nothing comes of these but knowledge


@dataclass(frozen=True)
class Outcome:
    """How a task ended."""

    task: Task
    ok: bool
    detail: str = ""
    power: Power = Power.UNKNOWN  # FENCE, POWER_ON, CHECK_BMC: as read back
    proof: bool = False  # FENCE: the peer was seen off, or was reset where that is configured
    warning: str = ""  # CHECK_BMC: which devices cannot be used, where others can
    numbers: Mapping[str, float] = field(default_factory=dict)


class Order(str, Enum):
    """What the operator may ask of the daemon."""

    SWITCHOVER = "switchover"
    CONFIRM_OFF = "confirm_off"  # 'the peer is off, I have seen it': replaces the BMC's proof once
    TAKEOVER = "takeover"  # this standby is to become primary, whatever stopped a failover
    PAUSE = "pause"
    RESUME = "resume"
    ACKNOWLEDGE = "acknowledge"  # the failover warning was read
    REJOIN = "rejoin"  # run pg_rewind now: auto_rejoin is off, or it failed before


@dataclass(frozen=True)
class Request:
    """An operator's order."""

    order: Order
    by: str = ""
    seconds: float | None = None  # PAUSE: how long; None: until resumed


@dataclass(frozen=True)
class Seen:
    """All that one cycle saw; the decision knows nothing else of the world."""

    local: Local
    looks: Mapping[Path, Look] = field(default_factory=dict)
    peer: Peer | None = None  # None: not looked at this time
    vip_conflict: bool | None = None  # duplicate address detection: True: another host answers; None: not asked
    outcomes: tuple[Outcome, ...] = ()  # tasks that ended since the last cycle
    running: tuple[Task, ...] = ()  # tasks still under way
    requests: tuple[Request, ...] = ()
    pause_written: bool = False  # the pause or resume that was to be written into the database is, since the last cycle
    wall: float | None = None  # seconds since 1970: only for what must hold over a boot
    register: Told | None = None  # None: it was not asked
    leaving: bool = False  # skyha was told to end: this is one of its last looks
    overdue: bool = False  # ... and it can wait no longer for the register
    signs: Signs = Signs()
    guard: Guard = Guard()


# --- what a decision may ask for -------------------------------------------------------------------------------


class Do(str, Enum):
    """Short actions; each is bounded and is tried again by a later cycle when it failed."""

    START_POSTGRES = "start_postgres"  # ask systemd to start it
    STOP_POSTGRES = "stop_postgres"  # fast shutdown
    KILL_POSTGRES = "kill_postgres"  # immediate shutdown: this node must stop writing now
    MAKE_STANDBY = "make_standby"  # write standby.signal into a stopped data directory
    PROMOTE = "promote"
    END_READERS = "end_readers"  # end those sessions (value: their pids) that replay still waits for
    CHECKPOINT = "checkpoint"
    ADD_VIP = "add_vip"  # after duplicate address detection
    DROP_VIP = "drop_vip"
    ANNOUNCE_VIP = "announce_vip"  # gratuitous ARP
    ENSURE_SLOT = "ensure_slot"  # the peer's replication slot
    COPY_SLOTS = "copy_slots"  # standby: keep the primary's slots of these names here as well
    DROP_SLOTS = "drop_slots"  # a standby keeps none
    RECORD_STANDBY = "record_standby"  # tell the database that a standby is on record (value True/False)
    SET_SWITCHING = "set_switching"  # tell the database that a switchover begins / is over (value True/False)
    PROMOTE_PEER = "promote_peer"  # switchover: by SQL, after the peer has all WAL
    SET_PAUSE = "set_pause"  # write pause/resume into the database
    DOUBT_SYNC = "doubt_sync"  # note that commits may not have waited for the heir; those that do wait on
    SET_SYNC = "set_sync"  # let commits wait for that node (value: its name), or for nobody ('')
    RUN = "run"  # start a Task


@dataclass(frozen=True)
class Action:
    """One thing to do. `value` is what it needs beyond its name."""

    do: Do
    value: object = None


@dataclass(frozen=True)
class Event:
    """One line of the history (S7)."""

    kind: str  # trouble, fencing, fenced, promoted, ...: see docs/history.md
    text: str
    level: str = "info"  # info, warning, alarm
    facts: Mapping[str, object] = field(default_factory=dict)

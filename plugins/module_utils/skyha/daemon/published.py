# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The status as a value, and its published form: one JSON object, the parts of `Status` side by side (docs/status.md).

Who reads a status of another version takes what is missing as not known, which is what every default here says, and passes over
what it does not know; `format` tells when that would be wrong. Words such as roles and stages stay text: a newer skyha may have more.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..backup_report import Told
from ..kinds import part

FORMAT = 1
# What a node publishes of its peer's status, and of one whose skyha does not run.
OF_PEER = (
    *("version", "state", "sentence", "cluster", "node", "peer", "limits"),
    *("role", "server", "detail", "timeline", "streaming", "lag", "replication", "vip", "bmc", "register", "backup"),
    *("armed", "not_armed", "alarms", "codes", "paused", "trouble", "intent"),
)
OF_PEER_THAT_RESTS = ("state", "node", "sentence")


@dataclass(frozen=True)
class Run:
    """The skyha that says it; all that one without a configuration can say."""

    format: int = FORMAT
    version: str = ""
    state: str = ""
    problems: tuple[str, ...] = ()
    sentence: str = ""
    started: float = 0.0
    written: float = 0.0
    written_monotonic: float = 0.0
    pid: int = 0


@dataclass(frozen=True)
class Vote:  # the vote host's proxy
    address: str = ""
    port: int = 0


@dataclass(frozen=True)
class Limits:  # above them no failover
    lag_seconds: float = 0.0
    lag_bytes: int = 0


@dataclass(frozen=True)
class Place:
    """Which node of which cluster, as configured."""

    cluster: str = ""
    node: str = ""
    address: str = ""
    peer: str = ""
    peer_address: str = ""
    peer_http: str = ""
    port: int = 0
    vote: Vote = Vote()
    profile: str = ""
    limits: Limits = Limits()


@dataclass(frozen=True)
class Lsn:  # WAL positions
    write: int | None = None
    receive: int | None = None
    replay: int | None = None


@dataclass(frozen=True)
class Lag:  # of a standby: not yet received when the primary was last heard
    seconds: float | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Replication:  # what a commit that was acknowledged is worth; all but the mode with zero loss only
    mode: str = ""
    commit: str | None = None
    protected: bool | None = None
    waiting: float | None = None
    tried_in: float | None = None
    lowered: tuple[str, ...] | None = None
    heir: bool | None = None
    for_: float | None = None
    complete_age: float | None = None
    lacks: int | None = None
    heard_age: float | None = None


@dataclass(frozen=True)
class Slot:  # as words.Slot
    name: str = ""
    logical: bool | None = None
    active: bool | None = None
    lost: bool | None = None
    kept: int | None = None


@dataclass(frozen=True)
class Postgres:
    """PostgreSQL of this node."""

    role: str = ""
    server: str = ""
    detail: str = ""
    timeline: int | None = None
    lsn: Lsn = Lsn()
    streaming: bool | None = None
    replay_paused: bool | None = None
    pending_restart: tuple[str, ...] | None = None
    slots: tuple[Slot, ...] | None = None
    lag: Lag = Lag()
    replication: Replication = Replication()


@dataclass(frozen=True)
class Vip:  # the virtual IP, as seen from here
    address: str = ""
    interface: str = ""
    held: bool | None = None
    taken: bool = False


@dataclass(frozen=True)
class Way:  # a path to the primary: the last look along it, and the age of the last heartbeat
    sight: str | None = None
    detail: str = ""
    latency: float | None = None
    reached: bool | None = None
    age: float | None = None
    ok_age: float | None = None
    answers: tuple[int, ...] = ()  # counted as words.ANSWER_BOUNDS has it, since skyha plays this role ...
    answers_seconds: float = 0.0  # ... how long they took together ...
    recent: tuple[int, ...] = ()  # ... and the recent ones of them ...
    usual: float | None = None  # ... of which nearly all came within so many seconds
    gives_up_after: float | None = None  # seconds that a look along it lasts at the longest


@dataclass(frozen=True)
class Paths:
    """Named as words.Path."""

    vip: Way = Way()
    vote: Way = Way()

    @property
    def by_name(self) -> Mapping[str, Way]:
        """All of them."""
        return vars(self)


@dataclass(frozen=True)
class PeerSeen:  # PostgreSQL of the peer as this node last saw it directly
    server: str = "unknown"
    role: str = "unknown"
    timeline: int | None = None
    detail: str = ""
    age: float | None = None


@dataclass(frozen=True)
class PeerStatus:
    """What the peer's skyha says, and why that is nothing of now ('': it is)."""

    status: Status | None = None
    age: float | None = None
    problem: str = "its skyha was not asked yet"

    @property
    def now(self) -> Status | None:
        """What holds now."""
        return None if self.problem else self.status


NO_BMC = "none"  # the power of a peer that has none


@dataclass(frozen=True)
class Bmc:  # the peer's
    power: str = "unknown"
    ok_age: float | None = None
    error: str = ""
    checks: int = 0
    age: float | None = None
    warning: str = ""


@dataclass(frozen=True)
class Lease:  # what lets the holder write where its heir may take over by time
    term: float | None = None
    left: float | None = None
    over_in: float | None = None
    watchdog: str = ""
    watchdog_name: str = ""
    watchdog_software: bool | None = None
    watchdog_problem: str = ""


@dataclass(frozen=True)
class Register:  # where it stands which node may write
    engine: str = ""
    address: str = ""
    port: int = 0
    holder: str | None = None
    epoch: int | None = None
    beat: int | None = None
    heir: str | None = None
    age: float | None = None
    problem: str = ""
    lease: Lease | None = None
    endpoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Certificate:
    """The one that PostgreSQL here shows."""

    good: bool | None = None  # whoever trusts the cluster's CA believes it
    detail: str = ""
    ends: float | None = None  # seconds since 1970: the certificate, or its CA's


@dataclass(frozen=True)
class Around:
    """What stands around this node's PostgreSQL."""

    vip: Vip = Vip()
    paths: Paths = Paths()
    peer_seen: PeerSeen | None = None
    peer_status: PeerStatus = PeerStatus()
    bmc: Bmc = Bmc()
    register: Register | None = None
    backup: Told | None = None
    certificate: Certificate | None = None


@dataclass(frozen=True)
class Code:  # what an alarm or a reason means
    severity: str = ""
    for_: float | None = None
    meaning: str = ""
    next: str = ""
    check: str = ""


@dataclass(frozen=True)
class Paused:  # the operator's pause
    on: bool | None = None
    left: float | None = None


@dataclass(frozen=True)
class Trouble:  # the primary shows no life
    for_: float | None = None
    not_armed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Intent:  # what is under way
    stage: str = ""
    for_: float | None = None
    why: str = ""
    trouble_for: float | None = None
    attempts: int = 0


@dataclass(frozen=True)
class LastFailover:  # the newest failover to this node that was carried out
    wall: float = 0.0
    seconds: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Failover:  # what stays of the last one
    noted: bool = True
    distrusted: str = ""
    guard_left: float = 0.0
    last: LastFailover | None = None


@dataclass(frozen=True)
class Verdict:
    """What skyha makes of it."""

    armed: bool | None = None
    not_armed: Mapping[str, str] = field(default_factory=dict)
    alarms: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Code] = field(default_factory=dict)
    paused: Paused = Paused()
    trouble: Trouble | None = None
    intent: Intent | None = None
    failover: Failover = Failover()

    @property
    def is_under_way(self) -> bool:
        """What would be if the primary died is no question any more."""
        return self.trouble is not None or self.intent is not None


@dataclass(frozen=True)
class PastEvent:  # one event of the history
    seq: int = 0
    wall: float = 0.0
    kind: str = ""
    level: str = ""
    text: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Tally:
    """What was counted and told since skyha started."""

    counts: Mapping[str, int] = field(default_factory=dict)
    cycle_seconds: float = 0.0
    events: tuple[PastEvent, ...] = ()


@dataclass(frozen=True)
class Status:
    """What one node's skyha knows."""

    run: Run = Run()
    place: Place = Place()
    postgres: Postgres = Postgres()
    around: Around = Around()
    verdict: Verdict = field(default_factory=Verdict)
    tally: Tally = field(default_factory=Tally)

    @property
    def has_looked(self) -> bool:
        """A cycle was completed: it knows more than its own name."""
        return bool(self.postgres.role)

    @property
    def keeps_up(self) -> bool:
        """Its lag is known, and no reason against a failover."""
        lag = self.postgres.lag.seconds
        return lag is not None and lag <= self.place.limits.lag_seconds


def to_json(status: Status) -> dict[str, Any]:
    """The published form; what a skyha cannot tell that has no configuration, or has not looked yet, is not there."""
    parts: list[object] = [status.run]
    if status.place.node:
        parts.append(status.place)
    if status.has_looked:
        parts += [status.postgres, status.around, status.verdict, status.tally]
    return {name: value for part in parts for name, value in _plain(part).items()}


# It runs each second, and with each answer to the peer: what is quick is asked first.
_LEAVES = frozenset((str, int, float, bool, type(None)))


@functools.cache
def _fields(kind: Any) -> tuple[tuple[str, str], ...]:
    """(name, published name) of each field."""
    return tuple((one.name, one.name.rstrip("_")) for one in dataclasses.fields(kind))


def _plain(value: Any) -> Any:
    if type(value) in _LEAVES:
        return value
    if isinstance(value, Status):
        data = to_json(value)
        return {name: data[name] for name in (OF_PEER if value.has_looked else OF_PEER_THAT_RESTS)}
    if dataclasses.is_dataclass(value):
        return {shown: _plain(getattr(value, name)) for name, shown in _fields(value.__class__)}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def from_json(data: object) -> Status:
    """The reverse; raises ValueError for what is no status of this format."""
    if not isinstance(data, Mapping):
        raise ValueError("no object")
    if data.get("format", FORMAT) != FORMAT:
        raise ValueError(f"it has format {data['format']!r}, and {FORMAT} is known here")
    return Status(*(part(globals()[str(one.type)], data, readers=_READERS) for one in dataclasses.fields(Status)))


_READERS = {"Status": from_json}

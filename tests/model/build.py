# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one place where the model builds what the runtime takes, Config, Memory, Seen, and reads what it gives back."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, NamedTuple

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import (
    Config,
    Timing,
    laid_over,
    sync_names,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.record_json import from_json, to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import TAKEN_BACK, by_any_clock
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import book, resigning
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import decide as room
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.lease import is_bound
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory, Register
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import (
    Record,
    Stage,
    adopt,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Action,
    Beat,
    Do,
    Food,
    Guard,
    Local,
    Look,
    Order,
    Outcome,
    Path,
    Peer,
    Power,
    Request,
    Role,
    Server,
    Sight,
    Signs,
    Sync,
    Task,
    Verb,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Seen as Seen
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Told as Answered

from tests.simulation.schedules import LEASE, REGISTER, ZERO_LOSS
from tests.simulation.world import NAMES, World

from .counts import Counts, counted, counts
from .times import aged, key

STEP = 2.0  # seconds
LINGERS = 2  # steps in which both ends of a broken stream may go on to show it


class Steps(Timing):
    """Times that are a few steps long. What follows from them follows as it does in production; only how long a stop and a
    broken stream may last is the model's own.
    """

    @property
    def patience(self) -> float:
        """As in Timing; a stop takes one step."""
        return STEP + max(self.hang_timeout, self.restart_grace, 2 * self.failures_before_failover) + STEP

    @property
    def alone_after(self) -> float:
        """As in Timing; a stream lingers for LINGERS."""
        evidence = LINGERS * STEP + 2 * self.arming_window + self.switchover_deadline
        return by_any_clock(evidence + self.failover_limit + self.proof_limit + TAKEN_BACK)


TIMING = Steps(
    interval=STEP,
    retry_interval=STEP,
    failures_before_failover=2,
    restart_grace=4.0,
    hang_timeout=4.0,
    fresh_every=STEP,
    arming_window=6.0,
    bmc_check_interval=4 * STEP,
    bmc_retry_interval=4 * STEP,
    fence_attempts=2,
    fence_interval=STEP,
    fence_deadline=6.0,
    promote_deadline=20.0,
    start_deadline=20.0,
    flap_guard=0.0,
    switchover_deadline=14.0,
)
CONFIGS = tuple(World(timing=TIMING, running=False).config(name) for name in NAMES)
# A lease of three steps; a skyha that is killed is back, has asked who holds, and renewed within the watchdog's five.
LEASED = tuple(
    laid_over(
        World(timing=TIMING, running=False, **LEASE).config(name),  # type: ignore[arg-type]
        {"register": {"lease": 3 * STEP}, "watchdog": {"timeout": int(5 * STEP)}},
    )
    for name in NAMES
)
# With a register, no lease, and no loss. The patience is longer than a standby that stalls needs to come into question as heir.
ZERO = tuple(
    laid_over(
        World(timing=TIMING, running=False, **REGISTER, **ZERO_LOSS).config(name),  # type: ignore[arg-type]
        {"replication": {"sync_patience": 3 * STEP}},
    )
    for name in NAMES
)
CLUSTER = "7300000000000000001"  # the system identifier, where there is a register
NAMES_AN_ORDER = re.compile(r"skyctl|\.yml|docs/operations|by hand|operator")
IN_FAILOVER = (Stage.FENCING, Stage.LISTENING, Stage.PROMOTING)
RENEWED_LONG_AGO = -LEASED[0].register.lease - STEP
CHORES = (Task.CHECK_BMC, Task.CHECK_RECORD)


class Ended(NamedTuple):
    """How a task ended (an Outcome that can be hashed)."""

    task: Task
    ok: bool
    detail: str = ""
    power: Power = Power.UNKNOWN
    proof: bool = False


class Beside(NamedTuple):
    """What one cycle sees besides, in a world with a register and a lease."""

    answer: Answered | None
    leaving: bool
    overdue: bool
    signs: Signs
    guard: Guard


class Told(NamedTuple):
    """What one cycle sees, as plain values of the model; of it `seen` makes a Seen."""

    server: Server
    standby: bool
    timeline: int
    lsn: int
    streams: bool
    database: tuple[int, int, bool, bool]  # on record, noted (timelines), switching, paused
    clean: bool
    vip: bool
    looks: tuple[tuple[Sight, bool, Any], tuple[Sight, bool, Any]] | None  # VIP, vote: (sight, starts, beat or None)
    peer: Any  # (server, is standby, timeline, lsn, is noted, stops)
    conflict: bool | None
    outcomes: tuple[Ended, ...]
    running: tuple[Task, ...]
    orders: tuple[Order, ...]
    beside: Beside | None = None
    # in a world without loss: the node in skyha's file and the one that the server has read of it, whether its walsender and its
    # checkpointer have, and what the standby has flushed (None: nothing streams)
    sync: tuple[str, str, bool, bool, int | None] | None = None


class Decided(NamedTuple):
    """What came of it."""

    memory: Memory
    actions: tuple[Action, ...]
    soon: bool  # it wants to look again at once
    paths: bool
    peer: bool
    conflict: bool
    sentence: str
    alarms: tuple[str, ...]
    asks_for_order: bool  # an alarm names an operator's next step
    broken: str  # a rule that this very decision breaks
    stage: Stage | None
    asks: Verb | None = None  # of the register, with the next look
    promise_until: float = 0.0
    food: Food | None = None  # for the watchdog
    stays: bool = False  # told to end: the register must hear something first ...
    bound: bool = False  # ... and the lease holds this node


def first_memory() -> Memory:
    """Of a daemon that starts with no record."""
    return _named(Memory(started_at=0.0, record=Record(boot="now")))


def restarted(memory: Memory, rebooted: bool) -> Memory:
    """Of the daemon that follows the one with this memory."""
    record = adopt(memory.record, "next" if rebooted else memory.record.boot, 0.0, 0.0)
    return _named(Memory(started_at=0.0, record=record))


def _named(memory: Memory) -> Memory:
    """Boots are told apart from this one only."""
    record = memory.record
    served = record.served_boot and ("now" if record.served_boot == record.boot else "then")
    own = memory.own
    if not memory.restarts.count and own.up_since is not None:  # only counted restarts look at it
        own = dataclasses.replace(own, up_since=0.0)
    overruled = record.overruled if record.overruled == record.epoch else 0
    record = dataclasses.replace(record, boot="now", served_boot=served, overruled=overruled)
    sync, pace = memory.sync, memory.sync.pace
    if pace.owed is None and pace.owed_since:  # since when nothing is owed nobody asks
        sync = dataclasses.replace(sync, pace=dataclasses.replace(pace, owed_since=0.0))
    memory = dataclasses.replace(memory, record=record, own=own, register=_held(memory), sync=sync)
    if record.intent is None and memory.fence.row is not None:  # the next failover reads it anew
        memory = dataclasses.replace(memory, fence=dataclasses.replace(memory.fence, row=None, silent_at=None))
    return memory


def _held(memory: Memory) -> Register:
    """Of a renewal that lets nobody write any more it counts only whether PostgreSQL here was down before it (R1)."""
    part, down_since = memory.register, memory.own.down_since
    if part.hold is None or part.hold.renewed_at > RENEWED_LONG_AGO:
        return part
    since_down = down_since is not None and part.hold.renewed_at >= down_since
    at = RENEWED_LONG_AGO if since_down else book.NEVER
    return dataclasses.replace(part, hold=dataclasses.replace(part.hold, renewed_at=at))


def asks_bmc(memory: Memory) -> bool:
    """Does it check the peer's BMC now and then? (In the model after each step, so that its turn tells no two states apart.)"""
    return memory.watch.trouble is None and memory.record.intent is None


def kept(memory: Memory) -> Memory:
    """What is left of a memory when its daemon dies: the record."""
    return Memory(started_at=0.0, record=from_json(json.loads(json.dumps(to_json(memory.record)))))


def decided(node: int, memory: Memory, told: Told) -> Decided:
    """The real decision."""
    config, picture = _configs(told)[node], seen(told)
    decision = room.decide(config, memory, picture, 0.0)
    wants, record = decision.wants, decision.memory.record
    return Decided(
        aged(_named(decision.memory)),
        decision.actions,
        wants.delay <= 0.1,
        bool(wants.paths),
        wants.peer,
        wants.vip_conflict,
        decision.sentence,
        tuple(sorted(decision.alarms)),
        any(NAMES_AN_ORDER.search(text) for text in decision.alarms.values()),
        _breaks(told, decision.actions, record),
        record.intent.stage if record.intent is not None else None,
        wants.register,
        wants.promise_until,
        wants.food,
        config.has_register and resigning.owes(config, decision.memory, picture),
        is_bound(decision.memory),
    )


def _configs(told: Told) -> tuple[Config, ...]:
    if told.sync is not None:
        return ZERO
    return CONFIGS if told.beside is None else LEASED


def _breaks(told: Told, actions: tuple[Action, ...], record: Record) -> str:
    """S2, S5 as far as one decision can break them."""
    drops = any(a.do is Do.DROP_VIP for a in actions)
    if told.server is Server.UP and told.standby and told.vip and not drops and not record.paused:
        return "S5: a standby keeps the VIP"
    if not any(a.do is Do.RUN and a.value is Task.FENCE for a in actions):
        return ""
    if told.looks is None:
        return "S2: it fences without a look at the primary"
    if any(sight in (Sight.OK, Sight.ALIVE) for sight, _, _ in told.looks):
        return "S2: it fences a primary that answers"
    by_word = record.intent is not None and record.intent.takeover
    return (
        "" if by_word or told.looks[1][0] is not Sight.UNREACHABLE else "S2: it fences, and cannot reach the vote port"
    )


def seen(told: Told) -> Seen:
    """The runtime's value of it."""
    looks = {}
    if told.looks is not None:
        looks = {Path.VIP: _look(*told.looks[0]), Path.VOTE: _look(*told.looks[1])}
    peer = None if told.peer is None else _peer(*told.peer)
    outcomes = (*(Outcome(*ended) for ended in told.outcomes), Outcome(Task.CHECK_RECORD, True))
    requests = tuple(Request(order) for order in told.orders)
    found = Seen(_local(told), looks, peer, told.conflict, outcomes, told.running, requests)
    if told.beside is None:
        return found
    local = dataclasses.replace(found.local, system_identifier=CLUSTER, sync=_sync(told))
    answer, leaving, overdue, signs, guard = told.beside
    return dataclasses.replace(
        found, local=local, register=answer, leaving=leaving, overdue=overdue, signs=signs, guard=guard
    )


def _sync(told: Told) -> Sync | None:
    if told.sync is None:
        return None
    file, names, taken, loaded, flushed = told.sync
    if told.server is not Server.UP or told.standby:
        return Sync(file)
    return Sync(file, sync_names(names), "on", taken, True, loaded, flushed)


def _look(sight: Sight, starts: bool, beat: Any) -> Look:
    reached = sight is not Sight.UNREACHABLE
    if beat is None:
        return Look(sight, reached=reached, starting=starts, standby=sight is Sight.ALIVE and not starts)
    timeline, lsn, (recorded, _, _, paused) = beat
    return Look(sight, reached=reached, beat=Beat(lsn, timeline, recorded == timeline, _paused_for(paused)))


def _peer(server: Server, standby: bool, timeline: int, lsn: int, noted: bool, stops: bool) -> Peer:
    if server is not Server.UP:
        return Peer(server, stopping=stops)
    if standby:
        return Peer(server, Role.STANDBY, timeline, lsn, replay_lsn=lsn)
    return Peer(server, Role.PRIMARY, timeline, noted=noted)


def _paused_for(paused: bool) -> float:
    return float("inf") if paused else 0.0


def _local(told: Told) -> Local:
    role = Role.STANDBY if told.standby else Role.PRIMARY
    if told.server is Server.DOWN:
        lsn = told.lsn if told.clean and not told.standby else None
        return Local(
            Server.DOWN, role, timeline=told.timeline, write_lsn=lsn, clean_shutdown=told.clean, vip_held=told.vip
        )
    if told.server is not Server.UP:
        return Local(told.server, role, vip_held=told.vip)
    recorded, noted, switching, paused = told.database
    local = Local(
        Server.UP,
        role,
        timeline=told.timeline,
        standby_recorded=recorded == told.timeline,
        switching=switching,
        paused_for=_paused_for(paused),
        vip_held=told.vip,
        streaming=False,
        peer_streaming=False,
    )
    if told.standby:
        return dataclasses.replace(
            local, receive_lsn=told.lsn, replay_lsn=told.lsn, replay_paused=False, slots=(), streaming=told.streams
        )
    slots = ("node1", "node2")
    return dataclasses.replace(
        local,
        write_lsn=told.lsn,
        noted=noted == told.timeline,
        slots=slots,
        peer_streaming=told.streams,
        checkpoint_timeline=told.timeline,
    )


class Memories:
    """Each memory once, by a number."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._all: list[Memory] = []
        self._derived: dict[tuple[str, int, bool], int] = {}
        self._counts: dict[int, Counts] = {}
        self._counted: dict[tuple[int, Counts], int] = {}

    def __getitem__(self, number: int) -> Memory:
        return self._all[number]

    def number(self, memory: Memory) -> int:
        """Of a memory that is cut to size (`aged`)."""
        found = self._numbers.setdefault(key(memory), len(self._all))
        if found == len(self._all):
            self._all.append(memory)
        return found

    def later(self, number: int) -> int:
        """One step later."""
        return self._derive("later", number, False)

    def kept(self, number: int) -> int:
        """When its daemon has died."""
        return self._derive("kept", number, False)

    def restarted(self, number: int, rebooted: bool) -> int:
        """When the next daemon has started."""
        return self._derive("restarted", number, rebooted)

    def counts(self, number: int) -> Counts:
        """The epochs and beats that a memory knows."""
        found = self._counts.get(number)
        if found is None:
            found = self._counts[number] = counts(self._all[number])
        return found

    def counted(self, number: int, epochs: dict[int, int], beats: dict[int, int]) -> int:
        """The same memory by other epochs and beats."""
        old = self.counts(number)
        new = Counts(tuple(epochs[one] for one in old.epochs), tuple(beats[one] for one in old.beats))
        if new == old:
            return number
        found = self._counted.get((number, new))
        if found is None:
            found = self._counted[number, new] = self.number(counted(self._all[number], epochs, beats))
        return found

    def _derive(self, how: str, number: int, flag: bool) -> int:
        found = self._derived.get((how, number, flag))
        if found is None:
            old = self._all[number]
            new = kept(old) if how == "kept" else restarted(old, flag) if how == "restarted" else aged(old, STEP)
            found = self._derived[how, number, flag] = self.number(aged(new))
        return found

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A world of fakes for the daemon, and statuses as the daemon makes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.daemon import Daemon
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.loop import Ports
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Beat,
    Event,
    Local,
    Look,
    Outcome,
    Path,
    Peer,
    Power,
    Role,
    Server,
    Sight,
    Task,
)
from node_samples import BMC_OF_NODE1, BMC_OF_NODE2, NODE1, NODE2, configured

CONFIG = configured(NODE2, http={"listen": ("127.0.0.1:8008", "198.51.100.111:8008")}, agents=(BMC_OF_NODE1,))
OF_NODE1 = configured(NODE1, http={"listen": ("127.0.0.1:8008", "198.51.100.110:8008")}, agents=(BMC_OF_NODE2,))
WALL = 1_700_000_000.0

PRIMARY = Local(
    Server.UP,
    Role.PRIMARY,
    timeline=1,
    write_lsn=0x3000148,
    peer_streaming=True,
    standby_recorded=True,
    switching=False,
    paused_for=0.0,
    slots=("node2",),
    vip_held=True,
    pending_restart=(),
)
STANDBY = Local(
    Server.UP,
    Role.STANDBY,
    timeline=1,
    receive_lsn=0x3000148,
    replay_lsn=0x3000148,
    replay_paused=False,
    streaming=True,
    switching=False,
    paused_for=0.0,
    slots=(),
    vip_held=False,
    pending_restart=(),
)
GOOD = Look(Sight.OK, latency=0.0012, reached=True, beat=Beat(0x3000148, 1, True, 0.0))
SILENT = Look(Sight.UNREACHABLE, "no answer within 0.8 s", 0.8)
DROPPED = Look(Sight.DROPPED, "closed at once", 0.001, reached=True)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return WALL + self.now

    def boot(self) -> str:
        return "boot-1"


class Eyes:
    def __init__(self, local: Local) -> None:
        self.here = local
        self.there = Peer(Server.UP, Role.PRIMARY, 1)
        self.looks: Mapping[Path, Look] = {Path.VIP: GOOD, Path.VOTE: GOOD}
        self.error: Exception | None = None
        self.has_news = False  # all the time
        self.looked: list[bool] = []  # each look along the paths: did it yield?

    def look(
        self, paths: Sequence[Path], deadline: float, fresh: Collection[Path], yields: bool = False
    ) -> Mapping[Path, Look]:
        self.looked.append(yields)
        return {} if yields and self.has_news else {path: self.looks[path] for path in paths}

    def look_around(
        self, paths: Sequence[Path], deadline: float, fresh: Collection[Path], yields: bool = False
    ) -> tuple[Mapping[Path, Look], Peer | None]:
        looks = self.look(paths, deadline, fresh, yields)
        return looks, self.peer(deadline) if looks else None

    def local(self, deadline: float) -> Local:
        if self.error is not None:
            raise self.error
        return self.here

    def peer(self, deadline: float) -> Peer:
        return self.there

    def vip_conflict(self, wait: float) -> bool:
        return False


class Hands:
    """Notes what it was told."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_values: self.done.append(name)


class Tasks:
    def __init__(self) -> None:
        self.started: list[Task] = []
        self.over: list[Outcome] = []
        self.busy: tuple[Task, ...] = ()
        self.power = Power.ON

    def start(self, task: Task) -> None:
        self.started.append(task)
        if task is Task.CHECK_BMC:
            self.over.append(Outcome(task, True, "on", self.power))
        elif task is Task.CHECK_RECORD:
            self.over.append(Outcome(task, True))
        elif task is Task.CHECKPOINT:
            self.busy += (task,)

    def prepare(self, task: Task) -> None:
        pass

    def running(self) -> tuple[Task, ...]:
        return self.busy

    def finished(self) -> tuple[Outcome, ...]:
        over, self.over = self.over, []
        return tuple(over)


class Store:
    def __init__(self) -> None:
        self.record: Mapping[str, object] | None = None

    def load(self) -> Mapping[str, object] | None:
        return self.record

    def save(self, record: Mapping[str, object]) -> None:
        self.record = record


class Notes:
    def __init__(self) -> None:
        self.text = ""

    def load(self) -> str:
        return self.text

    def save(self, text: str) -> None:
        self.text = text

    def drop(self) -> None:
        self.text = ""


class Pause:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.woken = 0
        self.has_news = False

    def wake(self) -> None:
        self.woken += 1

    def wait(self, seconds: float) -> bool:
        self.clock.now += seconds
        return self.has_news


class History:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, event: Event) -> None:
        self.events.append(event)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


class World:
    """One node with everything faked; `turn` is one cycle and the wait after it."""

    def __init__(self, local: Local, run_dir: str, config: Config | None = None) -> None:
        config = config if config is not None else CONFIG if local.role is Role.STANDBY else OF_NODE1
        self.config = configured(config, paths={"run_dir": run_dir})
        self.clock = Clock()
        self.eyes, self.hands, self.tasks, self.store, self.notes = Eyes(local), Hands(), Tasks(), Store(), Notes()
        self.pause, self.history = Pause(self.clock), History()
        self.ports = Ports(
            self.clock, self.eyes, self.hands, self.tasks, self.store, self.notes, self.pause, self.history
        )  # type: ignore[arg-type]
        self.daemon = Daemon(self.config, self.ports)

    def turn(self, number: int = 1) -> dict[str, Any]:
        for _ in range(number):
            self.daemon.turn()
            self.daemon.loop.wait()
        return self.published

    @property
    def published(self) -> dict[str, Any]:
        """The status as it is published."""
        return to_json(self.daemon.status)

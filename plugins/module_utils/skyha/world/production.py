# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All production ports of one node."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import Config
from ..probes.eyes import ProbeEyes
from ..probes.register import RegisterLine
from .clock import HostClock
from .guard import HostGuard
from .history import FileHistory
from .notes import FileNotes
from .pause import Bell, PollPause
from .postgres import HostHands
from .signs import Datagrams
from .store import FileStore
from .sync import SyncFile
from .tasks import ProcessTasks
from .watchdog import Watchdog


@dataclass(frozen=True)
class Production:
    """What the loop touches; `pause.wake()` may be called by any thread."""

    clock: HostClock
    eyes: ProbeEyes
    hands: HostHands
    tasks: ProcessTasks
    store: FileStore
    notes: FileNotes
    pause: PollPause
    history: FileHistory
    register: RegisterLine | None
    signs: Datagrams | None
    guard: HostGuard | None

    def close(self) -> None:
        """End children, close connections; PostgreSQL and the VIP stay as they are. So does the watchdog: where it runs, it bites."""
        self.tasks.close()
        self.eyes.close()
        for part in (self.register, self.signs, self.guard):
            if part is not None:
                part.close()


def build(config: Config) -> Production:
    """The real world of the node that `config` describes; its directories must exist. Raises OSError, ConfigError or StateError."""
    clock = HostClock(config.paths.run_dir)
    sync, news, silence = SyncFile(config), Bell(), Bell()
    eyes, tasks = ProbeEyes(config, governed=lambda: sync.name, news=news), ProcessTasks(config)
    pause = PollPause([eyes, tasks], news=(news, silence))
    signs = Datagrams(config, clock.boot(), silence=silence.ring, news=news.ring) if config.signs.port else None
    guard = _guard(config, signs) if config.has_lease else None
    return Production(
        clock,
        eyes,
        HostHands(config, sync=sync),
        tasks,
        FileStore(config.paths.state_dir),
        FileNotes(config.paths.run_dir),
        pause,
        FileHistory(config.paths.state_dir),
        _register(config),
        signs,
        guard,
    )


def _register(config: Config) -> RegisterLine | None:
    if config.register.engine == "etcd":
        from ..probes.etcd import EtcdLine  # HTTP and TLS cost memory, which no other engine needs

        return EtcdLine(config)
    return RegisterLine(config) if config.has_register else None


def _guard(config: Config, signs: Datagrams | None) -> HostGuard:
    def promised() -> float | None:
        return None if signs is None else signs.told().promise

    return HostGuard(Watchdog(config.watchdog.device), config.watchdog.timeout, promised)

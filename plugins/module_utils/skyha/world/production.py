# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All production ports of one node."""

from __future__ import annotations

from dataclasses import dataclass

from ..config import Config
from ..probes.eyes import ProbeEyes
from ..probes.register import RegisterLine
from .clock import HostClock
from .history import FileHistory
from .notes import FileNotes
from .pause import PollPause
from .postgres import HostHands
from .store import FileStore
from .tasks import ProcessTasks


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

    def close(self) -> None:
        """End children, close connections; PostgreSQL and the VIP stay as they are."""
        self.tasks.close()
        self.eyes.close()
        if self.register is not None:
            self.register.close()


def build(config: Config) -> Production:
    """The real world of the node that `config` describes; its directories must exist. Raises OSError."""
    eyes, tasks = ProbeEyes(config), ProcessTasks(config)
    return Production(
        HostClock(config.paths.run_dir),
        eyes,
        HostHands(config),
        tasks,
        FileStore(config.paths.state_dir),
        FileNotes(config.paths.run_dir),
        PollPause([eyes, tasks]),
        FileHistory(config.paths.state_dir),
        RegisterLine(config) if config.has_register else None,
    )

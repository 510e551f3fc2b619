# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyha as a process of a simulated host: the real Loop on simulated ports, killed and restarted by a simulated systemd."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.loop import Loop, Ports
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import StateError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Event,
    Order,
    Request,
)

from .bmc import Tasks
from .eyes import Eyes
from .hands import Hands
from .kernel import Killed, Process
from .lease import Guard, Signs
from .register import Line

if TYPE_CHECKING:
    from .host import Host

RESTART = 1.0  # RestartSec


class Daemon:
    """One node's skyha: its process, and of its ports those that are the process's own (clock, store, pause, chronicle)."""

    def __init__(self, host: Host) -> None:
        self.host, self.world = host, host.world
        self.loop: Loop | None = None
        self.process: Process | None = None
        self.events: list[tuple[float, Event]] = []
        self.orders: list[Request] = []
        # Taken in the cycle under way; one that ends with the daemon is lost, and skyctl says so.
        self.pauses: list[Request] = []
        self.doom: int | None = None  # so many port calls until it is killed
        self.kills = 0
        self.told_at = 0.0
        self.saving = False
        self.cycles = 0
        self.eyes, self.hands, self.tasks = Eyes(self), Hands(self), Tasks(self)
        self.line = Line(self)
        self.notes = Notes(self)
        self.rung = False  # news that end a look came, and were not taken yet
        self.hushed = False  # the peer fell silent, and nobody was told of it yet
        self.wanted = False  # systemd starts it again when it has ended in good order
        self.lives = 0  # counts its processes
        self.guard, self.signs = Guard(self), Signs(self)

    @property
    def alive(self) -> bool:
        """Its process exists."""
        return self.process is not None and self.process.alive

    def start(self) -> None:
        """systemd starts it."""
        if self.alive or self.host.skyha_off or not self.host.power or self.host.booting or self.host.shutting_down:
            return
        self.lives += 1
        self.rung = False
        self.hushed = False
        self.guard.forget()
        self.signs.forget()
        self.process = Process(self.world.kernel, self.host, self._body)
        if self.world.config(self.host.name).signs.port:
            self.signs.begin()

    def kill(self, why: str = "kill -9") -> None:
        """It ends; systemd starts it again."""
        if self.alive:
            self.world.tell(self.host.name, f"skyha ends: {why}")
            assert self.process is not None
            self.process.kill()
            self._ended()

    def leave(self) -> None:
        """systemd tells it to end, and waits for it."""
        if self.loop is not None and not self.loop.leaving:
            self.wanted = False
            self.loop.leaving, self.told_at = True, self.world.kernel.now
            self.poke()

    def lose_power(self) -> None:
        """Its host goes."""
        if self.process is not None:
            self.process.kill()
        self.process, self.loop = None, None
        self.notes.text = ""
        self.orders.clear()
        self.pauses.clear()
        self.tasks.forget()

    def poke(self) -> None:
        """What wakes Pause.wait early."""
        if self.process is not None:
            self.process.poke()

    def ring(self) -> None:
        """What ends a look as well."""
        self.rung = True
        self.poke()

    def hush(self) -> None:
        """What ends a wait, and not a look."""
        self.hushed = True
        self.poke()

    def order(self, order: Order, seconds: float | None = None) -> None:
        """An operator's skyctl."""
        if self.alive and self.loop is not None:
            self.world.tell("operator", f"{order.value} on {self.host.name}")
            self.orders.append(Request(order, "operator", seconds))
            self.poke()

    def _ended(self) -> None:
        self.kills += 1
        self.loop, self.doom = None, None
        self.orders.clear()
        self.pauses.clear()
        self.tasks.forget()
        self.host.later(RESTART, self.start)

    def _body(self) -> None:
        host = self.host
        try:
            config = self.world.config(host.name)
            signs, guard = self.signs if config.signs.port else None, self.guard if config.has_lease else None
            ports = Ports(
                self, self.eyes, self.hands, self.tasks, self, self.notes, self, self, self.line, signs, guard
            )
            self.loop = loop = Loop(config, ports, self._requests)
            while True:
                loop.cycle()
                for order in self.pauses:
                    self.world.oracles.ordered(self.host, order)
                self.pauses.clear()
                self.cycles += 1
                self.world.oracles.cycle_ends(host, loop)
                if loop.leaving and not loop.stays(self.world.kernel.now - self.told_at):
                    if config.signs.port:
                        self.signs.end()
                    host.later(0.1, self._starts_again)
                    return
                loop.wait()
        except Killed:
            if self.process is not None and self.process.alive:  # its own doom, not a kill from outside
                self.world.tell(host.name, "skyha ends: killed in the middle of a step")
                self._ended()
            raise
        except StateError as error:
            self.world.tell(host.name, f"skyha ends: {error}")
            self._ended()

    def start_again(self) -> None:
        """`systemctl start`, which waits for a stop that is under way."""
        self.wanted = True
        self.start()

    def _starts_again(self) -> None:
        if self.wanted:
            self.start()

    def _requests(self) -> tuple[Request, ...]:
        orders, self.orders = tuple(self.orders), []
        for order in orders:
            if order.order is Order.RESUME:
                self.pauses.clear()  # both came within one look: the last one counts
            if order.order is Order.PAUSE:
                self.pauses.append(order)
            else:
                self.world.oracles.ordered(self.host, order)
        return orders

    def call(self, seconds: float, yields: bool = False) -> bool:
        """A call of a port begins: time passes, and it may be the last one. yields: news end it; did they?"""
        if self.doom is not None:
            self.doom -= 1
            if self.doom < 0:
                raise Killed
        assert self.process is not None
        if not yields:
            self.process.sleep(seconds)
            return False
        until = self.world.kernel.now + seconds
        while not self.rung and self.world.kernel.now < until:
            self.process.sleep(until - self.world.kernel.now, wakeable=True)
        has_ended, self.rung = self.rung, False
        return has_ended

    # --- Clock --------------------------------------------------------------------------------------------------------

    def monotonic(self) -> float:
        """See ports.Clock. Each host has its own zero."""
        return self.world.kernel.now * self.host.clock_rate + (1000.0 if self.host.name == "node1" else 50000.0)

    def wall(self) -> float:
        """See ports.Clock."""
        return 1_700_000_000.0 + self.world.kernel.now + self.host.wall_offset

    def boot(self) -> str:
        """See ports.Clock."""
        return f"{self.host.name}-{self.host.boots}"

    # --- Store, Pause, Chronicle ----------------------------------------------------------------------------------------

    def load(self) -> Mapping[str, object] | None:
        """See ports.Store."""
        self.call(0.003)
        return None if self.host.store is None else json.loads(self.host.store)

    def save(self, record: Mapping[str, Any]) -> None:
        """See ports.Store."""
        self.saving = True
        self.call(0.005 + self.world.fsync_time)
        self.saving = False
        if self.host.store_fails:
            raise StateError("no space left on device")
        self.host.store = json.dumps(record)

    def wait(self, seconds: float) -> bool:
        """See ports.Pause."""
        assert self.process is not None
        if not self.orders and not self.rung and not self.hushed:
            self.process.sleep(seconds / self.host.clock_rate, wakeable=True)
        is_news, self.rung, self.hushed = self.rung or self.hushed, False, False
        return is_news

    def wake(self) -> None:
        """See ports.Pause. Orders come by `orders` here."""

    def add(self, event: Event) -> None:
        """See loop.Chronicle."""
        self.events.append((self.world.kernel.now, event))
        self.world.tell(f"skyha@{self.host.name}", f"{event.kind}: {event.text}")


class Notes:
    """See ports.Notes. It is gone with the host's power."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.text = ""

    def load(self) -> str:
        """See ports.Notes."""
        return self.text

    def save(self, text: str) -> None:
        """See ports.Notes."""
        self.daemon.call(0.0)
        self.text = text

    def drop(self) -> None:
        """See ports.Notes."""
        self.daemon.call(0.0)
        self.text = ""

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyha as a process of a simulated host: the real Loop on simulated ports, killed and restarted by a simulated systemd."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.loop import Loop, Ports
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import StateError, WorldError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Event,
    Local,
    Look,
    Order,
    Path,
    Peer,
    Request,
    Server,
    Sight,
)

from .bmc import Tasks
from .kernel import Killed, Process

if TYPE_CHECKING:
    from .host import Host

RESTART = 1.0  # RestartSec


class Daemon:
    """One node's skyha. It is every port at once, but for the tasks."""

    def __init__(self, host: Host) -> None:
        self.host, self.world = host, host.world
        self.loop: Loop | None = None
        self.process: Process | None = None
        self.events: list[tuple[float, Event]] = []
        self.orders: list[Request] = []
        self.pauses: list[
            Request
        ] = []  # taken in the cycle under way; one that ends with the daemon is lost, and skyctl says so
        self.doom: int | None = None  # so many port calls until it is killed
        self.kills = 0
        self.saving = False
        self.cycles = 0
        self.tasks = Tasks(self)

    @property
    def alive(self) -> bool:
        """Its process exists."""
        return self.process is not None and self.process.alive

    def start(self) -> None:
        """systemd starts it."""
        if self.alive or self.host.skyha_off or not self.host.power or self.host.booting:
            return
        self.process = Process(self.world.kernel, self.host, self._body)

    def kill(self, why: str = "kill -9") -> None:
        """It ends; systemd starts it again."""
        if self.alive:
            self.world.tell(self.host.name, f"skyha ends: {why}")
            assert self.process is not None
            self.process.kill()
            self._ended()

    def lose_power(self) -> None:
        """Its host goes."""
        if self.process is not None:
            self.process.kill()
        self.process, self.loop = None, None
        self.orders.clear()
        self.pauses.clear()
        self.tasks.forget()

    def poke(self) -> None:
        """What wakes Pause.wait early."""
        if self.process is not None:
            self.process.poke()

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
            ports = Ports(self, self, self, self.tasks, self, self, self)
            self.loop = loop = Loop(self.world.config(host.name), ports, self._requests)
            while True:
                loop.cycle()
                for order in self.pauses:
                    self.world.oracles.ordered(self.host, order)
                self.pauses.clear()
                self.cycles += 1
                self.world.oracles.cycle_ends(host, loop)
                loop.wait()
        except Killed:
            if self.process is not None and self.process.alive:  # its own doom, not a kill from outside
                self.world.tell(host.name, "skyha ends: killed in the middle of a step")
                self._ended()
            raise
        except StateError as error:
            self.world.tell(host.name, f"skyha ends: {error}")
            self._ended()

    def _requests(self) -> tuple[Request, ...]:
        orders, self.orders = tuple(self.orders), []
        for order in orders:
            if order.order is Order.PAUSE:
                self.pauses.append(order)
            else:
                self.world.oracles.ordered(self.host, order)
        return orders

    def call(self, seconds: float) -> None:
        """A call of a port begins: time passes, and it may be the last one."""
        if self.doom is not None:
            self.doom -= 1
            if self.doom < 0:
                raise Killed
        assert self.process is not None
        self.process.sleep(seconds)

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

    # --- Eyes ---------------------------------------------------------------------------------------------------------

    def look(self, paths: Sequence[Path], deadline: float, fresh: Collection[Path]) -> Mapping[Path, Look]:
        """See ports.Eyes. What is seen is what was when the look began."""
        if self.host.blind:
            self.call(0.003)
            failed = Look(Sight.UNKNOWN, "could not create socket: No buffer space available", reached=None)
            return dict.fromkeys(paths, failed)
        network = self.world.network
        first = {path: network.look(self.host, path, deadline) for path in paths}
        self.call(max(seconds for _, seconds in first.values()))
        looks = {path: look for path, (look, _) in first.items()}
        self.world.oracles.looked(self.host, looks)
        return looks

    def look_around(
        self, paths: Sequence[Path], deadline: float, fresh: Collection[Path]
    ) -> tuple[Mapping[Path, Look], Peer]:
        """See ports.Eyes."""
        if self.host.blind:
            return self.look(paths, deadline, fresh), Peer(Server.UNKNOWN)
        network = self.world.network
        first = {path: network.look(self.host, path, deadline) for path in paths}
        peer, took = network.peer(self.host, deadline)
        self.call(max([took, *(seconds for _, seconds in first.values())]))
        looks = {path: look for path, (look, _) in first.items()}
        self.world.oracles.looked(self.host, looks)
        return looks, peer

    def local(self, deadline: float) -> Local:
        """See ports.Eyes."""
        _, seconds = self.world.network.local(self.host, deadline)
        self.call(seconds)
        seen = self.world.network.local(self.host, deadline)[0]
        if self.host.asks_in_vain and seen.server is Server.UP:
            return Local(Server.UP, seen.role, "FATAL: too many clients already", vip_held=seen.vip_held)
        return seen

    def peer(self, deadline: float) -> Peer:
        """See ports.Eyes."""
        peer, seconds = self.world.network.peer(self.host, deadline)
        self.call(0.003 if self.host.blind else seconds)
        return Peer(Server.UNKNOWN) if self.host.blind else peer

    def vip_conflict(self, wait: float) -> bool:
        """See ports.Eyes."""
        self.call(wait)
        other, network = self.host.peer, self.world.network
        return network.alien or (other.vip and other.there and network.both_ways(self.host.name, other.name))

    # --- Hands --------------------------------------------------------------------------------------------------------

    def _hand(self, name: str) -> None:
        self.call(0.01)
        if name in self.host.failing:
            self.call(0.5)
            raise WorldError(f"{name} does not work")

    def start_postgres(self) -> None:
        """See ports.Hands."""
        self._hand("start_postgres")
        self.host.pg.start()

    def stop_postgres(self, immediate: bool) -> None:
        """See ports.Hands."""
        self._hand("stop_postgres")
        self.host.pg.stop(immediate)

    def make_standby(self) -> None:
        """See ports.Hands."""
        self._hand("make_standby")
        if self.host.pg.state == "down":
            self.host.pg.follows()

    def promote(self) -> None:
        """See ports.Hands."""
        self._hand("promote")
        if self.host.pg.is_up and self.host.pg.is_standby:
            self.world.oracles.promotes(self.host)
            self.host.pg.promote("its skyha")

    def end_readers(self, pids: Sequence[int]) -> None:
        """See ports.Hands."""
        self._hand("end_readers")
        if self.host.pg.reader in pids:
            self.host.pg.reader = 0
            self.world.changed()

    def checkpoint(self) -> None:
        """See ports.Hands."""
        self._hand("checkpoint")
        if self.host.pg.is_up:
            self.host.pg.checkpoint_at = min(self.host.pg.checkpoint_at, self.host.world.kernel.now)

    def add_vip(self) -> None:
        """See ports.Hands."""
        self._hand("add_vip")
        self.host.set_vip(True)

    def drop_vip(self) -> None:
        """See ports.Hands."""
        self._hand("drop_vip")
        self.host.set_vip(False)

    def announce_vip(self) -> None:
        """See ports.Hands."""
        self._hand("announce_vip")

    def ensure_slot(self, name: str) -> None:
        """See ports.Hands."""
        self._hand("ensure_slot")
        self._needs_primary()
        self.host.pg.slots.add(name)

    def copy_slots(self, names: Sequence[str]) -> None:
        """See ports.Hands."""
        self._hand("copy_slots")
        there = self.host.peer.pg.slots
        self.host.pg.slots = (self.host.pg.slots - set(names)) | (there & set(names))

    def drop_slots(self, names: Sequence[str]) -> None:
        """See ports.Hands."""
        self._hand("drop_slots")
        self.host.pg.slots -= set(names)

    def record_standby(self, recorded: bool) -> None:
        """See ports.Hands."""
        self._hand("record_standby")
        self._needs_primary()
        self.host.pg.write_control("recorded", self.host.pg.timeline if recorded else 0)
        self.host.pg.write_control("noted", self.host.pg.timeline)

    def set_switching(self, under_way: bool) -> None:
        """See ports.Hands."""
        self._hand("set_switching")
        self._needs_primary()
        self.host.pg.write_control("switching", under_way)

    def promote_peer(self) -> None:
        """See ports.Hands."""
        self._hand("promote_peer")
        other = self.host.peer
        if not self.world.linked(self.host, other) or not other.pg.answers:
            raise WorldError("the peer does not answer")
        if other.pg.is_standby:
            self.world.oracles.hands_over(self.host)
            other.pg.promote(f"{self.host.name}'s skyha")

    def set_pause(self, request: Request) -> None:
        """See ports.Hands."""
        self._hand("set_pause")
        for pg in (self.host.pg, self.host.peer.pg):
            if pg.accepts and (pg is self.host.pg or self.world.linked(self.host, self.host.peer)):
                until: float | None = None
                if request.order is Order.PAUSE:
                    until = float("inf") if request.seconds is None else self.world.kernel.now + request.seconds
                pg.write_control("paused", until)
                return
        raise WorldError("no primary to write the pause into")

    def _needs_primary(self) -> None:
        if not self.host.pg.accepts:
            raise WorldError("the server does not take it")

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

    def wait(self, seconds: float) -> None:
        """See ports.Pause."""
        assert self.process is not None
        if not self.orders:
            self.process.sleep(seconds / self.host.clock_rate, wakeable=True)

    def add(self, event: Event) -> None:
        """See loop.Chronicle."""
        self.events.append((self.world.kernel.now, event))
        self.world.tell(f"skyha@{self.host.name}", f"{event.kind}: {event.text}")

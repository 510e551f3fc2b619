# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What skyha does on a simulated host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order, Request

if TYPE_CHECKING:
    from .daemon import Daemon


class Hands:
    """See ports.Hands. One of `failing` (host.py) takes its time and does not work."""

    def __init__(self, daemon: Daemon) -> None:
        self.host, self.world, self.call = daemon.host, daemon.world, daemon.call

    def _hand(self, name: str) -> None:
        self.call(0.01)
        if name in self.host.failing:
            self.call(0.5)
            raise WorldError(f"{name} does not work")

    def start_postgres(self) -> None:
        """See ports.Hands."""
        self._hand("start_postgres")
        if not self.host.shutting_down:
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

    def doubt_sync(self) -> None:
        """See ports.Hands."""
        self._hand("doubt_sync")
        self.call(self.world.fsync_time)
        self.host.pg.sync.in_doubt = True

    def set_sync(self, name: str) -> None:
        """See ports.Hands."""
        self._hand("set_sync")
        self.call(self.world.fsync_time)
        self.host.pg.sync.write(name)

    def _needs_primary(self) -> None:
        if not self.host.pg.accepts:
            raise WorldError("the server does not take it")

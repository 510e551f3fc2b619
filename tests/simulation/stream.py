# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Streaming replication between the two nodes, in whichever direction the roles say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .postgres import COMMIT_BYTES, Postgres

if TYPE_CHECKING:
    from .world import World

RECONNECT = 1.0
SILENCE = 8.0  # wal_sender_timeout, wal_receiver_timeout


class Stream:
    """At most one connection: `source` is the primary, `sink` the standby."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.source: Postgres | None = None
        self.sink: Postgres | None = None
        self.delay = 0.005  # seconds from commit to flushed at the standby
        self.walsender_stopped = False
        self.told = 0  # what the standby has told the walsender that it flushed
        self._life = 0
        self._dead_since: float | None = None
        self._trying = False

    def streams_to(self, sink: Postgres) -> bool:
        """As the standby sees it."""
        return self.sink is sink

    def streams_from(self, source: Postgres) -> bool:
        """As the primary sees it."""
        return self.source is source

    def is_stuck(self, source: Postgres) -> bool:
        """Its shutdown must wait for a walsender that gets nothing through."""
        return self.source is source and not self._flows()

    def settle(self) -> None:
        """Bring the standby's WAL up to now; before the primary's own is."""
        source, sink = self.source, self.sink
        if source is None or sink is None or not self._flows():
            if self.sink is None:
                for host in self.world.hosts.values():
                    if host.pg.answers and host.pg.is_standby and not host.pg.replay_paused:
                        host.pg.receive(host.pg.position)
            return
        when = self.world.kernel.now - self.delay
        reached = source.written(when) if source.accepts else source.lsn
        if source.branch != sink.branch:
            sink.receive((source.branch, max(reached, sink.lsn)))
        else:
            sink.receive((source.branch, reached))
        self.told = sink.lsn

    def flows(self) -> bool:
        """Is there one, and does it get WAL through?"""
        return self.source is not None and self._flows()

    def flush(self, source: Postgres) -> None:
        """A clean shutdown sends all before it ends."""
        if self.source is source and self.sink is not None and self._flows():
            self.sink.receive(source.position)

    def stop(self) -> None:
        """The connection is gone."""
        self.source = self.sink = None
        self._dead_since = None
        self._life += 1

    def changed(self) -> None:
        """Something in the world changed: does the connection end, stall, begin?"""
        source, sink = self.source, self.sink
        if source is not None and sink is not None:
            alive = source.state in ("up", "stopping") and sink.is_up and sink.is_standby and not source.is_standby
            if not alive and source.host.there and sink.host.there and self.world.linked(source.host, sink.host):
                self.stop()  # closed: the other side sees it at once
            elif not sink.is_up or not sink.host.power or not source.host.power or source.state == "down":
                self._stall()
                if not sink.is_up and not source.is_up:
                    self.stop()
            elif not self._flows():
                self._stall()
            else:
                self._dead_since = None
        if self.source is None and not self._trying:
            self._trying = True
            self.world.kernel.after(RECONNECT, self._try)

    def _flows(self) -> bool:
        source, sink = self.source, self.sink
        assert source is not None
        assert sink is not None
        return (
            source.state in ("up", "stopping")
            and source.host.runs
            and not source.hung
            and not self.walsender_stopped
            and sink.answers
            and self.world.linked(source.host, sink.host)
        )

    def _stall(self) -> None:
        if self._dead_since is None:
            self._dead_since = self.world.kernel.now
            self.world.kernel.after(SILENCE, self._timeout, self._life, self._dead_since)

    def _timeout(self, life: int, since: float) -> None:
        if life == self._life and self._dead_since == since:
            self.world.settle()
            self.stop()
            self.world.changed()

    def _try(self) -> None:
        self._trying = False
        if self.source is not None:
            return
        self.world.settle()
        for sink in (host.pg for host in self.world.hosts.values()):
            source = sink.host.peer.pg
            if not (sink.answers and sink.is_standby and source.answers and not source.is_standby):
                continue
            if not self.world.linked(source.host, sink.host) or self.walsender_stopped:
                break
            if source.system_identifier != sink.system_identifier:
                break  # PostgreSQL streams within one cluster only
            if not self.world.branches.looks_contained(source.position, sink.position):
                break  # requested starting point is ahead, or the timelines parted
            self.world.oracles.streams(sink.host)
            self.source, self.sink, self.told = source, sink, sink.lsn
            self._life += 1
            self._dead_since = None
            self.world.tell(sink.host.name, "streams")
            self.world.changed()
            return
        if any(host.pg.is_up and host.pg.is_standby for host in self.world.hosts.values()):
            self._trying = True
            self.world.kernel.after(RECONNECT, self._try)


def bytes_of(seconds: float) -> int:
    """WAL that the writer makes in so long."""
    return int(seconds * 20) * COMMIT_BYTES

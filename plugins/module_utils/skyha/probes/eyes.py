# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The probes behind the port Eyes: all of a node's looks, on connections that are kept."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Callable

from ..config import Config
from ..words import Local, Look, Path, Peer, Reader, Role, Server, Sight, Sync, Wal
from . import arp, ndp, queries, wal
from .datadir import DataDir, Disk, Postmaster
from .meaning import STARTING
from .netlink import Watch
from .race import Answer, Bell, Line, Target, look
from .storage import Storage

_LOG = logging.getLogger("skyha.probes")
_WAL_EVERY = 20.0
_STORAGE_WAIT = 0.1  # seconds; one that takes longer is seen by a later cycle
_PENDING_RESTART_EVERY = 60.0  # that view of PostgreSQL costs more than all else together
_SYSTEM_EVERY = 60.0  # it cannot change while a server runs; a restart from another directory may go unseen


class ProbeEyes:
    """Eyes on the real world. Not for more than one thread."""

    def __init__(
        self,
        config: Config,
        clock: Callable[[], float] = time.monotonic,
        governed: Callable[[], str | None] = lambda: None,
        news: Bell | None = None,
    ) -> None:
        """governed: for which node commits are to wait, by skyha's own file; None: not known. news: what ends a look that yields."""
        self._config = config
        self._governed = governed
        self._clock = clock
        self._news = news
        self._paths = {
            Path.VIP: Line(queries.heartbeat(config, "vip", config.vip.address, config.postgresql.port)),
            Path.VOTE: Line(queries.heartbeat(config, "vote", config.vote.address, config.vote.port)),
        }
        local = queries.local_dsn(config, lock_timeout=queries.lock_limit(config.timing.look_deadline), looks_only=True)
        self._local = Line(Target("local", local, queries.local_sql(config)))
        self._restart = Line(Target("pending restart", local, queries.PENDING_RESTART))
        self._lowered = Line(Target("lowered", local, queries.LOWERED))
        self._lowered_for: tuple[str, ...] = ()
        self._system = Line(Target("system identifier", local, queries.SYSTEM))
        self._wal = Line(Target("wal", local, wal.WAL))
        self._peer = Line(
            Target(
                "peer",
                queries.tcp_dsn(config, config.peer.address, config.postgresql.port, config.timing.look_deadline),
                queries.peer_sql(),
            )
        )
        self._readers = Line(Target("readers", local, queries.READERS))
        self._replayed: int | None = None
        self._data = DataDir(config.postgresql.data_dir, config.postgresql.bin_dir)
        self._storage = Storage(config.postgresql.data_dir, clock)
        self._vip = Watch(config.vip.address)
        self._restart_asked_at = float("-inf")
        self._pending_restart: tuple[str, ...] | None = None
        self._system_identifier: str | None = None  # of the server that runs
        self._system_asked_at = float("-inf")
        self._wal_asked_at = float("-inf")
        self._wal_seen: Wal | None = None

    # --- the port -----------------------------------------------------------------------------------------------

    def look(
        self, paths: Sequence[Path], deadline: float, fresh: Collection[Path], yields: bool = False
    ) -> Mapping[Path, Look]:
        """See ports.Eyes."""
        answers = self._race([self._paths[path] for path in paths], deadline, fresh, yields)
        return {path: _look(answer) for path, answer in zip(paths, answers)}

    def look_around(
        self, paths: Sequence[Path], deadline: float, fresh: Collection[Path], yields: bool = False
    ) -> tuple[Mapping[Path, Look], Peer | None]:
        """See ports.Eyes."""
        answers = self._race([*(self._paths[path] for path in paths), self._peer], deadline, fresh, yields)
        looks = {path: _look(answer) for path, answer in zip(paths, answers)}
        return looks, peer_from(answers[-1]) if answers else None

    def local(self, deadline: float) -> Local:
        """See ports.Eyes."""
        now = self._clock()
        held = self._vip.is_held(now)
        answer = look([self._local], deadline, clock=self._clock)[0]
        if answer.sight is Sight.OK and answer.row:
            seen = queries.local(answer.row)
            seen = dataclasses.replace(seen, readers=self._in_the_way(seen, deadline))
            return dataclasses.replace(
                seen,
                vip_held=held,
                pending_restart=self._restart_pending(now, deadline),
                wal=self._wal_now(now, deadline),
                system_identifier=self._identified(now, deadline),
                places=self._storage.look(_STORAGE_WAIT),
                sync=self._sync(seen),
            )
        self._restart_asked_at = self._wal_asked_at = float("-inf")  # a restart may be under way: ask again after it
        self._system_identifier = None
        disk = self._data.look(max(0.1, deadline - (self._clock() - now)))
        told = local_without_sql(answer, disk)
        is_down = told.server is Server.DOWN
        left = max(_STORAGE_WAIT, deadline - (self._clock() - now))
        places = self._storage.look(left if is_down else _STORAGE_WAIT, now_on=is_down)
        return dataclasses.replace(told, vip_held=held, places=places, sync=Sync(self._governed()))

    def _in_the_way(self, seen: Local, deadline: float) -> tuple[Reader, ...]:
        """Whom replay waits for: asked only where it has stood still since the last look, with WAL to replay."""
        stands = seen.role is Role.STANDBY and seen.replay_lsn == self._replayed and seen.receive_lsn != seen.replay_lsn
        self._replayed = seen.replay_lsn
        if not stands:
            return ()
        answer = look([self._readers], deadline, clock=self._clock)[0]
        return queries.readers(answer.row) if answer.sight is Sight.OK and answer.row else ()

    def peer(self, deadline: float) -> Peer:
        """See ports.Eyes."""
        return peer_from(look([self._peer], deadline, clock=self._clock)[0])

    def vip_conflict(self, wait: float) -> bool:
        """See ports.Eyes. Where the look itself fails nothing is known, so it counts as a conflict; the log says why."""
        config = self._config
        try:
            conflict = ndp.conflict if ":" in config.vip.address else arp.conflict
            return conflict(config.vip.address, config.vip.interface, wait, self._clock)
        except OSError as error:
            _LOG.warning(
                "duplicate address detection for the VIP %s on %s failed: %s; skyhad needs CAP_NET_RAW and an "
                "interface that is up",
                config.vip.address,
                config.vip.interface,
                error,
            )
            return True

    # --- waking early -------------------------------------------------------------------------------------------

    def descriptors(self) -> dict[int, int]:
        """What should wake the loop between two looks: descriptor -> events as for select.poll."""
        found = {self._vip.fileno(): 1}
        for line in self._lines():
            found.update({one.fileno(): one.wants for one in line.sessions() if one.fileno() >= 0})
        return found

    def absorb(self, fd: int) -> None:
        """The descriptor `fd` is ready: take note, so that it does not wake the loop again."""
        if fd == self._vip.fileno():
            self._vip.absorb()
            return
        now = self._clock()
        for line in self._lines():
            line.absorb(fd, now)

    def close(self) -> None:
        """Give all connections up."""
        for line in self._lines():
            line.close()

    def _race(self, lines: Sequence[Line], deadline: float, fresh: Collection[Path], yields: bool) -> list[Answer]:
        return look(lines, deadline, [self._paths[path] for path in fresh], self._clock, self._news if yields else None)

    def _lines(self) -> list[Line]:
        return [
            *self._paths.values(),
            self._local,
            self._peer,
            self._restart,
            self._lowered,
            self._system,
            self._wal,
            self._readers,
        ]

    def _identified(self, now: float, deadline: float) -> str | None:
        if not self._system_identifier or now - self._system_asked_at >= _SYSTEM_EVERY:
            answer = look([self._system, self._wal], deadline, clock=self._clock)[0]
            self._system.close()
            self._system_asked_at = now
            self._system_identifier = str(answer.row[0]) if answer.sight is Sight.OK and answer.row else None
        return self._system_identifier

    def _restart_pending(self, now: float, deadline: float) -> tuple[str, ...] | None:
        if now - self._restart_asked_at >= _PENDING_RESTART_EVERY:
            lines = [self._restart, self._lowered] if self._config.zero_loss else [self._restart]
            answer, *lowered = look(lines, deadline, clock=self._clock)
            for line in lines:
                line.close()  # once a minute is no reason to keep a connection
            self._restart_asked_at = now
            self._pending_restart = tuple(answer.row[0]) if answer.sight is Sight.OK and answer.row else None
            self._lowered_for = tuple(lowered[0].row[0]) if lowered and lowered[0].row else ()
        return self._pending_restart

    def _sync(self, seen: Local) -> Sync:
        return dataclasses.replace(seen.sync or Sync(), file=self._governed(), lowered=self._lowered_for)

    def _wal_now(self, now: float, deadline: float) -> Wal | None:
        if now - self._wal_asked_at >= _WAL_EVERY:
            answer = look([self._wal], deadline, clock=self._clock)[0]
            self._wal.close()
            self._wal_asked_at = now
            self._wal_seen = wal.wal(answer.row) if answer.sight is Sight.OK and answer.row else None
        return self._wal_seen


def _look(answer: Answer) -> Look:
    """What a heartbeat's answer says of the primary."""
    if answer.sight is not Sight.OK:
        starting = answer.sight is Sight.ALIVE and answer.code == STARTING
        reached = answer.reached or (None if answer.sight is Sight.UNKNOWN else False)
        return Look(answer.sight, answer.detail, answer.latency, reached, starting=starting)
    beat = queries.beat(answer.row or ())
    if beat is None:
        return Look(Sight.ALIVE, "in recovery: this path leads to a standby", answer.latency, True, standby=True)
    return Look(Sight.OK, answer.detail, answer.latency, True, beat)


def local_without_sql(answer: Answer, disk: Disk) -> Local:
    """This node's state from what the failed look and the data directory say; all else of it is not known."""
    role, running, control = disk.role, disk.postmaster, disk.control
    detail = "; ".join(part for part in (answer.detail, disk.problem) if part)
    if running is not None and running.stopped:
        return Local(Server.STALLED, role, f"postmaster {running.pid} is stopped by a signal", is_stopped=True)
    if answer.sight in (Sight.ALIVE, Sight.SICK):
        is_starting = answer.code == STARTING or (running is not None and running.status in ("starting", "stopping"))
        return Local(Server.STARTING if is_starting else Server.UP, role, detail)
    if answer.sight is Sight.UNKNOWN:
        return Local(Server.UNKNOWN, role, detail)
    if answer.sight in (Sight.REFUSED, Sight.DROPPED) and disk.role is not Role.UNKNOWN:
        if running is not None:
            return Local(Server.STARTING, role, _not_let_in(running, answer))
        return Local(
            Server.DOWN,
            role,
            detail,
            timeline=control.timeline if control else None,
            write_lsn=control.end_lsn if control else None,
            streaming=False,
            peer_streaming=False,
            clean_shutdown=control.clean if control else None,
            system_identifier=control.system_identifier if control else None,
        )
    return Local(Server.STALLED, role, detail)


def _not_let_in(running: Postmaster, answer: Answer) -> str:
    if running.status not in ("ready", "standby"):
        return f"postmaster {running.pid} is {running.status or 'starting'}"
    return (
        f"postmaster {running.pid} is {running.status}, and skyha is not let in ({answer.detail or answer.sight.value}): "
        "does it listen at another port than skyha.conf says?"
    )


def peer_from(answer: Answer) -> Peer:
    """What the look at the peer's own address says."""
    if answer.sight is Sight.OK and answer.row:
        return queries.peer(answer.row)
    if answer.sight in (Sight.ALIVE, Sight.SICK):
        server = Server.STARTING if answer.code == STARTING else Server.UP
        return Peer(server, detail=answer.detail, stopping=answer.stopping)
    server = {
        Sight.STALLED: Server.STALLED,
        Sight.REFUSED: Server.DOWN,
        Sight.DROPPED: Server.UNKNOWN,
        Sight.UNREACHABLE: Server.UNREACHABLE,
    }.get(answer.sight, Server.UNKNOWN)
    return Peer(server, detail=answer.detail)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hands on this node's PostgreSQL and VIP, and a finger on the peer's PostgreSQL."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from ..config import Config
from ..errors import WorldError
from ..probes import datadir, queries
from ..probes.race import Line, Target, look
from ..probes.session import Row
from ..words import Order, Request, Sight
from . import errand, program
from .store import sync_directory
from .sync import SyncFile
from .vip import Vip

_SQL_DEADLINE = 2.0
_COPY_DEADLINE = 0.6  # a chore of quiet times: whoever watches the primary must not wait for it
_CHECKPOINT_WAIT = 0.3  # for it to be accepted, not to be finished
_ERRAND_DEADLINE = 2.5  # with a question by SQL before it, it is below LONGEST_STEP
_LOG = logging.getLogger("skyha.postgres")


class HostHands:
    """See ports.Hands."""

    def __init__(self, config: Config, vip: Vip | None = None, sync: SyncFile | None = None) -> None:
        self._config = config
        self._sync = sync if sync is not None else SyncFile(config)
        self._vip = vip if vip is not None else Vip(config)
        self._checkpoint: Line | None = None

    # --- the server's process -----------------------------------------------------------------------------------

    def start_postgres(self) -> None:
        """See ports.Hands. skyhad has no right to talk to systemd: a path unit watches this file."""
        self._unlock()
        path = os.path.join(self._config.paths.run_dir, "start-postgresql")
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write("start\n")
        except OSError as error:
            raise WorldError(
                f"PostgreSQL cannot be started: {path}: {error}; sky-postgresql.path watches that file"
            ) from error

    def stop_postgres(self, immediate: bool) -> None:
        """See ports.Hands."""
        self._signal(signal.SIGQUIT if immediate else signal.SIGINT)

    def make_standby(self) -> None:
        """See ports.Hands."""
        data = self._config.postgresql.data_dir
        refuse_running(data)
        if self._config.postgresql.errands:
            self._errand(errand.STANDBY)
        else:
            make_standby(data)

    def promote(self) -> None:
        """See ports.Hands. By SQL, which takes no time; where that fails, without it."""
        if not self._config.postgresql.errands:
            promote(self._config)
            return
        try:
            self._local("the promotion", "SELECT pg_promote(false)")
        except WorldError as error:
            _LOG.warning("%s; it is tried by pg_ctl", error)
            self._errand(errand.PROMOTE)

    def end_readers(self, pids: Sequence[int]) -> None:
        """See ports.Hands."""
        self._local("ending what replay waits for", queries.end_readers_sql(pids))

    def checkpoint(self) -> None:
        """See ports.Hands."""
        if self._checkpoint is not None:
            self._checkpoint.close()
        self._checkpoint = Line(
            Target("checkpoint", queries.local_dsn(self._config, statement_timeout=0), "CHECKPOINT")
        )
        answer = look([self._checkpoint], _CHECKPOINT_WAIT)[0]
        if answer.sight not in (Sight.OK, Sight.STALLED):
            raise WorldError(f"no checkpoint can be started: {answer.detail}")

    # --- the VIP ------------------------------------------------------------------------------------------------

    def add_vip(self) -> None:
        """See ports.Hands."""
        self._vip.add()

    def drop_vip(self) -> None:
        """See ports.Hands."""
        self._vip.drop()

    def announce_vip(self) -> None:
        """See ports.Hands."""
        self._vip.announce()

    # --- SQL ----------------------------------------------------------------------------------------------------

    def ensure_slot(self, name: str) -> None:
        """See ports.Hands."""
        slot, what = queries.literal(name), f"the replication slot {name}"
        lost = self._local(
            what,
            "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots "
            f"WHERE slot_name = {slot} AND slot_type = 'physical' AND wal_status = 'lost' AND NOT active",
        )[0]
        # Where the last one has lost its WAL, its reader must be made again: until it comes, nothing need be kept for it.
        self._local(
            what,
            f"SELECT count(pg_create_physical_replication_slot({slot}, {'false' if lost else 'true'})) "
            f"WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = {slot})",
        )

    def copy_slots(self, names: Sequence[str]) -> None:
        """See ports.Hands. A copy is never ahead of the primary's, so that a reader finds all its WAL after a failover."""
        config, wanted = self._config, ", ".join(queries.literal(name) for name in names)
        there = _ask(
            "the slots to keep",
            queries.tcp_dsn(config, config.vip.address, config.postgresql.port, _COPY_DEADLINE),
            "SELECT NOT pg_is_in_recovery(), (SELECT coalesce(json_object_agg(slot_name, restart_lsn), '{}') FROM "
            f"pg_replication_slots WHERE slot_type = 'physical' AND restart_lsn IS NOT NULL AND slot_name IN ({wanted}))",
            _COPY_DEADLINE,
        )
        if not there[0]:
            raise WorldError(f"the slots to keep: {config.vip.address} leads to a standby")
        gone = [name for name in names if name not in there[1]]
        if gone:
            self.drop_slots(gone)
        for name, lsn in there[1].items():
            slot = queries.literal(name)
            self._local(
                f"the copy of the slot {name}",
                f"SELECT count(pg_create_physical_replication_slot({slot}, true)) "
                f"WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = {slot})",
            )
            self._local(
                f"the copy of the slot {name}",
                f"SELECT count(pg_replication_slot_advance(slot_name, {queries.literal(lsn)}::pg_lsn)) FROM pg_replication_slots "
                f"WHERE slot_name = {slot} AND NOT active AND restart_lsn < least({queries.literal(lsn)}::pg_lsn, "
                "pg_last_wal_replay_lsn())",
            )

    def drop_slots(self, names: Sequence[str]) -> None:
        """See ports.Hands."""
        wanted = ", ".join(queries.literal(name) for name in names)
        self._local(
            "dropping replication slots",
            "SELECT count(pg_drop_replication_slot(slot_name)) FROM "
            f"pg_replication_slots WHERE slot_type = 'physical' AND slot_name IN ({wanted})",
        )

    def record_standby(self, recorded: bool) -> None:
        """See ports.Hands. The note is of this timeline: a promoted standby's copy of it says nothing of its own standby."""
        self._note(
            "the note about the standby",
            queries.local_dsn(self._config),
            f"standby_recorded = {str(recorded).lower()}, recorded_timeline = "
            "('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int",
        )

    def set_switching(self, under_way: bool) -> None:
        """See ports.Hands."""
        self._note(
            "the note about the switchover", queries.local_dsn(self._config), f"switching = {str(under_way).lower()}"
        )

    def set_pause(self, request: Request) -> None:
        """See ports.Hands."""
        if request.order is Order.PAUSE:
            until = "NULL" if request.seconds is None else f"now() + interval '{float(request.seconds):.3f} seconds'"
            change = f"paused = true, paused_until = {until}"
        else:
            change = "paused = false, paused_until = NULL"
        config = self._config
        is_standby = self._local("the role of this node", "SELECT pg_is_in_recovery()")[0]
        dsn = (
            queries.tcp_dsn(config, config.vip.address, config.postgresql.port, _SQL_DEADLINE)
            if is_standby
            else queries.local_dsn(config)
        )
        self._note("pause or resume", dsn, change)

    def doubt_sync(self) -> None:
        """See ports.Hands."""
        self._sync.doubt()

    def set_sync(self, name: str) -> None:
        """See ports.Hands."""
        self._sync.write(name)
        self._signal(signal.SIGHUP)

    def promote_peer(self) -> None:
        """See ports.Hands."""
        config = self._config
        dsn = queries.tcp_dsn(config, config.peer.address, config.postgresql.port, _SQL_DEADLINE)
        _ask(f"promoting {config.peer.name}", dsn, "SELECT pg_promote(false)")

    def _local(self, what: str, sql: str) -> Row:
        return _ask(what, queries.local_dsn(self._config), sql)

    def _note(self, what: str, dsn: Mapping[str, Any], change: str) -> None:
        row = _ask(what, dsn, f"UPDATE sky_pg_cluster.cluster_control SET {change} WHERE id = 1 RETURNING 1")
        if not row:
            raise WorldError(
                f"{what} cannot be written: sky_pg_cluster.cluster_control has no row; run the role ha_schema"
            )

    # --- helpers ------------------------------------------------------------------------------------------------

    def _signal(self, number: signal.Signals) -> None:
        server = self._config.postgresql
        running = datadir.postmaster(server.data_dir)
        if running is None:
            return
        if server.errands and not datadir.is_of_owner(running.pid, server.data_dir):
            raise WorldError(
                f"{server.data_dir}/postmaster.pid names process {running.pid}, which is not known to be of the directory's owner: "
                f"it is not sent {number.name}"
            )
        try:
            os.kill(running.pid, number)
        except ProcessLookupError:
            return
        except OSError as error:
            raise WorldError(
                f"postmaster {running.pid} cannot be sent {number.name}: {error}; skyhad must run as its user, or with CAP_KILL"
            ) from error

    def _errand(self, name: str) -> None:
        errand.ask(self._config.postgresql.errands, name, _ERRAND_DEADLINE)

    def _unlock(self) -> None:
        """Where the errand fails, the server says itself what keeps it from starting."""
        server = self._config.postgresql
        if not server.errands:
            remove_stale_lock(server.data_dir)
        elif datadir.lock_names_another(server.data_dir):
            try:
                self._errand(errand.UNLOCK)
            except WorldError as error:
                _LOG.warning("whether postmaster.pid is of a server that is no more: %s", error)


def refuse_running(data_dir: str) -> None:
    """Raises WorldError where a server runs in a directory that is to be made a standby's."""
    running = datadir.postmaster(data_dir)
    if running is not None:
        raise WorldError(f"{data_dir}: cannot be made a standby while postmaster {running.pid} runs; stop it first")


def promote(config: Config) -> None:
    """Ask PostgreSQL to leave recovery, as the user that it runs as; raises WorldError."""
    server = config.postgresql
    program.run([os.path.join(server.bin_dir, "pg_ctl"), "promote", "-W", "-D", server.data_dir])


def remove_stale_lock(data_dir: str) -> None:
    """Remove a postmaster.pid that would keep PostgreSQL from starting though no server runs; raises WorldError.

    Where backends were overlooked all the same, PostgreSQL still refuses by the shared memory that they are attached to.
    """
    if not datadir.lock_is_stale(data_dir):
        return
    path = os.path.join(data_dir, "postmaster.pid")
    try:
        os.unlink(path)
    except OSError as error:
        raise WorldError(
            f"{path}: the process id in it is another process's by now, and it cannot be removed: {error}"
        ) from error


def make_standby(data_dir: str) -> None:
    """Write standby.signal into the stopped `data_dir`, durably; raises WorldError."""
    try:
        if not os.path.exists(os.path.join(data_dir, "PG_VERSION")):
            raise WorldError(f"{data_dir}: is no data directory; nothing was written")
        with open(os.path.join(data_dir, "standby.signal"), "a", encoding="ascii") as file:
            os.fsync(file.fileno())
        sync_directory(data_dir)
    except OSError as error:
        raise WorldError(f"{data_dir}: standby.signal cannot be written: {error}") from error


def _ask(what: str, dsn: Mapping[str, Any], sql: str, deadline: float = _SQL_DEADLINE) -> Row:
    """One statement on a connection of its own; raises WorldError."""
    line = Line(Target(what, dsn, sql))
    answer = look([line], deadline)[0]
    line.close()
    if answer.sight is not Sight.OK or answer.row is None:
        where = dsn.get("hostaddr") or dsn.get("host")
        raise WorldError(f"{what}: PostgreSQL at {where} port {dsn.get('port')}: {answer.detail}")
    return answer.row

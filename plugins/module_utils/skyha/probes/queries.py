# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The SQL of the probes, and its rows as the product's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..config import Config
from ..words import Beat, Local, Peer, Reader, Role, Server, Sync
from .race import Target
from .session import Row

# One text, so one round trip and one transaction: its rows come back after the commit. In recovery the heartbeat
# writes nothing, which the row then tells.
HEARTBEAT = """SELECT sky_pg_cluster.cluster_keepalive_test();
SELECT r.yes, pg_current_wal_lsn() - '0/0', t.line, c.standby_recorded AND c.recorded_timeline = t.line,
       c.paused, extract(epoch FROM c.paused_until - now())::float8,
       (SELECT system_identifier::text FROM pg_control_system())
  FROM (SELECT pg_is_in_recovery() AS yes) r
 CROSS JOIN LATERAL (SELECT CASE WHEN NOT r.yes
       THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END AS line) t
  LEFT JOIN sky_pg_cluster.cluster_control c ON c.id = 1
 WHERE NOT r.yes"""

_TIMELINE = """SELECT CASE WHEN r.yes THEN (SELECT greatest(
       (SELECT received_tli FROM pg_stat_get_wal_receiver()), (SELECT timeline_id FROM pg_control_checkpoint()),
       (SELECT min_recovery_end_timeline FROM pg_control_recovery())))
       ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END AS line"""
_RECEIVED = "greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'"

# Not from pg_stat_activity: that view joins two catalogues for nothing. reserved_connections came with 16.
_CLIENTS_LEFT = """current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true), '0')::int
       - (SELECT count(*) FROM pg_stat_get_activity(NULL) WHERE backend_type = 'client backend')::int"""

_NOTES = "sky_pg_cluster.cluster_control"
_NO_NOTES = (
    "(SELECT NULL::int AS id, NULL::bool AS standby_recorded, NULL::int AS recorded_timeline, NULL::bool AS switching, "
    "NULL::bool AS paused, NULL::timestamptz AS paused_until)"
)

# Whose timeline a primary is on: the note is written by the skyha that stands for it, and voided by a promotion.
_NOTED = "CASE WHEN NOT r.yes AND c.id IS NOT NULL THEN coalesce(c.recorded_timeline = t.line, false) END"


def peer_sql(notes: bool = True) -> str:
    """Everything that Peer holds in one row; notes as for local_sql."""
    table = _NOTES if notes else _NO_NOTES
    return f"""SELECT r.yes, t.line,
       CASE WHEN r.yes THEN {_RECEIVED} ELSE pg_current_wal_lsn() - '0/0' END, pg_last_wal_replay_lsn() - '0/0',
       (SELECT system_identifier::text FROM pg_control_system()), {_NOTED}
  FROM (SELECT pg_is_in_recovery() AS yes) r CROSS JOIN LATERAL ({_TIMELINE}) t
  LEFT JOIN {table} c ON c.id = 1"""


def local_sql(config: Config, notes: bool = True) -> str:
    """Everything that Local holds in one row; safe on a primary and on a standby.

    notes: read what skyha wrote down in its own database as well (role ha_schema makes that table).
    """
    table = _NOTES if notes else _NO_NOTES
    sync = f"CASE WHEN NOT r.yes THEN ({_sync_sql(config)}) END" if config.zero_loss and notes else "NULL::json"
    return f"""SELECT r.yes, t.line,
       CASE WHEN NOT r.yes THEN pg_current_wal_lsn() - '0/0' END,
       {_RECEIVED}, pg_last_wal_replay_lsn() - '0/0', CASE WHEN r.yes THEN pg_is_wal_replay_paused() END,
       EXISTS (SELECT FROM pg_stat_get_wal_receiver() WHERE status = 'streaming'),
       NOT r.yes AND EXISTS (SELECT FROM pg_stat_replication s WHERE state = 'streaming' AND {_is_standby(config)}),
       ARRAY(SELECT slot_name::text FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT temporary ORDER BY 1),
       NOT r.yes AND c.standby_recorded AND c.recorded_timeline = t.line, c.switching,
       c.paused, extract(epoch FROM c.paused_until - now())::float8,
       CASE WHEN NOT r.yes THEN {_CLIENTS_LEFT} END, {_NOTED},
       CASE WHEN NOT r.yes THEN (SELECT timeline_id FROM pg_control_checkpoint()) END,
       {sync}
  FROM (SELECT pg_is_in_recovery() AS yes) r CROSS JOIN LATERAL ({_TIMELINE}) t
  LEFT JOIN {table} c ON c.id = 1"""


# By the checkpointer's shared word commits wait. Where it waits for its next work, or between two writes, it has read its settings
# (checkpointer.c: CheckpointerMain, CheckpointWriteDelay).
_LOADED = """SELECT bool_or(wait_event IN ('CheckpointerMain', 'CheckpointWriteDelay') OR wait_event = 'SyncRep')
  FROM pg_stat_get_activity(NULL) WHERE backend_type = 'checkpointer' OR wait_event = 'SyncRep'"""


def _sync_sql(config: Config) -> str:
    """What Sync holds, as JSON, by a session whose synchronous_commit is the server's own."""
    reached = "replay_lsn" if config.replication.sync_commit == "remote_apply" else "flush_lsn"
    return f"""SELECT json_build_array(current_setting('synchronous_standby_names'), current_setting('synchronous_commit'),
       coalesce(bool_or(w.sync_state IN ('sync', 'quorum')), false),
       (SELECT count(*) < 2 FROM pg_stat_replication WHERE state = 'streaming' AND application_name = {literal(config.peer.name)}),
       ({_LOADED}), min(w.{reached} - '0/0')::text)
  FROM (SELECT s.* FROM pg_stat_replication s WHERE state = 'streaming' AND {_is_standby(config)}) w"""


# Who commits without waiting for the standby. A superuser's session may do so at any time, and cannot be kept from it.
LOWERED = """SELECT ARRAY(SELECT CASE WHEN s.setrole = 0 AND s.setdatabase = 0 THEN 'every role'
       WHEN s.setrole = 0 THEN 'database ' || d.datname
       WHEN s.setdatabase = 0 THEN 'role ' || pg_get_userbyid(s.setrole)
       ELSE 'role ' || pg_get_userbyid(s.setrole) || ' in database ' || d.datname END
  FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase
 WHERE EXISTS (SELECT FROM unnest(s.setconfig) c WHERE c ~* '^synchronous_commit=(off|local|remote_write|false|no|0)$') ORDER BY 1)"""


def sync(told: Sequence[Any] | None) -> Sync | None:
    """The JSON of a running primary."""
    if told is None:
        return None
    names, commit, taken, alone, loaded, flushed = told
    return Sync(None, names, commit, taken, alone, loaded, None if flushed is None else int(flushed))


def _is_standby(config: Config) -> str:
    """Is a row of pg_stat_replication the peer as a standby? By its name or its slot (role streaming_replication sets both).

    From the peer's address WAL is streamed to others as well: a base backup (by the standby's own slot), pg_receivewal, a
    logical subscriber. An address alone tells a standby only by the name that PostgreSQL gives it where nobody sets one.
    """
    slot = f"SELECT active_pid FROM pg_replication_slots WHERE slot_name = {literal(config.peer.slot)}"
    is_peer = f"application_name = {literal(config.peer.name)} OR pid IN ({slot} AND slot_type = 'physical')"
    if config.peer.address:
        is_peer += f" OR (client_addr = {literal(config.peer.address)}::inet AND application_name = 'walreceiver')"
    return (
        f"({is_peer}) AND application_name NOT IN ('pg_basebackup', 'pg_receivewal') "
        "AND NOT EXISTS (SELECT FROM pg_replication_slots l WHERE l.slot_type = 'logical' AND l.active_pid = s.pid)"
    )


# Reads the control file, so it is no part of the look that is taken each second.
SYSTEM = "SELECT system_identifier::text FROM pg_control_system()"
PENDING_RESTART = "SELECT ARRAY(SELECT name FROM pg_settings WHERE pending_restart ORDER BY 1)"


# Only PostgreSQL's own functions and operators are meant: nobody else's of the same name may run with the superuser's rights.
_PATH = "-c search_path=pg_catalog,pg_temp"


# Sessions that the startup process waits for. It is no backend, so pg_blocking_pids() knows nothing of it; a conflict of snapshots
# names nobody, so whoever holds an old one counts.
_READERS = """FROM pg_stat_get_activity(NULL) a JOIN pg_stat_get_activity(NULL) s ON s.backend_type = 'startup'
 WHERE a.backend_type = 'client backend' AND a.application_name <> 'skyha' AND a.pid <> pg_backend_pid()
   AND (EXISTS (SELECT FROM pg_locks w JOIN pg_locks h
                    ON h.granted AND h.pid = a.pid AND (h.locktype, h.database, h.relation)
                       IS NOT DISTINCT FROM (w.locktype, w.database, w.relation)
                 WHERE w.pid = s.pid AND NOT w.granted)
        OR (s.wait_event LIKE 'RecoveryConflict%' AND (a.backend_xmin IS NOT NULL OR a.xact_start IS NOT NULL))
        OR (s.wait_event_type = 'BufferPin' AND a.xact_start IS NOT NULL))"""
READERS = f"""SELECT json_agg(json_build_array(a.pid, pg_get_userbyid(a.usesysid), a.application_name,
       to_char(a.query_start, 'YYYY-MM-DD HH24:MI:SSOF'))) {_READERS}"""


def end_readers_sql(pids: Sequence[int]) -> str:
    """Ends those of the sessions that still stand in replay's way: by now a number may be another session's."""
    wanted = ", ".join(str(int(pid)) for pid in pids) or "0"
    return f"SELECT count(pg_terminate_backend(a.pid)) {_READERS} AND a.pid IN ({wanted})"


def readers(row: Row) -> tuple[Reader, ...]:
    """The row of READERS."""
    return tuple(
        Reader(int(pid), str(user or ""), str(application or ""), str(since or ""))
        for pid, user, application, since in row[0] or ()
    )


def literal(text: str) -> str:
    """The text as an SQL literal (a leading blank keeps the E apart from what stands before)."""
    return " E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def over_tcp(config: Config, address: str, port: int) -> dict[str, Any]:
    """libpq's parameters for the HA role over TCP; whoever connects adds what it is patient with."""
    server = config.postgresql
    known = {"sslrootcert": server.sslrootcert} if server.verifies else {}
    if server.sslmode == "verify-full":
        # What the certificate must name. Whoever is behind the vote port is the primary, and knows itself by the VIP.
        known["host"] = config.vip.address if address == config.vote.address else address
    return {
        "hostaddr": address,
        "port": port,
        "dbname": server.database,
        "user": server.user,
        "passfile": server.passfile,
        "sslmode": server.sslmode,
        "gssencmode": "disable",
        **known,
    }


def tcp_dsn(config: Config, address: str, port: int, deadline: float) -> Mapping[str, Any]:
    """The same for a look.

    The heartbeat must not wait for a synchronous standby (a dead standby would look like a dead primary), and what
    hangs on the server is cut short there too, so that abandoned sessions do not pile up. Who waits for a lock is told so
    within the look: silence would be taken for a dead server.
    """
    limit = max(3000, int(deadline * 5000))
    return {
        **over_tcp(config, address, port),
        "application_name": "skyha",
        "tcp_user_timeout": 10000,
        "options": f"-c statement_timeout={limit} -c lock_timeout={lock_limit(deadline)} -c synchronous_commit=local "
        f"-c datestyle=iso {_PATH}",
    }


def lock_limit(deadline: float) -> int:
    """Milliseconds that a look with this deadline may wait for a lock: half of it leaves time for the answer."""
    return max(50, int(deadline * 500))


def local_dsn(
    config: Config, database: str = "", statement_timeout: int = 10000, lock_timeout: int = 0, looks_only: bool = False
) -> Mapping[str, Any]:
    """libpq's parameters for the superuser's connection over the Unix socket.

    database: another one than the HA role's; the timeouts: milliseconds, 0 for none; looks_only: nothing is written by it, so it may
    show the server's own synchronous_commit.
    """
    commit = "" if looks_only else "-c synchronous_commit=local "
    return {
        "host": config.postgresql.socket_dir,
        "port": config.postgresql.port,
        "dbname": database or config.postgresql.database,
        "user": config.postgresql.superuser,
        "passfile": config.postgresql.passfile,
        "application_name": "skyha",
        "options": f"-c statement_timeout={statement_timeout} -c lock_timeout={lock_timeout} {commit}-c datestyle=iso {_PATH}",
    }


def heartbeat(config: Config, name: str, address: str, port: int) -> Target:
    """The heartbeat along one path."""
    return Target(name, tcp_dsn(config, address, port, config.timing.look_deadline), HEARTBEAT)


def beat(row: Row) -> Beat | None:
    """The row of HEARTBEAT; None when the server is in recovery."""
    if not row:
        return None
    _in_recovery, lsn, timeline, recorded, paused, left, system = row
    system_identifier = None if system is None else str(system)
    return Beat(int(lsn), int(timeline), recorded, _paused_for(paused, left), system_identifier)


def _paused_for(paused: bool | None, left: float | None) -> float | None:
    """Seconds; `paused` None: there is no row to read it from, so it is not known."""
    if paused is None:
        return None
    if not paused:
        return 0.0
    return float("inf") if left is None else max(0.0, float(left))


def _whole(value: Any) -> int | None:
    """A number of PostgreSQL's (numeric, for an LSN) as an int; NULL stays unknown."""
    return None if value is None else int(value)


def local(row: Row) -> Local:
    """The row of local_sql."""
    (
        standby,
        timeline,
        written,
        received,
        replayed,
        replay_paused,
        streaming,
        peer_streaming,
        slots,
        recorded,
        switching,
        paused,
        left,
        clients_left,
        noted,
        checkpoint_timeline,
        synchronous,
    ) = row
    return Local(
        server=Server.UP,
        role=Role.STANDBY if standby else Role.PRIMARY,
        timeline=_whole(timeline),
        write_lsn=_whole(written),
        receive_lsn=_whole(received) if standby else None,
        replay_lsn=_whole(replayed) if standby else None,
        replay_paused=replay_paused,
        streaming=bool(standby and streaming),
        peer_streaming=peer_streaming,
        standby_recorded=recorded,
        switching=switching,
        paused_for=_paused_for(paused, left),
        slots=tuple(slots),
        clients_left=_whole(clients_left),
        noted=noted,
        checkpoint_timeline=_whole(checkpoint_timeline),
        sync=sync(synchronous),
    )


def peer(row: Row) -> Peer:
    """The row of PEER."""
    standby, timeline, received, replayed, system, noted = row
    return Peer(
        Server.UP,
        Role.STANDBY if standby else Role.PRIMARY,
        _whole(timeline),
        _whole(received),
        replay_lsn=_whole(replayed) if standby else None,
        system_identifier=None if system is None else str(system),
        noted=noted,
    )

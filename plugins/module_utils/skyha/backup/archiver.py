# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What PostgreSQL on this node says of its archive. Of archive_command only whether it is pgBackRest's: it may hold a secret."""

from __future__ import annotations

from ..backup_report import Archiver, Pushed
from ..config import Config
from ..errors import WorldError
from ..probes.queries import local_dsn

CONNECT = 5  # seconds
STATEMENT = 5000  # milliseconds

SQL = """SELECT s.system_identifier::text, pg_is_in_recovery(), current_setting('archive_mode'), current_setting('archive_command'),
       a.archived_count, a.last_archived_wal, extract(epoch FROM a.last_archived_time)::float8,
       a.failed_count, a.last_failed_wal, extract(epoch FROM a.last_failed_time)::float8,
       w.waiting, extract(epoch FROM clock_timestamp() - w.oldest)::float8
  FROM pg_stat_archiver a CROSS JOIN pg_control_system() s
 CROSS JOIN (SELECT count(*) AS waiting, min(modification) AS oldest FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') w"""


def look(config: Config) -> Archiver:
    """Ask it over the Unix socket; raises WorldError."""
    try:
        import psycopg2  # where it is missing, that is the answer
    except ImportError as error:
        raise WorldError(f"{error}; install python3-psycopg2 (role skyha_daemon does)") from error
    try:
        connection = psycopg2.connect(
            **local_dsn(config, "postgres", STATEMENT, looks_only=True), connect_timeout=CONNECT
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(SQL)
                server, in_recovery, mode, command, done, wal, at, failed, lost, lost_at, waiting, oldest = (
                    cursor.fetchone()
                )
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise WorldError("PostgreSQL here does not say it: " + " ".join(str(error).split())[:200]) from error
    return Archiver(
        server=str(server),
        in_recovery=bool(in_recovery),
        mode=str(mode),
        pushes=is_ours(str(command)),
        done=Pushed(int(done), str(wal or ""), at),
        failed=Pushed(int(failed), str(lost or ""), lost_at),
        waiting=int(waiting),
        waiting_for=None if oldest is None else max(0.0, float(oldest)),
    )


def is_ours(command: str) -> bool:
    """Does this archive_command hand the WAL to pgBackRest?"""
    return "pgbackrest" in command and "archive-push" in command

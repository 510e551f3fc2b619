# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the node that this one is rewound from says of itself by SQL. Every question has a deadline: its host may die meanwhile."""

from __future__ import annotations

import select
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import WorldError
from ..probes.session import Row, Session

CONNECT_TIMEOUT = 5  # seconds, of libpq
ANSWER = 15.0  # seconds for one question
CHECKPOINT_DEADLINE = 600.0  # of a server with much to write; the next attempt finds it done
_CHECKPOINT_POLL = 0.5
# A host that lost its power says nothing: without these, TCP would wait for hours.
ALIVE = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20000,
}

_ITSELF = """SELECT r.yes,
       CASE WHEN NOT r.yes THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
       (SELECT system_identifier::text FROM pg_control_system())
  FROM (SELECT pg_is_in_recovery() AS yes) r"""
_CONTROL_TIMELINE = "SELECT timeline_id FROM pg_control_checkpoint()"
# A tablespace's directory holds one of this version; where its disk is not mounted, it does not.
_MISSING = """SELECT string_agg(format('%s (%s)', spcname, pg_tablespace_location(t.oid)), ', ')
  FROM pg_tablespace t WHERE spcname NOT IN ('pg_default', 'pg_global') AND NOT EXISTS (
       SELECT FROM pg_ls_dir('pg_tblspc/' || t.oid, true, false) AS n(name) CROSS JOIN pg_control_system() c
        WHERE name = 'PG_' || current_setting('server_version_num')::int / 10000 || '_' || c.catalog_version_no)"""


@dataclass(frozen=True)
class Source:
    """The new primary: its timeline, the history file of that timeline, and its cluster."""

    timeline: int
    history: str
    system_identifier: str = ""


def conninfo(request: Mapping[str, Any]) -> dict[str, object]:
    """libpq's parameters for the connection to the new primary, patient as a rewind is."""
    return {**request["dsn"], "connect_timeout": CONNECT_TIMEOUT, "application_name": "skyha_rewind", **ALIVE}


def ask_source(request: Mapping[str, Any], patience: float = CHECKPOINT_DEADLINE) -> Source:
    """What the new primary says of itself; raises WorldError where it is none, is not whole, or cannot be asked.

    patience: seconds for its control file to be of its timeline.
    """
    where = f"{request['peer']} at {request['dsn']['hostaddr']} port {request['dsn']['port']}"
    server = _Server(f"the new primary {where}", conninfo(request))
    try:
        in_recovery, timeline, system = server.row(_ITSELF)
        if in_recovery:
            raise WorldError(f"{where} is not a primary; a node is rewound from the primary only")
        missing = server.row(_MISSING)[0]
        if missing:
            raise WorldError(
                f"{where} lacks the files of tablespace {missing}: this node's copy of them may be the last one, and "
                "pg_rewind would remove it. Nothing was changed; mount that disk there, then run 'skyctl rejoin' here"
            )
        _on_its_timeline(server, int(timeline), patience)
        history = ""
        if timeline > 1:
            content = server.row(f"SELECT pg_read_binary_file('pg_wal/{int(timeline):08X}.history')")[0]
            history = bytes(content).decode("utf-8", "replace")
    finally:
        server.close()
    return Source(int(timeline), history, str(system))


def _on_its_timeline(server: _Server, timeline: int, patience: float) -> None:
    """pg_rewind reads the timeline from the control file, which only the first checkpoint after the promotion writes.

    Before it, pg_rewind would find nothing to do, and say so with success. The new primary's own skyha begins that checkpoint.
    """
    until = time.monotonic() + patience
    told = int(server.row(_CONTROL_TIMELINE)[0])
    if told < timeline:
        refused = server.attempt(f"SET statement_timeout = {int(patience * 1000)}; CHECKPOINT", patience)
        while (told := int(server.row(_CONTROL_TIMELINE)[0])) < timeline:
            if time.monotonic() >= until:
                raise WorldError(
                    f"{server.name}: its control file is still of timeline {told}, {patience:g} s after it was asked for a "
                    f"checkpoint on timeline {timeline}{refused and ': ' + refused}; run CHECKPOINT there as a superuser"
                )
            time.sleep(_CHECKPOINT_POLL)


class _Server:
    """One connection, asked one question after the other."""

    def __init__(self, name: str, dsn: Mapping[str, object]) -> None:
        self.name = name
        self._dsn = {**dsn, "options": f"-c statement_timeout={int(ANSWER * 1000)} -c datestyle=iso"}
        self._session: Session | None = None

    def row(self, sql: str) -> Row:
        """The first row of the answer; raises WorldError."""
        session = self._ask(sql, ANSWER)
        if session.failure is not None:
            raise WorldError(f"{self.name} cannot be asked: {session.failure.detail}")
        return session.row or ()

    def attempt(self, sql: str, deadline: float) -> str:
        """Why the server refused to do it, '' where it did; raises WorldError where it does not answer."""
        session = self._ask(sql, deadline)
        if session.failure is not None and not session.alive:
            raise WorldError(f"{self.name} cannot be asked: {session.failure.detail}")
        return "" if session.failure is None else session.failure.detail

    def close(self) -> None:
        """Give the connection up."""
        if self._session is not None:
            self._session.close()

    def _ask(self, sql: str, deadline: float) -> Session:
        now = time.monotonic()
        until, asked = now + deadline, False
        session = self._session = self._session or Session(self._dsn, now)
        while session.alive and (session.connecting or session.asking or not asked):
            if session.ready:
                session.ask(sql, now)
                asked = True
                continue
            if now >= until:
                raise WorldError(f"{self.name} gives no answer within {deadline:g} s")
            _wait(session, until - now)
            now = time.monotonic()
            session.advance(now)
        return session


def _wait(session: Session, seconds: float) -> None:
    poll = select.poll()
    poll.register(session.fileno(), session.wants)
    poll.poll(min(1.0, seconds) * 1000)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One connection to a PostgreSQL, driven without ever blocking."""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from ..words import Failure, Sight
from .meaning import of_answer, of_connection

try:
    import psycopg2
    import psycopg2.extensions as ext
except ImportError as _error:  # pragma: no cover
    IMPORT_ERROR: ImportError | None = _error
else:
    IMPORT_ERROR = None

Row = Sequence[Any]


class Session:
    """A connection that connects, is asked, answers, and may be asked again.

    The owner waits for `fileno()` to become ready for `wants` and then calls `advance`. Afterwards one of these holds:
    still `connecting` or `asking`; `ready` to be asked; an answer is in `row`; `failure` says what went wrong, and
    `alive` whether the connection can still be used.
    """

    def __init__(self, dsn: Mapping[str, Any], now: float) -> None:
        """Begin to connect with libpq's parameters in `dsn`; `now`: the caller's monotonic time."""
        self.began = now
        self.accepted_at: float | None = None
        self.asked_at: float | None = None
        self.row: Row | None = None
        self.failure: Failure | None = None
        self.connecting = True
        self.wants = select.POLLOUT
        self._fd = -1
        self._unix = "hostaddr" not in dsn
        self._connection: Any = None
        self._cursor: Any = None
        if IMPORT_ERROR is not None:
            self._end(Failure(Sight.UNKNOWN, f"psycopg2 cannot be imported here: {IMPORT_ERROR}"))
            return
        try:
            self._connection = psycopg2.connect(async_=1, **dsn)
            self._fd = self._connection.fileno()
        except (psycopg2.Error, OSError, MemoryError) as error:
            self._end(of_connection(str(error), accepted=False, unix=self._unix))
            return
        if self._unix:
            self.accepted_at = now

    @property
    def alive(self) -> bool:
        """The connection is there (or is being made)."""
        return self._connection is not None

    @property
    def asking(self) -> bool:
        """A question is out, its answer is not here yet."""
        return self.alive and self._cursor is not None

    @property
    def ready(self) -> bool:
        """It can be asked."""
        return self.alive and not self.connecting and self._cursor is None

    def fileno(self) -> int:
        """The file descriptor to wait for; -1 when there is no connection."""
        return self._fd

    def ask(self, sql: str, now: float) -> None:
        """Send `sql`; what came back before is forgotten."""
        self.row = self.failure = None
        self.asked_at = now
        try:
            cursor = self._connection.cursor()
            cursor.execute(sql)
        except (psycopg2.Error, OSError, MemoryError) as error:
            self._end(of_connection(str(error), accepted=True))
            return
        self._cursor = cursor
        self.wants = select.POLLIN
        self._step(now)

    def advance(self, now: float) -> None:
        """Go as far as is possible without waiting."""
        if not self.alive:
            return
        if self.accepted_at is None and _is_connected(self._fd):
            self.accepted_at = now
        self._step(now)

    def close(self) -> None:
        """Give the connection up."""
        connection, self._connection, self._cursor, self._fd = self._connection, None, None, -1
        self.connecting = False
        if connection is not None:
            try:
                connection.close()
            except psycopg2.Error:
                pass

    def _step(self, now: float) -> None:
        try:
            state = self._connection.poll()
            if state == ext.POLL_OK and self._cursor is not None:
                self.row = (self._cursor.fetchone() if self._cursor.description else None) or ()
                self._cursor = None
            elif state == ext.POLL_OK:
                self.connecting = False
            self._fd = self._connection.fileno()
        except (psycopg2.Error, OSError, MemoryError) as error:
            self._failed(error, now)
            return
        self.wants = select.POLLOUT if state == ext.POLL_WRITE else select.POLLIN

    def _failed(self, error: BaseException, now: float) -> None:
        code = getattr(error, "pgcode", None)
        if self.connecting or self._connection.closed:
            text = str(error)
            if self.accepted_at is None and "reset by peer" in text:
                self.accepted_at = now  # only an accepted connection is reset; else it is refused
            if self.connecting:
                self._end(of_connection(text, self.accepted_at is not None, self._unix))
            else:
                self._end(of_answer(code, text) if code else of_connection(text, accepted=True))
            return
        self._cursor = None
        self.failure = of_answer(code, str(error))

    def _end(self, failure: Failure) -> None:
        self.close()
        self.failure = failure


def _is_connected(fd: int) -> bool:
    """Has the TCP handshake on `fd` been completed? libpq does not tell."""
    try:
        probe = socket.socket(fileno=fd)
    except OSError:
        return False
    try:
        probe.getpeername()
        return True
    except OSError:
        return False
    finally:
        probe.detach()

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register on the vote host: which node may write (role vote_host_register has its functions).

One question at a time, on a kept connection that never blocks its owner; Lost is no 'no': the order may have
been carried out, or may be yet. What is asked next tells, since all but a renewal name the beat that was read.
"""

from __future__ import annotations

import select
import time
from collections.abc import Mapping
from typing import Any, Callable, Protocol

from ..config import Config
from ..words import Answer, Done, Failure, Lost, Missing, Refused, Row, Sight, Verb
from .session import Session

# What looks beside it left of the deadline may be nothing: so much a new connection gets all the same, as a share of it.
CONNECTING = 0.5
DATABASE = "sky_register"  # role vote_host_register
_COLUMNS = "done, system_identifier, holder, epoch, beat, heir, noted_by, extract(epoch from noted_at)::float8, term"


class Register:
    """The line to the register. Begin a question with `ask`; then wait for `fileno()` to be ready for `wants`, or for `due`, and call
    `advance`, until `answer` is there. A question that was not answered in time goes with its connection, so that no answer is taken
    for a later question's."""

    def __init__(
        self,
        dsn: Mapping[str, Any],
        cluster: str,
        connect: Callable[[Mapping[str, Any], float], Session] = Session,
    ) -> None:
        """dsn: libpq's parameters, with a numeric `hostaddr`, so that no resolver is asked."""
        self.answer: Answer | None = None
        self.due = 0.0
        self._deadline = 0.0
        self._dsn, self._cluster, self._connect = dsn, cluster, connect
        self._session: Session | None = None
        self._kept = self._asked = False
        self._sql = ""
        self._sent_at = 0.0

    def ask(self, verb: Verb, now: float, deadline: float) -> None:
        """Begin a question that has `deadline` seconds. One that is still out is given up."""
        if self._session is not None and (not self._session.ready or _has_news(self._session.fileno())):
            self.close()
        self.answer, self.due, self._deadline = None, now + deadline, deadline
        self._sql = f"select {_COLUMNS} from sky_register.{verb.name}({_written(self._cluster, *verb.values)})"
        self._kept, self._asked = self._session is not None, False
        if self._session is None:
            self._session = self._connect(self._dsn, now)
        self._go_on(self._session, now)

    def fileno(self) -> int:
        """The file descriptor to wait for; -1 when there is none."""
        return self._session.fileno() if self._session is not None else -1

    @property
    def wants(self) -> int:
        """What to wait for there (select.POLLIN, POLLOUT)."""
        return self._session.wants if self._session is not None else select.POLLIN

    def advance(self, now: float) -> None:
        """Go as far as is possible without waiting."""
        if self.answer is None and self._session is not None:
            self._session.advance(now)
            self._go_on(self._session, now)

    def begins_to_wait(self, now: float) -> None:
        """Nobody had time for it so far: a connection that was only begun has gone no step, however well the server is."""
        if self._session is not None and not self._kept:
            self.due = max(self.due, now + CONNECTING * self._deadline)

    def close(self) -> None:
        """Give the connection up."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def _go_on(self, session: Session, now: float) -> None:
        if session.ready and session.row is None and session.failure is None and not self._asked:
            self._sent_at, self._asked = now, True
            session.ask(self._sql, now)
        if session.row is not None:
            row, session.row = session.row, None
            self.answer = _meaning(row, self._sent_at)
        elif session.failure is not None:
            self._failed(session, session.failure, now)
        elif now >= self.due:
            reached = session.accepted_at is not None
            sight = Sight.STALLED if reached else Sight.UNREACHABLE
            self._lose(Failure(sight, "the register did not answer in time"), reached)

    def _failed(self, session: Session, failure: Failure, now: float) -> None:
        session.failure = None
        if not session.alive and self._kept and not self._asked and now < self.due:
            self.close()  # the kept connection had ended before the question left: a new one will tell
            self._kept = False
            self._session = self._connect(self._dsn, now)
            self._go_on(self._session, now)
            return
        reached = session.accepted_at is not None or session.alive
        if session.alive:
            self._asked = False  # the server said no to the question itself: it was not, and will not be, carried out
            self.answer = Lost(failure, False, reached)
            return
        self._lose(failure, reached)

    def _lose(self, failure: Failure, reached: bool) -> None:
        self.answer = Lost(failure, self._asked, reached)
        self.close()


class Line(Protocol):
    """What Register is, and its like of another engine (etcd.py)."""

    answer: Answer | None

    @property
    def due(self) -> float:
        """When to go on at the latest."""

    @property
    def wants(self) -> int:
        """What to wait for (select.POLLIN, POLLOUT)."""

    def ask(self, verb: Verb, now: float, deadline: float) -> None:
        """Begin a question."""

    def fileno(self) -> int:
        """The file descriptor to wait for; -1 when there is none."""

    def advance(self, now: float) -> None:
        """Go as far as is possible without waiting."""

    def begins_to_wait(self, now: float) -> None:
        """From here on it has its owner's time."""

    def close(self) -> None:
        """Give the connection up."""


class RegisterLine:
    """The port to the register that `config` names."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic, line: Line | None = None) -> None:
        """line: another engine's."""
        self._clock = clock
        self._line: Line = Register(dsn(config), config.cluster.name) if line is None else line

    def ask(self, verb: Verb, deadline: float) -> None:
        """See ports.Register."""
        self._line.ask(verb, self._clock(), deadline)

    def answer(self) -> Answer:
        """See ports.Register."""
        self._line.begins_to_wait(self._clock())
        return wait_for(self._line, self._clock)

    def close(self) -> None:
        """Give the connection up."""
        self._line.close()


def dsn(config: Config) -> Mapping[str, Any]:
    """libpq's parameters for this cluster's login."""
    register = config.register
    return {
        "hostaddr": register.address,
        "port": register.port,
        "dbname": DATABASE,
        "user": config.register_user,
        "passfile": register.passfile,
        "sslmode": config.register.sslmode,
        "gssencmode": "disable",
        "application_name": config.node.name,
        "tcp_user_timeout": 10000,
        "options": "-c datestyle=iso -c search_path=pg_catalog,pg_temp",
    }


def wait_for(register: Line, clock: Callable[[], float] = time.monotonic) -> Answer:
    """Wait until the question that was begun is answered, or its time is over."""
    while register.answer is None:
        poller = select.poll()
        if register.fileno() >= 0:
            poller.register(register.fileno(), register.wants)
        poller.poll(max(0.0, register.due - clock()) * 1000)
        register.advance(clock())
    return register.answer


def _has_news(fd: int) -> bool:
    """Of a connection that was not asked anything, news is its end."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(0))


def _meaning(row: Any, sent_at: float) -> Answer:
    if not row:
        return Missing(sent_at)
    done, *values = row
    return (Done if done else Refused)(Row(*values), sent_at)


def _written(*values: str | float | None) -> str:
    """Values as SQL's literals; psycopg2 would need a connection for that."""
    return ", ".join("null" if v is None else _quoted(v) if isinstance(v, str) else str(v) for v in values)


def _quoted(text: str) -> str:
    # As an E'' string: what it means hangs on no setting of the session.
    return " E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

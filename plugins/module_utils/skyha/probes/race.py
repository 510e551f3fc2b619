# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several connections race for one answer, so that a lost packet is not taken for a dead host.

A quiet look is one question on the connection kept from the last look. Where that one does not answer soon, a new
connection is tried beside it, and while not even TCP is accepted, another one every `stagger` seconds. The first
answer wins and its connection is kept. A question that was not answered by the deadline stays out: the answer of a
slow server is seen by a later look. What piles up on a hung server is bounded: at most `MOST_PENDING` questions are
out, a new one goes out at most once a second, and beyond that only TCP is tried.
"""

from __future__ import annotations

import select
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ..words import Sight
from .meaning import Failure
from .session import Row, Session
from .tcp import Knock, Port, meaning

MOST_PENDING = 3
MOST_TRIES = 8  # connections begun in one look
GIVE_UP = 10.0  # seconds after which an unanswered question is given up

# What is believed when the attempts of one look differ: first come the signs of life.
_BELIEF = (Sight.SICK, Sight.ALIVE, Sight.UNKNOWN, Sight.STALLED, Sight.DROPPED, Sight.REFUSED, Sight.UNREACHABLE)
# Seen on a new connection, these need no second opinion.
_CONCLUSIVE = frozenset({Sight.SICK, Sight.ALIVE, Sight.DROPPED, Sight.REFUSED})


@dataclass(frozen=True)
class Target:
    """Where to connect, and what to ask.

    dsn: libpq's parameters, with a numeric `hostaddr` (or the `host` of a Unix socket), so that no resolver is asked.
    """

    name: str
    dsn: Mapping[str, Any]
    sql: str


@dataclass(frozen=True)
class Answer:
    """What a look saw. `row` only with Sight.OK; `code`: the SQLSTATE where one is known."""

    sight: Sight
    detail: str = ""
    code: str = ""
    latency: float = 0.0
    reached: bool = False
    row: Row | None = None
    stopping: bool = False  # the server says that it shuts down


class Line:
    """All connections to one target."""

    def __init__(self, target: Target, connect: Callable[[Mapping[str, Any], float], Session] = Session) -> None:
        self.target = target
        self.answer: Answer | None = None
        self._connect = connect
        self._kept: Session | None = None
        self._tries: list[Session] = []
        self._knocks: list[Knock] = []
        self._failures: list[Failure] = []
        self._began = self._until = self._stagger = self._next_try = 0.0
        self._count = 0
        self._fresh = False
        self._kept_row: Row | None = None
        self._kept_latency = 0.0
        self._reached = False
        self._overdue = False  # a question from before this look is out

    # --- what a look does -------------------------------------------------------------------------------------

    def begin(self, now: float, deadline: float, fresh: bool) -> None:
        """Begin a look that lasts until `now` + `deadline`."""
        self.answer = None
        self._began, self._until, self._fresh = now, now + deadline, fresh
        self._stagger = max(0.1, 0.12 * deadline)
        self._count, self._failures, self._kept_row, self._reached = 0, [], None, False
        self._give_up_old(now)
        self._overdue = any(session.asking for session in self._sessions())
        kept = self._kept
        if kept is not None and kept.ready and kept.row is None and kept.failure is None:
            kept.ask(self.target.sql, now)
        self._next_try = now if fresh or kept is None or self._overdue else now + self._stagger
        # What came in since the last look, answers first: the first one ends the look, and the others are given up then.
        for session in sorted(self._sessions(), key=lambda one: one.row is None):
            if self.answer is None:
                self._note(session, now)

    def step(self, now: float) -> None:
        """Do what is due at `now`."""
        if self.answer is None and now >= self._until:
            self._conclude(now)
        elif self.answer is None and now >= self._next_try:
            self._try(now)

    @property
    def due(self) -> float:
        """When `step` wants to be called next."""
        return min(self._until, self._next_try)

    def waiting(self) -> Iterator[Session | Knock]:
        """All that may become ready."""
        yield from self._sessions()
        yield from self._knocks

    def advance(self, one: Session | Knock, now: float) -> None:
        """One of `waiting` is ready."""
        one.advance(now)
        if isinstance(one, Session):
            self._note(one, now)
        elif one.error:
            self._note_failed_knock(one)
        elif one.closed:
            self._failures.append(Failure(Sight.DROPPED, "accepted and closed at once"))

    def absorb(self, fd: int, now: float) -> None:
        """Between two looks: the connection with descriptor `fd` is ready; its news is kept for the next look."""
        for session in list(self._sessions()):
            if session.fileno() == fd:
                session.advance(now)  # the server's last word ...
                session.advance(now)  # ... and the end of the connection behind it
                if not session.alive:
                    self._forget(session)

    def close(self) -> None:
        """Give all connections up."""
        for session in list(self._sessions()):
            self._forget(session, close=True)
        self._drop_knocks()

    # --- how it goes about it -----------------------------------------------------------------------------------

    def _sessions(self) -> Iterator[Session]:
        if self._kept is not None:
            yield self._kept
        yield from self._tries

    def _try(self, now: float) -> None:
        """Begin one more connection, or, when enough questions are out, only knock."""
        begun_now = [s for s in self._tries if s.began >= self._began]
        if self._count >= MOST_TRIES or any(_is_accepted(s, self._began) for s in begun_now):
            self._next_try = self._until
            return
        self._count += 1
        self._next_try = now + self._stagger
        pending = sum(1 for s in self._sessions() if s.asking or s.accepted_at is not None)
        address, port = self.target.dsn.get("hostaddr"), self.target.dsn.get("port")
        recent = any(s.accepted_at is not None and now - s.accepted_at < 1.0 for s in self._tries)
        if address and (pending >= MOST_PENDING or (self._overdue and recent)):
            knock = Knock(str(address), int(str(port)), now)
            self._knocks.append(knock)
            if knock.error:
                self._note_failed_knock(knock)
            return
        if pending >= MOST_PENDING:  # a Unix socket is not knocked at: its host is here
            self._next_try = self._until
            return
        session = self._connect(self.target.dsn, now)
        self._tries.append(session)
        self._note(session, now)

    def _note(self, session: Session, now: float) -> None:
        """Take note of what became of `session`."""
        if session.row is not None:
            self._answered(session, session.row, now)
        elif session.failure is not None:
            self._failed(session, session.failure, now)
        elif session.ready and session in self._tries and self._kept_row is not None:
            # The kept connection has answered and the new one was let in: that is all a fresh look wants to know, and a
            # new server process is slow at its first question.
            self._finish(Answer(Sight.OK, "", "", self._kept_latency, reached=True, row=self._kept_row))
        elif session.ready and session in self._tries:
            session.ask(self.target.sql, now)
            if session.row is not None or session.failure is not None:
                self._note(session, now)

    def _answered(self, session: Session, row: Row, now: float) -> None:
        session.row = None
        self._reached = True
        latency = now - (session.asked_at if session.asked_at is not None else now)
        if session is self._kept and self._fresh:
            self._kept_row, self._kept_latency = row, latency
            return
        if session is not self._kept:
            latency = now - session.began
            if self._kept is not None:
                self._forget(self._kept, close=True)
            self._tries.remove(session)
            self._kept = session
        self._finish(Answer(Sight.OK, "", "", latency, reached=True, row=row))

    def _failed(self, session: Session, failure: Failure, now: float) -> None:
        is_kept = session is self._kept
        session.failure = None
        self._reached = self._reached or _is_accepted(session, self._began) or session.alive
        if not session.alive:
            self._forget(session)
        if session.began < self._began and not session.alive and failure.sight is not Sight.UNKNOWN:
            self._next_try = min(self._next_try, now)
            return  # that an old connection died says little: a new one will tell
        self._failures.append(failure)
        kept_may_answer = self._kept is not None and self._kept.asking and not self._overdue and not self._fresh
        if failure.sight in _CONCLUSIVE and (is_kept or not kept_may_answer):
            self._conclude(now)

    def _note_failed_knock(self, knock: Knock) -> None:
        self._knocks.remove(knock)
        port = meaning(knock.error)
        sight = {Port.REFUSED: Sight.REFUSED, Port.UNREACHABLE: Sight.UNREACHABLE, Port.OPEN: Sight.DROPPED}.get(
            port, Sight.UNKNOWN
        )
        self._reached = self._reached or port is Port.OPEN
        self._failures.append(Failure(sight, f"errno {knock.error} on a TCP handshake"))

    def _conclude(self, now: float) -> None:
        """No connection brought an answer: say what was seen instead."""
        for one in self.waiting():
            opened = one.opened_at is not None if isinstance(one, Knock) else _is_accepted(one, self._began)
            if opened:
                self._reached = True
                self._failures.append(
                    Failure(Sight.STALLED, f"TCP was accepted, then no answer within {self._until - self._began:g} s")
                )
                break
        best = min(self._failures, key=lambda failure: _BELIEF.index(failure.sight), default=None)
        if best is None:
            best = Failure(Sight.UNREACHABLE, f"no answer within {self._until - self._began:g} s")
        if self._kept_row is not None:
            if best.sight is Sight.UNKNOWN:  # a new connection could not be tried; the kept one answered
                self._finish(Answer(Sight.OK, best.detail, "", self._kept_latency, reached=True, row=self._kept_row))
                return
            if best.sight is Sight.UNREACHABLE:  # the host is there: it is its queue of new connections that is full
                best = Failure(Sight.STALLED, f"the kept connection answers, but a new one: {best.detail}")
        latency = now - self._began
        self._finish(Answer(best.sight, best.detail, best.code, latency, self._reached, stopping=best.stopping))

    def _finish(self, answer: Answer) -> None:
        self.answer = answer
        self._drop_knocks()
        for session in list(self._tries):
            if answer.sight is Sight.OK or session.accepted_at is None or session.ready:
                self._forget(session, close=True)

    def _give_up_old(self, now: float) -> None:
        for session in list(self._sessions()):
            asked = session.asked_at if session.asked_at is not None else session.began
            if (session.asking or session.connecting) and now - asked > GIVE_UP:
                self._forget(session, close=True)

    def _forget(self, session: Session, close: bool = False) -> None:
        if session is self._kept:
            self._kept = None
        if session in self._tries:
            self._tries.remove(session)
        if close:
            session.close()

    def _drop_knocks(self) -> None:
        for knock in self._knocks:
            knock.close()
        self._knocks = []


def _is_accepted(session: Session, since: float) -> bool:
    return session.accepted_at is not None and session.accepted_at >= since


def look(
    lines: Sequence[Line], deadline: float, fresh: Collection[Line] = (), clock: Callable[[], float] = time.monotonic
) -> list[Answer]:
    """Look at all `lines` at once, for at most `deadline` seconds; the answers are in the order of the lines.

    fresh: those of them along which a new connection must be let in as well.
    """
    now = clock()
    for line in lines:
        line.begin(now, deadline, line in fresh)
    while True:
        now = clock()
        for line in lines:
            line.step(now)
        open_lines = [line for line in lines if line.answer is None]
        if not open_lines:
            return [line.answer for line in lines if line.answer is not None]
        poller, owners = select.poll(), {}
        for line in open_lines:
            for one in line.waiting():
                if one.fileno() >= 0:
                    poller.register(one.fileno(), one.wants)
                    owners[one.fileno()] = (line, one)
        timeout = max(0.0, min(line.due for line in open_lines) - now)
        ready = poller.poll(timeout * 1000)
        now = clock()
        for fd, _events in ready:
            line, one = owners[fd]
            if line.answer is None and one.fileno() == fd:
                line.advance(one, now)

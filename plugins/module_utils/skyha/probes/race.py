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
from typing import Any, Callable, Protocol

from ..words import Failure, Sight
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
    """The connections to one target, kept from look to look. Each look along it is a Race."""

    def __init__(self, target: Target, connect: Callable[[Mapping[str, Any], float], Session] = Session) -> None:
        self.target = target
        self.connect = connect
        self.kept: Session | None = None
        self.tries: list[Session] = []  # new ones, and those whose question is still out

    def sessions(self) -> Iterator[Session]:
        """All of them, the kept one first."""
        if self.kept is not None:
            yield self.kept
        yield from self.tries

    def absorb(self, fd: int, now: float) -> None:
        """Between two looks: the connection with descriptor `fd` is ready; its news is kept for the next look."""
        for session in list(self.sessions()):
            if session.fileno() == fd:
                session.advance(now)  # the server's last word ...
                session.advance(now)  # ... and the end of the connection behind it
                if not session.alive:
                    self.forget(session)

    def give_up_old(self, now: float) -> None:
        """Forget the questions that nobody will answer any more."""
        for session in list(self.sessions()):
            asked = session.asked_at if session.asked_at is not None else session.began
            if (session.asking or session.connecting) and now - asked > GIVE_UP:
                self.forget(session, close=True)

    def keep(self, session: Session) -> None:
        """Of the tries this one answered: it takes the place of the kept one."""
        if self.kept is not None:
            self.forget(self.kept, close=True)
        self.tries.remove(session)
        self.kept = session

    def forget(self, session: Session, close: bool = False) -> None:
        """It is no connection of this line any more."""
        if session is self.kept:
            self.kept = None
        if session in self.tries:
            self.tries.remove(session)
        if close:
            session.close()

    def close(self) -> None:
        """Give all connections up."""
        for session in list(self.sessions()):
            self.forget(session, close=True)


class Race:
    """One look along a line, from its begin to its answer."""

    def __init__(self, line: Line, now: float, deadline: float, fresh: bool) -> None:
        """It lasts until `now` + `deadline` at most."""
        self.answer: Answer | None = None
        self._line = line
        self._began, self._until, self._fresh = now, now + deadline, fresh
        self._stagger = max(0.1, 0.12 * deadline)
        self._count = 0
        self._knocks: list[Knock] = []
        self._failures: list[Failure] = []
        self._kept_row: Row | None = None
        self._kept_latency = 0.0
        self._reached = False
        line.give_up_old(now)
        self._overdue = any(session.asking for session in line.sessions())  # a question from before is out
        kept = line.kept
        if kept is not None and kept.ready and kept.row is None and kept.failure is None:
            kept.ask(line.target.sql, now)
        self._next_try = now if fresh or kept is None or self._overdue else now + self._stagger
        # What came in since the last look, answers first: the first one ends the look, and the others are given up then.
        for session in sorted(line.sessions(), key=lambda one: one.row is None):
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
        yield from self._line.sessions()
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

    # --- how it goes about it -----------------------------------------------------------------------------------

    def end(self) -> None:
        """Nobody waits for it any more. What was asked stays out, as at a deadline."""
        if self.answer is None:
            self._finish(Answer(Sight.UNKNOWN, "the look was ended"))

    def _try(self, now: float) -> None:
        """Begin one more connection, or, when enough questions are out, only knock."""
        begun_now = [s for s in self._line.tries if s.began >= self._began]
        if self._count >= MOST_TRIES or any(_is_accepted(s, self._began) for s in begun_now):
            self._next_try = self._until
            return
        self._count += 1
        self._next_try = now + self._stagger
        pending = sum(1 for s in self._line.sessions() if s.asking or s.accepted_at is not None)
        address, port = self._line.target.dsn.get("hostaddr"), self._line.target.dsn.get("port")
        recent = any(s.accepted_at is not None and now - s.accepted_at < 1.0 for s in self._line.tries)
        if address and (pending >= MOST_PENDING or (self._overdue and recent)):
            knock = Knock(str(address), int(str(port)), now)
            self._knocks.append(knock)
            if knock.error:
                self._note_failed_knock(knock)
            return
        if pending >= MOST_PENDING:  # a Unix socket is not knocked at: its host is here
            self._next_try = self._until
            return
        session = self._line.connect(self._line.target.dsn, now)
        self._line.tries.append(session)
        self._note(session, now)

    def _note(self, session: Session, now: float) -> None:
        """Take note of what became of `session`."""
        if session.row is not None:
            self._answered(session, session.row, now)
        elif session.failure is not None:
            self._failed(session, session.failure, now)
        elif session.ready and session in self._line.tries and self._kept_row is not None:
            # The kept connection has answered and the new one was let in: that is all a fresh look wants to know, and a
            # new server process is slow at its first question.
            self._finish(Answer(Sight.OK, "", "", self._kept_latency, reached=True, row=self._kept_row))
        elif session.ready and session in self._line.tries:
            session.ask(self._line.target.sql, now)
            if session.row is not None or session.failure is not None:
                self._note(session, now)

    def _answered(self, session: Session, row: Row, now: float) -> None:
        session.row = None
        self._reached = True
        latency = now - (session.asked_at if session.asked_at is not None else now)
        if session is self._line.kept and self._fresh:
            self._kept_row, self._kept_latency = row, latency
            return
        if session is not self._line.kept:
            latency = now - session.began
            self._line.keep(session)
        self._finish(Answer(Sight.OK, "", "", latency, reached=True, row=row))

    def _failed(self, session: Session, failure: Failure, now: float) -> None:
        is_kept = session is self._line.kept
        session.failure = None
        self._reached = self._reached or _is_accepted(session, self._began) or session.alive
        if not session.alive:
            self._line.forget(session)
        if session.began < self._began and not session.alive and failure.sight is not Sight.UNKNOWN:
            self._next_try = min(self._next_try, now)
            return  # that an old connection died says little: a new one will tell
        self._failures.append(failure)
        kept_may_answer = (
            self._line.kept is not None and self._line.kept.asking and not self._overdue and not self._fresh
        )
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
        for session in list(self._line.tries):
            if answer.sight is Sight.OK or session.accepted_at is None or session.ready:
                self._line.forget(session, close=True)

    def _drop_knocks(self) -> None:
        for knock in self._knocks:
            knock.close()
        self._knocks = []


def _is_accepted(session: Session, since: float) -> bool:
    return session.accepted_at is not None and session.accepted_at >= since


class Bell(Protocol):
    """What ends a look before its time."""

    def fileno(self) -> int:
        """Ready: it has rung."""

    def absorb(self) -> None:
        """It is not ready any more."""


def look(
    lines: Sequence[Line],
    deadline: float,
    fresh: Collection[Line] = (),
    clock: Callable[[], float] = time.monotonic,
    bell: Bell | None = None,
) -> list[Answer]:
    """Look at all `lines` at once, for at most `deadline` seconds; the answers are in the order of the lines. None at all: the bell
    rang before all had one.

    fresh: those of them along which a new connection must be let in as well.
    """
    now, rang = clock(), False
    races = [Race(line, now, deadline, line in fresh) for line in lines]
    while True:
        now = clock()
        for race in races:
            race.step(now)
        running = [race for race in races if race.answer is None]
        if not running:
            return [race.answer for race in races if race.answer is not None]
        if bell is not None and rang:
            bell.absorb()
            for race in running:
                race.end()
            return []
        poller, owners = select.poll(), {}
        if bell is not None:
            poller.register(bell.fileno(), select.POLLIN)
        for race in running:
            for one in race.waiting():
                if one.fileno() >= 0:
                    poller.register(one.fileno(), one.wants)
                    owners[one.fileno()] = (race, one)
        timeout = max(0.0, min(race.due for race in running) - now)
        ready = poller.poll(timeout * 1000)
        now = clock()
        for fd, _events in ready:
            if fd not in owners:
                rang = True
                continue
            race, one = owners[fd]
            if race.answer is None and one.fileno() == fd:
                race.advance(one, now)

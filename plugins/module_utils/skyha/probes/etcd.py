# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The line to a register that is a key of an etcd (etcd_row.py): one kept connection to one of its members, and who is asked next.

An order is sent once and no more: where its answer is lost the question is Lost. What cannot act (a read, a login), and what a member
refuses before it looks at it, is tried at the next member, within the deadline.
"""

from __future__ import annotations

import dataclasses
import select
import time
from typing import Callable

from .. import config_file
from ..config import Config
from ..errors import ConfigError
from ..words import Answer, Failure, Lost, Sight, Verb
from .etcd_row import Call, Key, Plan
from .gateway import Channel, Reply
from .register import CONNECTING, RegisterLine

# gRPC's codes of a call that was refused for good, and so was not carried out: bad argument, no permission, no room, not in this state,
# not logged in. After any other error an order may have been carried out, or may be yet.
_REFUSED = frozenset({3, 7, 8, 9, 16})
_NO_ROOM = "space exceeded"
# What a member says that does not know the token (any more). It looks at that first, so nothing was carried out.
_LOG_IN = ("invalid auth token", "user name is empty", "revision of auth store is old", "revision in header is old")
_NO_LEADER = "no leader"
LOGINS = 2  # so often in one question


class Members:
    """The members of an etcd as one register. It is driven as register.Register is, and never blocks either."""

    def __init__(self, config: Config, channel: Callable[[str, int, str, float], Channel] = Channel) -> None:
        self.answer: Answer | None = None
        self._settings, self._user = config.register, config.register_user
        self._key = Key(config.cluster.name, config.node.name)
        self._open, self._places = channel, config.register.places
        self._at = 0  # the member that is asked
        self._channel: Channel | None = None
        self._token = ""  # every member knows it, until it is restarted or five minutes have passed
        self._plan: Plan | None = None
        self._call: Call | None = None
        self._due = self._until = self._deadline = 0.0
        self._reset()

    def ask(self, verb: Verb, now: float, deadline: float) -> None:
        """Begin a question that has `deadline` seconds. One that is still out is given up."""
        if self._channel is not None and (not self._channel.ready or self._channel.has_ended()):
            self.close()
        self._due, self._deadline = now + deadline, deadline
        self._reset()
        self._until = now + self._share(now)
        self._plan = self._key.plan(verb)
        self._call = next(self._plan)
        self._go_on(now)

    def fileno(self) -> int:
        """The file descriptor to wait for; -1 when there is none."""
        return self._channel.fileno() if self._channel is not None else -1

    @property
    def wants(self) -> int:
        """What to wait for there (select.POLLIN, POLLOUT)."""
        return self._channel.wants if self._channel is not None else select.POLLIN

    @property
    def due(self) -> float:
        """When to go on at the latest."""
        return self._due if self._is_acting else min(self._due, self._until)

    def advance(self, now: float) -> None:
        """Go as far as is possible without waiting."""
        if self.answer is None and self._channel is not None:
            self._channel.advance(now)
            self._go_on(now)

    def begins_to_wait(self, now: float) -> None:
        """Nobody had time for it so far. Only a kept connection was asked at once, so that its member had all the time; any other
        has gone no step, and neither has a second call.
        """
        if self._is_first and self._channel is not None:
            self._channel.advance(now)
            if self._channel.reply is None and self._channel.failure is None:
                return
        self._due = max(self._due, now + CONNECTING * self._deadline)
        self._until = max(self._until, now + self._share(now))
        self.advance(now)

    def close(self) -> None:
        """Give the connection up."""
        if self._channel is not None:
            self._channel.close()
        self._channel = None

    def _reset(self) -> None:
        self.answer = None
        self._is_first = self._channel is not None  # the first call goes out at once, by a kept connection
        self._is_out = self._logs_in = self._reached = False
        self._sent_at: float | None = None
        self._logins = 0
        self._said: list[tuple[str, Failure]] = []  # what each member that was asked in vain said
        # Who is asked then: the others, and after a kept connection its own member once more, by a new one.
        count = len(self._places)
        self._left = [(self._at + i) % count for i in range(1, count + int(self._is_first))]

    def _share(self, now: float) -> float:
        """So long a member has: half of the time, if it is not the last one."""
        left = max(0.0, self._due - now)
        return left / 2 if self._left else left

    @property
    def _is_acting(self) -> bool:
        """Is an order out whose answer is not here?"""
        return self._is_out and self._call is not None and self._call.acts

    def _go_on(self, now: float) -> None:
        while self.answer is None:
            if self._channel is None:
                self._channel = self._open(*self._places[self._at], self._settings.cafile, now)
            channel = self._channel
            self._reached = self._reached or channel.accepted_at is not None
            if channel.failure is not None:
                self._failed(channel.failure, now)
            elif channel.reply is not None:
                reply, channel.reply, self._is_first = channel.reply, None, False
                self._replied(reply, now)
            elif channel.ready:
                self._send(channel, now)
            elif now >= self.due:
                self._failed(_too_late(channel), now)
            else:
                return

    def _send(self, channel: Channel, now: float) -> None:
        """The next call; before the first one, and where the members have forgotten it, the login."""
        if self._call is None:
            return
        self._logs_in = not self._token
        if not self._logs_in:
            self._sent_at = now if self._sent_at is None else self._sent_at
            self._is_out = True
            channel.ask(self._call.path, self._call.body, self._token, now)
            return
        try:
            password = config_file.password(self._settings.password_file) or ""
        except ConfigError as error:
            self._lose(Failure(Sight.UNKNOWN, str(error)))
            return
        self._logins += 1
        channel.ask("/v3/auth/authenticate", {"name": self._user, "password": password}, "", now)

    def _replied(self, reply: Reply, now: float) -> None:
        if reply.ok and self._logs_in:
            self._token = str(reply.body.get("token", ""))
        elif reply.ok:
            self._next(reply)
        elif any(text in reply.error for text in _LOG_IN) and not self._logs_in and self._logins < LOGINS:
            self._token, self._is_out = "", False
        elif _NO_LEADER in reply.error:  # that, too, is looked at first
            self._is_out = False
            self._failed(Failure(Sight.ALIVE, "it has no leader: the majority of the members is not there"), now)
        elif reply.code in _REFUSED:
            self._is_out = False
            sight = Sight.SICK if _NO_ROOM in reply.error else Sight.ALIVE
            self._lose(Failure(sight, reply.error, str(reply.code)))
        else:
            self._failed(Failure(Sight.STALLED, reply.error, str(reply.code)), now)

    def _next(self, reply: Reply) -> None:
        if self._plan is None:
            return
        try:
            self._call, self._is_out = self._plan.send(reply), False
        except StopIteration as ended:
            answer = ended.value
            self.answer = (
                dataclasses.replace(answer, at=self._place())
                if isinstance(answer, Lost)
                else dataclasses.replace(answer, sent_at=self._sent_at)
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            text = f"what stands in its key is no row of a register: {type(error).__name__} {error}"
            self._lose(Failure(Sight.ALIVE, text))

    def _failed(self, failure: Failure, now: float) -> None:
        """This member does not help. The next one is asked, unless an order is out, or the time is over."""
        is_over = self._is_acting or now >= self._due or not self._left
        if is_over:
            self._lose(failure)
            return
        self._said.append((self._place(), failure))
        self.close()
        self._at = self._left.pop(0)
        self._is_out = self._is_first = False
        self._until = now + self._share(now)

    def _lose(self, failure: Failure) -> None:
        """There is no answer. The next question begins with another member, and sees for itself what holds."""
        said = [*self._said, (self._place(), failure)]
        at = ", ".join(dict.fromkeys(place for place, _ in said))
        details = list(dict.fromkeys(one.detail for _, one in said))
        detail = details[0] if len(details) == 1 else "; ".join(f"{place}: {one.detail}" for place, one in said)
        self.answer = Lost(Failure(failure.sight, detail, failure.code), self._is_acting, self._reached, at)
        self._key.forget()
        if failure.sight is Sight.STALLED and not failure.code:  # not a word came
            # A token names the revision that it was given out at. An etcd that was restored to an older one waits with its answer until it
            # gets there, which may be never.
            self._token = ""
        self.close()
        self._at = (self._at + 1) % len(self._places)

    def _place(self) -> str:
        return self._settings.endpoints[self._at]


class EtcdLine(RegisterLine):
    """The port to the etcd that `config` names."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(config, clock, Members(config))


def _too_late(channel: Channel) -> Failure:
    if channel.accepted_at is None:
        return Failure(Sight.UNREACHABLE, "no answer in time")
    return Failure(Sight.STALLED, "no answer in time: it hangs, or the majority of the members is not there")

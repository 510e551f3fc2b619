# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The datagrams between both skyhas: five to ten times a second each tells the other that it lives. What they say is talk.py's, how they are
written datagram.py's; here they are sent and received."""

from __future__ import annotations

import select
import socket
import threading
import time
from dataclasses import replace
from typing import Callable

from ..config import Config
from ..words import Signs
from .datagram import MOST_BYTES, Sign, read_key, sealed, unsealed
from .talk import EVERY, NEVER, Talk, Unproven

# To wake up is what costs. So while a heir promises, the datagrams go in pairs, and half as often: the holder's leaves by the clock, and what
# has come is read then only; the heir's leaves with the coming of the holder's. A single one that is lost is a silence then: one more look.
CALM = 2 * EVERY
EARLY = EVERY / 2  # within this time after one's own nothing is answered; so much later it leaves by the clock
MOST_AT_ONCE = 50  # whoever floods the port does not keep this node's own from leaving


class Datagrams:
    """The port to the peer's skyha. A thread sends and receives from the constructor on, until close()."""

    def __init__(
        self,
        config: Config,
        boot: str,
        clock: Callable[[], float] = time.monotonic,
        silence: Callable[[], None] = lambda: None,
        news: Callable[[], None] = lambda: None,
    ) -> None:
        """boot: as clock.boot() names this one. To be called: silence where the peer falls silent, news where it tells of another holder
        than before.

        Raises ConfigError where there is no key; all else is tried again and again."""
        self._key = read_key(config.signs.keyfile)
        self._from, self._to = (config.node.address, config.signs.port), (config.peer.address, config.signs.port)
        self._clock, self._silence, self._news = clock, silence, news
        self._over = threading.Event()
        self._problem = ""
        # Of all that follows. It is held while a datagram is sent, so that told() and promise() cannot come between.
        self._lock = threading.Lock()
        self._talk = Talk(config.cluster.name, config.node.name, config.peer.name, boot, clock())
        self._refused = (0, "")
        self._line: socket.socket | None = None  # while it is open
        self._thread = threading.Thread(target=self._run, daemon=True, name="skyha-signs")
        self._thread.start()

    def promise(self, until: float) -> None:
        """See ports.Signs."""
        with self._lock:
            self._talk.promise(until)

    def tell(self, beat: tuple[int, int] | None, is_stopped: bool) -> None:
        """See ports.Signs."""
        with self._lock:
            is_other_holder = self._talk.tell(beat, is_stopped)
            if is_other_holder and self._line is not None:
                self._send(self._line)

    def told(self) -> Signs:
        """See ports.Signs."""
        with self._lock:
            return replace(self._talk.told(), problem=self._problem or self._refused[1])

    @property
    def refused(self) -> tuple[int, str]:
        """How many datagrams were not taken for the peer's; why the last one that came was not, '': it was."""
        with self._lock:
            return self._refused

    @property
    def problem(self) -> str:
        """Why none can come or go at all; '': they can, as far as this host is concerned."""
        return self._problem

    def close(self) -> None:
        """Nothing is sent or received any more, after one last datagram: what this node knew at its end."""
        self._over.set()
        self._thread.join(1.0)

    # --- in the thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        family = socket.AF_INET6 if ":" in self._from[0] else socket.AF_INET
        while not self._over.is_set():
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as line:
                    line.setblocking(False)
                    line.bind(self._from)
                    self._problem = ""
                    with self._lock:
                        self._line = line
                    try:
                        self._exchange(line)
                    finally:
                        with self._lock:
                            self._line = None
            except OSError as error:  # the address is not there yet, somebody has the port ...: no reason to end skyha
                self._problem = f"datagrams cannot be exchanged from UDP {self._from[0]}:{self._from[1]}: {error}"
                self._over.wait(EVERY)

    def _exchange(self, line: socket.socket) -> None:
        poller = select.poll()
        poller.register(line, select.POLLIN)
        sent_at, waits = NEVER, EVERY
        while not self._over.is_set():
            now = self._clock()
            left = sent_at + waits - now
            if left <= 0:
                with self._lock:
                    self._send(line)
                sent_at, waits = now, CALM if self._talk.is_trusted(now) else EVERY
                self._listen(now)
            elif self._talk.is_trusted(now):
                time.sleep(left)
                self._receive_all(line)
            elif poller.poll(left * 1000) and self._receive(line) and self._clock() - sent_at >= EARLY:
                with self._lock:
                    is_promise = self._send(line)
                sent_at, waits = self._clock(), (CALM if is_promise else EVERY) + EARLY
        with self._lock:
            self._send(line)

    def _listen(self, now: float) -> None:
        with self._lock:
            falls_silent = self._talk.falls_silent(now)
        if falls_silent:
            self._silence()

    def _send(self, line: socket.socket) -> bool:
        """Was it a promise? Call it with the lock held."""
        sign = self._talk.next(self._clock())
        self._leaves(line, sign)
        # A promise is noted once it has left, and nobody is told before, so it never left later than is told. (Were this thread frozen
        # between the check and the sending, it would leave late, but with an old mark: it grants no more than one that is long on its
        # way.)
        self._talk.left(sign, self._clock())
        return sign.is_promise

    def _leaves(self, line: socket.socket, sign: Sign) -> None:
        try:
            line.sendto(sealed(sign, self._key), self._to)
        except OSError:  # no route, a full queue, a firewall: the peer hears nothing, and that is all
            pass

    def _receive_all(self, line: socket.socket) -> None:
        for _ in range(MOST_AT_ONCE):
            if self._receive(line) is None:
                return

    def _receive(self, line: socket.socket) -> bool | None:
        """Was it the peer's? None: there was none."""
        try:
            data, sender = line.recvfrom(MOST_BYTES)
        except BlockingIOError:  # or it was damaged, and the kernel threw it away
            return None
        now = self._clock()
        with self._lock:
            try:
                is_other_holder = self._talk.take(unsealed(data, self._key), now)
            except ValueError as error:
                self._refused = (self._refused[0] + 1, f"a datagram from {sender[0]} is refused: {error}")
                if isinstance(error, Unproven):
                    self._leaves(line, self._talk.answer(error.mark, now))
                return False
            self._refused = (self._refused[0], "")
        if is_other_holder:
            self._news()
        return True

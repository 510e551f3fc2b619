# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Virtual time: a heap of events, and processes (greenlets) that sleep in it. No thread, no real sleep."""

from __future__ import annotations

import heapq
from typing import Any, Callable

import greenlet


class Killed(BaseException):
    """Ends a simulated process at the very place where it stands; nothing may catch it."""


class Kernel:
    """The clock of the world. `now`: seconds since the world began."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def after(self, delay: float, function: Callable[..., None], *args: Any) -> None:
        """Call `function` in `delay` seconds."""
        self._count += 1
        heapq.heappush(self._heap, (self.now + delay, self._count, function, args))

    def run(self, until: float, stop: Callable[[], bool]) -> None:
        """Let time pass until `until`, or until `stop` says so."""
        heap = self._heap
        while heap and heap[0][0] <= until and not stop():
            self.now, _, function, args = heapq.heappop(heap)
            self.events += 1
            function(*args)
        if not stop():
            self.now = max(self.now, until)


class Process:
    """One process on a host. `host.hold` keeps what would wake it while the host is frozen."""

    def __init__(self, kernel: Kernel, host: Any, body: Callable[[], None]) -> None:
        self.kernel, self.host = kernel, host
        self.alive = True
        self._token = 0
        self._wakeable = False
        self._hub = greenlet.getcurrent()
        self._body = body
        self._greenlet = greenlet.greenlet(self._run)
        kernel.after(0.0, self._wake, 0)

    def sleep(self, seconds: float, wakeable: bool = False) -> None:
        """To be called by the process itself. wakeable: `poke` ends it."""
        self._token += 1
        self._wakeable = wakeable
        self.kernel.after(seconds, self._wake, self._token)
        self._hub.switch()
        self._wakeable = False

    def poke(self) -> None:
        """Wake it early from a sleep that allows so."""
        if self._wakeable and self.alive:
            self.kernel.after(0.0, self._wake, self._token)

    def kill(self) -> None:
        """End it where it stands. From outside only."""
        if not self.alive:
            return
        self.alive = False
        if self._greenlet:
            self._greenlet.throw(Killed)

    def _wake(self, token: int) -> None:
        if not self.alive or token != self._token:
            return
        if self.host.frozen:
            self.host.held.append((self._wake, (token,)))
            return
        self._token += 1
        self._greenlet.switch()

    def _run(self) -> None:
        try:
            self._body()
        except Killed:
            pass
        finally:
            self.alive = False

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node's watchdog, and the datagrams between both skyhas."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import words

if TYPE_CHECKING:
    from .daemon import Daemon
    from .host import Host

FEED_EVERY = 0.5
TELL_EVERY = 0.1
SILENCE = 0.3
TRAVELS = 0.002


class Device:
    """The timer in a host, outside its operating system: it bites, frozen or not."""

    def __init__(self, host: Host) -> None:
        self.host, self.world = host, host.world
        self.timeout = 4.0
        self.runs = False
        self.broken = False  # it cannot be opened, or fed
        self.bites = 0
        self._food = 0

    def feed(self) -> None:
        """Begin again; the first time starts it."""
        self.runs = True
        self._food += 1
        self.world.kernel.after(self.timeout / self.host.clock_rate, self._hungry, self._food)

    def rest(self) -> None:
        """Stop."""
        self.runs = False

    def _hungry(self, food: int) -> None:
        if self.runs and food == self._food and self.host.power:
            self.runs = False
            self.bites += 1
            self.host.reset("its watchdog")


class Guard:
    """See ports.Guard. The thread that feeds is the host's, and the process's."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon, self.host = daemon, daemon.host
        self.device = daemon.host.watchdog
        self.forget()

    def forget(self) -> None:
        """The process is gone; the device runs on."""
        self._food, self._opened, self._thread, self._fed = words.Food(0.0), False, 0, False

    def feed(self, food: words.Food) -> None:
        """See ports.Guard."""
        self._food = food
        if self.daemon.monotonic() <= food.until and not self._thread:
            self._thread = self.daemon.lives
            self._works(self._thread)

    def rest(self) -> None:
        """See ports.Guard."""
        if self._opened:
            self.device.rest()
        self.forget()

    def told(self) -> words.Guard:
        """See ports.Guard."""
        problem = "the watchdog cannot be used" if self.device.broken and self._thread else ""
        return words.Guard(self._fed and not problem, problem)

    def _until(self) -> float:
        promise = self.daemon.signs.told().promise if self._food.lease else None
        return max(self._food.until, 0.0 if promise is None else promise + self._food.lease)

    def _works(self, life: int) -> None:
        if life != self._thread or life != self.daemon.lives or not self.daemon.alive:
            return
        self._fed = not self.device.broken and self.daemon.monotonic() <= self._until()
        if self._fed:
            self._opened = True
            self.device.feed()
        self.host.later(FEED_EVERY, self._works, life)


class Signs:
    """See ports.Signs."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon, self.host, self.world = daemon, daemon.host, daemon.world
        self.forget()

    def forget(self) -> None:
        """The process is gone."""
        self._until, self._told = 0.0, words.Signs()
        self._beat: tuple[int, int] | None = None
        self._is_silent = True
        self._mark: tuple[float, str] | None = None  # the peer's newest one
        self._echoed: tuple[float, str] | None = None

    def begin(self) -> None:
        """The process has started."""
        self._speaks(self.daemon.lives)

    def end(self) -> None:
        """The process ends in good order: one last datagram."""
        self._say()

    def promise(self, until: float) -> None:
        """See ports.Signs."""
        self._until = until

    def tell(self, beat: tuple[int, int] | None) -> None:
        """See ports.Signs."""
        self._beat = beat

    def told(self) -> words.Signs:
        """See ports.Signs."""
        return self._told

    def _speaks(self, life: int) -> None:
        if life != self.daemon.lives or not self.daemon.alive:
            return
        self._say()
        heard_at = self._told.heard_at
        is_silent = heard_at is None or self.daemon.monotonic() - heard_at > SILENCE
        if is_silent and not self._is_silent:
            self.daemon.poke()
        self._is_silent = is_silent
        self.host.later(TELL_EVERY, self._speaks, life)

    def _say(self) -> None:
        now, echo = self.daemon.monotonic(), None
        if now < self._until and self._mark is not None and self._mark != self._echoed:
            echo = self._echoed = self._mark
            self._told = replace(self._told, promised_at=now)
        if (self.host.name, self.host.peer.name) not in self.world.network.cut and not self._is_lost():
            travels = TRAVELS + self.world.network.late
            self.world.kernel.after(travels, self._arrives, (now, self.daemon.boot()), echo, self._beat)

    def _is_lost(self) -> bool:
        if self.world.network.loses_datagrams:
            return True
        return bool(self.world.network.loss) and self.world.random.random() < self.world.network.loss

    def _arrives(self, mark: tuple[float, str], echo: tuple[float, str] | None, beat: tuple[int, int] | None) -> None:
        peer = self.host.peer
        peer.later(0.0, peer.daemon.signs.hears, mark, echo, beat)

    def hears(self, mark: tuple[float, str], echo: tuple[float, str] | None, beat: tuple[int, int] | None) -> None:
        """A datagram of the peer's is read."""
        if not self.daemon.alive:
            return
        if self._mark is None or self._mark[1] != mark[1] or mark[0] > self._mark[0]:
            self._mark = mark
        promise = self._told.promise
        if echo is not None and echo[1] == self.daemon.boot():
            promise = echo[0] if promise is None else max(promise, echo[0])
        now = self.daemon.monotonic()
        self._told = replace(self._told, heard_at=now, promise=promise)
        if beat is not None and beat != self._told.beat:
            if self._told.beat is not None and self._told.beat[0] != beat[0]:
                self.daemon.poke()
            self._told = replace(self._told, beat=beat, beat_at=now)

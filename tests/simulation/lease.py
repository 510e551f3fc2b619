# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node's watchdog, and the datagrams between both skyhas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import words
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.datagram import Sign
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.signs import CALM
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.talk import EVERY, Talk, Unproven

if TYPE_CHECKING:
    from .daemon import Daemon
    from .host import Host

FEED_EVERY = 0.5
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
    """See ports.Signs. What is said is skyha's own (world/talk.py), the network is this world's."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon, self.host, self.world = daemon, daemon.host, daemon.world
        self._talk: Talk | None = None

    def forget(self) -> None:
        """The process is gone."""
        self._talk = None

    def begin(self) -> None:
        """The process has started."""
        name = self.host.name
        self._talk = Talk("sky", name, self.host.peer.name, self.daemon.boot(), self.daemon.monotonic() - TRAVELS)
        self._speaks(self.daemon.lives)

    def end(self) -> None:
        """The process ends in good order: one last datagram."""
        self._say()

    def promise(self, until: float) -> None:
        """See ports.Signs."""
        assert self._talk is not None
        self._talk.promise(until)

    def tell(self, beat: tuple[int, int] | None, is_stopped: bool) -> None:
        """See ports.Signs."""
        assert self._talk is not None
        if self._talk.tell(beat, is_stopped):
            self._say()

    def told(self) -> words.Signs:
        """See ports.Signs."""
        return words.Signs() if self._talk is None else self._talk.told()

    def _speaks(self, life: int) -> None:
        if life != self.daemon.lives or not self.daemon.alive or self._talk is None:
            return
        self._say()
        now = self.daemon.monotonic()
        if self._talk.falls_silent(now):
            self.daemon.hush()
        self.host.later(CALM if self._talk.is_trusted(now) else EVERY, self._speaks, life)

    def _say(self) -> None:
        assert self._talk is not None
        now = self.daemon.monotonic()
        sign = self._talk.next(now)
        self._talk.left(sign, now)
        self._leaves(sign)

    def _leaves(self, sign: Sign) -> None:
        network = self.world.network
        network.recorded.append(sign)
        if (self.host.name, self.host.peer.name) in network.cut or self._is_lost():
            return
        again = [self.world.random.choice(network.again)] if network.again else []
        for one in (sign, *again):
            self.world.kernel.after(TRAVELS + network.late, self._arrives, one)

    def _is_lost(self) -> bool:
        if self.world.network.loses_datagrams:
            return True
        return bool(self.world.network.loss) and self.world.random.random() < self.world.network.loss

    def _arrives(self, sign: Sign) -> None:
        peer = self.host.peer
        peer.later(0.0, peer.daemon.signs.hears, sign)

    def hears(self, sign: Sign) -> None:
        """A datagram is read."""
        if not self.daemon.alive or self._talk is None:
            return
        now = self.daemon.monotonic()
        try:
            if self._talk.take(sign, now):
                self.daemon.ring()
        except Unproven as error:
            self._leaves(self._talk.answer(error.mark, now))
        except ValueError:
            pass

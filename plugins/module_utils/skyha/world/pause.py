# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the loop waits, and what wakes it."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol


class Source(Protocol):
    """Something whose news should wake the loop."""

    def descriptors(self) -> Mapping[int, int]:
        """Descriptor -> events as for select.poll."""

    def absorb(self, fd: int) -> None:
        """Take the news, so that the same news does not wake the loop again."""


class Bell:
    """A descriptor that is ready once it was rung, until that is absorbed. Any thread and any signal's handler may ring it."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def ring(self) -> None:
        """Make it ready."""
        try:
            os.write(self._write, b"r")
        except OSError:  # full: it is ready anyhow
            pass

    def fileno(self) -> int:
        """To wait for."""
        return self._read

    def absorb(self) -> None:
        """It is not ready any more."""
        try:
            while os.read(self._read, 4096):
                pass
        except BlockingIOError:
            pass


class PollPause:
    """Waits on all sources at once. Only `wake` may be called by another thread, or by a signal's handler."""

    def __init__(
        self, sources: Sequence[Source], poll: Callable[[], select.poll] = select.poll, news: Sequence[Bell] = ()
    ) -> None:
        """news: bells of which it is told that they ended the wait."""
        self._sources = tuple(sources)
        self._poll = poll
        self._woken, self._news = Bell(), {bell.fileno(): bell for bell in news}

    def wake(self) -> None:
        """See ports.Pause."""
        self._woken.ring()

    def wait(self, seconds: float) -> bool:
        """See ports.Pause."""
        poller, owners, is_news = self._poll(), {}, False
        poller.register(self._woken.fileno(), select.POLLIN)
        for fd in self._news:
            poller.register(fd, select.POLLIN)
        for source in self._sources:
            for fd, events in source.descriptors().items():
                poller.register(fd, events)
                owners[fd] = source
        for fd, _events in poller.poll(max(0.0, seconds) * 1000):
            if fd in owners:
                owners[fd].absorb(fd)
            elif fd in self._news:
                self._news[fd].absorb()
                is_news = True
            else:
                self._woken.absorb()
        return is_news

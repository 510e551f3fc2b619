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


class PollPause:
    """Waits on all sources at once. Only `wake` may be called by another thread, or by a signal's handler."""

    def __init__(self, sources: Sequence[Source], poll: Callable[[], select.poll] = select.poll) -> None:
        self._sources = tuple(sources)
        self._poll = poll
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def wake(self) -> None:
        """See ports.Pause."""
        try:
            os.write(self._write, b"w")
        except OSError:  # full: it will wake anyhow
            pass

    def wait(self, seconds: float) -> None:
        """See ports.Pause."""
        poller, owners = self._poll(), {}
        poller.register(self._read, select.POLLIN)
        for source in self._sources:
            for fd, events in source.descriptors().items():
                poller.register(fd, events)
                owners[fd] = source
        for fd, _events in poller.poll(max(0.0, seconds) * 1000):
            if fd in owners:
                owners[fd].absorb(fd)
            else:
                self._drain()

    def _drain(self) -> None:
        try:
            while os.read(self._read, 4096):
                pass
        except BlockingIOError:
            pass

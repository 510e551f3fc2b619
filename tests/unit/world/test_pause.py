# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What wakes the loop, and that nothing wakes it twice."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Mapping

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.pause import Bell, PollPause


class Pipe:
    """A source with one descriptor."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        self.absorbed = 0

    def descriptors(self) -> Mapping[int, int]:
        return {self.read: select.POLLIN}

    def absorb(self, fd: int) -> None:
        os.read(fd, 100)
        self.absorbed += 1


def elapsed(pause: PollPause, seconds: float) -> float:
    began = time.monotonic()
    pause.wait(seconds)
    return time.monotonic() - began


def test_waits_its_time() -> None:
    assert elapsed(PollPause([]), 0.1) >= 0.09


def test_news_of_a_source_end_the_wait_once() -> None:
    pipe = Pipe()
    pause = PollPause([pipe])
    os.write(pipe.write, b"x")
    assert elapsed(pause, 10) < 5
    assert pipe.absorbed == 1
    assert elapsed(pause, 0.1) >= 0.09


def test_another_thread_may_wake_it_even_before_it_waits() -> None:
    pause = PollPause([])
    threading.Timer(0.05, pause.wake).start()
    assert elapsed(pause, 10) < 5
    for _number in range(100000):
        pause.wake()
    assert elapsed(pause, 10) < 5
    assert elapsed(pause, 0.1) >= 0.09


def test_it_says_whether_it_was_news_that_end_a_look_too() -> None:
    news = Bell()
    pause = PollPause([], news=[Bell(), news])
    pause.wake()
    assert pause.wait(10) is False
    news.ring()
    pause.wake()
    assert pause.wait(10) is True
    assert pause.wait(0.01) is False, "once"

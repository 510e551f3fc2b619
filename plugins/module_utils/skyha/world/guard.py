# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's watchdog in skyha's hands: a thread feeds it for as long as the loop said last, and starts it before that. Whether it
may be fed is not judged here.

What cannot be leant on:
- nowayout: it is not opened at all. (Something would have to feed it after skyha's orderly end; to do without is simpler.)
- a timeout longer than asked for: it would bite too late. It is put to rest at once, and not opened again before rest() was called.
- no magic close: the kernel stops it whenever it is closed, so also when skyha is killed; some old drivers never stop it. It
  is open when that is known, and to close it may be wrong then: it is fed on like any other, but never told as fed.
"""

from __future__ import annotations

import threading
import time
from typing import Callable

from ..words import Food, Guard
from .watchdog import Device, Trouble, Watchdog, WatchdogError

NEVER = float("-inf")
LONGEST_PAUSE = 0.5  # between two feedings
FEEDINGS = 8  # within one timeout
OPEN_EVERY = 1.0
REST_TAKES = 1.0  # the longest that rest() waits: as long as the watchdog's own calls


class HostGuard:
    """The port to this host's watchdog. Only its thread calls the driver, from the constructor on, until close()."""

    def __init__(self, watchdog: Watchdog, timeout: int, promised: Callable[[], float | None] = lambda: None) -> None:
        """timeout: seconds after which it must bite; promised: the mark that the peer's newest promise brought back."""
        self._watchdog, self._timeout, self._promised = watchdog, timeout, promised
        self._news = threading.Event()
        self._over = False
        # The thread's own.
        self._is_open = False
        self._flaw = ""  # why it cannot be leant on, though it is fed
        self._pause = min(LONGEST_PAUSE, timeout / FEEDINGS)
        # Shared.
        self._lock = threading.Lock()
        self._food = Food(NEVER)
        self._open_at = NEVER  # not before then
        self._may_run = False  # this process has opened it, or a call to do so has not come back
        self._is_to_rest = self._is_fed = False
        self._rested = threading.Event()
        self._problem = ""
        self._device: Device | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="skyha-guard")
        self._thread.start()

    def feed(self, food: Food) -> None:
        """See ports.Guard. A feeding that is under way is not called back by an earlier time."""
        now, until = time.monotonic(), self._until()
        with self._lock:
            begins = until <= now < food.until
            self._food = food
            if begins:
                self._is_fed = False
        if begins:
            self._news.set()

    def rest(self) -> None:
        """See ports.Guard. Where the driver takes longer than REST_TAKES, that is a problem, and it is done as soon as it can be."""
        with self._lock:
            self._food = Food(NEVER)
            self._open_at = min(self._open_at, time.monotonic() + OPEN_EVERY)
            if not self._may_run:
                self._problem = ""  # nothing is asked of it
            if not self._may_run or self._is_to_rest:
                return
            self._is_to_rest = True
            self._rested.clear()
        self._news.set()
        if self._rested.wait(REST_TAKES):
            return
        with self._lock:
            if self._is_to_rest and not self._problem:
                self._problem = f"the watchdog is not put to rest after {REST_TAKES:g} s; look at the kernel's log"

    def told(self) -> Guard:
        """See ports.Guard."""
        until = self._until()
        with self._lock:
            device = self._device
            return Guard(
                fed=self._is_fed and time.monotonic() < until,
                problem=self._problem,
                name=device.identity if device else "",
                software=device.software if device else None,
            )

    def close(self) -> None:
        """Feed it no more. It is left as it is: where it runs, it bites; only rest() puts it to rest."""
        self._over = True
        self._news.set()
        self._thread.join(REST_TAKES)

    def _until(self) -> float:
        with self._lock:
            food = self._food
        promised = self._promised() if food.lease > 0 else None
        return food.until if promised is None else max(food.until, promised + food.lease)

    # --- in the thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._over:
            self._news.wait(self._pause)
            self._news.clear()
            if not self._over:
                self._step()

    def _step(self) -> None:
        now, until = time.monotonic(), self._until()
        with self._lock:
            is_to_rest = self._is_to_rest
            opens = not (is_to_rest or self._is_open) and self._open_at <= now < until
            if opens:
                self._may_run, self._open_at = True, now + OPEN_EVERY
        if is_to_rest:
            self._put_to_rest()
        elif opens:
            self._open()
        if self._is_open and now < until:
            self._feed()

    def _open(self) -> None:
        if self._watchdog.nowayout():
            self._note(_NOWAYOUT, may_run=False)
            return
        try:
            device = self._watchdog.open(self._timeout)
        except WatchdogError as error:
            self._note(str(error), may_run=error.trouble is Trouble.STUCK)
            return
        with self._lock:
            self._device = device
        self._pause = min(LONGEST_PAUSE, device.timeout / FEEDINGS)
        if device.timeout <= self._timeout:
            self._is_open, self._flaw = True, "" if device.magic_close else _WITHOUT_MAGIC_CLOSE.format(device)
        elif self._put_to_rest(_TOO_LATE.format(device, self._timeout)):
            # Otherwise the next try opens it again, which feeds it: the host is not reset for nothing.
            with self._lock:
                self._open_at = float("inf")

    def _feed(self) -> None:
        try:
            is_fed, problem = self._watchdog.feed(self._until()), self._flaw
        except WatchdogError as error:
            is_fed, problem = False, str(error)
        self._note(problem, is_fed=is_fed and not problem)

    def _put_to_rest(self, why: str = "") -> bool:
        """why: the problem that stays, though it rests."""
        self._is_open = False
        try:
            rests, problem, may_run = self._watchdog.rest(), "", False
            if not rests:
                problem = (
                    "the watchdog could not be put to rest: it runs on, and resets this host; look at the kernel's log"
                )
        except WatchdogError as error:
            # Of one that hangs it is asked again, and done by then perhaps. Any other error has closed the device.
            rests, problem, may_run = False, str(error), error.trouble is Trouble.STUCK
        self._note(problem or why, may_run=may_run)
        return rests

    def _note(self, problem: str, is_fed: bool = False, may_run: bool = True) -> None:
        with self._lock:
            self._problem, self._is_fed = problem, is_fed
            if not may_run:
                self._may_run = self._is_to_rest = False
                self._rested.set()


_NOWAYOUT = (
    "[watchdog] device could never be put to rest (nowayout), so it is not opened; load its driver with nowayout=0, or name another "
    "device"
)
_TOO_LATE = (
    "the watchdog {0.path} ({0.identity}) bites after {0.timeout} s, not after {1} s as it must; raise [watchdog] timeout to that on both "
    "nodes, or name another device"
)
_WITHOUT_MAGIC_CLOSE = "the watchdog {0.path} ({0.identity}) has no magic close, so it stops when skyha is killed, or never; name another device"

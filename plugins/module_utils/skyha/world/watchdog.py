# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's watchdog: a timer outside the operating system's goodwill that resets the host unless it is fed.

The device is spoken to as <linux/watchdog.h> has it. A driver may take long (that of a BMC that hangs), or never come
back: each call is made by a thread beside the caller's, which waits no longer than a deadline.
"""

from __future__ import annotations

import enum
import errno
import fcntl
import os
import queue
import struct
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, TypeVar

from ..errors import WorldError

CLASSES = "/sys/class/watchdog"
_GET_SUPPORT, _GET_BOOT_STATUS, _SET_TIMEOUT, _GET_TIMEOUT = 0x80285700, 0x80045702, 0xC0045706, 0x80045707
_CARD_RESET, _MAGIC_CLOSE = 0x20, 0x100
# The driver takes no timeout, or not this one: what it has instead is read back.
_NOT_TAKEN = frozenset({errno.EINVAL, errno.ENOTTY, errno.EOPNOTSUPP})
_SOFTWARE = "Software Watchdog"  # softdog's identity

T = TypeVar("T")


class Trouble(enum.Enum):
    """Why a watchdog cannot be used."""

    ABSENT = "absent"
    DENIED = "denied"
    BUSY = "busy"  # somebody else has it open
    STUCK = "stuck"  # a call does not come back
    BROKEN = "broken"  # the driver says no


class WatchdogError(WorldError):
    """The watchdog cannot be used."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        self.trouble = trouble
        super().__init__(text)


@dataclass(frozen=True)
class Device:
    """What an open watchdog is. None: the kernel does not tell."""

    path: str
    identity: str
    timeout: int  # seconds after which it bites, as the driver has it; it may be longer than asked for
    software: bool  # it dies with the kernel that it guards
    magic_close: bool  # it can be put to rest, unless nowayout
    nowayout: bool | None  # the kernel never lets it rest
    has_bitten: bool | None  # the host's last start was its doing


class Watchdog:
    """One watchdog device. Opening it starts its timer; only rest() ends that."""

    def __init__(self, path: str = "/dev/watchdog0", deadline: float = 1.0, classes: str = CLASSES) -> None:
        """deadline: seconds that a caller waits at most, in any method; classes: where the kernel tells of it."""
        self._path, self._deadline = path, deadline
        name = os.path.basename(os.path.realpath(path))
        self._shown = os.path.join(classes, "watchdog0" if name == "watchdog" else name)
        self._fd = -1
        self._magic_close = False
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._last: _Job | None = None

    def open(self, timeout: int) -> Device:
        """Open it, which starts it, and ask for `timeout` seconds; raises WatchdogError. A longer one than asked for is the
        caller's to refuse. One that is open already (a former call came back late) is asked again."""
        return self._call("open", lambda: self._open(timeout))

    def feed(self, not_after: float) -> bool:
        """Feed it, unless it is later than `not_after` (monotonic) by then; raises WatchdogError.

        False: it was too late before or after the feeding, and whoever leans on `not_after` must act as if it were over."""
        return self._call("feed", lambda: self._feed(not_after))

    def rest(self) -> bool:
        """Put it to rest and close it; False where it runs on, and something must feed it. Raises WatchdogError."""
        return self._call("put to rest", self._rest)

    def nowayout(self) -> bool | None:
        """Does the kernel refuse to let it rest? It can be asked before it is opened. None: the kernel does not tell."""
        return {"1": True, "0": False}.get(self._told("nowayout"))

    # --- in the thread that may hang -----------------------------------------------------------------------------

    def _open(self, timeout: int) -> Device:
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            options, _version, identity = struct.unpack("=II32s", self._ask(_GET_SUPPORT, bytes(40)))
            try:
                self._ask(_SET_TIMEOUT, struct.pack("=i", timeout))
            except OSError as error:
                if error.errno not in _NOT_TAKEN:
                    raise
            real = struct.unpack("=i", self._ask(_GET_TIMEOUT, bytes(4)))[0]
        except OSError:
            self._rest()
            raise
        name = identity.split(b"\0")[0].decode("ascii", "replace")
        self._magic_close = bool(options & _MAGIC_CLOSE)
        return Device(
            self._path, name, real, name == _SOFTWARE, self._magic_close, self.nowayout(), self._has_bitten(options)
        )

    def _has_bitten(self, options: int) -> bool | None:
        if not options & _CARD_RESET:
            return None
        try:
            return bool(struct.unpack("=i", self._ask(_GET_BOOT_STATUS, bytes(4)))[0] & _CARD_RESET)
        except OSError:
            return None

    def _feed(self, not_after: float) -> bool:
        # Asked here, since the thread may have waited for its turn; and again after, since it may have been frozen between.
        if time.monotonic() > not_after:
            return False
        os.write(self._fd, b"\0")
        return time.monotonic() <= not_after

    def _rest(self) -> bool:
        if self._fd < 0:
            return True
        try:
            os.write(self._fd, b"V")
        finally:
            fd, self._fd = self._fd, -1
            os.close(fd)
        state = self._told("state")
        if state:
            return state == "inactive"
        return self._magic_close and not self.nowayout()

    def _ask(self, command: int, data: bytes) -> bytes:
        buffer = bytearray(data)
        fcntl.ioctl(self._fd, command, buffer)
        return bytes(buffer)

    def _told(self, name: str) -> str:
        """What the kernel tells of the device, which hangs on no driver; empty where it does not."""
        try:
            with open(os.path.join(self._shown, name), encoding="ascii", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return ""

    # --- waiting for it ------------------------------------------------------------------------------------------

    def _call(self, what: str, function: Callable[[], T]) -> T:
        until = time.monotonic() + self._deadline
        if self._last is None:
            threading.Thread(target=self._work, daemon=True, name="skyha-watchdog").start()
        elif not self._last.done.wait(self._deadline):  # nothing piles up behind a call that hangs
            raise self._stuck(what)
        self._last = job = _Job(function)
        self._jobs.put(job)
        if not job.done.wait(max(0.0, until - time.monotonic())):
            raise self._stuck(what)
        if job.error is not None:
            raise _explained(self._path, what, job.error) from job.error
        result: T = job.result
        return result

    def _work(self) -> None:
        while True:
            self._jobs.get().run()

    def _stuck(self, what: str) -> WatchdogError:
        text = f"the watchdog {self._path} could not be {_DONE[what]}: its driver does not come back within {self._deadline:g} s"
        return WatchdogError(Trouble.STUCK, f"{text}; look at the kernel's log, and at the BMC where it is the BMC's")


class _Job:
    """One call, its result, and the word that it is back."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self.done = threading.Event()
        self.result: Any = None
        self.error: OSError | None = None

    def run(self) -> None:
        try:
            self.result = self._function()
        except OSError as error:
            self.error = error
        finally:
            self.done.set()


_DONE = {"open": "opened", "feed": "fed", "put to rest": "put to rest"}
_TROUBLES = {
    **dict.fromkeys((errno.ENOENT, errno.ENODEV, errno.ENXIO), Trouble.ABSENT),
    **dict.fromkeys((errno.EACCES, errno.EPERM), Trouble.DENIED),
    errno.EBUSY: Trouble.BUSY,
}
_NEXT_STEP = {
    Trouble.ABSENT: "load the driver of this host's watchdog (softdog where it has none), or name another device",
    Trouble.DENIED: "skyha.service must give the device to the user that skyhad runs as",
    Trouble.BUSY: "somebody else holds it: set RuntimeWatchdogSec=off in systemd's system.conf, and stop any watchdogd",
    Trouble.BROKEN: "look at the kernel's log",
}


def _explained(path: str, what: str, error: OSError) -> WatchdogError:
    trouble = _TROUBLES.get(error.errno or 0, Trouble.BROKEN)
    text = f"the watchdog {path} could not be {_DONE[what]}: {os.strerror(error.errno or 0)}; {_NEXT_STEP[trouble]}"
    return WatchdogError(trouble, text)

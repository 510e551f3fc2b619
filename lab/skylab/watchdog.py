# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One watchdog per host: /dev/watchdog0, which resets the host when it was opened and is not fed in time.

Each is a file (fusefile.py) that podman binds into its host, beside a directory that stands for /sys/class/watchdog. It is the
chipset's, not the BMC's: it bites whatever the BMC does."""

from __future__ import annotations

import contextlib
import errno
import json
import pathlib
import select
import struct
import time
from collections.abc import Callable, Sequence

from .config import RUN, Host
from .fusefile import DeviceFile

FOLDER = RUN / "watchdog"
CLASS = pathlib.Path("/sys/class/watchdog")  # where the machine's kernel has it, hosts get one of their own
# nowayout: once opened it is never put to rest. stuck: no call comes back. toothless: it never bites.
# coarse: it takes multiples of so many seconds only, and rounds up.
FAULTS = ("nowayout", "stuck", "toothless", "coarse")

IDENTITY = b"sky-lab watchdog"
DEFAULT_TIMEOUT, LONGEST_TIMEOUT = 60, 600  # as many drivers have them; seconds
# <linux/watchdog.h>
_SUPPORT, _STATUS, _BOOT_STATUS = 0x80285700, 0x80045701, 0x80045702
_KEEPALIVE, _SET_TIMEOUT, _GET_TIMEOUT, _GET_TIME_LEFT = 0x80045705, 0xC0045706, 0x80045707, 0x8004570A
_CAN_SET_TIMEOUT, _MAGIC_CLOSE, _KEEPALIVE_PING, _CARD_RESET = 0x80, 0x100, 0x8000, 0x20


class Device:
    """The timer. `boot_of` tells which boot of its host runs (0: it is off); `bite` resets that boot."""

    def __init__(self, folder: pathlib.Path, boot_of: Callable[[], int], bite: Callable[[int], None]) -> None:
        self.folder = folder
        self._boot_of, self._bite = boot_of, bite
        self._boot = 0  # that opened it last
        self._is_open = self._may_rest = self._has_bitten = self._was_reset = False
        self._opening = 0
        self._timeout = DEFAULT_TIMEOUT
        self.deadline: float | None = None  # None: at rest

    def has(self, fault: str) -> bool:
        return (self.folder / fault).exists()

    def hangs(self) -> bool:
        return self.has("stuck")

    def opened(self) -> int:
        boot = self._boot_of()
        if boot != self._boot:
            self._boot, self._is_open, self._timeout = boot, False, DEFAULT_TIMEOUT
            self._was_reset, self._has_bitten = self._has_bitten, False
        if self._is_open:
            raise OSError(errno.EBUSY, "it is open already")
        self._is_open, self._may_rest = True, False
        self._opening += 1
        self._feed()
        self._note("opened")
        return self._opening

    def written(self, data: bytes) -> None:
        self._may_rest = b"V" in data
        self._feed()

    def asked(self, command: int, data: bytes) -> bytes:
        if command == _SUPPORT:
            options = _CAN_SET_TIMEOUT | _MAGIC_CLOSE | _KEEPALIVE_PING | _CARD_RESET
            return struct.pack("=II32s", options, 1, IDENTITY)
        if command == _SET_TIMEOUT:
            self._set_timeout(struct.unpack("=i", data)[0])
        if command == _KEEPALIVE:
            self._feed()
        if command in (_SET_TIMEOUT, _GET_TIMEOUT):
            return struct.pack("=i", self._timeout)
        if command == _GET_TIME_LEFT:
            return struct.pack("=i", max(0, int((self.deadline or 0) - time.monotonic())))
        if command in (_STATUS, _BOOT_STATUS, _KEEPALIVE):
            return struct.pack("=i", _CARD_RESET if command == _BOOT_STATUS and self._was_reset else 0)
        raise OSError(errno.ENOTTY, "no such ioctl")

    def closing(self, opening: int) -> None:
        if self._may_rest:
            self.closed(opening)

    def closed(self, opening: int) -> None:
        if not self._is_open or opening != self._opening:
            return
        self._is_open = False
        if self._may_rest and not self.has("nowayout"):
            self.deadline = None
            self._note("put to rest")
        elif self.deadline is not None:
            self._note("closed, and runs on")

    def look(self, now: float) -> None:
        """Bite where it is time."""
        if self.deadline is None or now < self.deadline:
            return
        self.deadline = None
        if self._boot != self._boot_of():
            return  # what it guarded is off already, or was switched off and on
        if self.has("toothless"):
            self._note("would have bitten, but is toothless")
            return
        self._has_bitten = True
        self._note(f"bites: not fed for {self._timeout} s")
        self._bite(self._boot)

    def _set_timeout(self, wanted: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            step = int((self.folder / "coarse").read_text())
            wanted = -(-wanted // step) * step
        if not 0 < wanted <= LONGEST_TIMEOUT:
            raise OSError(errno.EINVAL, "out of range")
        self._timeout = wanted
        self._feed()
        self._note(f"timeout {wanted} s")

    def _feed(self) -> None:
        self.deadline = time.monotonic() + self._timeout
        self._save()

    def _note(self, text: str) -> None:
        with open(self.folder / "log", "a", encoding="utf-8") as log:
            log.write(f"{time.time():.3f} {text}\n")
        (self.folder / "class/watchdog0/state").write_text("inactive\n" if self.deadline is None else "active\n")
        self._save()

    def _save(self) -> None:
        picture = {"boot": self._boot, "open": self._is_open, "timeout": self._timeout, "deadline": self.deadline}
        part = self.folder / "state.part"
        part.write_text(json.dumps(picture))
        part.replace(self.folder / "state")


def prepare(folder: pathlib.Path) -> pathlib.Path:
    """Make what a device needs; returns the file to mount upon. Faults are kept."""
    shown = folder / "class" / "watchdog0"
    shown.mkdir(parents=True, exist_ok=True)
    (shown / "identity").write_text(IDENTITY.decode() + "\n")
    (shown / "state").write_text("inactive\n")
    show_nowayout(folder)
    (folder / "state").unlink(missing_ok=True)
    (folder / "watchdog0").touch()
    return folder / "watchdog0"


def show_nowayout(folder: pathlib.Path) -> None:
    (folder / "class" / "watchdog0" / "nowayout").write_text(f"{int((folder / 'nowayout').exists())}\n")


def serve(devices: list[Device], inside: Sequence[str] = ()) -> None:
    """Mount the devices (inside: see DeviceFile) and serve them until we are killed; a line on stdout says that they are there."""
    files = [DeviceFile(prepare(device.folder), device, inside) for device in devices]
    print("ready", flush=True)
    while True:
        now = time.monotonic()
        due = [device.deadline for device in devices if device.deadline is not None]
        wait = max(0.0, min(due, default=now + 60) - now)
        ready, _, _ = select.select(files, [], [], min(wait, 0.05) if any(file.has_held for file in files) else wait)
        for file in files:
            if file in ready or file.has_held:
                file.serve()
        for device in devices:
            device.look(time.monotonic())


def volumes(host: Host) -> list[str]:
    """podman's arguments that bind the device into its host."""
    folder = FOLDER / host.name
    pairs = [f"{folder / 'watchdog0'}:/dev/watchdog0"]
    if CLASS.is_dir():
        pairs.append(f"{folder / 'class'}:{CLASS}:ro")
    return [word for pair in pairs for word in ("--volume", pair)]

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file that answers as a device does: FUSE's protocol (<linux/fuse.h>), as far as one file needs it.

Spoken by hand, since it is small: it needs no package, and the lab's machine and CI have /dev/fuse."""

from __future__ import annotations

import errno
import os
import pathlib
import stat
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .config import LabError

LARGEST_WRITE = 4096
_LARGEST_REQUEST = 65536
_GETATTR, _SETATTR, _OPEN, _WRITE, _STATFS, _RELEASE, _FLUSH, _INIT, _INTERRUPT, _IOCTL = (
    3,
    4,
    14,
    16,
    17,
    18,
    25,
    26,
    36,
    39,
)
_UNANSWERED = {2, 42}  # FORGET, BATCH_FORGET
_SET_MODE, _SET_OWNER, _SET_GROUP = 1, 2, 4
_DIRECT_IO = 1


class Handler(Protocol):
    """The device behind the file. A refusal is an OSError with the errno that the caller gets."""

    def hangs(self) -> bool:
        """Does no call come back for now?"""

    def opened(self) -> int:
        """A number for this opening."""

    def written(self, data: bytes) -> None: ...

    def asked(self, command: int, data: bytes) -> bytes:
        """An ioctl: what is written back."""

    def closing(self, opening: int) -> None:
        """Somebody closes it, and waits; a copy of the descriptor may be open still."""

    def closed(self, opening: int) -> None:
        """Nobody has it open any more; nobody waits for this."""


@dataclass(frozen=True)
class Request:
    """One call of the kernel's. `handle`: which opening of the file it belongs to."""

    kind: int
    number: int
    body: bytes


class DeviceFile:
    """One file, mounted upon `path`. The owner waits for `fileno()` and then calls `serve`."""

    def __init__(self, path: pathlib.Path, handler: Handler, inside: Sequence[str] = ()) -> None:
        """inside: a command before mount's own that enters another mount namespace."""
        self.handler = handler
        self._held: list[Request] = []  # calls that hang
        self._mode, self._owner, self._group = stat.S_IFREG | 0o600, 0, 0
        self._fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        options = f"fd={self._fd},rootmode={self._mode:o},user_id=0,group_id=0,allow_other,default_permissions"
        command = [*inside, "mount", "-i", "-t", "fuse", "-o", f"nosuid,nodev,noexec,{options}", "sky-lab", str(path)]
        done = subprocess.run(command, pass_fds=[self._fd], capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"the watchdog {path} cannot be mounted: {done.stderr.strip()}")

    @property
    def has_held(self) -> bool:
        return bool(self._held)

    def fileno(self) -> int:
        return self._fd

    def serve(self) -> None:
        """Answer what the kernel asks, and what hung and hangs no more."""
        if not self.handler.hangs():
            held, self._held = self._held, []
            for request in held:
                self._answer(request)
        try:
            raw = os.read(self._fd, _LARGEST_REQUEST)
        except (BlockingIOError, FileNotFoundError, InterruptedError):
            return  # nothing (left), or the call was taken back
        _length, kind, number = struct.unpack_from("=IIQ", raw)
        request = Request(kind, number, raw[40:])
        if kind == _INTERRUPT:
            self._interrupt(struct.unpack_from("=Q", request.body)[0])
        elif kind in (_OPEN, _WRITE, _IOCTL) and self.handler.hangs():
            self._held.append(request)
        elif kind not in _UNANSWERED:
            self._answer(request)

    def _interrupt(self, number: int) -> None:
        """The caller is being killed: its hung call ends, or the host's power could not be cut."""
        for request in [request for request in self._held if request.number == number]:
            self._held.remove(request)
            self._reply(request, error=errno.EINTR)

    def _answer(self, request: Request) -> None:
        try:
            self._reply(request, self._do(request.kind, request.body))
        except OSError as error:
            self._reply(request, error=error.errno or errno.EIO)

    def _do(self, kind: int, body: bytes) -> bytes:
        if kind == _INIT:
            # Version 7.31, nothing optional.
            return struct.pack("=IIIIHHIIHHI28x", 7, 31, 0, 0, 1, 1, LARGEST_WRITE, 1, 1, 0, 0)
        if kind == _SETATTR:
            self._set_rights(*struct.unpack_from("=I", body), *struct.unpack_from("=I4xII", body, 68))
        if kind in (_GETATTR, _SETATTR):
            return struct.pack("=QII", 1, 0, 0) + self._attributes()
        if kind == _OPEN:
            return struct.pack("=QII", self.handler.opened(), _DIRECT_IO, 0)
        if kind == _WRITE:
            size = struct.unpack_from("=I", body, 16)[0]
            self.handler.written(body[40 : 40 + size])
            return struct.pack("=II", size, 0)
        if kind == _IOCTL:
            command, size = struct.unpack_from("=I8xI", body, 12)
            return struct.pack("=iIII", 0, 0, 0, 0) + self.handler.asked(command, body[32 : 32 + size])
        if kind == _STATFS:
            return struct.pack("=5Q3I28x", 0, 0, 0, 0, 0, 4096, 255, 4096)
        if kind in (_FLUSH, _RELEASE):
            tell = self.handler.closing if kind == _FLUSH else self.handler.closed
            tell(struct.unpack_from("=Q", body)[0])
            return b""
        raise OSError(errno.ENOSYS, "not offered")

    def _set_rights(self, valid: int, mode: int, owner: int, group: int) -> None:
        if valid & _SET_MODE:
            self._mode = stat.S_IFREG | stat.S_IMODE(mode)
        if valid & _SET_OWNER:
            self._owner = owner
        if valid & _SET_GROUP:
            self._group = group

    def _attributes(self) -> bytes:
        return struct.pack("=6Q10I", 1, 0, 0, 0, 0, 0, 0, 0, 0, self._mode, 1, self._owner, self._group, 0, 4096, 0)

    def _reply(self, request: Request, body: bytes = b"", error: int = 0) -> None:
        try:
            os.write(self._fd, struct.pack("=IiQ", 16 + len(body), -error, request.number) + body)
        except FileNotFoundError:
            pass  # the caller is gone

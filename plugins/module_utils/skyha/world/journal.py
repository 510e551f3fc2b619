# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines for systemd's journal, with fields of their own, by its native socket."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"
_PRIORITY = {"info": 6, "warning": 4, "alarm": 3}
_LOG = logging.getLogger("skyha.events")


class Journal:
    """Sends events to the journal; where there is none, to logging."""

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def send(self, level: str, text: str, fields: Mapping[str, str]) -> None:
        """One line; never raises, never waits. level: info, warning or alarm."""
        lines = {"MESSAGE": text, "PRIORITY": str(_PRIORITY.get(level, 5)), "SYSLOG_IDENTIFIER": "skyha", **fields}
        try:
            if self._socket is None:
                self._socket = socket.socket(
                    socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
                )
            self._socket.sendto(b"".join(_field(name, value) for name, value in lines.items()), self._path)
        except OSError:
            _LOG.log(logging.ERROR if level == "alarm" else logging.INFO, "%s", text)


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "replace")
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"

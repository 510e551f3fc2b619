# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the daemon tells systemd: readiness, the watchdog, one line of status; and its log on standard error.

Nothing here raises: a daemon without systemd works on. (Events go to the journal with fields of their own: world/journal.py.)
"""

from __future__ import annotations

import functools
import logging
import os
import socket
import sys

_PRIORITY = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))


def notify(text: str) -> None:
    """Send lines like 'READY=1' to systemd where it waits for them (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    try:
        _channel().sendto(text.encode(), "\0" + address[1:] if address.startswith("@") else address)
    except OSError:
        pass


@functools.cache
def _channel() -> socket.socket:
    """Kept: it is used several times a second."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)


def status_line(text: str) -> str:
    """A STATUS= line; systemd shows it in 'systemctl status'."""
    return "STATUS=" + " ".join(text.split())


class LineHandler(logging.Handler):
    """Log lines on standard error; under systemd each begins with its priority, which the journal understands."""

    def __init__(self) -> None:
        super().__init__()
        self._priorities = bool(os.environ.get("JOURNAL_STREAM"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, one priority per line of it (a traceback has many)."""
        try:
            priority = next(number for level, number in _PRIORITY if record.levelno >= level)
            prefix = f"<{priority}>" if self._priorities else ""
            sys.stderr.write("".join(f"{prefix}{line}\n" for line in self.format(record).splitlines() or [""]))
            sys.stderr.flush()
        except (OSError, ValueError):
            pass


def log_to_stderr() -> None:
    """Send what skyha logs to standard error."""
    logger = logging.getLogger("skyha")
    logger.handlers[:] = [LineHandler()]
    logger.setLevel(logging.INFO)
    logger.propagate = False

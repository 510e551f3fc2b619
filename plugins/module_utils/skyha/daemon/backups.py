# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the report of the backups, which `skyctl backup-report` writes into /run: a small file of a file system in memory."""

from __future__ import annotations

import json
import os
import stat
from typing import Callable

from ..backup_report import DIRECTORY, FILE, FORMAT, STALE_AFTER, Report, Told
from ..config import Config
from ..kinds import part

AGAIN = 5.0  # seconds between two looks at the file
MOST_BYTES = 65536
NEXT = "see 'systemctl status sky-backup-report.timer' and 'journalctl -u sky-backup-report'"


class BackupFile:
    """What the file says, read again every few seconds. `monotonic`: the clock of this host, by which the report is dated."""

    def __init__(
        self, config: Config, monotonic: Callable[[], float], path: str = os.path.join(DIRECTORY, FILE)
    ) -> None:
        self._is_due = config.has_backup  # there must be a report
        self._monotonic = monotonic
        self._path = path
        self._since = monotonic()
        self._read_at = float("-inf")
        self._report: Report | None = None
        self._problem = ""

    def told(self) -> Told | None:
        """What is known now; None where there is nothing to look at. Never raises."""
        now = self._monotonic()
        if now - self._read_at >= AGAIN:
            self._read_at = now
            self._report, self._problem = _read(self._path)
        if self._problem:
            return Told(problem=self._problem)
        if self._report is None:
            if not self._is_due:
                return None
            waited = now - self._since
            late = f"there is no report of the backups ({self._path}): {NEXT}" if waited > STALE_AFTER else ""
            return Told(problem=late)
        age = now - self._report.written_monotonic
        if age < -1.0:
            return Told(
                self._report, problem=f"the report of the backups ({self._path}) is of before the last boot: {NEXT}"
            )
        late = f"the report of the backups is {age:.0f} s old, and each minute there is to be one: {NEXT}"
        return Told(self._report, round(max(0.0, age), 1), late if age > STALE_AFTER else "")


def _read(path: str) -> tuple[Report | None, str]:
    """The report, or why it cannot be used; neither where there is none."""
    try:
        # What is no plain file must not hold up a cycle.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, encoding="utf-8") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None, f"{path} is no plain file: take it away; {NEXT}"
            text = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None, ""
    except (OSError, ValueError) as error:
        return None, f"the report of the backups cannot be read: {error}; {NEXT}"
    if len(text) > MOST_BYTES:
        return None, f"{path} is longer than {MOST_BYTES} characters, and so no report of the backups: {NEXT}"
    try:
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError("no object")
        if data.get("format") != FORMAT:
            raise ValueError(f"it has format {data.get('format')!r}, and {FORMAT} is known here")
        return part(Report, data), ""
    except (ValueError, RecursionError) as error:
        return None, f"what {path} says is no report of the backups: {error}; {NEXT}"

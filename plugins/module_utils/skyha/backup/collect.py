# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the report: every part is looked at by a thread of its own, and what has not answered in time is told as an error.

A disk that hangs holds a system call for ever. So the threads are never waited for beyond the deadline, and the report is written
while they still hang.
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from collections.abc import Mapping
from typing import Any, Callable

from ..backup_report import DIRECTORY, FILE, FORMAT, Archiver, Check, Gap, Part, Report, Repository, Spool, WalDisk
from ..config import Config
from ..errors import WorldError
from ..kinds import part
from ..world.notes import put
from . import archiver, disks, repository

LIMIT = 50.0  # seconds that the whole run may take: the next one begins a minute after this one
FIRST = 15.0  # of them for PostgreSQL, which is asked before the repository
WRITING = 2.0
MOST_BYTES = 65536

Look = Callable[[], Part]


class _Asked(threading.Thread):
    """One look under way."""

    def __init__(self, name: str, look: Look) -> None:
        super().__init__(name=name, daemon=True)
        self._look = look
        self.found: Part | None = None
        self.error = ""
        self.start()

    def run(self) -> None:
        """An error of any kind spoils this part only."""
        try:
            self.found = self._look()
        except WorldError as error:
            self.error = str(error)
        except Exception as error:
            self.error = f"an error in skyctl itself ({type(error).__name__}: {error})"

    def answer(self, until: float) -> Part | str:
        """What was found, or why nothing was; waits until then at the longest."""
        self.join(max(0.0, until - time.monotonic()))
        return self.found or self.error or "it did not answer in time"


def collect(config: Config, directory: str = DIRECTORY, limit: float = LIMIT) -> str:
    """Write the report; its path. Raises WorldError where it cannot be written."""
    path = os.path.join(directory, FILE)
    began = time.monotonic()
    before = previous(path)
    if before.stanza != config.backup.stanza:  # only the disk is still the same
        before = Report(wal_disk=before.wal_disk, written_monotonic=before.written_monotonic)
    made = report(config, before, began, began + limit - WRITING)
    os.umask(0o022)  # everybody may read it
    try:
        put(path, json.dumps(dataclasses.asdict(made), allow_nan=False) + "\n")
    except OSError as error:
        raise WorldError(
            f"the report of the backups cannot be written: {error}; 'systemd-tmpfiles --create' makes {directory}, which must "
            "belong to the database's user"
        ) from error
    return path


def report(config: Config, before: Report, began: float, until: float) -> Report:
    """Look at everything, until then at the longest. `before`: the last report, `began`: now; both monotonic."""
    looks: dict[str, Look] = {"wal_disk": lambda: disks.wal_disk(config, before.wal_disk, began)}
    if config.has_backup:
        looks["spool"] = lambda: disks.spool(config)
        looks["check"] = disks.check
        looks["archiver"] = lambda: archiver.look(config)
    asked = {name: _Asked(name, look) for name, look in looks.items()}
    answers: dict[str, Part | str] = {}
    if config.has_backup:
        # First: what PostgreSQL calls archived must be in the repository when that is asked afterwards.
        answers["archiver"] = asked.pop("archiver").answer(min(until, began + FIRST))
        left = max(1.0, until - time.monotonic() - 1.0)
        asked["repository"] = _Asked("repository", lambda: repository.look(config, left))
    answers.update({name: one.answer(until) for name, one in asked.items()})
    since = began - before.written_monotonic
    parts: Mapping[str, Any] = {name: _part(name, answer, before, since) for name, answer in answers.items()}
    made = Report(written=time.time(), written_monotonic=time.monotonic(), stanza=config.backup.stanza, **parts)
    return dataclasses.replace(made, gap=_gap(made, before.gap))


def _gap(made: Report, before: Gap | None) -> Gap | None:
    """Is there less in the repository than PostgreSQL was told? It stays so, though newer WAL gets there, until there is a newer backup.

    Another archive_command does that for a while, and pgBackRest itself with WAL that is over archive-push-queue-max.
    """
    repository, archiver = made.repository, made.archiver
    if repository is None or archiver is None or repository.error or archiver.error:
        return before
    if before is not None and repository.newest is not None and repository.newest.stop > before.at:
        before = None
    wal = archiver.done.wal
    # Both are timeline and position in hexadecimal digits; what is of another length is a history file or the like.
    is_less = not archiver.in_recovery and len(wal) == 24 and repository.wal_to < wal
    return before or (Gap(wal, repository.wal_to, made.written) if is_less else None)


_KINDS: Mapping[str, Callable[[], Part]] = {
    "wal_disk": WalDisk,
    "repository": Repository,
    "archiver": Archiver,
    "spool": Spool,
    "check": Check,
}


def _part(name: str, answer: Part | str, before: Report, since: float) -> Part:
    """The part; where nothing was found, what was known before, with the error and for how long it lasts."""
    if isinstance(answer, Part):
        return answer
    known: Part = getattr(before, name) or _KINDS[name]()
    lasts = known.error_for + since if known.error else 0.0
    return dataclasses.replace(known, error=answer, error_for=lasts)


def previous(path: str) -> Report:
    """The last report of this boot; an empty one where there is none that can be used."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.loads(file.read(MOST_BYTES))
        found = part(Report, data)
    except (OSError, ValueError, AttributeError, RecursionError):
        return Report()
    return found if found.format == FORMAT and 0 <= found.written_monotonic <= time.monotonic() else Report()

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The history: every event with its times, one JSON line each, kept within bounds (S7)."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ..words import Event
from .journal import Journal

MOST_BYTES = 8 * 1024 * 1024  # of one file; the file before it is kept as well
_LOG = logging.getLogger("skyha.history")


class FileHistory:
    """The history in `directory`/history.jsonl, mirrored to the journal."""

    def __init__(
        self,
        directory: str,
        journal: Journal | None = None,
        most_bytes: int = MOST_BYTES,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = os.path.join(directory, "history.jsonl")
        self._journal = journal if journal is not None else Journal()
        self._most = most_bytes
        self._wall, self._monotonic = wall, monotonic
        self._torn = _is_torn(self._path)

    def add(self, event: Event) -> None:
        """Append one event; never raises: a full disk must not stop the daemon."""
        self._journal.send(
            event.level,
            event.text,
            {"SKYHA_KIND": event.kind, "SKYHA_LEVEL": event.level, "SKYHA_FACTS": _json(dict(event.facts))},
        )
        line = _json(
            {
                "wall": round(self._wall(), 3),
                "monotonic": round(self._monotonic(), 3),
                "kind": event.kind,
                "level": event.level,
                "text": event.text,
                "facts": dict(event.facts),
            }
        )
        try:
            self._append(line.encode("utf-8") + b"\n")
        except OSError as error:
            _LOG.warning("%s: cannot be written: %s; the event is in the journal only", self._path, error)

    def _append(self, line: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(self._path, flags, 0o640)
        try:
            if os.fstat(fd).st_size + len(line) > self._most:
                os.replace(self._path, self._path + ".1")
                os.close(fd)
                fd = os.open(self._path, flags, 0o640)
                self._torn = False
            if self._torn:  # a crash left half a line: it must not swallow this one
                line = b"\n" + line
            self._torn = os.write(fd, line) != len(line)
            os.fdatasync(fd)
        finally:
            os.close(fd)


def read(directory: str) -> Iterator[Mapping[str, Any]]:
    """The events kept in `directory`, oldest first; what is torn or damaged is passed over. Raises OSError."""
    for name in ("history.jsonl.1", "history.jsonl"):
        try:
            with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
                for line in file:
                    try:
                        event = json.loads(line)
                    except (ValueError, RecursionError):
                        continue
                    if isinstance(event, dict):
                        yield event
        except FileNotFoundError:
            continue


def _is_torn(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            if not file.seek(0, os.SEEK_END):
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, default=str, separators=(",", ":"), ensure_ascii=False)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record that survives the daemon: one JSON file, written whole or not at all.

What cannot be trusted is never taken for empty: a daemon that forgot that it was fencing would be a danger.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping

from ..errors import StateError, may_pass

VERSION = 1
_NEXT = (
    "find out which node serves (skyctl status on the other node), then move the file aside and start skyha again "
    "on the node that is not the primary first"
)


class FileStore:
    """The record in `directory`/state.json."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._path = os.path.join(directory, "state.json")

    def load(self) -> Mapping[str, object] | None:
        """See ports.Store."""
        try:
            with open(self._path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            step = "see to its disk"
            if isinstance(error, PermissionError):
                step = (
                    f"it must belong to the owner of {self._directory}, as whom skyhad runs: 'chown --reference="
                    f"{self._directory} {self._path}', then 'systemctl start skyha'"
                )
            raise StateError(
                f"{self._path}: cannot be read: {error}; {step}",
                may_pass(error),
            ) from error
        return self._parse(data)

    def save(self, record: Mapping[str, object]) -> None:
        """See ports.Store."""
        try:
            put_durably(self._path, _pack(record))
        except (OSError, TypeError, ValueError) as error:
            raise StateError(
                f"{self._path}: cannot be written: {error}; see to the space and the rights of {self._directory}"
            ) from error

    def _parse(self, data: bytes) -> Mapping[str, object]:
        try:
            envelope = json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise StateError(f"{self._path}: is damaged ({error}); {_NEXT}") from error
        if not isinstance(envelope, dict) or not isinstance(envelope.get("record"), dict):
            raise StateError(f"{self._path}: is not a record of skyha; {_NEXT}")
        if envelope.get("version") != VERSION:
            raise StateError(
                f"{self._path}: has version {envelope.get('version')!r}, this skyha knows {VERSION}; install "
                "the skyha that wrote it"
            )
        record: Mapping[str, object] = envelope["record"]
        if envelope.get("checksum") != _checksum(record):
            raise StateError(f"{self._path}: is damaged (its checksum does not fit); {_NEXT}")
        return record


def put_durably(path: str, data: bytes, mode: int = 0o640) -> None:
    """Put the file there, whole or not at all, and on the disk before this returns; raises OSError."""
    temporary = path + ".new"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_directory(os.path.dirname(path))


def sync_directory(path: str) -> None:
    """Make what was renamed or made in the directory durable; raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _pack(record: Mapping[str, object]) -> bytes:
    envelope = {"version": VERSION, "checksum": _checksum(record), "record": record}
    return (json.dumps(envelope, indent=1, sort_keys=True) + "\n").encode("utf-8")


def _checksum(record: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode("utf-8")).hexdigest()

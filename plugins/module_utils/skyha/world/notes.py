# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of the run directory: it is empty after each start of the host. What the next daemon of this boot is to know is one of them."""

from __future__ import annotations

import os

from ..errors import WorldError


def put(path: str, text: str) -> None:
    """Put the file there, whole or not at all; raises OSError. No fsync: it is for a run directory."""
    temporary = f"{path}.{os.getpid()}"  # one that a skyhad of another user left is in nobody's way
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with open(os.open(temporary, flags, 0o644), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


class FileNotes:
    """One text in `run_dir`/evidence.json."""

    def __init__(self, run_dir: str) -> None:
        self._path = os.path.join(run_dir, "evidence.json")

    def load(self) -> str:
        """See ports.Notes."""
        try:
            with open(self._path, encoding="ascii", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise self._error("read", error) from error

    def save(self, text: str) -> None:
        """See ports.Notes."""
        try:
            put(self._path, text)
        except OSError as error:
            raise self._error("written", error) from error

    def drop(self) -> None:
        """See ports.Notes."""
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._error("removed", error) from error

    def _error(self, verb: str, error: OSError) -> WorldError:
        return WorldError(
            f"{self._path}: cannot be {verb}: {error}; the next skyha would not know what this one knows; "
            "see to the space and the rights of that directory"
        )

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time, and which boot of the host this is."""

from __future__ import annotations

import os
import time

from ..errors import StateError, may_pass


class HostClock:
    """The host's clocks. The boot's name is held in the run directory, which is empty after each start of the host.

    (The kernel's own boot_id does not tell containers that share a kernel apart.)
    """

    def __init__(self, run_dir: str) -> None:
        self._path = os.path.join(run_dir, "boot")
        self._boot = ""

    def monotonic(self) -> float:
        """See ports.Clock."""
        return time.monotonic()

    def wall(self) -> float:
        """See ports.Clock."""
        return time.time()

    def boot(self) -> str:
        """See ports.Clock; raises StateError where the run directory cannot be used."""
        if not self._boot:
            self._boot = self._read() or self._make()
        return self._boot

    def _read(self) -> str:
        try:
            with open(self._path, encoding="ascii", errors="replace") as file:
                return file.read().strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise self._error("read", error) from error

    def _make(self) -> str:
        name = os.urandom(16).hex()
        temporary = f"{self._path}.{name}"
        try:
            with open(temporary, "x", encoding="ascii") as file:
                file.write(name + "\n")
            try:
                os.link(temporary, self._path)  # whole, or not at all, and the first one wins
            except FileExistsError:
                name = self._read() or name
            finally:
                os.unlink(temporary)
        except OSError as error:
            raise self._error("written", error) from error
        return name

    def _error(self, verb: str, error: OSError) -> StateError:
        text = f"{self._path}: cannot be {verb}: {error}; see to the space and the rights of its directory"
        return StateError(text, may_pass(error))

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks each minute, in a thread of its own, which certificate PostgreSQL on this node shows: not what lies on the disk, which the
server may not have read yet."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Callable

from ..config import Config
from ..words import Certificate, Shown

EVERY = 60.0  # seconds
DEADLINE = 10.0
PATIENCE = 3  # looks without an answer: a server that restarts is none

Look = Callable[[str, int, str, str, float], Certificate]


class CertificateWatch:
    """See ports.Certificates."""

    def __init__(self, config: Config, look: Look | None = None, every: float = EVERY) -> None:
        self._config, self._look, self._every = config, look, every
        self._seen: Certificate | None = None
        self._silent = 0
        self._thread: threading.Thread | None = None

    def told(self) -> Certificate | None:
        """What the last look saw. The first call begins to look."""
        if self._thread is None and self._config.postgresql.verifies:
            self._thread = threading.Thread(target=self._run, name="certificate", daemon=True)
            self._thread.start()
        return self._seen

    def _run(self) -> None:
        if self._look is None:
            from ..probes.certificate import look  # it brings all of TLS along, which a node without has no use for

            self._look = look
        while True:
            self.note(self._ask(self._look))
            time.sleep(self._every)

    def _ask(self, look: Look) -> Certificate:
        node, server = self._config.node, self._config.postgresql
        try:
            return look(node.address, server.port, node.address, server.sslrootcert, DEADLINE)
        except Exception as error:
            return Certificate(Shown.ERROR, f"an error in skyha itself ({type(error).__name__}: {error})")

    def note(self, seen: Certificate) -> None:
        """Take it over. A server that is down for a moment still has the certificate that it showed."""
        if seen.shown not in (Shown.NOTHING, Shown.ERROR):
            self._silent, self._seen = 0, seen
            return
        self._silent += 1
        if self._silent >= PATIENCE:
            before = self._seen or seen
            self._seen = dataclasses.replace(seen, until=before.until, ca_until=before.ca_until)

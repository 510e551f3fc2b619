# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Synchronous replication of a simulated PostgreSQL: for whom commits wait, and what was acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import sync_names
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Sync as Seen

if TYPE_CHECKING:
    from .postgres import Postgres

RELOADS = 0.01  # seconds until sessions and walsenders have read the file


class Sync:
    """What skyha's file says, what the server has read of it, and what commits do."""

    def __init__(self, pg: Postgres) -> None:
        self.pg = pg
        self.file = ""
        self.in_doubt = False
        self.names = ""  # as sessions and the walsender have it
        self.waits = False  # as the checkpointer has it: commits wait
        self.checkpointer_late = 0.0  # seconds that it takes to read its settings (it syncs a file)
        self.overridden: str | None = None  # ALTER SYSTEM ...
        self.is_past_skyha = False  # ... and what is acknowledged by it nobody has promised
        self._is_stuck = False
        self.acked = 0  # the LSN up to which clients were told 'committed'

    def write(self, name: str) -> None:
        """The file is written, and the server is told to read it."""
        self.file, self.in_doubt = name, False
        if self.pg.state == "up":
            self.pg.host.later(RELOADS, self._reload, self.pg.life)
            self.pg.host.later(RELOADS + self.checkpointer_late, self._checkpointer, self.pg.life)

    def start(self) -> None:
        """The server starts."""
        self.names = self._set
        self.waits = bool(self.names)
        self.is_past_skyha = self.overridden is not None

    @property
    def _set(self) -> str:
        return self.file if self.overridden is None else self.overridden

    def override(self, name: str | None) -> None:
        """Somebody does it past skyha."""
        self.pg.world.settle()
        self.overridden = name
        self.is_past_skyha = self.is_past_skyha or name is not None
        in_doubt = self.in_doubt
        self.write(self.file)
        self.in_doubt = in_doubt

    def _reload(self, life: int) -> None:
        if life == self.pg.life:
            self.names = self._set

    def _checkpointer(self, life: int) -> None:
        if life == self.pg.life:
            self.pg.world.settle()
            self.waits = bool(self._set)
            self.is_past_skyha = self.overridden is not None
            self.pg.world.settle()
            self.pg.world.changed()

    @property
    def holds_up(self) -> bool:
        """Does no commit get through?"""
        return self.waits and not self.pg.is_standby and not self._flows()

    def stuck(self, commit: int) -> int:
        """What is written when commits begin to wait: the first ones, which nobody is told of."""
        begins = self.holds_up and not self._is_stuck
        self._is_stuck = self.holds_up
        return commit if begins else 0

    def _flows(self) -> bool:
        stream = self.pg.world.stream
        return self.names == self.pg.host.peer.name and stream.streams_from(self.pg) and stream.flows()

    def settle(self) -> None:
        """What is acknowledged by now."""
        if not self.pg.accepts or self.is_past_skyha:
            return
        if not self.waits:
            self.acked = self.pg.lsn
            return
        flushed = self.flushed
        if flushed is not None and self.names == self.pg.host.peer.name:
            self.acked = max(self.acked, min(self.pg.lsn, flushed))

    @property
    def flushed(self) -> int | None:
        """What the standby told last, while its walsender is there."""
        stream, peer = self.pg.world.stream, self.pg.host.peer.pg
        if not stream.streams_from(self.pg) or peer.branch != self.pg.branch:
            return None
        return stream.told

    def seen(self) -> Seen:
        """As skyha's look has it."""
        if self.pg.state != "up" or self.pg.is_standby:
            return Seen(None if self.in_doubt else self.file)
        taken = bool(self.names) and self.names == self.pg.host.peer.name and self.pg.world.stream.streams_from(self.pg)
        return Seen(
            None if self.in_doubt else self.file,
            sync_names(self.names),
            "on",
            taken,
            True,
            self.waits == bool(self._set),
            self.flushed,
        )

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file by which skyha says for which node commits wait (zero loss); postgresql.conf includes it (role streaming_replication)."""

from __future__ import annotations

import os
import re

from ..config import Config, sync_names
from ..errors import WorldError
from .store import put_durably

NAME = "synchronous.conf"
_FOR = "# for: "
_DOUBTED = "# in doubt: "
_HEAD = "# Written by skyha: for which node commits wait (zero loss). It writes this file whole again.\n"


class SyncFile:
    """`NAME` in the state directory. It is read until it is known what it says, and no more: nobody else writes it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._directory = config.paths.state_dir
        self._path = os.path.join(self._directory, NAME)
        self._name: str | None = None

    @property
    def name(self) -> str | None:
        """The node that it names, '': nobody; None: not known, or in doubt."""
        if self._name is None:
            self._name = self._read()
        return self._name

    def write(self, name: str) -> None:
        """Let it name this node, or nobody (''), durably; raises WorldError, and then it is not known what it says."""
        self._put(self._text(name))
        self._name = name

    def doubt(self) -> None:
        """Let no skyha take the node that it names for one that commits have always waited for; they wait on. Raises WorldError."""
        self._put(self._text(self._config.peer.name).replace(_FOR, _DOUBTED))

    def _put(self, text: str) -> None:
        self._name = None
        try:
            put_durably(self._path, text.encode(), 0o644)  # PostgreSQL reads it, as a user of its own
        except OSError as error:
            raise WorldError(
                f"{self._path}: cannot be written: {error}; see to the space and the rights of {self._directory}"
            ) from error

    def _read(self) -> str | None:
        try:
            with open(self._path, encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            return ""
        except (OSError, ValueError):
            return None  # it is written whole with the next change
        named = re.search(f"^{_FOR}(.+)$", text, re.MULTILINE)
        name = "" if named is None else named.group(1)
        return name if text == self._text(name) else None  # in doubt, by another configuration, or another hand

    def _text(self, name: str) -> str:
        if not name:
            return _HEAD
        names = sync_names(name).replace("'", "''")
        commit = self._config.replication.sync_commit
        return f"{_HEAD}{_FOR}{name}\nsynchronous_standby_names = '{names}'\nsynchronous_commit = '{commit}'\n"

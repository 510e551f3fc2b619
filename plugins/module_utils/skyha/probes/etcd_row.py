# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register's row as a key of an etcd: which calls a question consists of, and what their replies mean.

The transactions are row_change.py's, so they mean what register.sql's functions mean. Compare-and-set is etcd's transaction on the key's
revision. What a rule leans on is linearizable: every read is (etcd's default), and so is a transaction that writes.
"""

from __future__ import annotations

import dataclasses
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Callable

from ..row_change import Row, changed, holds
from ..words import Answer, Done, Failure, Lost, Missing, Refused, Sight, Verb
from ..words import Row as Shown
from .gateway import Reply

TRIES = 3  # so often a transaction is tried on a row that somebody else changes meanwhile


def prefix_of(cluster: str) -> str:
    """Where this cluster's keys are, and no other's (role register_etcd gives its user no more)."""
    return f"/sky.pg_cluster/{cluster}/"


@dataclass(frozen=True)
class Call:
    """One exchange with a member. acts: it must not be sent twice."""

    path: str
    body: dict[str, Any]
    acts: bool = False


# The calls of a question one after the other; then its answer, whose `sent_at` is the caller's to set.
Plan = Generator[Call, Reply, Answer]


@dataclass(frozen=True)
class Kept:
    """The row as the key holds it."""

    row: Row
    identifier: str
    noted_by: str
    noted_at: float
    value: str  # base64, as the gateway has it
    revision: str  # of its last change

    def shown(self) -> Shown:
        """As the port has it."""
        row = self.row
        return Shown(
            self.identifier, row.holder, row.epoch, row.beat, row.heir or None, self.noted_by, self.noted_at, row.term
        )


class Key:
    """One cluster's key. What was seen of it last is kept: a transaction on that is one call, and fails where the key is another by now."""

    def __init__(self, cluster: str, node: str, wall: Callable[[], float] = time.time) -> None:
        """node: who notes what is written."""
        self._key = b64encode(f"{prefix_of(cluster)}row".encode()).decode()
        self._node, self._wall = node, wall
        self._known: Kept | None = None

    def forget(self) -> None:
        """A transaction may have been carried out whose answer was lost."""
        self._known = None

    def plan(self, verb: Verb) -> Plan:
        """The calls that a question consists of. Raises ValueError and the like where the key holds no row."""
        if verb.name == "read":
            self._known = _first((yield self._range()))
            return self._answer(verb)
        is_current = False
        for _ in range(TRIES):
            new = self._changed(verb)
            if new is None and not is_current:
                self._known, is_current = _first((yield self._range())), True
                new = self._changed(verb)
            if new is None:
                return self._answer(verb)
            written = self._written(new, verb)
            reply = yield self._transaction(written.value)
            if reply.body.get("succeeded"):
                self._known = dataclasses.replace(written, revision=str(reply.body["header"]["revision"]))
                return self._answer(verb)
            self._known, is_current = _first(Reply(True, reply.body["responses"][0]["response_range"])), True
        self._known = None
        return Lost(Failure(Sight.ALIVE, "the row was changed by others each time that it was to be"), False, True)

    def _changed(self, verb: Verb) -> Row | None:
        known = self._known
        return changed(None, "", verb) if known is None else changed(known.row, known.identifier, verb)

    def _answer(self, verb: Verb) -> Answer:
        known = self._known
        if known is None:
            return Missing(0.0)
        return (Done if holds(known.row, known.identifier, verb) else Refused)(known.shown(), 0.0)

    def _range(self) -> Call:
        return Call("/v3/kv/range", {"key": self._key})

    def _transaction(self, value: str) -> Call:
        """Put it, if the key is as it was read; else say how it is."""
        known, same = self._known, {"key": self._key, "result": "EQUAL"}
        if known is None:
            compare = [{**same, "target": "CREATE", "create_revision": "0"}]
        else:
            # The revision alone says so; but in an etcd that was restored it comes a second time, with another row perhaps.
            compare = [
                {**same, "target": "MOD", "mod_revision": known.revision},
                {**same, "target": "VALUE", "value": known.value},
            ]
        put, get = {"key": self._key, "value": value}, {"key": self._key}
        body = {"compare": compare, "success": [{"request_put": put}], "failure": [{"request_range": get}]}
        return Call("/v3/kv/txn", body, acts=True)

    def _written(self, row: Row, verb: Verb) -> Kept:
        """The row as the key is to hold it. Its fields are the columns of the other engine's."""
        known, now = self._known, self._wall()
        identifier = str(verb.values[0]) if known is None or verb.name == "found" else known.identifier
        fields = {"system_identifier": identifier, "holder": row.holder, "epoch": row.epoch, "beat": row.beat}
        noted = {"heir": row.heir or None, "term": row.term, "noted_by": self._node, "noted_at": now}
        return Kept(row, identifier, self._node, now, b64encode(json.dumps({**fields, **noted}).encode()).decode(), "")


def _first(reply: Reply) -> Kept | None:
    """The row that a range found; None: there is no such key."""
    found = reply.body.get("kvs") or []
    if not found:
        return None
    of = json.loads(b64decode(found[0]["value"]))
    row = Row(str(of["holder"]), int(of["epoch"]), int(of["beat"]), of["heir"] or "", float(of["term"]))
    noted = (str(of["noted_by"]), float(of["noted_at"]))
    return Kept(row, str(of["system_identifier"]), *noted, found[0]["value"], str(found[0]["mod_revision"]))

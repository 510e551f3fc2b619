# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A primary with zero loss, cycle by cycle: its register answers, its server takes the setting over, its standby flushes, as the test has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import words
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import sync_names
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import book
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.row_change import changed
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Do,
    Done,
    Failure,
    Local,
    Lost,
    Request,
    Seen,
    Sight,
    Sync,
    Told,
)
from node_samples import NODE1, configured, remembered
from policy_samples import NOW, PRIMARY, SERVES

ID = "7301234567890123456"
REGISTER = {"engine": "vote_host", "address": "198.51.100.35"}
LATE = Lost(Failure(Sight.STALLED, "no answer"), True, True)


class Serving:
    """node1. Each `cycle` writes a little, and all of it is flushed by node2 unless `flushed` says how far it is."""

    def __init__(self, heir: str = "", file: str = "", mode: str = "zero_loss", **replication: object) -> None:
        self.config = configured(NODE1, register=REGISTER, replication={"mode": mode, **replication})
        self.row = book.Row("node1", 3, 17, heir)
        self.file = self.names = file  # skyha's, and the one that the server has read
        self.now, self.written = NOW, 1000
        self.flushed: int | None = None  # None: all that the look finds written
        self.streams = self.answers = self.loaded = self.reads = True
        self.lowered: tuple[str, ...] = ()
        self.commit = "on"
        self.local = dataclasses.replace(PRIMARY, system_identifier=ID, standby_recorded=True)
        self.requests: tuple[Request, ...] = ()
        self.leaving = False
        self.restart()

    def restart(self) -> None:
        """Another skyha begins."""
        record = dataclasses.replace(SERVES, system_identifier=ID, epoch=3, beat=17, standby_recorded=True)
        self.memory = remembered(record, started=self.now)
        self.asked: words.Verb | None = None
        self.orders: list[str | None] = []  # each heir that was asked for
        self.told: list[str] = []  # each event
        self.log: list[str] = []  # what became of the heir and the setting, in order

    def look(self) -> Local:
        """What is seen of PostgreSQL here."""
        if self.local.server is not words.Server.UP:
            return dataclasses.replace(self.local, sync=Sync(self.file))
        flushed = (self.written if self.flushed is None else self.flushed) if self.streams else None
        taken = self.streams and self.names == "node2"
        sync = Sync(self.file, sync_names(self.names), self.commit, taken, True, self.loaded, flushed, self.lowered)
        return dataclasses.replace(self.local, peer_streaming=self.streams, write_lsn=self.written, sync=sync)

    def cycle(self, seconds: float = 1.0, writes: int = 10) -> Decision:
        """One look and what comes of it; the register hears each question, and is heard if `answers`."""
        self.now += seconds
        self.written += writes
        local, told = self.look(), None
        if self.asked is not None:
            told = Told(self.asked, self._answered(self.asked) if self.answers else LATE)
        seen = Seen(local, register=told, requests=self.requests, leaving=self.leaving)
        self.requests = ()
        decision = decide(self.config, self.memory, seen, self.now)
        self.memory, self.asked = decision.memory, decision.wants.register
        self.told += [event.kind for event in decision.events]
        if self.asked is not None and self.asked.name == "set_heir":
            self.orders.append(str(self.asked.values[4] or ""))
        for action in decision.actions:
            if action.do is Do.SET_SYNC:
                self.file = str(action.value)
                self.log.append(f"commits wait for {self.file or 'nobody'}")
                self.names = self.file if self.reads else self.names
        return decision

    def cycles(self, seconds: float, each: float = 1.0) -> Decision:
        """As many as that takes."""
        for _ in range(max(1, round(seconds / each))):
            decision = self.cycle(each)
        return decision

    def until(self, is_so: Callable[[], bool], each: float = 0.1, lags: bool = False) -> None:
        """As many as it takes. lags: the standby is behind by what the last one wrote."""
        for _ in range(600):
            if is_so():
                return
            if lags:
                self.flushed = self.written
            self.cycle(each)
        raise AssertionError("that does not come to be")

    @property
    def is_heir(self) -> bool:
        """Does the register name node2?"""
        return self.row.heir == "node2"

    def _answered(self, verb: words.Verb) -> words.Answer:
        new = self.row if verb.name == "read" else changed(self.row, ID, verb)
        if new is not None and new.heir != self.row.heir:
            self.log.append(f"heir {new.heir}" if new.heir else "no heir")
        self.row = self.row if new is None else new
        row = words.Row(ID, self.row.holder, self.row.epoch, self.row.beat, self.row.heir or None, term=self.row.term)
        return words.Refused(row, self.now) if new is None else Done(row, self.now - 0.1)


def protected(**how: object) -> Serving:
    """Its standby is the heir, and commits wait for it."""
    node = Serving(**how)  # type: ignore[arg-type]  # the tests know the names
    node.cycles(15)
    assert node.is_heir
    assert node.file == "node2"
    return node

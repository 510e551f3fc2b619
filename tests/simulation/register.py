# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register on the vote host, or in an etcd, by the runtime's own transactions (row_change.py), and each node's line to it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import row_change
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Answer,
    Done,
    Failure,
    Lost,
    Missing,
    Refused,
    Row,
    Sight,
    Verb,
)

if TYPE_CHECKING:
    from .daemon import Daemon
    from .world import World

QUICK = 0.004


class Register:
    """Its one row, and what is wrong with it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.row: row_change.Row | None = None
        self.identifier = ""
        self.state = "ok"  # ok, down (refuses), hung (accepts, answers nothing), full (reads only)
        # Where it is. An etcd's: of these a majority must be there, and linked with who asks.
        is_etcd = any(config.register.engine == "etcd" for config in world.configs.values())
        self.members: tuple[str, ...] = ("node1", "node2", "vote") if is_etcd else ("vote",)
        self.late = 0.0  # seconds more until a question arrives
        self.kept: tuple[row_change.Row | None, str] = (None, "")

    def keep(self) -> None:
        """Make a backup."""
        self.kept = copy.copy((self.row, self.identifier))

    def restore(self) -> None:
        """What is there now is the backup's."""
        self.row, self.identifier = self.kept
        self.world.tell("register", f"is restored: {self.row}")

    def do(self, verb: Verb) -> bool | None:
        """Carry it out: does the register hold what was asked for? None: there is no row."""
        before, new = self.row, row_change.changed(self.row, self.identifier, verb)
        if new is not None:
            self._becomes(before, new, verb)
        return None if self.row is None else row_change.holds(self.row, self.identifier, verb)

    def _becomes(self, before: row_change.Row | None, new: row_change.Row, verb: Verb) -> None:
        self.row = new
        if verb.name == "hand_over":
            self.world.oracles.hands_over(self.world.hosts[str(verb.values[1])])
        if verb.name == "found":
            self.identifier = str(verb.values[0])
            self.world.tell("register", f"a new row: holder {new.holder}, epoch {new.epoch}")
            self.world.changed()
        elif before is None or (before.holder, before.epoch, before.heir) != (new.holder, new.epoch, new.heir):
            self.world.tell("register", f"holder {new.holder}, epoch {new.epoch}, heir {new.heir or 'none'}")
            self.world.changed()


class Line:
    """See ports.Register: one node's connection. What was asked may act although nobody waits for it any more."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon, self.world, self.host = daemon, daemon.world, daemon.host
        self._answer: Answer | None = None
        self._due = 0.0
        self.asked = 0

    def ask(self, verb: Verb, deadline: float) -> None:
        """See ports.Register."""
        self.asked += 1
        self._answer, self._due = None, self.world.kernel.now + deadline
        if not self._reaches("to"):
            return
        if self.world.register.state == "down":
            self._answer = Lost(Failure(Sight.REFUSED, "connection refused"), False, False)
            return
        self.world.kernel.after(
            QUICK / 2 + self.world.register.late, self._arrives, self.asked, verb, self.daemon.monotonic()
        )

    def _reaches(self, way: str) -> bool:
        if self.world.register.members == ("vote",):
            pair = (self.host.name, "vote") if way == "to" else ("vote", self.host.name)
            return self.world.network.vote.power and pair not in self.world.network.cut
        return self.has_majority()

    def has_majority(self) -> bool:
        """Are most of an etcd's members there, and linked with this host both ways? One that is on it always is."""
        return len(self.lost()) < (len(self.world.register.members) + 1) // 2

    def lost(self) -> list[str]:
        """The members that are not there, or not linked with this host both ways."""
        network, members = self.world.network, self.world.register.members
        return [name for name in members if not (self._is_there(name) and network.both_ways(self.host.name, name))]

    def _is_there(self, member: str) -> bool:
        if member == "vote":
            return self.world.network.vote.power
        host = self.world.hosts.get(member)  # None: of a member elsewhere, which nothing befalls
        return host is None or (host.there and not host.frozen)

    def _is_up(self) -> bool:
        return self.world.network.vote.power if self.world.register.members == ("vote",) else self.has_majority()

    def _arrives(self, number: int, verb: Verb, sent_at: float) -> None:
        register = self.world.register
        if register.state in ("down", "hung") or not self._is_up():
            return
        if register.state == "full" and verb.name != "read":
            self._come(number, Lost(Failure(Sight.SICK, "no space left on device", "53100"), False, True))
            return
        self.world.settle()
        done = register.do(verb)
        if not self._reaches("from"):
            return
        if done is None or register.row is None:
            self._come(number, Missing(sent_at))
            return
        row = register.row
        shown = Row(register.identifier, row.holder, row.epoch, row.beat, row.heir or None, term=row.term)
        self._come(number, (Done if done else Refused)(shown, sent_at))

    def _come(self, number: int, answer: Answer) -> None:
        self.world.kernel.after(QUICK / 2, self._came, number, answer)

    def _came(self, number: int, answer: Answer) -> None:
        if number == self.asked and self._answer is None and self.world.kernel.now <= self._due:
            self._answer = answer

    def answer(self) -> Answer:
        """See ports.Register."""
        while self._answer is None and self.world.kernel.now < self._due:
            self.daemon.call(min(QUICK, self._due - self.world.kernel.now + 1e-6))
        if self._answer is not None:
            return self._answer
        self.asked += 1
        reached = self._reaches("to")
        return Lost(Failure(Sight.STALLED if reached else Sight.UNREACHABLE, "no answer in time"), reached, reached)

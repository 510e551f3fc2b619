# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The simulated world: two nodes, a vote host, two BMCs, the links, one clock. All chance comes from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import (
    Agent,
    Cluster,
    Config,
    Node,
    Peer,
    Signs,
    Timing,
    Vip,
    Vote,
    laid_over,
)

from .bmc import Bmc
from .host import Host
from .kernel import Kernel
from .network import Network
from .oracles import Oracles
from .register import Register
from .stream import Stream
from .wal import Branches

NAMES = ("node1", "node2")
ADDRESSES = {"node1": "198.51.100.110", "node2": "198.51.100.111"}


class World:
    """node1 begins as primary, node2 as its standby; both skyhas start with no record."""

    always: Mapping[str, Mapping[str, Any]] = {}  # sections of every world's configuration

    def __init__(
        self,
        seed: int = 0,
        timing: Timing | None = None,
        running: bool = True,
        without_bmc: bool = False,
        **sections: Mapping[str, Any],
    ) -> None:
        sections = {**self.always, **sections}
        self.random = random.Random(seed)
        self.kernel = Kernel()
        self.story: list[tuple[float, str, str]] = []
        self.branches = Branches()
        self.boot_time, self.rewind_time, self.fsync_time = 8.0, 2.0, 0.0
        self.rewind_impossible = False
        self.configs = {name: _config(name, timing or Timing(), sections) for name in NAMES}
        if without_bmc:
            self.configs = {name: replace(config, agents=()) for name, config in self.configs.items()}
        self.bmcs = {name: Bmc() for name in NAMES}
        self.hosts: dict[str, Host] = {}
        self.oracles = Oracles(self)
        self.stream = Stream(self)
        self.network = Network(self)
        self.register = Register(self)
        self.hosts = {name: Host(self, name) for name in NAMES}
        self.node1, self.node2 = self.hosts["node1"], self.hosts["node2"]
        self.node1.peer, self.node2.peer = self.node2, self.node1
        self.node2.pg.is_standby = True
        self.serving: list[list[float]] = []  # [from, to] in which a client that writes through the VIP is served
        if running:
            for host in self.hosts.values():
                host.pg.start()
                host.daemon.start()

    # --- for the rooms -------------------------------------------------------------------------------------------------

    def config(self, name: str) -> Config:
        """A node's configuration."""
        return self.configs[name]

    def tell(self, who: str, text: str) -> None:
        """One line of the story."""
        self.story.append((self.kernel.now, who, text))

    def linked(self, one: Host, other: Host) -> bool:
        """Packets pass between the nodes in both directions."""
        return self.network.both_ways(one.name, other.name)

    def settle(self) -> None:
        """Bring what flows (commits, replication) up to now; before every change and every look at it."""
        self.stream.settle()
        for host in self.hosts.values():
            host.pg.settle()
            if host.vip and host.pg.accepts:
                self.oracles.acknowledges(host)

    def changed(self) -> None:
        """Something changed: what follows from it, and is it allowed?"""
        if len(self.hosts) < 2:
            return
        self.stream.changed()
        self.oracles.check()
        self._note_serving()

    def _note_serving(self) -> None:
        now = self.kernel.now
        serves = any(host.vip and host.pg.accepts and not host.pg.sync.holds_up for host in self.hosts.values())
        is_open = bool(self.serving) and self.serving[-1][1] == float("inf")
        if serves and not is_open:
            self.serving.append([now, float("inf")])
        elif not serves and is_open:
            self.serving[-1][1] = now

    # --- for the tests ---------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Seconds since the world began."""
        return self.kernel.now

    @property
    def broken(self) -> list[str]:
        """The rules that were broken."""
        return self.oracles.broken

    def run(self, seconds: float) -> None:
        """Let time pass; ends early when a rule is broken."""
        self.kernel.run(self.kernel.now + seconds, lambda: bool(self.oracles.broken))

    def run_until(self, condition: Callable[[], bool], limit: float) -> float | None:
        """Let time pass until the condition holds; the seconds that took, None when it did not within `limit`."""
        began = self.kernel.now
        while self.kernel.now < began + limit and not self.broken:
            if condition():
                return self.kernel.now - began
            self.run(0.05)
        return self.kernel.now - began if condition() else None

    def cut(self, one: str, other: str, both: bool = True) -> None:
        """Packets from `one` to `other` are lost (and back, too)."""
        self.settle()
        self.network.cut.add((one, other))
        if both:
            self.network.cut.add((other, one))
        self.tell("network", f"{one} {'<->' if both else '->'} {other} is cut")
        self.changed()

    def heal(self, *pairs: tuple[str, str]) -> None:
        """Mend these links in both directions; all, when none is named."""
        self.settle()
        gone = {pair for one, other in pairs for pair in ((one, other), (other, one))} or set(self.network.cut)
        self.network.cut -= gone
        self.tell("network", "healed: " + (", ".join(f"{one} - {other}" for one, other in pairs) or "all"))
        self.changed()

    def isolate(self, name: str) -> None:
        """Pull the network cable of a node or the vote host; the BMCs' network is another one."""
        for other in ("node1", "node2", "vote"):
            if other != name:
                self.cut(name, other)

    def primary(self) -> Host | None:
        """The node through which a client writes now."""
        return next((host for host in self.hosts.values() if host.vip and host.pg.accepts), None)

    def armed(self) -> bool:
        """One primary with the VIP, its standby streams, and that one's skyha would fail over now."""
        return not self.not_converged()

    def not_converged(self, but: tuple[str, ...] = ()) -> list[str]:
        """What is missing to a cluster in good order; alarms of the codes in `but` do not count."""
        primary = self.primary()
        if primary is None:
            return ["nobody serves"]
        missing = []
        if not self.stream.streams_to(primary.peer.pg):
            missing.append("the standby does not stream")
        for host in self.hosts.values():
            if not host.daemon.alive or host.daemon.loop is None or host.daemon.loop.decision is None:
                missing.append(f"skyha does not run on {host.name}")
                continue
            alarms = host.daemon.loop.decision.alarms
            missing += [f"{host.name}: {code}: {text}" for code, text in alarms.items() if code not in but]
        return missing

    def events(self, name: str) -> list[str]:
        """The kinds of all events in a node's history."""
        return [event.kind for _, event in self.hosts[name].daemon.events]

    def alarms(self, name: str) -> dict[str, str]:
        """What a node's skyha finds wrong now."""
        loop = self.hosts[name].daemon.loop
        return dict(loop.decision.alarms) if loop is not None and loop.decision is not None else {}

    def outage(self, since: float) -> float:
        """The longest time without service that began at `since` or later, or was under way then."""
        longest, free_from = 0.0, 0.0
        for begin, end in [*self.serving, [self.kernel.now, self.kernel.now]]:
            if begin > since:
                longest = max(longest, begin - free_from)
            free_from = end
        return longest


def _config(name: str, timing: Timing, sections: Mapping[str, Mapping[str, Any]]) -> Config:
    peer = NAMES[1 - NAMES.index(name)]
    config = Config(
        Cluster("test"),
        Node(name, ADDRESSES[name]),
        Peer(peer, ADDRESSES[peer]),
        Vip("198.51.100.116"),
        Vote("198.51.100.35"),
        agents=(Agent("bmc", "ipmi", "198.51.100.212"),),
        timing=timing,
        signs=Signs(8009),
    )
    return laid_over(config, sections)

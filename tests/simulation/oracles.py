# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The judges: after every event they ask whether a rule (S1-S7, O1-O4) was broken. They see the whole world, not
what the daemons believe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Do, Order, Path, Role, Sight, Task

from .stream import bytes_of

if TYPE_CHECKING:
    from .host import Host
    from .world import World

STEADY = 1.5  # seconds that the primary must have answered before a fence of it is a false one
LOOKS_EVERY = 3.0  # a skyha looks at its own server at least so often
MANY_CYCLES = 120  # cycles within one second are a spinning loop


class Oracles:
    """`broken` holds a sentence for each rule broken; the world stops at the first."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.broken: list[str] = []
        self.changed_at = 0.0
        self._answers: dict[tuple[str, Path], float] = {}  # since when a node gets an answer along a path
        self.heard: dict[str, tuple[float, tuple[int, int]]] = {}  # node -> (when, the primary's WAL then)
        self.promotions = 0
        self.fence_count = 0
        self._paused_until: dict[str, float] = {}  # node -> how long an operator's order to it holds
        self._allowed: dict[str, int] = {}  # node -> promotions that were lawfully asked for
        self._fence_from: dict[str, float] = {}  # node -> when its last fencing task began
        self._takeovers: dict[str, bool] = {}  # node that an operator ordered to take over -> it has begun to
        self._second: dict[str, tuple[int, int]] = {}
        self.lost = 0  # acknowledged commits, in bytes of WAL
        self.alone: set[str] = set()  # nodes whose record came to say that no standby could have been promoted
        self._recorded: set[str] = set()  # nodes whose record says that their standby may have been promoted
        self._acknowledged: dict[int, int] = {}  # branch -> LSN up to which clients were told 'committed'
        self._by_word: set[str] = set()  # nodes for which an operator answers, whatever the register says
        self._handed: set[str] = set()  # nodes to which the register was handed over
        self._may_lose: dict[str, int] = {}  # node -> bytes, by its present promotion

    def breaks(self, rule: str, text: str) -> None:
        """Write it down."""
        self.broken.append(f"{rule}: {text}")
        self.world.tell("ORACLE", f"{rule} IS BROKEN: {text}")

    # --- at every change ------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """O2, O3: at no moment two writers, or two that hold the VIP."""
        self.changed_at = self.world.kernel.now
        hosts = list(self.world.hosts.values())
        for host in hosts:
            for path in (Path.VIP, Path.VOTE):
                if self.world.network.answers(host, path):
                    self._answers.setdefault((host.name, path), self.changed_at)
                else:
                    self._answers.pop((host.name, path), None)
        if all(host.pg.accepts and host.pg.branch not in self.world.branches.by_hand for host in hosts):
            self.breaks("O2", "both nodes accept commits")
        if all(host.vip and host.runs for host in hosts):
            self.breaks("O3", "both nodes hold the VIP")
        for host in hosts:
            if host.vip and not host.power:
                self.breaks("O3", f"{host.name} holds the VIP without power")

    def cycle_ends(self, host: Host, loop: Any) -> None:
        """S6, and no spinning."""
        decision = loop.decision
        record = decision.memory.record
        recorded = record.role is Role.PRIMARY and record.intent is None and record.standby_recorded
        if host.name in self._recorded and record.role is Role.PRIMARY and not record.standby_recorded:
            self.alone.add(host.name)
        (self._recorded.add if recorded else self._recorded.discard)(host.name)
        self._takeover_ends(host.name, record.intent is not None and record.intent.takeover)
        monotonic = host.daemon.monotonic()
        paused = record.paused and (record.paused_until is None or record.paused_until > monotonic)
        stops = "lease_over" in decision.alarms  # else the watchdog would reset the host
        if (
            paused
            and not stops
            and any(
                action.do not in (Do.SET_PAUSE, Do.SET_SYNC, Do.DOUBT_SYNC)
                and action.value not in (Task.CHECK_BMC, Task.CHECK_RECORD)
                for action in decision.actions
            )
        ):
            self.breaks("S6", f"{host.name} is paused and does {[action.do.value for action in decision.actions]}")
        second, count = self._second.get(host.name, (-1, 0))
        now = int(self.world.kernel.now)
        self._second[host.name] = (now, count + 1 if now == second else 1)
        if count > MANY_CYCLES:
            self.breaks("spin", f"{host.name} runs {count} cycles in a second: {decision.sentence}")
        if (
            host.vip
            and host.pg.answers
            and host.pg.is_standby
            and not paused
            and (
                self.world.kernel.now - max(host.vip_since, host.pg.up_at) > 3.0
                and not host.failing
                and not host.store_fails
                and not host.pg.promoting
                and record.intent is None
            )
        ):
            self.breaks("S5", f"{host.name} is a standby and keeps the VIP")

    def _takeover_ends(self, name: str, under_way: bool) -> None:
        """S7: none without an order, and an order is good for one."""
        if under_way and name not in self._takeovers:
            self.breaks("S7", f"{name} takes over, and nobody ordered it")
        elif under_way:
            self._takeovers[name] = True
        elif self._takeovers.get(name):
            del self._takeovers[name]

    def _takes_over(self, host: Host) -> bool:
        """By an operator's order, accepted: he answers for what is lost, and for a vote host that is gone."""
        intent = host.daemon.loop.memory.record.intent if host.daemon.loop is not None else None
        return host.name in self._takeovers and intent is not None and intent.takeover

    # --- looks and fences ---------------------------------------------------------------------------------------------------

    def looked(self, host: Host, looks: dict[Path, Any]) -> None:
        """Remember what a node heard of the primary, for S4."""
        if any(look.sight is Sight.OK for look in looks.values()):
            primary = next((other for other in self.world.hosts.values() if other.pg.accepts), None)
            if primary is not None:
                self.world.settle()
                self.heard[host.name] = (self.world.kernel.now, primary.pg.position)

    def task_begins(self, host: Host, task: Task) -> None:
        """S2, S6, S7: may this node fence its peer now?"""
        world = self.world
        if task is not Task.FENCE:
            return
        self._fence_from[host.name] = world.kernel.now
        self._not_paused(host, "fences")
        steady = world.kernel.now - self.changed_at > STEADY and not self._takes_over(host)
        for path in (Path.VIP, Path.VOTE):
            since = self._answers.get((host.name, path), float("inf"))
            if world.kernel.now - since > STEADY and not world.network.loss:
                self.breaks("S2", f"{host.name} fences {host.peer.name} while the primary answers along {path.value}")
        vote = world.network.vote
        is_blind = not vote.power or vote.proxy == "down" or not world.network.both_ways(host.name, "vote")
        if steady and is_blind and not self._has_other_witness(host):
            self.breaks("S2", f"{host.name} fences while it cannot reach the vote port")
        if world.kernel.now - self.changed_at > STEADY and not (host.pg.is_standby and host.pg.is_up):
            self.breaks("S3", f"{host.name} fences and is no running standby")
        kinds = [event.kind for _, event in host.daemon.events]
        if not host.daemon.kills and "fencing" not in kinds:
            self.breaks("S7", f"{host.name} fences without an event")

    def _has_other_witness(self, host: Host) -> bool:
        """The majority of an etcd, that has not heard of the peer for some seconds."""
        is_etcd = self.world.register.members != ("vote",)
        peer = host.peer.daemon
        is_silent = not (peer.alive and host.peer.there and peer.line.has_majority())
        return is_etcd and host.daemon.line.has_majority() and is_silent

    def ordered(self, host: Host, request: Any) -> None:
        """A skyha takes an operator's order."""
        if request.order is Order.TAKEOVER:
            self._takeovers[host.name] = False
        if request.order in (Order.TAKEOVER, Order.CONFIRM_OFF):
            self._by_word.add(host.name)
        if request.order is Order.RESUME:
            self._paused_until.clear()
        if request.order is Order.PAUSE:
            seconds = float("inf") if request.seconds is None else request.seconds
            self._paused_until[host.name] = self.world.kernel.now + seconds

    def _not_paused(self, host: Host, what: str) -> None:
        if self.world.kernel.now < self._paused_until.get(host.name, 0.0) - 0.1:
            self.breaks("S6", f"{host.name} {what}, and an operator paused it")

    def fences(self, host: Host) -> None:
        """A BMC was told to switch the peer off, and will."""
        self.fence_count += 1

    def promotes(self, host: Host) -> None:
        """S1, O4, S4: its skyha tells PostgreSQL to leave recovery."""
        peer = host.peer
        began = self._fence_from.get(host.name, float("inf"))
        handed = host.name in self._handed
        self._handed.discard(host.name)
        row = self.world.register.row
        took = self.world.config(host.name).has_register and row is not None and row.holder == host.name
        if peer.power and not peer.off_at >= began and not peer.pg.promoting and not handed and not took:
            self.breaks("S1", f"{host.name} promotes, and {peer.name} was not off since the fencing began")
        if peer.pg.accepts:
            self.breaks("S1", f"{host.name} promotes while {peer.name} accepts commits")
        self._not_paused(host, "promotes")
        kinds = [event.kind for _, event in host.daemon.events]
        if "fenced" not in kinds and not host.daemon.kills:
            self.breaks("S7", f"{host.name} promotes without an event")
        self._bounded_loss(host)
        if host.pg.branch != self.world.branches.newest:
            self.breaks(
                "S3",
                f"{host.name} promotes branch {host.pg.branch}, it has nothing of branch {self.world.branches.newest}",
            )
        self._allowed[host.name] = self.world.branches.newest

    def _bounded_loss(self, host: Host) -> None:
        if self._takes_over(host):
            self._may_lose[host.name] = 1 << 62
            return
        if host.name not in self.heard:
            self.breaks("S4", f"{host.name} promotes and never heard the primary")
            return
        self.world.settle()
        _, (branch, lsn) = self.heard[host.name]
        config = self.world.config(host.name)
        limit = lsn - bytes_of(config.failover.max_lag_seconds + 3 * config.timing.interval)
        if not self.world.branches.contains(host.pg.position, (branch, min(lsn, max(0, limit)))):
            self.breaks(
                "S4", f"{host.name} has {host.pg.position}, it heard of {(branch, lsn)}: more is lost than the limit"
            )

        loop, timing = host.daemon.loop, config.timing
        intent = loop.memory.record.intent if loop is not None else None
        if intent is not None:
            allowed = (
                config.failover.max_lag_seconds
                + timing.arming_window
                + timing.hang_timeout
                + 10.0
                + (host.daemon.monotonic() - intent.since)
            )
            self._may_lose[host.name] = 0 if config.zero_loss else bytes_of(allowed)
            if host.peer.pg.branch == host.pg.branch and host.peer.pg.lsn - host.pg.lsn > bytes_of(allowed):
                self.breaks(
                    "S4",
                    f"{host.name} promotes and lacks {host.peer.pg.lsn - host.pg.lsn} bytes, {allowed:.0f} s are "
                    f"{bytes_of(allowed)}",
                )

    def hands_over(self, host: Host) -> None:
        """Switchover: the old primary tells its peer to promote."""
        self.world.settle()
        if host.pg.state != "down" and not host.pg.is_standby:
            self.breaks("S1", f"{host.name} hands over and still runs")
        crashed = not host.pg.clean and not host.pg.is_standby
        lacks = not self.world.branches.contains(host.peer.pg.position, host.pg.position)
        if lacks and not crashed:
            self.breaks("O1", f"{host.name} hands over and {host.peer.name} lacks WAL of it")
        self._allowed[host.peer.name] = self.world.branches.newest
        # Of one that crashed and does not come up again: what it wrote after its skyha's last look.
        zero_loss = self.world.config(host.name).zero_loss
        self._may_lose[host.peer.name] = bytes_of(LOOKS_EVERY) if crashed and not zero_loss else 0
        self._handed.add(host.peer.name)

    # --- what clients were told ------------------------------------------------------------------------------------------------

    def acknowledges(self, host: Host) -> None:
        """This node serves clients through the VIP, its WAL is brought up to now. O1: all that they were told is there."""
        position = host.pg.position
        branches = self.world.branches
        for branch, told in self._acknowledged.items():
            covered = branches.covered(position, branch)
            if told <= covered:
                continue
            self.lost += told - covered
            self._acknowledged[branch] = covered
            allowed = self._may_lose.get(host.name, 0)
            if told - covered > allowed:
                self.breaks(
                    "O1",
                    f"{host.name} serves without {told - covered} bytes that were acknowledged, {allowed} are allowed",
                )
        told = min(position[1], host.pg.sync.acked)
        self._acknowledged[position[0]] = max(told, self._acknowledged.get(position[0], 0))

    def streams(self, sink: Host) -> None:
        """O1: a standby streams, as far as PostgreSQL can tell. Is what it has really part of its source's history?"""
        if not self.world.branches.contains(sink.peer.pg.position, sink.pg.position):
            self.breaks("O1", f"{sink.name} streams onto WAL of its own that {sink.peer.name} never had")

    def rewinds(self, target: Host) -> None:
        """O1: pg_rewind finds the fork by the timelines' numbers."""
        if self.world.branches.parts_unseen(target.peer.pg.position, target.pg.position):
            self.breaks("O1", f"{target.name} is rewound from {target.peer.name}, and keeps pages from another history")

    # --- who becomes writable ---------------------------------------------------------------------------------------------------

    def starting(self, host: Host) -> None:
        """S3: a half rewound data directory is never started."""
        if host.pg.rewinding:
            self.breaks("S3", f"{host.name} starts a data directory in the middle of a rewind")

    def becomes_writable(self, host: Host, how: str) -> None:
        """S3: it must have every commit of the newest history; a promotion begins a new one."""
        branches, row = self.world.branches, self.world.register.row
        lawful = row is None or row.holder == host.name or host.name in self._by_word
        if not lawful and host.pg.branch not in branches.by_hand:
            self.breaks("R1", f"{host.name} becomes writable by a {how}, and it does not hold")
        if host.pg.branch in branches.by_hand:
            if how == "start":
                self.breaks("S3", f"{host.name} starts as primary what somebody promoted by hand")
        elif how == "promotion":
            self.promotions += 1
            if host.name not in self._allowed:
                self.breaks("S1", f"{host.name} was promoted and nobody asked for it")
            peer = host.peer.pg
            if peer.accepts or (peer.is_up and not peer.is_standby and host.peer.power):
                self.breaks("S1", f"{host.name} becomes primary while {host.peer.name} runs as primary")
        elif host.pg.branch != branches.newest:
            self.breaks(
                "S3",
                f"{host.name} comes up writable on branch {host.pg.branch}, but branch {branches.newest} was begun: "
                "a resurrection",
            )
        if how == "start" and host.peer.pg.promoting:
            self.world.tell("ORACLE", f"{host.name} starts while {host.peer.name} is being promoted")

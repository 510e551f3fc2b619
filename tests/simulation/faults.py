# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a random schedule can break, and how often it does."""

from __future__ import annotations

import random
from collections.abc import Callable

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from .host import Host
from .world import World

LINKS = [("node1", "node2"), ("node1", "vote"), ("node2", "vote")]

Undo = Callable[[], None]


class Faults:
    """Each method breaks something and returns how to repair it."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance

    def host(self) -> Host:
        """Mostly the node that serves: its faults are the interesting ones."""
        primary = self.world.primary()
        if primary is not None and self.chance.random() < 0.65:
            return primary
        return self.chance.choice(list(self.world.hosts.values()))

    def power_off(self) -> Undo:
        host = self.host()
        host.switch_off("power cut")
        return lambda: host.switch_on("power is back")

    def standby_off(self) -> Undo:
        host = self._standby()
        host.switch_off("power cut")
        return lambda: host.switch_on("power is back")

    def standby_cut_off(self) -> Undo:
        return self._isolate(self._standby().name)

    def _standby(self) -> Host:
        primary = self.world.primary()
        return primary.peer if primary is not None else self.world.node2

    def mains_off(self) -> Undo:
        host = self.host()
        bmc = self.world.bmcs[host.name]
        host.mains, bmc.up = False, False
        host.switch_off("mains cut, the BMC is gone as well")

        def undo() -> None:
            host.mains = bmc.up = True
            host.switch_on("mains are back")

        return undo

    def reboot(self) -> Undo:
        self.host().reset("reboot")
        return _nothing

    def reboot_both(self) -> Undo:
        hosts = list(self.world.hosts.values())
        self.chance.shuffle(hosts)
        hosts[0].reset("reboot")
        self.world.kernel.after(self.chance.uniform(0, 5), hosts[1].reset, "reboot")
        return _nothing

    def freeze(self) -> Undo:
        host = self.host()
        host.freeze()
        return host.thaw

    def crash(self) -> Undo:
        self.host().pg.crash("is killed -9")
        return _nothing

    def hang(self) -> Undo:
        pg = self.host().pg
        pg.set_hung(True)
        return lambda: pg.set_hung(False)

    def break_postgres(self) -> Undo:
        pg = self.host().pg
        pg.broken = True
        pg.crash("is damaged")

        def undo() -> None:
            pg.broken = False

        return undo

    def stop_by_hand(self) -> Undo:
        self.host().pg.stop(self.chance.random() < 0.5)
        return _nothing

    def sick(self) -> Undo:
        return self._flag("sick", True, False)

    def mute(self) -> Undo:
        return self._flag("mute", True, False)

    def slow(self) -> Undo:
        return self._flag("slow", self.chance.choice([0.3, 0.7, 1.0, 3.0]), 0.0)

    def replay_lag(self) -> Undo:
        return self._flag("replay_lag", self.chance.choice([1.0, 10.0, 60.0]), 0.0)

    def slow_replication(self) -> Undo:
        self.world.settle()
        self.world.stream.delay = self.chance.choice([3.0, 20.0, 60.0])

        def undo() -> None:
            self.world.settle()
            self.world.stream.delay = 0.005

        return undo

    def replay_paused(self) -> Undo:
        return self._flag("replay_paused", True, False)

    def promotion_hangs(self) -> Undo:
        return self._flag("promotion_hangs", True, False, self.host().peer)

    def store_fails(self) -> Undo:
        host = self.host()
        host.store_fails = True

        def undo() -> None:
            host.store_fails = False

        return undo

    def hand_fails(self) -> Undo:
        host = self.host()
        name = self.chance.choice(
            [
                "start_postgres",
                "stop_postgres",
                "promote",
                "add_vip",
                "drop_vip",
                "promote_peer",
                "record_standby",
                "make_standby",
                "set_switching",
                "ensure_slot",
            ]
        )
        host.failing.add(name)
        self.world.tell(host.name, f"{name} fails from now on")
        return lambda: host.failing.discard(name)

    def blind(self) -> Undo:
        host = self.host() if self.chance.random() < 0.3 else self._standby()
        host.blind = True
        self.world.tell(host.name, "its skyha's own looks fail from now on")

        def undo() -> None:
            host.blind = False

        return undo

    def asks_in_vain(self) -> Undo:
        host = self.host()
        host.asks_in_vain = True
        self.world.tell(host.name, "its skyha's question to its own PostgreSQL is answered with an error from now on")

        def undo() -> None:
            host.asks_in_vain = False

        return undo

    def kill_skyha(self) -> Undo:
        daemon = self.chance.choice(list(self.world.hosts.values())).daemon
        if self.chance.random() < 0.3:
            daemon.kill()
        else:
            daemon.doom = self.chance.randrange(12)
        return _nothing

    def skyha_off(self) -> Undo:
        host = self.host()
        host.skyha_off = True
        host.daemon.kill("stopped")

        def undo() -> None:
            host.skyha_off = False
            host.daemon.start()

        return undo

    def drop_vip(self) -> Undo:
        self.host().set_vip(False)
        return _nothing

    def alien(self) -> Undo:
        self.world.network.alien = True
        self.world.changed()

        def undo() -> None:
            self.world.network.alien = False

        return undo

    def cut_link(self) -> Undo:
        one, other = self.chance.choice(LINKS)
        if self.chance.random() < 0.5:
            one, other = other, one
        self.world.cut(one, other, both=self.chance.random() < 0.6)
        return lambda: self.world.heal((one, other))

    def isolate(self) -> Undo:
        return self._isolate(
            self.chance.choice(["node1", "node2", "vote"]) if self.chance.random() < 0.5 else self.host().name
        )

    def _isolate(self, name: str) -> Undo:
        self.world.isolate(name)
        return lambda: self.world.heal(*[(name, other) for other in ("node1", "node2", "vote") if other != name])

    def switch_dies(self) -> Undo:
        for one, other in LINKS:
            self.world.cut(one, other)

        def undo() -> None:
            pairs = list(LINKS)
            self.chance.shuffle(pairs)  # ports come up one after the other
            for number, pair in enumerate(pairs):
                self.world.kernel.after(number * self.chance.choice([0.0, 0.5, 4.0]), self.world.heal, pair)

        return undo

    def loss(self) -> Undo:
        self.world.network.loss = self.chance.choice([0.1, 0.3, 0.5])

        def undo() -> None:
            self.world.network.loss = 0.0

        return undo

    def vote(self) -> Undo:
        vote = self.world.network.vote
        if self.chance.random() < 0.3:
            vote.power = False
        else:
            vote.proxy = self.chance.choice(["down", "refused", "hung"])
        self.world.tell("vote", f"power {vote.power}, proxy {vote.proxy}")
        self.world.changed()

        def undo() -> None:
            vote.power, vote.proxy = True, "ok"
            self.world.changed()

        return undo

    def bmc(self) -> Undo:
        name = self.host().name
        bmc = self.world.bmcs[name]
        kind = self.chance.choice(["up", "password_ok", "acts", "slow", "takes long"])
        if kind == "acts" and self.world.config(name).fence.action == "reset":
            kind = "up"  # a reset cannot be read back: the weaker proof, said so in the docs
        if kind == "slow":
            bmc.latency = self.chance.choice([1.0, 3.0])
        elif kind == "takes long":
            bmc.takes = self.chance.choice([1.0, 3.0, 9.0, 14.0, 60.0])
        else:
            setattr(bmc, kind, False)
        self.world.tell(f"bmc{name[-1]}", f"breaks: {kind}")

        def undo() -> None:
            bmc.up = bmc.password_ok = bmc.acts = True
            bmc.latency = bmc.takes = 0.05

        return undo

    def cut_bmc(self) -> Undo:
        host = self.host()
        pair = (host.peer.name, f"bmc{host.name[-1]}")
        self.world.cut(*pair)
        return lambda: self.world.heal(pair)

    def walsender_stops(self) -> Undo:
        self.world.settle()
        self.world.stream.walsender_stopped = True
        self.world.changed()

        def undo() -> None:
            self.world.stream.walsender_stopped = False
            self.world.changed()

        return undo

    def rewind_impossible(self) -> Undo:
        self.world.rewind_impossible = True

        def undo() -> None:
            self.world.rewind_impossible = False

        return undo

    def clock_jumps(self) -> Undo:
        self.host().wall_offset += self.chance.choice([-3600.0, 3600.0])
        return _nothing

    def switchover(self) -> Undo:
        host = self.world.primary()
        if host is not None:
            host.daemon.order(Order.SWITCHOVER)
        return _nothing

    def pause(self) -> Undo:
        host = self.host()
        host.daemon.order(Order.PAUSE, self.chance.choice([None, 5.0, 20.0]))
        return lambda: self.host().daemon.order(Order.RESUME)

    def confirm_off(self) -> Undo:
        """An honest operator: only for a node without power, and not while the peer of a former primary may know more."""
        for host in self.world.hosts.values():
            peer = host.peer
            newest = peer.pg.branch == self.world.branches.newest and host.pg.branch != peer.pg.branch
            if not peer.power and not newest:
                peer.unplugged = True  # and pulls its plug, as docs/operations.md says
                host.daemon.order(self.chance.choice([Order.CONFIRM_OFF, Order.TAKEOVER]))
        return _nothing

    def _flag(self, name: str, value: object, back: object, host: Host | None = None) -> Undo:
        host = host or self.host()
        pg = host.pg
        self.world.settle()
        setattr(pg, name, value)
        self.world.tell(host.name, f"PostgreSQL: {name} = {value}")
        self.world.changed()

        def undo() -> None:
            self.world.settle()
            setattr(pg, name, back)
            self.world.tell(host.name, f"PostgreSQL: {name} = {back}")
            self.world.changed()

        return undo


WEIGHTS = {
    "power_off": 6,
    "mains_off": 3,
    "reboot": 3,
    "reboot_both": 2,
    "freeze": 5,
    "crash": 4,
    "hang": 4,
    "break_postgres": 2,
    "stop_by_hand": 2,
    "sick": 1,
    "mute": 1,
    "slow": 2,
    "replay_lag": 1,
    "slow_replication": 2,
    "replay_paused": 1,
    "promotion_hangs": 2,
    "store_fails": 2,
    "hand_fails": 4,
    "blind": 4,
    "asks_in_vain": 3,
    "kill_skyha": 8,
    "skyha_off": 2,
    "drop_vip": 2,
    "alien": 1,
    "cut_link": 7,
    "isolate": 6,
    "switch_dies": 2,
    "loss": 2,
    "vote": 4,
    "bmc": 4,
    "cut_bmc": 2,
    "walsender_stops": 1,
    "rewind_impossible": 1,
    "clock_jumps": 1,
    "switchover": 6,
    "pause": 2,
    "confirm_off": 4,
}


def _nothing() -> None:
    pass

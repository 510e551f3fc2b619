# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Links, the vote host, and what a look along a path sees."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Beat,
    Local,
    Look,
    Path,
    Peer,
    Place,
    Reader,
    Role,
    Server,
    Sight,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.datagram import Sign

if TYPE_CHECKING:
    from .host import Host
    from .world import World

QUICK = 0.003
TRIES = 7  # connections that race within one look
PENDING = 3  # looks through which an unanswered question stays open: its late answer counts in a later look


class VoteHost:
    """The third place: a TCP proxy from the vote port to the VIP."""

    def __init__(self) -> None:
        self.power = True
        self.proxy = "ok"  # ok, down, hung (accepts, forwards nothing), refused (no way to the VIP)
        self.connect_timeout = 0.3  # of the proxy to the VIP (role vote_host_balance)
        self.leads_to: str | None = None  # a node's own address, in the place of the VIP


class Network:
    """Who reaches whom. `cut` holds directed pairs of names: node1, node2, vote, bmc1, bmc2."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cut: set[tuple[str, str]] = set()
        self.loss = 0.0
        self.loses_datagrams = False
        self.late = 0.0  # seconds more that a datagram between the skyhas travels
        self.recorded: deque[Sign] = deque(maxlen=200)  # the last ones
        self.again: tuple[Sign, ...] = ()  # beside each one of these arrives
        self.vote = VoteHost()
        self.alien = False  # another host answers for the VIP ...
        self.alien_sight = Sight.REFUSED  # ... and this is what comes of it

    def both_ways(self, one: str, other: str) -> bool:
        """Packets pass in both directions."""
        return (one, other) not in self.cut and (other, one) not in self.cut

    def holder(self, near: Host | None) -> Host | None:
        """The node that answers for the VIP; asked from a node that holds it, itself."""
        if near is not None and near.vip:
            return near
        held = [host for host in self.world.hosts.values() if host.vip and host.there]
        return max(held, key=lambda host: host.vip_since) if held else None

    # --- looks ----------------------------------------------------------------------------------------------------

    def look(self, near: Host, path: Path, deadline: float) -> tuple[Look, float]:
        """(what is seen, after how many seconds)."""
        if path is Path.VIP:
            sight, beat, seconds = self._from(near.name, near, deadline)
            if self._lost():
                sight, beat, seconds = Sight.UNREACHABLE, None, deadline
            reached, starting = sight is not Sight.UNREACHABLE, self._starting(near, sight)
            return Look(sight, "", seconds, reached, beat, starting, self._standby(self.holder(near), sight)), min(
                seconds, deadline
            )
        vote = self.vote
        if not vote.power or not self.both_ways(near.name, "vote") or self._lost():
            return Look(Sight.UNREACHABLE), deadline
        if vote.proxy == "down":
            return Look(Sight.REFUSED), QUICK
        if vote.proxy == "refused":
            return Look(Sight.DROPPED, reached=True), QUICK
        if vote.proxy == "hung":
            return Look(Sight.STALLED, reached=True), deadline
        sight, beat, seconds = self._from("vote", None, deadline, vote.leads_to)
        if sight is Sight.UNREACHABLE or self._lost():
            if vote.connect_timeout < deadline:
                return Look(Sight.DROPPED, reached=True), vote.connect_timeout
            return Look(Sight.STALLED, reached=True), deadline
        if sight is Sight.REFUSED:
            sight = Sight.DROPPED
        behind = self.holder(None) if vote.leads_to is None else self.world.hosts[vote.leads_to]
        return Look(sight, "", seconds, True, beat, self._starting(None, sight), self._standby(behind, sight)), seconds

    @staticmethod
    def _standby(host: Host | None, sight: Sight) -> bool:
        return sight is Sight.ALIVE and host is not None and host.pg.is_standby and host.pg.answers

    def _starting(self, near: Host | None, sight: Sight) -> bool:
        host = self.holder(near)
        return sight is Sight.ALIVE and host is not None and host.pg.state in ("starting", "stopping")

    def answers(self, near: Host, path: Path) -> bool:
        """Would a look along the path find life now, apart from chance? For the oracles; changes nothing."""
        loss, self.loss = self.loss, 0.0
        look, _ = self.look(near, path, 0.8)
        self.loss = loss
        if look.sight is Sight.SICK and self.world.config(near.name).failover.tablespace_policy == "failover":
            return False
        if path is Path.VOTE and self.vote.leads_to is not None and look.standby:
            return False
        return look.shows_life

    def _from(
        self, origin: str, near: Host | None, deadline: float, leads_to: str | None = None
    ) -> tuple[Sight, Beat | None, float]:
        if leads_to is None and self.alien and not (near is not None and near.vip):
            return self.alien_sight, None, deadline if self.alien_sight is Sight.UNREACHABLE else QUICK
        host = self.holder(near) if leads_to is None else self.world.hosts[leads_to]
        if host is None or (host is not near and not self.both_ways(origin, host.name)):
            return Sight.UNREACHABLE, None, deadline
        pg = host.pg
        if host.frozen or pg.hung:
            return Sight.STALLED, None, deadline
        if pg.state == "down":
            return Sight.REFUSED, None, QUICK
        if pg.slow > PENDING * deadline:
            return Sight.STALLED, None, deadline
        if pg.state != "up" or pg.mute:
            return Sight.ALIVE, None, QUICK
        if pg.sick:
            return Sight.SICK, None, QUICK
        if pg.is_standby:
            return Sight.ALIVE, None, QUICK
        self.world.settle()
        recorded = pg.control("recorded") == pg.timeline
        return Sight.OK, Beat(pg.lsn, pg.timeline, recorded, self._paused_for(host)), min(deadline, max(QUICK, pg.slow))

    def _lost(self) -> bool:
        """All attempts of one look were lost on one leg."""
        if not self.loss:
            return False
        return self.world.random.random() < (1 - (1 - self.loss) ** 2) ** TRIES

    def _paused_for(self, host: Host) -> float:
        until = host.pg.control("paused")
        return max(0.0, until - self.world.kernel.now) if isinstance(until, float) else 0.0

    def local(self, host: Host, deadline: float) -> tuple[Local, float]:
        """A node's own server; what PostgreSQL does not tell is not known, as in probes/eyes.py."""
        pg = host.pg
        self.world.settle()
        role = Role.NONE if not pg.exists else Role.STANDBY if pg.is_standby else Role.PRIMARY
        role = Role.UNKNOWN if pg.unreadable else role
        places = (Place("pg_tblspc/16402", "/data2/ts", "/data2" if pg.mounted else "/", pg.mounted),)
        system = pg.system_identifier if pg.exists and not pg.unreadable else None
        if pg.state == "down":
            return Local(
                Server.DOWN,
                role,
                timeline=pg.timeline,
                write_lsn=pg.lsn if pg.clean and not pg.is_standby else None,
                streaming=False,
                peer_streaming=False,
                vip_held=host.vip,
                clean_shutdown=pg.clean,
                system_identifier=system,
                places=places,
                sync=pg.sync.seen(),
            ), QUICK
        if pg.hung or pg.slow > deadline:
            return Local(Server.STALLED, role, vip_held=host.vip, is_stopped=pg.hung), deadline
        if pg.state != "up":
            return Local(Server.STARTING, role, vip_held=host.vip), QUICK
        common = {
            "timeline": pg.told_timeline,
            "slots": tuple(sorted(pg.slots)),
            "vip_held": host.vip,
            "system_identifier": system,
            "places": places,
            "sync": pg.sync.seen(),
        }
        control = {
            "standby_recorded": pg.control("recorded") == pg.timeline,
            "noted": None if pg.is_standby else pg.control("noted") == pg.timeline,
            "switching": bool(pg.control("switching")),
            "paused_for": self._paused_for(host),
        }
        if pg.is_standby:
            return Local(
                Server.UP,
                role,
                receive_lsn=pg.lsn,
                replay_lsn=pg.replayed[1],
                replay_paused=pg.replay_paused,
                readers=(Reader(pg.reader, "ann", "report", "2026-01-01"),) if pg.reader else (),
                streaming=self.world.stream.streams_to(pg),
                peer_streaming=False,
                **{**common, **control},
            ), QUICK
        return Local(
            Server.UP,
            role,
            write_lsn=pg.lsn,
            streaming=False,
            peer_streaming=self.world.stream.streams_from(pg),
            checkpoint_timeline=pg.timeline - (self.world.kernel.now < pg.checkpoint_at),
            **{**common, **control},
        ), QUICK

    def peer(self, host: Host, deadline: float) -> tuple[Peer, float]:
        """The other node's server, on its own address."""
        other = host.peer
        if not other.there or not self.both_ways(host.name, other.name) or self._lost():
            return Peer(Server.UNREACHABLE), deadline
        pg = other.pg
        if other.frozen or pg.hung or pg.slow > deadline:
            return Peer(Server.STALLED), deadline
        if pg.state == "down":
            return Peer(Server.DOWN), QUICK
        if pg.state != "up":
            return Peer(Server.STARTING, stopping=pg.state == "stopping"), QUICK
        self.world.settle()
        role = Role.STANDBY if pg.is_standby else Role.PRIMARY
        if role is Role.PRIMARY:
            noted = pg.control("noted") == pg.timeline
            return Peer(Server.UP, role, pg.timeline, system_identifier=pg.system_identifier, noted=noted), QUICK
        return Peer(
            Server.UP, role, pg.told_timeline, pg.lsn, replay_lsn=pg.replayed[1], system_identifier=pg.system_identifier
        ), QUICK

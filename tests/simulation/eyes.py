# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What skyha sees of a simulated host and its network."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local, Look, Path, Peer, Server, Sight

if TYPE_CHECKING:
    from .daemon import Daemon


class Eyes:
    """See ports.Eyes. What is seen is what was when the look began, and each look takes its time."""

    def __init__(self, daemon: Daemon) -> None:
        self.host, self.world, self.call = daemon.host, daemon.world, daemon.call

    def look(
        self, paths: Sequence[Path], deadline: float, fresh: Collection[Path], yields: bool = False
    ) -> Mapping[Path, Look]:
        """See ports.Eyes. What is seen is what was when the look began."""
        if self.host.blind:
            self.call(0.003)
            failed = Look(Sight.UNKNOWN, "could not create socket: No buffer space available", reached=None)
            return dict.fromkeys(paths, failed)
        network = self.world.network
        first = {path: network.look(self.host, path, deadline) for path in paths}
        if self.call(max(seconds for _, seconds in first.values()), yields):
            return {}
        looks = {path: look for path, (look, _) in first.items()}
        self.world.oracles.looked(self.host, looks)
        return looks

    def look_around(
        self, paths: Sequence[Path], deadline: float, fresh: Collection[Path], yields: bool = False
    ) -> tuple[Mapping[Path, Look], Peer | None]:
        """See ports.Eyes."""
        if self.host.blind:
            return self.look(paths, deadline, fresh), Peer(Server.UNKNOWN)
        network = self.world.network
        first = {path: network.look(self.host, path, deadline) for path in paths}
        peer, took = network.peer(self.host, deadline)
        if self.call(max([took, *(seconds for _, seconds in first.values())]), yields):
            return {}, None
        looks = {path: look for path, (look, _) in first.items()}
        self.world.oracles.looked(self.host, looks)
        return looks, peer

    def local(self, deadline: float) -> Local:
        """See ports.Eyes."""
        _, seconds = self.world.network.local(self.host, deadline)
        self.call(seconds)
        seen = self.world.network.local(self.host, deadline)[0]
        if self.host.asks_in_vain and seen.server is Server.UP:
            return Local(Server.UP, seen.role, "FATAL: too many clients already", vip_held=seen.vip_held)
        return seen

    def peer(self, deadline: float) -> Peer:
        """See ports.Eyes."""
        peer, seconds = self.world.network.peer(self.host, deadline)
        self.call(0.003 if self.host.blind else seconds)
        return Peer(Server.UNKNOWN) if self.host.blind else peer

    def vip_conflict(self, wait: float) -> bool:
        """See ports.Eyes."""
        self.call(wait)
        other, network = self.host.peer, self.world.network
        return network.alien or (other.vip and other.there and network.both_ways(self.host.name, other.name))

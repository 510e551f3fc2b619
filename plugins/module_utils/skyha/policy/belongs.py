# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose data is it? Each cluster has a system identifier, which initdb drew; the record holds the one of this node's cluster.

Data of another cluster is never started, promoted or followed, and it never gets the VIP: an empty database that was made
in the wrong place, or a disk of another host, would else be served as if it were the one that the clients know.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..config import Config
from ..words import Local, Look, Peer, Role, Seen, Server, Sight
from .memory import Memory

NEW_CLUSTER = "'A new cluster on nodes that had one' in docs/operations.md"


@dataclass(frozen=True)
class Obstacle:
    """Why this node's data must not be touched: the alarm's code, and a sentence."""

    code: str
    text: str


def only_own_cluster(memory: Memory, seen: Seen) -> Seen:
    """The same without what a server of another cluster says, at the peer's address or along a path: nothing of it counts."""
    peer, own = seen.peer, memory.record.system_identifier or seen.local.system_identifier
    if own:
        seen = replace(seen, looks={path: _of_own(look, own) for path, look in seen.looks.items()})
    if peer is None or not own or peer.system_identifier in (None, own):
        return seen
    stranger = Peer(Server.UNKNOWN, detail="a server of another cluster", system_identifier=peer.system_identifier)
    return replace(seen, peer=stranger)


def _of_own(look: Look, own: str) -> Look:
    found = None if look.beat is None else look.beat.system_identifier
    if found in (None, own):
        return look
    text = f"another cluster's server answers (system identifier {found}): this path leads to a stranger"
    return Look(Sight.ALIVE, text, look.latency, True, standby=True)


def adopt_cluster(memory: Memory, seen: Seen) -> Memory:
    """With the identifier on record once both nodes agree on it: PostgreSQL streams within one cluster only."""
    return on_own_cluster(memory, seen.local) if seen.local.streaming or seen.local.peer_streaming else memory


def on_own_cluster(memory: Memory, local: Local) -> Memory:
    """With the identifier of `local`, which serves lawfully or streams, on record where none is."""
    if memory.record.system_identifier or not local.system_identifier:
        return memory
    if memory.heard.peer is not None and memory.heard.peer.system_identifier not in (None, local.system_identifier):
        return memory  # one of the two is wrong, and nobody knows which
    return replace(memory, record=replace(memory.record, system_identifier=local.system_identifier))


def foreign_peer(config: Config, memory: Memory) -> str:
    """An alarm's sentence while the server at the peer's address was last seen to be of another cluster."""
    peer = memory.heard.peer
    if peer is None or not peer.system_identifier or peer.system_identifier == memory.record.system_identifier:
        return ""
    if peer.server is not Server.UNKNOWN:  # nothing to compare it with yet
        return ""
    return (
        f"the PostgreSQL of {config.peer.name} ({config.peer.address}) belongs to another cluster (system identifier "
        f"{peer.system_identifier}): nothing that it says counts here; is its right disk mounted, and data_dir its right directory?"
    )


def not_ours(memory: Memory, local: Local) -> Obstacle | None:
    """Why the data directory is not to be started, served or promoted; None where nothing speaks against it."""
    record = memory.record
    if local.server is Server.DOWN and local.role is Role.NONE:
        if not record.system_identifier and record.role is Role.UNKNOWN:
            return None  # this node never had data
        return Obstacle(
            "no_data",
            f"the data directory is not there, and this node's record says that it was {record.role.value} on timeline "
            f"{record.timeline}: is its disk mounted? Nothing is made again by itself; if the data is lost for good run "
            "failover_rebuild.yml",
        )
    if not record.system_identifier:
        return None
    if not local.system_identifier:
        if local.server is not Server.DOWN or local.role not in (Role.PRIMARY, Role.STANDBY):
            return None  # a server that runs was known before it did; without a role the boot table waits
        return Obstacle(
            "other_cluster",
            f"its control file does not tell whose data it is ({local.detail or 'pg_controldata says nothing'}); see to its disk",
        )
    if local.system_identifier == record.system_identifier:
        return None
    return Obstacle(
        "other_cluster",
        f"the data directory belongs to another cluster: its system identifier is {local.system_identifier}, this node's is "
        f"{record.system_identifier}. Is the right disk mounted, and data_dir the right directory? If it is a new cluster see "
        f"{NEW_CLUSTER}",
    )

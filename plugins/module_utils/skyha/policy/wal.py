# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What makes pg_wal grow until the disk is full, told while there is room: slots that hold WAL back, a checkpoint that does
not come. Judged by WAL positions and this node's monotonic clock, so that a clock that jumps says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..config import Config
from ..words import Local, Peer, Role, Server, Slot, Wal
from .memory import Memory

FAR_BEYOND = (
    3  # times max_wal_size, or checkpoint_timeout; a checkpoint that is spread over its time is seen when it ends
)
SLACK = 60.0  # seconds
SOME_WAL = 64 * 1024 * 1024  # a server that is idle need not checkpoint


def remember_wal(config: Config, memory: Memory, local: Local, now: float) -> Memory:
    """Since when the last checkpoint is the last one, and whether the peer's slot was found without its WAL."""
    wal = local.wal
    if local.peer_streaming and memory.own.slot_lost:
        memory = replace(memory, own=replace(memory.own, slot_lost=False))
    if wal is None:
        return memory
    if is_lost(config, local) and not local.peer_streaming and not memory.own.slot_lost:
        memory = replace(memory, own=replace(memory.own, slot_lost=True))
    if wal.redo_lsn != memory.own.redo_lsn:
        memory = replace(memory, own=replace(memory.own, redo_lsn=wal.redo_lsn, redo_at=now))
    return memory


def is_lost(config: Config, local: Local) -> bool:
    """The peer's slot is there, and of no use: the WAL that it was to keep is gone."""
    return local.wal is not None and any(slot.name == config.peer.slot and slot.lost for slot in local.wal.slots)


def wal_alarms(config: Config, memory: Memory, local: Local, now: float) -> Mapping[str, str]:
    """code -> sentence."""
    found = {}
    if memory.own.slot_lost:
        found["slot_lost"] = (
            f"the replication slot of {config.peer.name} had lost WAL that {config.peer.name} lacks: it was away for longer than "
            "max_slot_wal_keep_size lasts. The slot is made again, but only an archive or failover_rebuild.yml brings that node back"
        )
    if local.wal is None:
        return found
    told = [text for text in (_slot(config, local.wal, slot) for slot in local.wal.slots) if text]
    if told:
        found["slots"] = "; ".join(told)
    late = _checkpoint(memory, local.wal, now)
    if late:
        found["checkpoint"] = late
    return found


def running_standby(peer: Peer | None) -> Peer | None:
    """The peer where it is known to be a running standby."""
    return peer if peer is not None and peer.server is Server.UP and peer.role is Role.STANDBY else None


def has_received(peer: Peer | None, lsn: int) -> bool:
    """Is the peer known to be a running standby that has all WAL up to `lsn`?"""
    standby = running_standby(peer)
    return standby is not None and standby.receive_lsn is not None and standby.receive_lsn >= lsn


def _slot(config: Config, wal: Wal, slot: Slot) -> str | None:
    """What is wrong with a slot that is not skyha's. (Of the peer's the alarms `standby` and `slot_lost` tell.)"""
    if slot.name == config.peer.slot:
        return None
    what = f"the {'logical' if slot.logical else 'physical'} slot {slot.name}"
    drop = f"drop it (select pg_drop_replication_slot('{slot.name}'))"
    if slot.lost:
        return f"{what} has lost WAL, and whoever reads by it cannot go on: {drop} and set its reader up again"
    if slot.kept is None:
        return None
    if not slot.active and slot.kept > wal.kept_anyway:
        return f"{what} is not in use and holds back {size(slot.kept)} of WAL, more than is kept anyway: let its reader come back, or {drop}"
    if wal.slot_limit is not None and slot.kept > max(wal.kept_anyway, wal.slot_limit // 2):
        return f"{what} is behind by {size(slot.kept)} of WAL; at {size(wal.slot_limit)} (max_slot_wal_keep_size) it is lost"
    return None


def _checkpoint(memory: Memory, wal: Wal, now: float) -> str | None:
    since = wal.since_checkpoint
    if since is None:
        return None
    waited = now - memory.own.redo_at
    overdue = waited > FAR_BEYOND * wal.checkpoint_timeout + SLACK and since > SOME_WAL
    if since <= FAR_BEYOND * wal.max_wal_size and not overdue:
        return None
    return (
        f"{size(since)} of WAL were written since the last checkpoint ended (max_wal_size is {size(wal.max_wal_size)}), and for "
        f"{waited:.0f} s none did: pg_wal grows until its disk is full. Look at PostgreSQL's log, at the disk, and whether the "
        "process 'checkpointer' runs or is stopped"
    )


def size(number: int) -> str:
    """Bytes for people."""
    value, unit = float(number), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1024 or unit == "TB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"

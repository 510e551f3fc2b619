# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A holder that ends, or whose PostgreSQL cannot start again, hands over to its heir: nobody waits, and nobody's power is cut."""

from __future__ import annotations

from ..config import Config
from ..margins import RESIGNS_AFTER, START_SETTLES
from ..words import Peer, Role, Seen, Server
from .memory import Memory, age
from .storage import not_whole
from .sync import is_waited_for
from .wal import has_received


def owes(config: Config, memory: Memory, seen: Seen) -> bool:
    """skyha is told to end: is there something that the register must hear first?"""
    hold = memory.register.hold
    stays = hold is not None and hold.has_heir and seen.local.server is not Server.DOWN
    return stays or is_waited_for(config, seen) or would_resign(config, memory, seen)


def would_resign(config: Config, memory: Memory, seen: Seen) -> bool:
    """Is this a holder whose PostgreSQL was shut down cleanly, and skyha is told to end (the host is shut down)? Then the heir may hold
    at once, if it has everything. Who pauses the cluster first means to come back.
    """
    return seen.leaving and seen.local.clean_shutdown is True and _may_resign(config, memory, seen)


def _may_resign(config: Config, memory: Memory, seen: Seen) -> bool:
    if not is_down(seen) or memory.record.paused or memory.record.intent is not None:
        return False
    hold = memory.register.hold
    return hold is not None and hold.row.heir == config.peer.name


def is_down(seen: Seen) -> bool:
    """Is a primary's PostgreSQL down here?"""
    return seen.local.server is Server.DOWN and seen.local.role is Role.PRIMARY


def asks_no_more(config: Config, memory: Memory, seen: Seen, now: float) -> bool:
    """Is it to be seen now what came of the starts that were asked for? Only who could resign waits for that."""
    return _may_resign(config, memory, seen) and age(now, memory.restarts.at) >= RESIGNS_AFTER - START_SETTLES


def resigns(config: Config, memory: Memory, seen: Seen, now: float) -> bool:
    """Is the heir told now that it holds? Only one that follows, and has all that this node has written."""
    peer, end = seen.peer, seen.local.write_lsn
    # (Its control file may be gone.)
    timeline = memory.record.timeline if seen.local.timeline is None else seen.local.timeline
    if not _may_resign(config, memory, seen) or peer is None or not _may_follow(peer, timeline):
        return False
    if would_resign(config, memory, seen):
        return end is not None and has_received(peer, end)
    # The heir has what this node had written when it was last looked at, so it lacks no more than after a fence.
    written = memory.own.write_lsn
    stays_down = _cannot_start(config, memory, seen, now)
    return stays_down and written > 0 and has_received(peer, max(written, end or 0))


def _may_follow(peer: Peer, timeline: int | None) -> bool:
    """Is the heir, whom this node has named while it followed, still on this timeline, for all that it tells?

    Once its stream has ended it tells the timeline of its last restartpoint, which is an older one for some minutes after a failover.
    """
    return peer.timeline is not None and timeline is not None and peer.timeline <= timeline


def _cannot_start(config: Config, memory: Memory, seen: Seen, now: float) -> bool:
    """Does PostgreSQL here stay down, and is no start of it under way? One that was stopped on purpose is started first."""
    restarts, down_for = memory.restarts, age(now, memory.own.down_since)
    was_tried = age(now, restarts.asked_at) <= down_for or restarts.count >= config.timing.restart_attempts
    is_hopeless = was_tried or seen.local.timeline is None or not_whole(memory, seen.local) is not None
    return is_hopeless and RESIGNS_AFTER <= down_for < float("inf") and age(now, restarts.asked_at) >= START_SETTLES

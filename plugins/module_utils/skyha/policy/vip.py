# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The VIP of a running primary: listened for, taken, announced (S5)."""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..margins import FREE_TRUSTED
from ..words import Action, Do, Local, Seen
from .memory import Memory, Vip, age


def remember_vip(vip: Vip, conflict: bool | None, now: float) -> Vip:
    """With what duplicate address detection heard; None: nobody listened."""
    if conflict is None:
        return vip
    free = None if conflict else now
    return replace(vip, taken=conflict, free_at=free)


def unheard(memory: Memory) -> Memory:
    """The memory in which nobody has listened for another holder: what was heard before counts no more."""
    return replace(memory, vip=replace(memory.vip, free_at=None, taken=False))


def drop_vip(local: Local) -> tuple[Action, ...]:
    """For a node that must not have it: drop it where it is held."""
    return (Action(Do.DROP_VIP),) if local.vip_held else ()


def keep_vip(config: Config, memory: Memory, seen: Seen, now: float) -> tuple[Memory, tuple[Action, ...], float, bool]:
    """(memory, actions, the longest delay until the next cycle, listen for another holder then)."""
    vip, interval = memory.vip, config.timing.interval
    if seen.local.vip_held:
        actions = (Action(Do.ANNOUNCE_VIP),) if vip.announcements > 0 else ()
        vip = replace(vip, taken=False, announcements=max(0, vip.announcements - 1))
        return replace(memory, vip=vip), actions, interval, False
    if seen.local.vip_held is None:
        return memory, (), config.timing.retry_interval, False
    if age(now, vip.free_at) <= 2 * config.timing.dad_wait + FREE_TRUSTED:
        vip = replace(vip, free_at=None, announcements=config.vip.arp_announcements)
        return replace(memory, vip=vip), (Action(Do.ADD_VIP),), 0.0, False
    return memory, (), interval if vip.taken else 0.0, True

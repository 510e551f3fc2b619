# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is all of this node's data there? The record holds on which mount point each tablespace, and the WAL, was last seen.

Where a disk is not mounted PostgreSQL finds an empty directory. It is not started over it, not armed and not promoted: it
would serve without that data, and the old primary, which may hold the last copy, would be made like it.
"""

from __future__ import annotations

from dataclasses import replace

from ..words import Local, Place, Role, Server
from .belongs import Obstacle
from .memory import Memory


def remember_mounts(memory: Memory, local: Local) -> Memory:
    """With the mount points of a server that serves lawfully or streams, and has all of its data, on record."""
    record = memory.record
    lawful = local.streaming or (local.role is Role.PRIMARY and record.served_boot == record.boot)
    if local.server is not Server.UP or not lawful or local.places is None or _missing(memory, local.places):
        return memory
    mounts = {place.path: place.mount for place in local.places}
    return memory if mounts == record.mounts else replace(memory, record=replace(memory.record, mounts=mounts))


def moved_on_purpose(memory: Memory, local: Local) -> Memory:
    """An operator has seen it: where every place holds its files, the mount points of now are the right ones."""
    if local.places is None or not all(place.whole for place in local.places):
        return memory
    return (
        replace(memory, record=replace(memory.record, mounts={place.path: place.mount for place in local.places}))
        if memory.record.mounts
        else memory
    )


def not_whole(memory: Memory, local: Local) -> Obstacle | None:
    """What of this node's data is not there; None where all of it is, as far as was ever seen."""
    if local.server is Server.DOWN and local.role not in (Role.PRIMARY, Role.STANDBY):
        return None
    if local.places is None:
        if not memory.record.mounts or local.server not in (Server.DOWN, Server.UP):
            return None
        return Obstacle(
            "storage",
            "whether all of this node's data is there is not known: the disks of the WAL and the tablespaces do not answer",
        )
    missing = _missing(memory, local.places)
    if not missing:
        return None
    return Obstacle(
        "storage",
        f"not all of this node's data is there: {'; '.join(missing)}. Mount the disk; nothing else is to be done (if it was moved "
        "on purpose: skyctl acknowledge)",
    )


def _missing(memory: Memory, places: tuple[Place, ...]) -> list[str]:
    found = []
    for place in places:
        was = memory.record.mounts.get(place.path)
        if not place.whole:
            found.append(f"{place.path} ({place.name}) does not hold PostgreSQL's files")
        elif was is not None and not (place.mount == was or place.mount.startswith(was.rstrip("/") + "/")):
            found.append(f"{place.path} ({place.name}) is on {place.mount} and was on {was}, which is not mounted")
    return found

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lies on this node's disks: the room for the WAL and how fast it is used up, pgBackRest's spool, the last trial of a backup."""

from __future__ import annotations

import json
import os

from ..backup_report import Check, Sample, Spool, WalDisk
from ..config import Config
from ..errors import WorldError
from ..kinds import part

CHECK = "/var/lib/sky-backup/check.json"
WINDOW = 660.0  # seconds: over so long the disk's filling is reckoned ...
LEAST = 300.0  # ... and not over less: between two checkpoints it goes up and down
MOST_BYTES = 65536


def wal_disk(config: Config, before: WalDisk, now: float) -> WalDisk:
    """The file system that pg_wal really is on; `before`: what the last report said. Raises WorldError."""
    path = os.path.realpath(os.path.join(config.postgresql.data_dir, "pg_wal"))
    try:
        room = os.statvfs(path)
    except OSError as error:
        raise WorldError(f"{path}: {error.strerror}") from error
    total, free = room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize
    samples = (*(one for one in before.samples if 0 < now - one.at <= WINDOW), Sample(now, free))
    first = samples[0]
    fills = (first.free - free) / (now - first.at) if now - first.at >= LEAST else None
    return WalDisk(total=total, free=free, fills=fills, samples=samples)


def spool(config: Config) -> Spool:
    """All files below the spool; raises WorldError."""
    files = size = 0

    def refuse(error: OSError) -> None:
        # pgBackRest takes directories of its spool away while this looks; the spool itself stays.
        if not isinstance(error, FileNotFoundError) or error.filename == config.backup.queue_directory:
            raise WorldError(f"{error.filename}: {error.strerror}") from error

    for directory, _below, names in os.walk(config.backup.queue_directory, onerror=refuse):
        for name in names:
            try:
                size += os.lstat(os.path.join(directory, name)).st_size
                files += 1
            except FileNotFoundError:
                continue  # it was pushed meanwhile
            except OSError as error:
                raise WorldError(f"{os.path.join(directory, name)}: {error.strerror}") from error
    return Spool(files=files, bytes=size)


def check(path: str = CHECK) -> Check:
    """What the last trial on this node came to; raises WorldError."""
    try:
        with open(path, encoding="utf-8") as file:
            found = part(Check, json.loads(file.read(MOST_BYTES)))
    except FileNotFoundError:
        return Check()
    except OSError as error:
        raise WorldError(f"{path}: {error.strerror}") from error
    except (ValueError, AttributeError, RecursionError) as error:
        raise WorldError(f"{path} is not understood: {error}; run the check of the backups again") from error
    if found.at is None or found.ok is None:
        raise WorldError(f"{path} does not say when a backup was tried, or whether it is good; run that again")
    return Check(at=found.at, label=found.label[:100], ok=found.ok, detail=found.detail[:200])

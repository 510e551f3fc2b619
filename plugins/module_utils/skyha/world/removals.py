# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a pg_rewind would remove here, by the words of its dry run.

It makes this node like its source. Where the source has lost a tablespace (its disk is not mounted there), this node's copy
may be the last one: what goes in bulk waits for an operator.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable

LITTLE = 1 << 20  # bytes; less is no bulk
_REMOVE = re.compile(r"(?:^|\s)((?:base/\d+|pg_tblspc/\d+)/\S+) \(REMOVE\)$", re.M)
_RELATION = re.compile(r"((?:base/\d+|pg_tblspc/\d+)/(?:\S+/)?\d+)(?:_[a-z]+)?(?:\.\d+)?")
_CREATED = re.compile(r"^rmgr: Storage .* desc: CREATE (\S+)")
_NEW_DATABASE = re.compile(r"^rmgr: Database .* desc: CREATE\S* .*\b(\d+)/(\d+)$")
_DEFAULT_TABLESPACE = "1663"


def names(dry_run: str) -> list[str]:
    """The files of relations that pg_rewind would remove, from the output of `pg_rewind --dry-run --debug`."""
    return [name for name in _REMOVE.findall(dry_run) if _RELATION.fullmatch(name)]


def made_alone(dump: Iterable[str]) -> frozenset[str]:
    """What this node made past the fork, from the lines of pg_waldump: relations, and directories of databases."""
    found = set()
    for line in dump:
        relation, database = _CREATED.match(line), _NEW_DATABASE.match(line.rstrip())
        if relation:
            found.add(_bare(relation.group(1)))
        elif database:
            tablespace, number = database.groups()
            found.add(f"base/{number}" if tablespace == _DEFAULT_TABLESPACE else f"pg_tblspc/{tablespace}/*/{number}")
    return frozenset(found)


def in_bulk(data_dir: str, removed: Iterable[str], alone: frozenset[str]) -> str:
    """Which databases and tablespaces would lose more than half of what they held at the fork; '' where none."""
    going: Counter[str] = Counter()
    for name in removed:
        if not _is_of(name, alone):
            going[_place(name)] += _size(os.path.join(data_dir, name))
    lost = []
    for place, size in sorted(going.items()):
        held = sum(_size(os.path.join(data_dir, name)) for name in _files(data_dir, place) if not _is_of(name, alone))
        if size >= LITTLE and size > held / 2:
            lost.append(f"{size} of {held} bytes in {place}{_target(data_dir, place)}")
    return ", ".join(lost)


def _bare(name: str) -> str:
    """The relation that a file belongs to: its path without fork and segment."""
    found = _RELATION.fullmatch(name)
    return found.group(1) if found else name


def _is_of(name: str, alone: frozenset[str]) -> bool:
    parts = name.split("/")
    database = (
        f"pg_tblspc/{parts[1]}/*/{parts[3]}" if parts[0] == "pg_tblspc" and len(parts) > 4 else f"base/{parts[1]}"
    )
    return _bare(name) in alone or database in alone


def _place(name: str) -> str:
    return "/".join(name.split("/")[:2])


def _files(data_dir: str, place: str) -> Iterable[str]:
    for directory, _directories, files in os.walk(os.path.join(data_dir, place), followlinks=True):
        for file in files:
            name = os.path.relpath(os.path.join(directory, file), data_dir)
            if _RELATION.fullmatch(name):
                yield name


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _target(data_dir: str, place: str) -> str:
    try:
        return f" ({os.readlink(os.path.join(data_dir, place))})"
    except OSError:
        return ""

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The WAL that an old primary wrote alone after the fork: measured, and kept aside before it is rewound (S7)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Callable

from ..errors import WorldError
from .store import sync_directory

_RECORD = re.compile(r"^rmgr: (\S+)\s+len \(rec/tot\):\s*\d+/\s*(\d+),.*? lsn: ([0-9A-F]+/[0-9A-F]+),.*? desc: (\S*)")

Lines = Callable[[Sequence[str]], Iterator[str]]


@dataclass(frozen=True)
class Kept:
    """What was kept. bytes: of WAL past the fork; commits among it."""

    bytes: int
    commits: int
    segments: int
    text: str


def parse_lsn(text: str) -> int:
    """'0/3000060' as bytes; raises ValueError."""
    high, _slash, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def as_text(lsn: int) -> str:
    """Bytes as '0/3000060'."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def fork_point(history: str, timeline: int) -> int:
    """Where the new primary's history left `timeline`; raises WorldError when it never was on it."""
    for line in history.splitlines():
        parts = line.split()
        if len(parts) >= 2 and parts[0] == str(timeline):
            return parse_lsn(parts[1])
    raise WorldError(
        f"the new primary never was on this node's timeline {timeline}: these are two different clusters, or this "
        "node was promoted as well; its data stays as it is, compare the two nodes before a rebuild"
    )


def segment_name(timeline: int, lsn: int, size: int) -> str:
    """The file name of the WAL segment that holds `lsn`; `size`: of a segment, in bytes."""
    number, per_id = lsn // size, 0x100000000 // size
    return f"{timeline:08X}{number // per_id:08X}{number % per_id:08X}"


def end_and_commits(dump: Iterator[str], fork: int) -> tuple[int, int]:
    """End of the last record past the fork, and the commits past it, from the lines of pg_waldump."""
    end, commits = fork, 0
    for line in dump:
        found = _RECORD.match(line)
        if not found:
            continue
        lsn = parse_lsn(found.group(3))
        if lsn < fork:
            continue
        end = lsn + int(found.group(2))
        commits += found.group(1) == "Transaction" and found.group(4).startswith("COMMIT")
    return end, commits


def lines_of(command: Sequence[str]) -> Iterator[str]:
    """The output of a command line by line (it may be gigabytes); its exit code is not looked at. Raises WorldError."""
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        ) as process:
            yield from process.stdout or ()
    except OSError as error:
        raise WorldError(f"{command[0]}: {error}") from error


def keep(
    data_dir: str,
    bin_dir: str,
    state_dir: str,
    timeline: int,
    fork: int,
    segment_size: int,
    wall: Callable[[], float],
    lines: Lines = lines_of,
) -> Kept:
    """Copy the segments with WAL past the fork to state_dir/diverged-TIME; raises WorldError where they cannot be kept."""
    wal = os.path.join(data_dir, "pg_wal")
    before = _kept_before(state_dir, f"timeline {timeline}, from {as_text(fork)} to ")
    if before is not None:
        return before
    # (It always fails at last: where the WAL ends.)
    dump = lines([os.path.join(bin_dir, "pg_waldump"), "-p", wal, "-t", str(timeline), "-s", as_text(fork)])
    end, commits = end_and_commits(dump, fork)
    if end == fork:
        return Kept(0, 0, 0, "it had written nothing past the fork")
    first, last = segment_name(timeline, fork, segment_size), segment_name(timeline, end - 1, segment_size)
    names = sorted(name for name in os.listdir(wal) if len(name) == len(first) and first <= name <= last)
    target = os.path.join(state_dir, time.strftime("diverged-%Y%m%dT%H%M%SZ", time.gmtime(wall())))
    past = end - fork
    try:
        copy_wal(wal, names, target, segment_size)
        with open(os.path.join(target, "README"), "w", encoding="utf-8") as file:
            file.write(
                f"WAL that this node wrote alone as primary on timeline {timeline}, from {as_text(fork)} to "
                f"{as_text(end)}: {past} bytes, {commits} commits.\nThe rewound cluster does not hold it. To read it:\n"
                f"  pg_waldump -p . -t {timeline} -s {as_text(fork)}\n"
            )
            os.fsync(file.fileno())
        sync_directory(target)
    except OSError as error:
        raise WorldError(
            f"the WAL past the fork ({past} bytes, {commits} commits) cannot be kept in {target}: {error}; nothing "
            "was rewound; make room there, or rebuild this node"
        ) from error
    return Kept(past, commits, len(names), f"{past} bytes and {commits} commits past the fork are kept in {target}")


def _kept_before(state_dir: str, what: str) -> Kept | None:
    """What an earlier attempt at the same rewind kept: its README is written last, so with it all is there."""
    for name in sorted(os.listdir(state_dir)):
        if not name.startswith("diverged-"):
            continue
        target = os.path.join(state_dir, name)
        try:
            with open(os.path.join(target, "README"), encoding="utf-8") as file:
                text = file.read()
        except OSError:
            continue
        found = re.search(r"(\d+) bytes, (\d+) commits", text)
        if what in text and found:
            past, commits = int(found.group(1)), int(found.group(2))
            told = f"{past} bytes and {commits} commits past the fork are kept in {target}"
            return Kept(past, commits, len(os.listdir(target)) - 1, told)
    return None


def copy_wal(wal: str, names: Sequence[str], target: str, segment_size: int) -> None:
    """Copy these files to the directory `target`, durably, if it has room for two segments more; raises OSError."""
    os.makedirs(target, mode=0o750, exist_ok=True)
    free = shutil.disk_usage(target).free
    if free < (len(names) + 2) * segment_size:
        raise OSError(f"{free} bytes are free, {(len(names) + 2) * segment_size} are needed")
    for name in names:
        shutil.copyfile(os.path.join(wal, name), os.path.join(target, name))
        with open(os.path.join(target, name), "rb") as file:
            os.fsync(file.fileno())
    sync_directory(target)

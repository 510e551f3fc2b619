# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the data directory and /proc tell of a PostgreSQL that does not answer SQL.

A dead disk hangs whoever touches it, so the looks of this module run in a thread that is given up after a deadline.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from dataclasses import dataclass
from typing import Callable, Generic, TypeVar

from ..words import Role

T = TypeVar("T")
# Bytes, PostgreSQL 13 to 18: a record's header, its data's header and a CheckPoint; the headers of a WAL page.
_CHECKPOINT_RECORD = 24 + 2 + 88
_PAGE_HEADER, _LONG_PAGE_HEADER = 24, 40
_PROGRAMS = ("postgres", "postmaster")


@dataclass(frozen=True)
class Postmaster:
    """The server process. status: its own word in postmaster.pid (starting, stopping, ready, standby)."""

    pid: int
    status: str
    stopped: bool  # by a signal (SIGSTOP), or traced


@dataclass(frozen=True)
class Control:
    """From pg_controldata."""

    timeline: int
    clean: bool  # shut down cleanly, as primary or as standby
    end_lsn: int | None = None  # shut down cleanly as primary: where its WAL ends
    system_identifier: str | None = None


@dataclass(frozen=True)
class Disk:
    """One look at the data directory."""

    role: Role
    postmaster: Postmaster | None
    control: Control | None
    problem: str = ""


def postmaster(data_dir: str) -> Postmaster | None:
    """The living postmaster of `data_dir`, None where there is none. A pid that another program has by now is none."""
    try:
        with open(os.path.join(data_dir, "postmaster.pid"), encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return None
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            begin, _bracket, rest = file.read().rpartition(")")
        program, state = begin.partition("(")[2], rest.split()[0]
    except (OSError, IndexError):
        return None
    if state in ("Z", "X"):
        return None
    try:
        if not os.path.samefile(f"/proc/{pid}/cwd", data_dir):
            return None
    except PermissionError:
        # Not ours to read. PostgreSQL runs as the owner of its directory only (it refuses any other), so another user's
        # process is none: after a power cut some daemon may well have that pid. Nor is another program of that user.
        # All else is taken for it, the safe way.
        if program not in _PROGRAMS or _is_of_owner(pid, data_dir) is False:
            return None
    except OSError:
        return None
    return Postmaster(pid, lines[7].strip() if len(lines) > 7 else "", state in ("T", "t"))


def lock_is_stale(data_dir: str) -> bool:
    """Does postmaster.pid name a process or thread that lives and is no postmaster, while nothing works in `data_dir`?

    So it may be after a power cut: some daemon of the same user has the number by now. PostgreSQL asks kill(2) only
    whether that number lives (its CreateLockFile), and refuses to start as long as it does. To be asked as that user.
    """
    if not lock_names_another(data_dir):
        return False
    # Backends outlive a postmaster that was killed; all have the directory as their working directory.
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.samefile(f"/proc/{number}/cwd", data_dir):
                return False
        except OSError:
            continue  # gone, or not ours: a server of this directory runs as its owner
    return True


def lock_names_another(data_dir: str) -> bool:
    """Does postmaster.pid name a process that lives and is no postmaster? Seldom, so that the rest need not be asked."""
    try:
        with open(os.path.join(data_dir, "postmaster.pid"), encoding="utf-8", errors="replace") as file:
            pid = abs(int(file.readline()))  # negative: of PostgreSQL in single-user mode
        os.kill(pid, 0)
    except (OSError, ValueError, OverflowError):
        return False  # no file, no number, no such process, or another user's: none of these stops PostgreSQL
    return pid > 1 and postmaster(data_dir) is None


def is_of_owner(pid: int, data_dir: str) -> bool:
    """Is it known that process `pid` runs as the owner of `data_dir`? Whoever may signal everybody's processes asks this first:
    the number is from a file of that user."""
    return _is_of_owner(pid, data_dir) is True


def _is_of_owner(pid: int, data_dir: str) -> bool | None:
    """None: it is not known."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            found = re.search(r"^Uid:\s+\d+\s+(\d+)", file.read(), re.M)  # the second one is the effective user
        return None if found is None else int(found.group(1)) == os.stat(data_dir).st_uid
    except OSError:
        return None


def role(data_dir: str) -> Role:
    """The role that PostgreSQL has or would start with; UNKNOWN where the directory cannot be read."""
    try:
        names = set(os.listdir(data_dir))
    except FileNotFoundError:
        return Role.NONE
    except OSError:
        return Role.UNKNOWN
    if "PG_VERSION" not in names:
        return Role.NONE
    return Role.STANDBY if "standby.signal" in names else Role.PRIMARY


def parse_control(text: str) -> Control:
    """The answer of pg_controldata in English; raises ValueError."""
    timeline = re.search(r"^Latest checkpoint's TimeLineID:\s*(\d+)", text, re.M)
    ending = re.search(r"^Min recovery ending loc's timeline:\s*(\d+)", text, re.M)
    state = re.search(r"^Database cluster state:\s*(.+?)\s*$", text, re.M)
    if not timeline or not state:
        raise ValueError("pg_controldata: no timeline or no state in its answer")
    latest = max(int(timeline.group(1)), int(ending.group(1)) if ending else 0)
    end = _end_of_wal(text) if state.group(1) == "shut down" else None
    system = re.search(r"^Database system identifier:\s*(\d+)", text, re.M)
    is_clean = state.group(1) in ("shut down", "shut down in recovery")
    return Control(latest, is_clean, end, system.group(1) if system else None)


def _end_of_wal(text: str) -> int | None:
    """Where the shutdown checkpoint's record ends, which is the last one; None where that is not told."""
    at = re.search(r"^Latest checkpoint location:\s*([0-9A-F]+)/([0-9A-F]+)", text, re.M)
    block = re.search(r"^WAL block size:\s*(\d+)", text, re.M)
    segment = re.search(r"^Bytes per WAL segment:\s*(\d+)", text, re.M)
    if not at or not block or not segment:
        return None
    begin = (int(at.group(1), 16) << 32) + int(at.group(2), 16)
    page = int(block.group(1))
    if begin % page + _CHECKPOINT_RECORD > page:  # it goes on in the next page, behind that page's header
        starts_segment = (begin // page + 1) * page % int(segment.group(1)) == 0
        begin += _LONG_PAGE_HEADER if starts_segment else _PAGE_HEADER
    return (begin + _CHECKPOINT_RECORD + 7) // 8 * 8


class DataDir:
    """Looks at the data directory; the answer of pg_controldata is kept while global/pg_control does not change."""

    def __init__(self, data_dir: str, bin_dir: str) -> None:
        self._data_dir, self._bin_dir = data_dir, bin_dir
        self._seen: tuple[int, int] = (0, 0)
        self._control: Control | None = None
        self._bounded: Bounded[Disk] = Bounded()

    def look(self, deadline: float) -> Disk:
        """Role, process and, while no process runs, the control file; within `deadline` seconds."""
        found = self._bounded.call(self._look, deadline)
        return found or Disk(Role.UNKNOWN, None, None, f"{self._data_dir} does not answer within {deadline:g} s")

    def _look(self) -> Disk:
        running = postmaster(self._data_dir)
        found = role(self._data_dir)
        if running is None and found in (Role.PRIMARY, Role.STANDBY):
            try:
                return Disk(found, None, self._read_control())
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                self._control = None
                return Disk(found, None, None, f"the control file cannot be read: {error}")
        return Disk(found, running, None, f"{self._data_dir} cannot be read" if found is Role.UNKNOWN else "")

    def _read_control(self) -> Control:
        stat = os.stat(os.path.join(self._data_dir, "global", "pg_control"))
        mark = (stat.st_mtime_ns, stat.st_ino)
        if mark == self._seen and self._control is not None:
            return self._control
        done = subprocess.run(
            [os.path.join(self._bin_dir, "pg_controldata"), "-D", self._data_dir],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=5,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        )
        self._control = parse_control(done.stdout.decode("utf-8", "replace"))
        self._seen = mark
        return self._control


class Bounded(Generic[T]):
    """Calls a function in a thread, and does not wait for it longer than a deadline.

    While one call hangs no other is begun: the hung one's result is taken when it comes.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._result: T | None = None

    def call(self, function: Callable[[], T], deadline: float) -> T | None:
        """What `function` returned, None when it has not by the deadline."""
        if self._thread is None or not self._thread.is_alive():
            self._result = None
            self._thread = threading.Thread(target=self._run, args=(function,), daemon=True, name="skyha-disk")
            self._thread.start()
        self._thread.join(deadline)
        return None if self._thread.is_alive() else self._result

    def _run(self, function: Callable[[], T]) -> None:
        self._result = function()

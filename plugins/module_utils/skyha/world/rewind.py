# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pg_rewind of this node's stopped PostgreSQL from the new primary, in a process beside the loop.

What this node wrote alone after the fork is kept aside first (S7), and nothing is touched before a dry run of pg_rewind
has succeeded. Where rewinding is impossible the old data stays as it is, and the operator decides about a rebuild.

One that broke off while it wrote is done again: the pages to copy are found again by this node's own WAL, which unfinished.py
keeps for that. Only at its end, when the control file is of the new timeline and the rest may not be on disk yet, that is no
longer possible; a mark in the state directory tells. failover_rebuild.yml takes it away with the old data.

request: bin_dir, data_dir, state_dir, peer (its name), dsn (libpq's parameters for its server).
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ..errors import WorldError
from ..probes import datadir
from . import child, diverged, removals
from .postgres import make_standby, remove_stale_lock
from .source import Source, ask_source, conninfo
from .unfinished import Unfinished

_RECOVERY_DEADLINE = 3600.0
_REWIND_DEADLINE = 3 * 3600.0
_STACK = 64 * 1024 * 1024
_LARGEST_PAGE = 65536  # of WAL, in bytes
_PAGE = re.compile(r"(?:^|\s)(?:block \d+|received chunk for file .*)$")
_TELLING = re.compile(r"\b(?:FATAL|ERROR|PANIC|DETAIL|HINT|error|fatal|detail|hint):")
_CHECKPOINT = re.compile(r"rewinding from last common checkpoint at ([0-9A-F]+/[0-9A-F]+) on timeline \d+")
_END = re.compile(r"^(?:Latest checkpoint location|Minimum recovery ending location):\s*([0-9A-F]+/[0-9A-F]+)", re.M)

Run = Callable[[Sequence[str], float, Mapping[str, str]], "subprocess.CompletedProcess[str]"]


def run(command: Sequence[str], deadline: float, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; its output and errors together, in English. Raises WorldError.

    Its lines about single pages, which there may be millions of, are dropped.
    """
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **environment},
        ) as process:
            ended = threading.Timer(deadline, process.kill)
            ended.start()
            try:
                output = "".join(line for line in process.stdout or () if not _PAGE.search(line))
                code = process.wait()
            finally:
                in_time = ended.is_alive()
                ended.cancel()
    except OSError as error:
        raise WorldError(f"{command[0]}: {error}") from error
    if not in_time:
        raise WorldError(f"{command[0]} did not end within {deadline:g} s and was killed")
    return subprocess.CompletedProcess(list(command), code, output)


def rewind(
    request: Mapping[str, Any],
    runner: Run = run,
    ask: Callable[[Mapping[str, Any]], Source] = ask_source,
    wall: Callable[[], float] = time.time,
) -> Mapping[str, Any]:
    """Make this node's data follow the new primary's; raises WorldError with the reason why it cannot."""
    began = time.monotonic()
    data, tools, state = str(request["data_dir"]), str(request["bin_dir"]), str(request["state_dir"])
    unfinished = Unfinished(state, data)
    running = datadir.postmaster(data)
    if running is not None:
        raise WorldError(f"{data}: postmaster {running.pid} runs; stop it first")
    source = ask(request)
    control = _control(runner, tools, data)
    mine = control.timeline
    if source.system_identifier and control.system_identifier != source.system_identifier:
        raise WorldError(
            f"{data}: belongs to another cluster ({control.system_identifier}) than {request['peer']} "
            f"({source.system_identifier}); nothing was changed: are the right disks mounted on both nodes?"
        )
    if mine > source.timeline:
        raise WorldError(
            f"{data}: its timeline {mine} is newer than the new primary's {source.timeline}; compare the two nodes"
        )
    if mine == source.timeline:
        if unfinished.exists:
            raise WorldError(
                f"{data}: the last pg_rewind broke off at its very end, parts of the data may be missing; rebuild this node "
                "(failover_rebuild.yml)"
            )
        make_standby(data)
        return _answer("the timelines are the same: nothing to rewind", began, {})
    fork = diverged.fork_point(source.history, mine)
    kept = diverged.keep(data, tools, state, mine, fork, control.segment_size, wall)
    again = unfinished.put_back(control.of)
    if not control.clean:
        _recover(runner, tools, data)
        control = _control(runner, tools, data)
    command = [os.path.join(tools, "pg_rewind"), "-D", data, "--source-server", _conninfo(request)]
    environment = {"PGPASSFILE": str(request["dsn"]["passfile"])}
    tried = runner([*command, "--dry-run", "--debug"], _REWIND_DEADLINE, environment)
    _check("nothing was changed; pg_rewind cannot help here, rebuild this node (failover_rebuild.yml)", tried)
    _refuse_in_bulk(data, tools, request, tried.stdout, mine, fork)
    problem = ""
    if not again:
        found = _CHECKPOINT.search(tried.stdout)
        first, last = control.segments(diverged.parse_lsn(found.group(1)) if found else fork)
        problem = unfinished.begin(control.of, first, last, control.segment_size)
    unfinished.keep_own()
    try:
        _check(
            "the data directory may be half-way: do not start it, rebuild this node (failover_rebuild.yml)",
            runner(command, _REWIND_DEADLINE, environment),
        )
    finally:
        unfinished.put_back_own()
    _check_result(control, _control(runner, tools, data), source, fork)
    make_standby(data)
    unfinished.end()
    text = (
        f"rewound to timeline {source.timeline} of {request['peer']}, forked at {diverged.as_text(fork)}; {kept.text}"
    )
    return _answer(
        f"{text}; {problem}" if problem else text,
        began,
        {"bytes_past_fork": kept.bytes, "commits_past_fork": kept.commits, "segments_kept": kept.segments},
    )


def _refuse_in_bulk(data: str, tools: str, request: Mapping[str, Any], dry_run: str, timeline: int, fork: int) -> None:
    """Raises WorldError where pg_rewind would remove most of a database or tablespace that this node did not make alone."""
    removed = removals.names(dry_run)
    if not removed:
        return
    dump = [os.path.join(tools, "pg_waldump"), "-p", os.path.join(data, "pg_wal"), "-t", str(timeline)]
    alone = removals.made_alone(diverged.lines_of([*dump, "-s", diverged.as_text(fork)]))
    bulk = removals.in_bulk(data, removed, alone)
    if bulk:
        raise WorldError(
            f"pg_rewind would remove {bulk}, which {request['peer']} does not have; nothing was changed. If its data is whole "
            "(nothing is missing there, the rest was dropped on purpose), rebuild this node (failover_rebuild.yml)"
        )


def _check_result(before: _Control, after: _Control, source: Source, fork: int) -> None:
    """Raises WorldError where pg_rewind ended well and this node's data still has what the new primary lacks.

    It does nothing, and says so with success, where it takes the source for one of the same timeline; rightly only where
    this node wrote nothing past the fork.
    """
    if after.timeline == source.timeline or (before.end_lsn is not None and before.end_lsn <= fork):
        return
    if before.end_lsn is None and before.end <= fork:  # it was a standby
        return
    raise WorldError(
        f"pg_rewind ended without an error, but the data is of timeline {after.timeline}, not {source.timeline}, and goes "
        "past the fork: it was not rewound; try again ('skyctl rejoin'), or rebuild this node (failover_rebuild.yml)"
    )


@dataclass(frozen=True)
class _Control:
    timeline: int
    clean: bool
    segment_size: int
    end: int  # LSN of the last record, a checkpoint
    end_lsn: int | None  # shut down cleanly as primary: where that record ends
    system_identifier: str | None

    @property
    def of(self) -> str:
        """Tells this data directory from another; the same until pg_rewind ends."""
        return f"timeline {self.timeline}, end {self.end}"

    def segments(self, start: int) -> tuple[str, str]:
        """The first and the last WAL segment from `start` on; the last record may go on in the segment behind its own."""
        first, last = (
            diverged.segment_name(self.timeline, lsn, self.segment_size) for lsn in (start, self.end + _LARGEST_PAGE)
        )
        return first, last


def _control(runner: Run, tools: str, data: str) -> _Control:
    done = runner([os.path.join(tools, "pg_controldata"), "-D", data], 30.0, {})
    try:
        found = datadir.parse_control(done.stdout)
        size = next(
            int(line.rpartition(":")[2])
            for line in done.stdout.splitlines()
            if line.startswith("Bytes per WAL segment")
        )
        ends = [diverged.parse_lsn(lsn) for lsn in _END.findall(done.stdout)]
        return _Control(found.timeline, found.clean, size, max(ends), found.end_lsn, found.system_identifier)
    except (ValueError, StopIteration) as error:
        raise WorldError(f"{data}: pg_controldata says nothing of use: {_line(done.stdout)}") from error


def _recover(runner: Run, tools: str, data: str) -> None:
    """Crash recovery in single-user mode: pg_rewind wants a clean shutdown, and its dry run does not bring it about.

    It ends with a checkpoint, which must remove no WAL: pg_rewind reads it back to the last checkpoint before the fork.
    """
    for name in ("standby.signal", "recovery.signal"):
        try:
            os.unlink(os.path.join(data, name))
        except FileNotFoundError:
            pass
    remove_stale_lock(data)
    _check(
        "crash recovery of the old data failed; nothing else was changed",
        runner(
            [
                os.path.join(tools, "postgres"),
                "--single",
                "-D",
                data,
                "-c",
                "archive_mode=off",
                "-c",
                "max_stack_depth=2MB",
                "-c",
                "wal_keep_size=1TB",
                "template1",
            ],
            _RECOVERY_DEADLINE,
            {},
        ),
    )


def _check(meaning: str, done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        telling = [line[found.start() :] for line in lines for found in [_TELLING.search(line)] if found]
        raise WorldError(
            f"{os.path.basename(done.args[0])} failed with exit code {done.returncode}: "
            f"{' | '.join((telling or lines)[-3:])}; {meaning}"
        )


def _conninfo(request: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={_quote(str(value))}" for key, value in conninfo(request).items())


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _answer(detail: str, began: float, numbers: Mapping[str, float]) -> Mapping[str, Any]:
    return {"ok": True, "detail": detail, "numbers": {"seconds": round(time.monotonic() - began, 3), **numbers}}


def _line(text: str) -> str:
    return " ".join(text.split())[-300:]


def allow_deep_stack() -> None:
    """max_stack_depth of the configuration may want the limit that the server's own unit sets."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (_STACK if hard == resource.RLIM_INFINITY else min(_STACK, hard), hard))


def main() -> int:
    """Serve one request."""
    allow_deep_stack()
    return child.serve(rewind)


if __name__ == "__main__":
    raise SystemExit(main())

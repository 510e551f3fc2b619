# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Long work beside the loop, each in a process of its own that is ended at its deadline.

pyghmi with its cryptography is never imported into the daemon itself: it would double its memory.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Any, Callable

from ..config import Config
from ..margins import MEMBERS_DEADLINE
from ..probes.queries import local_dsn, over_tcp
from ..words import Outcome, Power, Task
from . import errand
from .child import command

CHECKPOINT_DEADLINE = 600.0
REWIND_DEADLINE = 4 * 3600.0
RECORD_DEADLINE = 10.0
_GRACE = 1.0  # for a child to end by its own deadline, with an answer
_WARM_FOR = 20.0  # seconds after the last `prepare` that a warmed process is kept
_DYING = 0.2
_MOST_OUTPUT = 1024 * 1024
_LOG = logging.getLogger("skyha.tasks")

Spawn = Callable[[str], "subprocess.Popen[bytes]"]


def spawn(module: str) -> subprocess.Popen[bytes]:
    """Start a child process; its standard error goes where the daemon's goes. Raises OSError."""
    argv, environment = command(module)
    return subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
    )


@dataclasses.dataclass
class _Running:
    process: subprocess.Popen[bytes]
    until: float  # monotonic
    deadline: float
    output: bytes = b""
    ended: bool = False


class ProcessTasks:
    """See ports.Tasks. Also a source of news for PollPause."""

    def __init__(self, config: Config, launch: Spawn = spawn, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._launch = launch
        self._clock = clock
        self._running: dict[Task, _Running] = {}
        self._over: list[Outcome] = []
        self._warm: subprocess.Popen[bytes] | None = None
        self._warm_until = 0.0

    def start(self, task: Task) -> None:
        """See ports.Tasks."""
        if task in self._running:
            return
        module, request, deadline = self._job(task)
        try:
            process = self._take_warm(module) or self._launch(module)
            self._running[task] = _Running(process, self._clock() + deadline + _GRACE, deadline)
            os.set_blocking(_fd(process.stdout), False)
            _send(process, request)
        except OSError as error:
            self._running.pop(task, None)
            self._over.append(Outcome(task, False, f"no process could be started for {task.value}: {error}"))

    def prepare(self, task: Task) -> None:
        """See ports.Tasks: a fence agent that has read its modules and waits for its request."""
        if task is not Task.FENCE:
            return
        self._warm_until = self._clock() + _WARM_FOR
        if self._warm is not None and self._warm.poll() is None:
            return
        try:
            self._warm = self._launch("fencing.child")
        except OSError as error:
            _LOG.warning("no process could be warmed for fencing: %s", error)

    def running(self) -> tuple[Task, ...]:
        """See ports.Tasks."""
        return tuple(self._running)

    def finished(self) -> tuple[Outcome, ...]:
        """See ports.Tasks."""
        now = self._clock()
        for task, running in list(self._running.items()):
            self._read(running)
            if running.ended or now >= running.until:
                del self._running[task]
                self._over.append(_outcome(task, running, _end(running.process, _DYING if not running.output else 0.0)))
        if self._warm is not None and now >= self._warm_until:
            _end(self._warm)
            self._warm = None
        over, self._over = self._over, []
        return tuple(over)

    def descriptors(self) -> Mapping[int, int]:
        """What should wake the loop: the answers of the children."""
        return {_fd(running.process.stdout): select.POLLIN for running in self._running.values() if not running.ended}

    def absorb(self, fd: int) -> None:
        """Take a child's answer."""
        for running in self._running.values():
            if not running.ended and _fd(running.process.stdout) == fd:
                self._read(running)

    def close(self) -> None:
        """End all children."""
        for running in self._running.values():
            _end(running.process)
        if self._warm is not None:
            _end(self._warm)
        self._running, self._warm = {}, None

    def _read(self, running: _Running) -> None:
        try:
            while not running.ended and len(running.output) < _MOST_OUTPUT:
                data = os.read(_fd(running.process.stdout), 65536)
                running.output += data
                running.ended = not data
        except BlockingIOError:
            pass
        except OSError:
            running.ended = True

    def _take_warm(self, module: str) -> subprocess.Popen[bytes] | None:
        if module != "fencing.child" or self._warm is None:
            return None
        warm, self._warm = self._warm, None
        if warm.poll() is None:
            return warm
        _end(warm)
        return None

    def _job(self, task: Task) -> tuple[str, Mapping[str, Any], float]:
        """The module, its request and its deadline."""
        config = self._config
        if task is Task.CHECKPOINT:
            return "world.checkpoint", {"dsn": dict(local_dsn(config, statement_timeout=0))}, CHECKPOINT_DEADLINE
        if task is Task.REWIND:
            if config.postgresql.errands:
                request = errand.request(config.postgresql.errands, errand.REWIND, REWIND_DEADLINE)
                return "world.errand", request, REWIND_DEADLINE
            return "world.rewind", rewind_request(config), REWIND_DEADLINE
        if task is Task.CHECK_RECORD:
            return "world.record_child", {"state_dir": config.paths.state_dir}, RECORD_DEADLINE
        if task is Task.CHECK_MEMBERS:
            members = {"endpoints": config.register.endpoints, "cafile": config.register.cafile}
            return "world.members_child", {**members, "deadline": MEMBERS_DEADLINE}, MEMBERS_DEADLINE
        verb = {Task.FENCE: config.fence.action, Task.POWER_ON: "on", Task.CHECK_BMC: "status"}[task]
        deadline = config.timing.fence_deadline
        levels = [[dataclasses.asdict(agent) for agent in level] for level in config.fences]
        return "fencing.child", {"verb": verb, "deadline": deadline, "levels": levels}, deadline


def rewind_request(config: Config) -> Mapping[str, Any]:
    """What world/rewind.py must know."""
    server, peer = config.postgresql, config.peer
    return {
        "bin_dir": server.bin_dir,
        "data_dir": server.data_dir,
        "state_dir": config.paths.of_rewinds,
        "peer": peer.name,
        "dsn": dict(over_tcp(config, peer.address, server.port)),
    }


def _outcome(task: Task, running: _Running, code: int | None) -> Outcome:
    if not running.ended:
        return Outcome(task, False, f"no answer within {running.deadline:g} s; the process was ended")
    try:
        answer = json.loads(running.output.decode("utf-8"))
        if not isinstance(answer, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError):
        return Outcome(
            task, False, f"the process ended without an answer (exit code {code}); see the journal of skyha.service"
        )
    if "error" in answer:
        return Outcome(task, False, str(answer["error"]))
    power = Power(answer["power"]) if answer.get("power") in [power.value for power in Power] else Power.UNKNOWN
    told = answer.get("numbers")
    numbers = {
        key: float(value)
        for key, value in (told.items() if isinstance(told, dict) else ())
        if isinstance(value, (int, float)) and abs(value) < 1e300
    }
    # Fenced is what was proved, and nothing else; the other tasks say themselves whether they did what they were to do.
    proof = answer.get("proof") is True and task is Task.FENCE
    ok = proof if task is Task.FENCE else answer.get("ok") is True
    return Outcome(task, ok, str(answer.get("detail", "")), power, proof, str(answer.get("warning", "")), numbers)


def _send(process: subprocess.Popen[bytes], request: Mapping[str, Any]) -> None:
    os.write(_fd(process.stdin), json.dumps(request).encode("utf-8") + b"\n")


def _end(process: subprocess.Popen[bytes], patience: float = 0.0) -> int | None:
    """End a child and its own children, and reap it; its exit code, None where it cannot be had at once.

    patience: seconds that it may take to end by itself, so that its exit code tells something.
    """
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                pass
    until = time.monotonic() + patience
    while time.monotonic() < until and not _is_over(process):
        time.sleep(0.01)
    if process.returncode is None:  # not reaped yet: so nobody else can have its number
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            pass
    try:
        return process.wait(_DYING)
    except subprocess.TimeoutExpired:  # it hangs in the kernel; the next Popen reaps it
        return None


def _is_over(process: subprocess.Popen[bytes]) -> bool:
    """Has it ended by itself? It stays unreaped."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _fd(stream: Any) -> int:
    return int(stream.fileno())

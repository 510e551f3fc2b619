# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operator's own commands: run when the role changes, after a failover, or when a fence fails; beside the loop, ended at
their deadline.

They are told what happened in environment variables: SKYHA_EVENT, SKYHA_TEXT, SKYHA_CLUSTER, SKYHA_NODE, SKYHA_PEER,
SKYHA_ROLE. What comes of them changes nothing: a hook can inform, it cannot decide.
"""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ..config import Config
from ..words import Event

_LOG = logging.getLogger("skyha.hooks")
# Kinds of events that change what this node is.
ROLE_CHANGE = ("promoted", "found_primary", "switched", "rewound", "gave_way")
FAILOVER = ("promoted",)
FENCE_FAILED = ("fence_failed",)
# A local program that is there and ready at once: the operator's own, perhaps on a dead network file system, is then waited
# for by this shell, not by the daemon (Popen returns only when the program was loaded).
SHELL = ("/bin/sh", "-c", 'exec "$@"', "hook")

_MEANING = {126: ": it is not executable", 127: ": it was not found"}
Start = Callable[[Sequence[str], Mapping[str, str]], Any]


def start(argv: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own; raises OSError."""
    return subprocess.Popen([*SHELL, *argv], stdin=subprocess.DEVNULL, env=dict(environment), start_new_session=True)


class Hooks:
    """At most one command of each kind at a time; another one is left out and told in the log."""

    def __init__(self, config: Config, launch: Start = start) -> None:
        self._config = config
        self._launch = launch
        self._running: dict[str, tuple[Any, float]] = {}

    def after(self, events: Sequence[Event], role: str, now: float) -> None:
        """Run what these events call for; end what is over its deadline. Never raises, never waits."""
        self._reap(now)
        for name, line, kinds in (
            ("role_change", self._config.hooks.role_change, ROLE_CHANGE),
            ("failover", self._config.hooks.failover, FAILOVER),
            ("fence_failed", self._config.hooks.fence_failed, FENCE_FAILED),
        ):
            event = next((event for event in reversed(events) if event.kind in kinds), None)
            if line and event is not None:
                self._run(name, line, event, role, now)

    def _run(self, name: str, line: str, event: Event, role: str, now: float) -> None:
        if name in self._running:
            _LOG.warning("hook %s still runs: it is not started again for: %s", name, event.text)
            return
        config = self._config
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C",
            "HOME": os.environ.get("HOME", "/"),
            "SKYHA_EVENT": event.kind,
            "SKYHA_TEXT": event.text,
            "SKYHA_CLUSTER": config.cluster.name,
            "SKYHA_NODE": config.node.name,
            "SKYHA_PEER": config.peer.name,
            "SKYHA_ROLE": role,
        }
        try:
            self._running[name] = (self._launch(shlex.split(line), environment), now + config.hooks.deadline)
        except (OSError, ValueError) as error:
            _LOG.warning("hook %s (%s) cannot be started: %s", name, line, error)

    def _reap(self, now: float) -> None:
        for name, (process, until) in list(self._running.items()):
            code = process.poll()
            if code is None and now < until:
                continue
            if code is None:
                _LOG.warning("hook %s did not end within %g s and is killed", name, self._config.hooks.deadline)
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except OSError:
                    pass
                process.poll()
            elif code:
                _LOG.warning("hook %s ended with exit code %s%s", name, code, _MEANING.get(code, ""))
            del self._running[name]

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyhad: reads the configuration, joins the loop to the world, and leaves with a code that systemd understands.

Exit codes: 0 told to leave; 1 an error, systemd starts it anew; 78 (EX_CONFIG) configuration or record cannot be used:
starting anew would not help, so systemd does not (RestartPreventExitStatus). What may pass (a full /run, one EIO) is a 1.
"""

from __future__ import annotations

import faulthandler
import fcntl
import gc
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from .. import __version__
from ..config import Config, read
from ..errors import ConfigError, SkyhaError, StateError
from .notify import log_to_stderr, notify, status_line
from .status import Moment, broken
from .status import write as write_status
from .web import check_listen

_LOG = logging.getLogger("skyha.main")
CONFIG = "/etc/skyha/skyha.conf"
RUN_DIR = "/run/skyha"  # where the status goes when the configuration does not tell
EX_CONFIG = 78
USAGE = """usage: skyhad [--config FILE]

Watches this node's PostgreSQL and its peer, and fails over. Run by skyha.service; see skyctl for talking to it.

  --config FILE   the configuration (default: /etc/skyha/skyha.conf)
  --version       print the version
  --help          print this

exit codes: 0 told to leave, 1 an error (systemd starts it anew), 2 wrong usage, 78 configuration or state unusable
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments in (["--help"], ["-h"]):
        sys.stdout.write(USAGE)
        return 0
    if arguments == ["--version"]:
        sys.stdout.write(f"skyhad {__version__}\n")
        return 0
    path = CONFIG
    if len(arguments) == 1 and arguments[0].startswith("--config="):
        path = arguments[0][len("--config=") :]
    elif len(arguments) == 2 and arguments[0] == "--config":
        path = arguments[1]
    elif arguments:
        sys.stderr.write(USAGE)
        return 2
    log_to_stderr()
    config = None
    try:
        config = read_all(path)
        return _run(config)
    except (ConfigError, StateError) as error:
        problems = error.problems if isinstance(error, ConfigError) else [str(error)]
        if error.may_pass:
            return _refuse(config, "failed", problems, code=1)
        return _refuse(config, "misconfigured", problems)
    except SkyhaError as error:
        return _refuse(config, "failed", [str(error)], code=1)


def read_all(path: str) -> Config:
    """The configuration with what else must hold before the daemon can run; raises ConfigError."""
    config = read(path)
    problems = [f"{path}: {problem}" for problem in map(check_listen, config.http_listen) if problem]
    if problems:
        raise ConfigError(problems)
    return config


def _run(config: Config) -> int:
    # Messages of PostgreSQL's programs are read by their English words.
    os.environ["LC_ALL"] = "C"
    # The watchdog's SIGABRT leaves the stacks of all threads in the log.
    faulthandler.enable()
    lock = _only_one(config)
    try:
        from ..world.history import read as read_history
        from ..world.production import build
        from .daemon import Daemon
        from .loop import Ports
    except ImportError as error:
        raise ConfigError([f"a part is missing: {error}; install python3-psycopg2 (role skyha_daemon does)"]) from error
    try:
        world = build(config)
    except OSError as error:
        raise SkyhaError(f"what skyha works with cannot be opened: {error}; it is tried again in a second") from error
    ports = Ports(
        clock=world.clock,
        eyes=world.eyes,
        hands=world.hands,
        tasks=world.tasks,
        store=world.store,
        pause=world.pause,
        history=world.history,
    )
    daemon = Daemon(config, ports, _history(config, read_history))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: daemon.leave())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    try:
        return daemon.run()
    finally:
        world.close()
        os.close(lock)


def _history(config: Config, read_history: Callable[[str], Iterable[Mapping[str, Any]]]) -> Iterable[Mapping[str, Any]]:
    """The newest events of the history; none when it cannot be read."""
    try:
        return deque(read_history(config.state_dir), maxlen=500)
    except OSError as error:
        _LOG.warning("the history cannot be read: %s", error)
        return ()


def _only_one(config: Config) -> int:
    """Two daemons on one node would fight over the VIP; raises SkyhaError."""
    path = os.path.join(config.run_dir, "skyhad.lock")
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise SkyhaError(
            f"{path} cannot be opened: {error}; 'systemd-tmpfiles --create' makes the directory"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise SkyhaError(f"another skyhad runs on this node (it holds {path}); stop it first") from None
    return lock


def _refuse(config: Config | None, state: str, problems: list[str], code: int = EX_CONFIG) -> int:
    for problem in problems:
        _LOG.error("%s", problem)
    notify(status_line("; ".join(problems)))
    now = Moment(time.monotonic(), time.time(), time.time(), os.getpid())
    try:
        write_status(broken(config, state, problems, now), config.run_dir if config else RUN_DIR)
    except OSError as error:
        _LOG.warning("the status cannot be written: %s", error)
    return code


if __name__ == "__main__":
    raise SystemExit(main())

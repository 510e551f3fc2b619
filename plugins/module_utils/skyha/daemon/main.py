# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyhad: reads the configuration, joins the loop to the world, and leaves with a code that systemd understands.

Exit codes: 0 told to leave; 1 an error, systemd starts it again; 78 (EX_CONFIG) configuration or record cannot be used:
starting again would not help, so systemd does not (RestartPreventExitStatus). What may pass (a full /run, one EIO) is a 1.
"""

from __future__ import annotations

import faulthandler
import fcntl
import gc
import logging
import os
import pwd
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from .. import __version__
from ..config import Config, Timing
from ..config_file import read
from ..errors import ConfigError, SkyhaError, StateError
from ..margins import LONGEST_STEP, RESTART
from ..world.notify import log_to_stderr, notify, status_line
from .status import Moment, broken
from .status import write as write_status
from .web import check_listen

_LOG = logging.getLogger("skyha.main")
CONFIG = "/etc/skyha/skyha.conf"
LOCK = "skyhad.lock"
RUN_DIR = "/run/skyha"  # where the status goes when the configuration does not tell
EX_CONFIG = 78
USAGE = """usage: skyhad [--config FILE]

Watches this node's PostgreSQL and its peer, and fails over. Run by skyha.service; see skyctl for talking to it.

  --config FILE   the configuration (default: /etc/skyha/skyha.conf)
  --version       print the version
  --help          print this

exit codes: 0 told to leave, 1 an error (systemd starts it again), 2 wrong usage, 78 configuration or state unusable
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
        check_user(config)
        return _run(config)
    except NotMine as error:
        _LOG.error("%s", error)
        return error.code
    except (ConfigError, StateError) as error:
        problems = error.problems if isinstance(error, ConfigError) else [str(error)]
        if error.may_pass:
            return _refuse(config, "failed", problems, code=1)
        return _refuse(config, "misconfigured", problems)
    except SkyhaError as error:
        return _refuse(config, "failed", [str(error)], code=1)


class NotMine(SkyhaError):
    """Another daemon or another user has this node: nothing of theirs is touched, the status neither."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def check_user(config: Config) -> None:
    """As another user it would leave files that the service cannot read, or read none; raises NotMine."""
    try:
        owner = os.stat(config.paths.state_dir).st_uid
    except OSError:
        return  # the store says what is wrong with it
    if owner != os.geteuid():
        raise NotMine(
            f"skyhad was started as {_user(os.geteuid())}, and {config.paths.state_dir} belongs to {_user(owner)}: start it with "
            f"'systemctl start skyha', which runs it as that user (was the directory's owner changed? 'chown -R USER: "
            f"{config.paths.state_dir}' with the User= of skyha.service)",
            EX_CONFIG,
        )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def read_all(path: str) -> Config:
    """The configuration with what else must hold before the daemon can run; raises ConfigError."""
    config = read(path)
    problems = [f"{path}: {problem}" for problem in map(check_listen, config.http.listen) if problem]
    problems += [
        f"{path}: {problem}" for problem in _watchdog_problems(config.timing, os.environ.get("WATCHDOG_USEC", ""))
    ]
    if problems:
        raise ConfigError(problems)
    return config


def _watchdog_problems(timing: Timing, microseconds: str) -> list[str]:
    """What the unit's watchdog and the timing contradict each other in. microseconds: as systemd tells (sd_watchdog_enabled(3))."""
    if not microseconds.isdecimal():
        return []
    watchdog, looks = int(microseconds) / 1e6, 3 * timing.look_deadline + timing.dad_wait
    problems = []
    if watchdog <= max(LONGEST_STEP, looks):
        problems.append(
            f"[timing] all looks of a cycle take up to {looks:g} s, an action up to {LONGEST_STEP:g} s, and the unit's watchdog kills "
            f"skyha after {watchdog:g} s: raise skyha_daemon_watchdog, or lower look_deadline"
        )
    if watchdog + RESTART >= timing.arming_window:
        problems.append(
            f"[timing] arming_window is {timing.arming_window:g} s, and a skyha that hangs is back only {watchdog + RESTART:g} s "
            "later, too late to resume a failover: lower skyha_daemon_watchdog, or raise arming_window"
        )
    return problems


def _run(config: Config) -> int:
    # Messages of PostgreSQL's programs are read by their English words.
    os.environ["LC_ALL"] = "C"
    # The watchdog's SIGABRT leaves the stacks of all threads in the log.
    faulthandler.enable()
    lock = _only_one(config)
    try:
        return _serve(config)
    finally:
        os.close(lock)


def _serve(config: Config) -> int:
    try:
        from ..world.certificate import CertificateWatch
        from ..world.history import read as read_history
        from ..world.production import build
        from .backups import BackupFile
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
        notes=world.notes,
        pause=world.pause,
        history=world.history,
        register=world.register,
        signs=world.signs,
        guard=world.guard,
        backups=BackupFile(config, world.clock.monotonic),
        certificates=CertificateWatch(config),
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


def _history(config: Config, read_history: Callable[[str], Iterable[Mapping[str, Any]]]) -> Iterable[Mapping[str, Any]]:
    """The newest events of the history; none when it cannot be read."""
    try:
        return deque(read_history(config.paths.state_dir), maxlen=500)
    except OSError as error:
        _LOG.warning("the history cannot be read: %s", error)
        return ()


def _only_one(config: Config) -> int:
    """Two daemons on one node would fight over the VIP; raises NotMine, or SkyhaError."""
    path = os.path.join(config.paths.run_dir, LOCK)
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
        raise NotMine(
            f"another skyhad runs on this node (it holds {path}), this one ends: 'systemctl status skyha'", 1
        ) from None
    return lock


def _refuse(config: Config | None, state: str, problems: list[str], code: int = EX_CONFIG) -> int:
    for problem in problems:
        _LOG.error("%s", problem)
    notify(status_line("; ".join(problems)))
    now = Moment(time.monotonic(), time.time(), time.time(), os.getpid())
    run_dir = config.paths.run_dir if config else RUN_DIR
    try:
        if not _is_locked(run_dir):
            write_status(broken(config, state, problems, now), run_dir)
    except OSError as error:
        _LOG.warning("the status cannot be written: %s", error)
    return code


def _is_locked(run_dir: str) -> bool:
    """Does another skyhad run, whose status this is? Raises OSError where that cannot be told; a shared lock is no hindrance."""
    try:
        lock = os.open(os.path.join(run_dir, LOCK), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


if __name__ == "__main__":
    raise SystemExit(main())

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does one errand for skyhad, as the user that PostgreSQL runs as; see errand.py. Standard input and output are the connection.

Paths and addresses come from the configuration, which is root's: who asks has no say in them.
"""

from __future__ import annotations

import fcntl
import os
import select
import sys
import threading
from collections.abc import Mapping
from typing import Any, Callable

from ..config import Config
from ..config_file import read
from ..errors import WorldError
from . import child, errand
from .postgres import make_standby, promote, refuse_running, remove_stale_lock

CONFIG = "/etc/skyha/skyha.conf"
LOCK = "rewind.lock"


def handle(request: Mapping[str, Any], config: Config) -> Mapping[str, Any]:
    """Do it; raises WorldError."""
    name = request.get("errand")
    if not isinstance(name, str) or name not in _ERRANDS:
        raise WorldError(f"{name!r} is none of {', '.join(_ERRANDS)}")
    return _ERRANDS[name](config)


def _standby(config: Config) -> Mapping[str, Any]:
    data = config.postgresql.data_dir
    refuse_running(data)
    make_standby(data)
    return {"ok": True}


def _unlock(config: Config) -> Mapping[str, Any]:
    remove_stale_lock(config.postgresql.data_dir)
    return {"ok": True}


def _promote(config: Config) -> Mapping[str, Any]:
    promote(config)
    return {"ok": True}


def _rewind(config: Config) -> Mapping[str, Any]:
    from . import rewind, tasks  # what no other errand needs

    kept = config.paths.of_rewinds
    try:
        lock = os.open(os.path.join(kept, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise WorldError("the last pg_rewind is still being ended; it is tried again") from None
    except OSError as error:
        raise WorldError(f"{kept}: {error}; nothing was rewound; see to the rights there") from error
    rewind.allow_deep_stack()
    return rewind.rewind(tasks.rewind_request(config))


_ERRANDS: Mapping[str, Callable[[Config], Mapping[str, Any]]] = {
    errand.STANDBY: _standby,
    errand.UNLOCK: _unlock,
    errand.PROMOTE: _promote,
    errand.REWIND: _rewind,
}


def _end_with(connection: int) -> None:
    """Whoever asked is gone: nothing is done for nobody. systemd ends what was started from here."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    poll.poll()
    os._exit(0)  # after an answer, too: nobody is left who would read a code


def main() -> int:
    """Serve one request."""
    threading.Thread(target=_end_with, args=(sys.stdin.fileno(),), daemon=True).start()
    return child.serve(lambda request: handle(request, read(CONFIG)))


if __name__ == "__main__":
    raise SystemExit(main())

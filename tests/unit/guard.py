# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nothing that the unit tests start outlives them: a process of its own ends it once theirs is gone, however that went.

All that they start carries MARK in its environment; their directories below /tmp carry it in their names.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

VARIABLE = "SKY_TESTS"
MARK = uuid.uuid4().hex[:8]
LIMIT = 10.0


def prefix(name: str) -> str:
    """Of a directory's name, for tempfile.mkdtemp: it is removed at the end."""
    start()
    return f"{name}-{MARK}-"


@functools.cache
def start() -> None:
    """Let it wait for the end of this process: it notices by the pipe, which nobody else holds open."""
    os.environ[VARIABLE] = MARK
    command = [sys.executable, "-I", __file__, MARK]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env={}, start_new_session=True)

    def leave() -> None:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait(2 * LIMIT)

    atexit.register(leave)


def carries(process: Path, mark: str) -> bool:
    """The processes of another user (PostgreSQL's) may hide their environment, but not their command with its directory."""
    for file, sought in (("environ", f"{VARIABLE}={mark}"), ("cmdline", f"-{mark}-")):
        try:
            if sought.encode() in (process / file).read_bytes():
                return True
        except OSError:
            pass
    return False


def end(process: Path, gently: bool) -> None:
    """PostgreSQL's immediate shutdown takes its processes and its shared memory along."""
    try:
        is_server = (process / "comm").read_text() == "postgres\n"
        os.kill(int(process.name), signal.SIGQUIT if is_server and gently else signal.SIGKILL)
    except (OSError, ValueError):
        pass  # it is gone


def main(mark: str) -> None:
    sys.stdin.buffer.read()
    began = time.monotonic()
    while time.monotonic() < began + LIMIT:
        found = [process for process in Path("/proc").glob("[0-9]*") if carries(process, mark)]
        if not found:
            break
        for process in found:
            end(process, time.monotonic() < began + LIMIT / 2)
        time.sleep(0.05)
    for directory in Path("/tmp").glob(f"*-{mark}-*"):
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])

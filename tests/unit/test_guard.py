# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run of the tests that is broken off leaves no server, no process and no directory behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

LIMIT = 60.0


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def commands() -> list[str]:
    """Of all processes that live: one that ended and waits for its parent has none."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_text().replace("\0", " "))
        except OSError:
            pass
    return found


def is_free(port: int) -> bool:
    return f":{port:04X} " not in Path("/proc/net/udp").read_text() + Path("/proc/net/udp6").read_text()


@pytest.mark.parametrize(("how", "workers"), [(signal.SIGKILL, 0), (signal.SIGKILL, 1), (signal.SIGTERM, 0)])
def test_nothing_stays_behind(how: signal.Signals, workers: int, tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = [sys.executable, "-m", "pytest", "-n", str(workers), str(Path(__file__).with_name("broken_off.py"))]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run = subprocess.Popen(command, env={**os.environ, "TELL": str(told)}, **quiet)  # type: ignore[call-overload]
    try:
        wait_until(told.exists, "it never began")
        root, port, sleeper = told.read_text().split(maxsplit=2)
        assert any(root in command for command in commands())
        assert not is_free(int(port))
    finally:
        run.send_signal(how)
        run.wait(LIMIT)
    wait_until(lambda: not Path(root).exists(), "its directory stays")
    assert is_free(int(port))
    assert not [command for command in commands() if root in command or sleeper in command]

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Background processes of the lab (BMCs, keeper), found again by their pid files."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time

from .config import LabError


def find(pid_file: pathlib.Path, word: str) -> int:
    """Process id from the file, 0 if there is no such process. A file may outlive its process, and the id be given
    to another: it is believed only if word is one of the process's command line arguments."""
    try:
        pid = int(pid_file.read_text())
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return 0
    return pid if word.encode() in words else 0


def spawn(
    command: list[str], pid_file: pathlib.Path, log: pathlib.Path, env: dict[str, str] | None = None
) -> subprocess.Popen:
    """Start a process that outlives us and our terminal; its output goes to log."""
    with open(log, "w", encoding="utf-8") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True, env=env
        )
    pid_file.write_text(str(child.pid))
    return child


def stop(pid_file: pathlib.Path, word: str, timeout: float = 5) -> None:
    """End the process, hung or not; LabError if it is still there after timeout seconds."""
    pid = find(pid_file, word)
    if not pid:
        return
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + timeout
    while find(pid_file, word):
        if time.monotonic() > deadline:
            raise LabError(f"process {pid} ({word}) does not go away")
        time.sleep(0.02)

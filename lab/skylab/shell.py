# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running commands, and telling the person how far we are."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

from .config import PODMAN, LabError


def run(*args: str, check: bool = True, stdin: str | None = None, timeout: float = 300) -> subprocess.CompletedProcess:
    """Run a command and return it with stdout and stderr as text. With check, a failure is a LabError that
    carries the end of the command's own words. timeout in seconds."""
    try:
        done = subprocess.run(
            args,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            text=True,
            timeout=timeout,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise LabError(f"'{args[0]}' is not installed; `lab/lab up` installs what the lab needs") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"no end after {timeout:.0f} s: {' '.join(args)}") from None
    if check and done.returncode:
        raise failed(done)
    return done


def failed(done: subprocess.CompletedProcess) -> LabError:
    """The error for a command that failed, with the end of its own words."""
    words = (done.stderr.strip() or done.stdout.strip()).splitlines()[-8:]
    return LabError(f"failed ({done.returncode}): {' '.join(done.args)}\n  " + "\n  ".join(words))


def podman(
    *args: str, check: bool = True, stdin: str | None = None, timeout: float = 300
) -> subprocess.CompletedProcess:
    """Run podman through the lab's door."""
    for _ in range(3):
        done = run(PODMAN, *args, check=False, stdin=stdin, timeout=timeout)
        # Seen once in hundreds of calls: the kernel refuses the namespace, and takes it a moment later. Nothing ran then.
        if "reassociate to namespace" not in done.stderr:
            break
        time.sleep(0.2)
    if check and done.returncode:
        raise failed(done)
    return done


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    began = time.monotonic()
    print(f"lab: {text} … ", end="", flush=True, file=sys.stderr)
    try:
        yield
    except BaseException:
        print("failed", file=sys.stderr)
        raise
    print(f"{time.monotonic() - began:.1f} s", file=sys.stderr)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the processes beside the loop have in common: one JSON line in, one JSON line out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, Callable

Request = Mapping[str, Any]


def serve(handle: Callable[[Request], Mapping[str, Any]]) -> int:
    """Wait for one request on standard input, answer it on standard output; the exit code.

    Whatever else is written to standard output (libraries do) goes to standard error. End of input is no request.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    line = sys.stdin.readline()
    if not line.strip():
        return 0
    try:
        answer = dict(handle(json.loads(line)))
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    out.write(json.dumps(answer) + "\n")
    out.close()  # the daemon need not wait for the end of the process
    return 0


def command(module: str) -> tuple[list[str], Mapping[str, str]]:
    """The command line and environment that run `module` (as 'fencing.child') of this very package in a new process."""
    package = __name__.rsplit(".", 2)[0]
    root = os.path.abspath(__file__)
    for _step in range(len(__name__.split("."))):
        root = os.path.dirname(root)
    inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LD_LIBRARY_PATH") if key in os.environ}
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    return [sys.executable, "-m", f"{package}.{module}"], {
        **inherited,
        "PYTHONPATH": path,
        "LC_ALL": "C",
        "PYTHONDONTWRITEBYTECODE": "1",
    }

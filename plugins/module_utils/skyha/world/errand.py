# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Errands: what only the user that PostgreSQL runs as may do, where skyhad runs as another one.

sky-errand.socket lets skyhad's user in only, and starts errand_child.py for each connection, as PostgreSQL's user. A line of
JSON names the errand and nothing more; the answer is a line. What comes back is that user's word, who owns the data directory
anyway: it is believed no more than the data directory is. Whoever hangs up ends the errand.

As a program: one errand, for a task of skyhad that waits for long.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import WorldError
from . import child
from .line import exchange

STANDBY, UNLOCK, PROMOTE, REWIND = "standby", "unlock", "promote", "rewind"


def request(path: str, name: str, deadline: float) -> Mapping[str, Any]:
    """For this module as a program."""
    return {"socket": path, "errand": name, "deadline": deadline}


def ask(path: str, name: str, deadline: float) -> Mapping[str, Any]:
    """The answer to one errand; raises WorldError where it was not done."""
    answer = _exchange(request(path, name, deadline))
    if "error" in answer:
        raise WorldError(str(answer["error"]))
    return answer


def _exchange(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    path, name, deadline = str(asked["socket"]), str(asked["errand"]), float(asked["deadline"])
    try:
        data = exchange(path, {"errand": name}, deadline)
    except OSError as error:
        raise WorldError(
            f"{path}: the errand {name} was not done within {deadline:g} s ({error}); see 'systemctl status sky-errand.socket'"
        ) from error
    try:
        answer = json.loads(data)
        if not isinstance(answer, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError) as error:
        raise WorldError(
            f"{path}: the errand {name} ended without an answer; see 'journalctl -u sky-errand@*'"
        ) from error
    return answer


def main() -> int:
    """Serve one request."""
    return child.serve(_exchange)


if __name__ == "__main__":
    raise SystemExit(main())

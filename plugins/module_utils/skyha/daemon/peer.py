# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the peer's skyha says of itself, asked over HTTP by a thread of its own: the page shows both nodes, and a primary learns
whether its standby is armed. Only for who looks: the decision knows nothing of it.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

EVERY = 3.0
DEADLINE = 1.5  # of one question, from connecting to the last byte
MOST_BYTES = 1 << 20
# Older than this it says nothing of now.
FRESH = 15.0
# What is shown of the peer, and the types that it must have; None is allowed where it is named.
_NONE = type(None)
_SHAPE: Mapping[str, tuple[type, ...]] = {
    "state": (str,),
    "cluster": (str,),
    "node": (str,),
    "sentence": (str,),
    "role": (str,),
    "server": (str,),
    "detail": (str,),
    "timeline": (int,),
    "streaming": (bool, _NONE),
    "lag": (dict,),
    "limits": (dict,),
    "vip": (dict,),
    "paused": (dict,),
    "bmc": (dict,),
    "alarms": (dict,),
    "codes": (dict,),
    "armed": (bool, _NONE),
    "not_armed": (dict,),
    "trouble": (dict, _NONE),
    "intent": (dict, _NONE),
    "peer": (str,),
    "version": (str,),
}


@dataclass(frozen=True)
class Told:
    """One answer, or why there is none. `at`: monotonic seconds of this node, when it came."""

    at: float
    status: Mapping[str, Any] | None
    problem: str = ""
    behind: float = 0.0  # seconds that the peer's last cycle was over when it answered


class PeerWatch(threading.Thread):
    """Asks again and again; `newest` is the last answer. `address`: ADDRESS:PORT, None: there is none to ask."""

    def __init__(self, address: str | None, node: str, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(name="peer", daemon=True)
        self._address = address
        self._node = node
        self._now = now
        self._over = threading.Event()
        self._newest: Told | None = None
        if address is None:
            self._newest = Told(now(), None, f"[http] listen names no address that {node} could have too")

    def newest(self) -> Told | None:
        """The last answer; None: there was no time to ask yet."""
        return self._newest

    def stop(self) -> None:
        """Ask the thread to end."""
        self._over.set()

    def run(self) -> None:
        """Until stopped."""
        while self._address is not None and not self._over.wait(EVERY if self._newest else 0.0):
            self._newest = self._ask(self._address)

    def _ask(self, address: str) -> Told:
        try:
            status, behind = understand(get(address, "/status.json", DEADLINE), self._node)
        except OSError as error:
            return Told(self._now(), None, f"skyha of {self._node} at {address} does not answer: {error}")
        except (ValueError, RecursionError) as error:
            return Told(self._now(), None, f"what {address} serves is no status of {self._node}'s skyha: {error}")
        return Told(self._now(), status, "", behind)


def shown(told: Told | None, now: float) -> dict[str, Any]:
    """For the snapshot: the peer's status, its age in seconds, and why it cannot be leant on ('' where it can)."""
    if told is None:
        return {"status": None, "age": None, "problem": "its skyha was not asked yet"}
    age = round(max(0.0, now - told.at) + told.behind, 1)
    problem = told.problem
    if not problem and told.status is not None and told.status["state"] != "running":
        problem = f"its skyha is {told.status['state']}"
    if not problem and age > FRESH:
        problem = f"its skyha was last heard {age:.0f} s ago"
    return {"status": told.status, "age": age, "problem": problem}


def get(address: str, path: str, deadline: float) -> bytes:
    """The body of one HTTP answer with code 200; raises OSError. (http.client would cost the daemon 3 MB.)"""
    until = time.monotonic() + deadline
    host, _, port = address.rpartition(":")
    data = b""
    with socket.create_connection((host.strip("[]"), int(port)), deadline) as channel:
        channel.sendall(f"GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode("ascii"))
        while len(data) <= MOST_BYTES:
            channel.settimeout(max(0.001, until - time.monotonic()))
            part = channel.recv(65536)
            if not part:
                break
            data += part
            if time.monotonic() > until:
                raise TimeoutError("the answer takes too long")
        else:
            raise OSError(f"the answer is longer than {MOST_BYTES} bytes")
    head, _, body = data.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or words[1] != b"200":
        raise OSError(f"the answer is {head[:40].decode('ascii', 'replace')!r}")
    return body


def understand(body: bytes, node: str) -> tuple[Mapping[str, Any], float]:
    """What is shown of a status, and how many seconds ago its last cycle was; raises ValueError for anything else."""
    data = json.loads(body)
    if not isinstance(data, dict):
        raise ValueError("no object")
    if data.get("state") != "running" and "role" not in data:
        return {"state": str(data.get("state")), "node": node, "sentence": str(data.get("sentence", ""))}, 0.0
    for name, kinds in _SHAPE.items():
        if name not in data or not isinstance(data[name], kinds):
            raise ValueError(f"{name!r} is missing or of another kind")
    if data["node"] != node:
        raise ValueError(f"it is of node {data['node']!r}")
    behind = data.get("age", 0.0)
    if isinstance(behind, bool) or not isinstance(behind, (int, float)):
        raise ValueError("'age' is no number")
    return {name: data[name] for name in _SHAPE}, max(0.0, float(behind))

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the peer's skyha says of itself, asked over HTTP by a thread of its own: the page shows both nodes, and a primary learns
whether its standby is armed. Only for who looks: the decision knows nothing of it.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import dataclass
from typing import Callable

from ..kinds import is_plain
from .published import OF_PEER, PeerStatus, Place, Run, Status, from_json

EVERY = 3.0
DEADLINE = 1.5  # of one question, from connecting to the last byte
MOST_BYTES = 1 << 20
# Older than this it says nothing of now.
FRESH = 15.0
# Of a skyha that runs, nothing can be said without these; what else is missing is not known.
_LEAST = ("node", "role", "server", "alarms", "armed", "trouble", "intent")


@dataclass(frozen=True)
class Told:
    """One answer, or why there is none. `at`: monotonic seconds of this node, when it came."""

    at: float
    status: Status | None
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


def shown(told: Told | None, now: float) -> PeerStatus:
    """For the snapshot: the peer's status, its age in seconds, and why it cannot be leant on ('' where it can)."""
    if told is None:
        return PeerStatus()
    age = round(max(0.0, now - told.at) + told.behind, 1)
    problem = told.problem
    if not problem and told.status is not None and told.status.run.state != "running":
        problem = f"its skyha is {told.status.run.state}"
    if not problem and age > FRESH:
        problem = f"its skyha was last heard {age:.0f} s ago"
    return PeerStatus(told.status, age, problem)


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


def understand(body: bytes, node: str) -> tuple[Status, float]:
    """What is shown of a status, and how many seconds ago its last cycle was; raises ValueError for anything else."""
    data = json.loads(body)
    status = from_json(data)
    if status.run.state not in ("", "running") and not status.has_looked:
        return Status(Run(state=status.run.state, sentence=status.run.sentence), Place(node=node)), 0.0
    missing = [name for name in _LEAST if name not in data]
    if missing:
        raise ValueError(f"it does not tell {', '.join(missing)}")
    if status.place.node != node:
        raise ValueError(f"it is of node {status.place.node!r}")
    behind = data.get("age", 0.0)
    if not is_plain(behind, "float"):
        raise ValueError("'age' is no number")
    return from_json({name: data[name] for name in OF_PEER if name in data}), max(0.0, float(behind))

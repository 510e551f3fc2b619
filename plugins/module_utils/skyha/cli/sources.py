# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where skyctl learns how things stand: this node's skyha by its socket, by HTTP, or from its status file; the peer's by HTTP."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from ..config import Config
from ..daemon.control import FILE as SOCKET
from ..daemon.control import NOT_PERMITTED, STATUS
from ..daemon.published import PeerStatus, Status, from_json
from ..daemon.status import FILE as STATUS_FILE
from ..daemon.status import STALE_AFTER
from ..world.line import exchange

DEADLINE = 3.0
PEER_DEADLINE = 1.5
MOST_BYTES = 1 << 20
_STARTS = "skyha has just started and has completed no cycle yet: ask again in a moment"
_CLOSED = "this user may ask skyha neither by its control socket nor by HTTP, nor read its status: run it as root"


class Gap(Enum):
    """Why a view says nothing of whether skyha runs and takes over here."""

    STARTS = "it has just started"
    CLOSED = "this user may not ask it"


class Refused(Exception):
    """skyha answered, and said no."""


class NotAllowed(Exception):
    """Only root and the daemon's own user may do this."""


class NotRunning(Exception):
    """Nobody answers on the control socket."""


@dataclass(frozen=True)
class View:
    """One node's status, and how trustworthy it is."""

    status: Status | None
    problem: str = ""  # why it is not (or no longer) so
    age: float = 0.0  # seconds since the last completed cycle
    gap: Gap | None = None
    told: Mapping[str, Any] | None = None  # the status as it was published, by whatever version

    @property
    def is_live(self) -> bool:
        """It comes from a skyha that runs and completes cycles."""
        return self.status is not None and not self.problem

    @property
    def is_unknown(self) -> bool:
        """It says nothing of whether skyha runs and takes over here."""
        return self.gap is not None


def ask(run_dir: str, question: Mapping[str, Any], deadline: float = DEADLINE) -> Mapping[str, Any]:
    """One question on the control socket; raises NotRunning, NotAllowed, Refused."""
    path = os.path.join(run_dir, SOCKET)
    try:
        data = exchange(path, question, deadline)
    except PermissionError as error:
        raise NotAllowed(f"{path}: {error.strerror}") from error
    except OSError as error:
        raise NotRunning(f"nobody answers on {path}: {error}") from error
    try:
        answer: Mapping[str, Any] = json.loads(data)
        good = answer["ok"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotRunning(f"what came from {path} is no answer of skyha") from error
    if not good:
        kind = NotAllowed if answer.get("code") == NOT_PERMITTED else Refused
        raise kind(str(answer.get("error", "no reason given")))
    return answer


def here(run_dir: str, http: tuple[str, ...] = ()) -> View:
    """This node's status, from the best source that can be had."""
    try:
        return _fresh(ask(run_dir, {"order": STATUS}))
    except NotAllowed:
        for address in http:
            view = over_http(address)
            if view.status is not None:
                return view
        return _written(os.path.join(run_dir, STATUS_FILE))
    except (NotRunning, Refused) as error:
        return _from_file(os.path.join(run_dir, STATUS_FILE), str(error))


def peer(config: Config) -> View:
    """The peer's status, asked over HTTP on its own address."""
    address = config.peer_http
    if address is None:
        return View(None, f"not asked: [http] listen names no address that {config.peer.name} could have too")
    return over_http(address, PEER_DEADLINE)


def acquainted(mine: View, theirs: View) -> list[Status]:
    """The statuses that are live, each with what the other node says now: newer than what its skyha was told of it."""
    live = [view.status for view in (mine, theirs) if view.is_live and view.status is not None]
    if len(live) < 2:
        return live
    return [
        replace(one, around=replace(one.around, peer_status=PeerStatus(other, 0.0, "")))
        for one, other in zip(live, reversed(live))
    ]


def understood(answer: Mapping[str, Any]) -> Status:
    """The status in an answer of the control socket; raises NotRunning for one that this version does not understand."""
    try:
        return from_json(answer.get("status"))
    except ValueError as error:
        raise NotRunning(f"what answers there tells no status of skyha: {error}") from error


def over_http(address: str, deadline: float = DEADLINE) -> View:
    """The status that is served at ADDRESS:PORT."""
    host, _, port = address.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))
    connection = http.client.HTTPConnection(host, int(port), timeout=deadline)
    try:
        connection.request("GET", "/status.json")
        response = connection.getresponse()
        data = response.read(MOST_BYTES)
        if response.status != 200:
            return View(None, f"{address} answers {response.status} {response.reason}")
        told = json.loads(data)
        # Another host's monotonic clock means nothing here: whether it is stale the host itself must say.
        return _state_of(from_json(told), 0.0, told)
    except (OSError, http.client.HTTPException) as error:
        return View(None, f"skyha at {address} does not answer: {error}")
    except (ValueError, RecursionError) as error:
        return View(None, f"what {address} serves is no status of skyha: {error}")
    finally:
        connection.close()


def _fresh(answer: Mapping[str, Any]) -> View:
    status = understood(answer)
    return _state_of(status, max(0.0, time.monotonic() - status.run.written_monotonic), answer["status"])


def _state_of(status: Status, age: float, told: Mapping[str, Any]) -> View:
    problem, gap = "", None
    if status.run.state == "starting":
        problem, gap = _STARTS, Gap.STARTS
    elif status.run.state != "running":
        problem = status.run.sentence or "skyha does not run"
    elif age > STALE_AFTER:
        problem = f"skyha has not completed a cycle for {age:.0f} s"
    return View(status, problem, age, gap, told)


def _written(path: str) -> View:
    """For who may not ask: what skyha writes after each cycle."""
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
        return _fresh({"status": told})
    except (OSError, ValueError, NotRunning, RecursionError):
        return View(None, _CLOSED, gap=Gap.CLOSED)


def _from_file(path: str, problem: str) -> View:
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
        status = from_json(told)
        age = max(0.0, time.monotonic() - told["written_monotonic"])
    except (OSError, ValueError, KeyError, RecursionError):
        return View(None, f"skyha does not run: {problem}")
    runs = status.run.state == "running"
    said = f"skyha does not answer ({problem})" if runs else status.run.sentence or problem
    return View(status, said, age, told=told)

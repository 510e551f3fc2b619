# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control socket: an operator's orders come in here, one JSON object on one line, and are answered with one.

    {"order": "pause", "seconds": 1800, "by": "root"}   ->   {"ok": true, "seq": 41}
    {"order": "switchover"}                             ->   {"ok": false, "code": "paused", "error": "why, and the next step"}

`seq` is the number of the newest event at that time: what comes of the order is told by later events. Whether the
caller may give orders is decided by the kernel's word on who it is (SO_PEERCRED), not by what it says.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ..kinds import is_plain
from ..policy.refusal import Refusal
from ..words import Order, Request
from .published import NO_BMC, Status, to_json
from .serve import BACKLOG, Door

FILE = "skyha.sock"
STATUS = "status"
FENCE_TEST = "fence_test"
# Codes of answers that are no; those of orders that make no sense now are in policy/refusal.py.
NOT_AN_ORDER, NOT_PERMITTED, NOTHING_TO_ASK = "not_an_order", "not_permitted", "nothing_to_ask"
MOST_PAUSE = 30 * 86400.0


@dataclass(frozen=True)
class Control:
    """Answers on the control socket."""

    path: str
    status: Callable[[], Status]  # the newest snapshot
    refusal: Callable[[Order], Refusal | None]  # why an order makes no sense now
    submit: Callable[[Request], None]  # hands it to the loop and wakes it
    fence_test: Callable[[], None]  # asks the peer's BMC for its power status now
    seq: Callable[[], int]  # the number of the newest event
    owner: int  # the daemon's own user id

    def door(self) -> Door:
        """The door to serve."""
        return Door(
            self.path,
            lambda: unix_listener(self.path),
            lambda data: b"\n" in data,
            self._answer,
            most_bytes=4096,
            most_connections=16,
        )

    def _answer(self, question: bytes, whole: bool, connection: socket.socket) -> bytes:
        try:
            reply = self._reply(question, whole, _uid(connection))
        except (ValueError, TypeError, RecursionError) as error:
            reply = _no(NOT_AN_ORDER, f"this is not an order: {error}")
        return json.dumps(reply, default=str).encode() + b"\n"

    def _reply(self, question: bytes, whole: bool, uid: int | None) -> Mapping[str, Any]:
        if not whole:
            raise ValueError("one line of JSON is expected within 5 seconds")
        asked = json.loads(question.split(b"\n", 1)[0])
        if not isinstance(asked, dict):
            raise ValueError("a JSON object is expected")
        name = asked.get("order")
        if name == STATUS:
            return {"ok": True, "status": to_json(self.status())}
        if uid not in (0, self.owner):
            return _no(NOT_PERMITTED, "orders are taken from root and from the daemon's own user only")
        seq = self.seq()
        if name == FENCE_TEST and self.status().around.bmc.power == NO_BMC:
            return _no(NOTHING_TO_ASK, "the peer has no BMC: no [agent NAME] stands in skyha.conf")
        if name == FENCE_TEST:
            checks = self.status().around.bmc.checks
            self.fence_test()
            return {"ok": True, "seq": seq, "checks": checks}
        request = _request(asked, uid)
        refusal = self.refusal(request.order)
        if refusal is not None:
            return _no(refusal.code, refusal.text)
        self.submit(request)
        return {"ok": True, "seq": seq}


def _no(code: str, text: str) -> Mapping[str, Any]:
    return {"ok": False, "code": code, "error": text}


def _request(asked: Mapping[str, Any], uid: int | None) -> Request:
    try:
        order = Order(asked.get("order"))
    except ValueError:
        known = [order.value for order in Order] + [FENCE_TEST, STATUS]
        raise ValueError(f"{asked.get('order')!r} is none of {', '.join(known)}") from None
    seconds = asked.get("seconds")
    if seconds is not None:
        if not is_plain(seconds, "float"):
            raise ValueError("seconds must be a number")
        if not 0 < seconds <= MOST_PAUSE:
            raise ValueError(f"seconds must be above 0 and at most {MOST_PAUSE:.0f}")
    return Request(order, by=f"{str(asked.get('by', ''))[:64]} (uid {uid})".strip(), seconds=seconds)


def unix_listener(path: str) -> socket.socket:
    """A listening Unix socket that user and group of the daemon may write to; raises OSError. A stale one is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    temporary = f"{path}.{os.getpid()}"
    try:
        if os.path.exists(temporary):
            os.unlink(temporary)
        listener.bind(temporary)
        os.chmod(temporary, 0o660)
        listener.listen(BACKLOG)
        os.replace(temporary, path)
    except OSError:
        listener.close()
        raise
    return listener


def _uid(connection: socket.socket) -> int | None:
    try:
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    except OSError:
        return None
    _pid, uid, _gid = struct.unpack("3i", data)
    return int(uid)

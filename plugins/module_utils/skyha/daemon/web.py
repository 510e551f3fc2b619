# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP, read only: metrics, health for load balancers, the status page. A door for serve.py; see there for its limits."""

from __future__ import annotations

import socket
import time
from http import HTTPStatus
from typing import Callable

from .. import __version__
from .metrics import metrics
from .page import alarms_page, page
from .published import Status, to_json
from .serve import Door, tcp_listener
from .status import STALE_AFTER, as_text, is_replica, is_serving

_METHODS = ("GET", "HEAD")
_TEXT = "text/plain; charset=utf-8"
MOST_BYTES = 8192


class Http:
    """Answers requests from the newest snapshot."""

    def __init__(self, status: Callable[[], Status], now: Callable[[], float] = time.monotonic) -> None:
        self._status = status
        self._now = now

    def door(self, address: str) -> Door:
        """The door to serve at 'ADDRESS:PORT'."""
        return Door(f"http {address}", lambda: tcp_listener(address), is_complete, self.answer, most_bytes=MOST_BYTES)

    def answer(self, request: bytes, whole: bool, connection: socket.socket | None = None) -> bytes:
        """The whole response to one request; `whole` is False for one that was too long or too slow."""
        method, path, problem = understand(request, whole)
        if problem:
            code, text = problem
            return _response(code, _TEXT, text + "\n", method)
        code, kind, body = self._route(path)
        return _response(code, kind, body, method)

    def _route(self, path: str) -> tuple[int, str, str]:
        status = self._status()
        age = max(0.0, self._now() - status.run.written_monotonic)
        stale = age > STALE_AFTER
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4; charset=utf-8", metrics(status, age)
        if path in ("/", "/status"):
            return 200, "text/html; charset=utf-8", page(status, age)
        if path == "/alarms":
            return 200, "text/html; charset=utf-8", alarms_page()
        if path == "/status.json":
            return 200, "application/json", as_text({**to_json(status), "age": round(age, 3)}) + "\n"
        checks: dict[str, Callable[[Status], bool]] = {
            "/health": lambda status: status.postgres.server == "up",
            "/primary": is_serving,
            "/replica": is_replica,
        }
        if path not in checks:
            return 404, _TEXT, "not here; there are /, /alarms, /status.json, /metrics, /health, /primary, /replica\n"
        sentence = status.run.sentence
        if stale:
            sentence = f"skyha has not completed a cycle for {age:.0f} s; before: {sentence}"
        return (200 if checks[path](status) and not stale else 503), _TEXT, sentence + "\n"


def is_complete(request: bytes) -> bool:
    """Have all headers come? What follows them is not read."""
    return b"\r\n\r\n" in request or b"\n\n" in request


def understand(request: bytes, whole: bool) -> tuple[str, str, tuple[int, str] | None]:
    """(method, path without query, what is wrong with it or None)."""
    line = request.split(b"\n", 1)[0].rstrip(b"\r")
    try:
        words = line.decode("ascii").split(" ")
    except UnicodeDecodeError:
        words = []
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1]:
        if not whole and len(request) < MOST_BYTES and b"\n" not in request:
            return "GET", "", (408, "the request did not come in time")
        return "GET", "", (400, "this is not an HTTP/1 request")
    method, target, _version = words
    if not whole:
        late = (408, "the request did not come in time")
        return (
            method,
            "",
            (431, f"the request is longer than {MOST_BYTES} bytes") if len(request) >= MOST_BYTES else late,
        )
    if method not in _METHODS:
        return method, "", (405, "nothing can be changed here; GET and HEAD only")
    if target.lower().startswith("http://"):
        target = "/" + target[7:].partition("/")[2]
    if not target.startswith("/"):
        return method, "", (400, "the request's target is not a path")
    return method, target.split("?", 1)[0].split("#", 1)[0], None


def _response(code: int, kind: str, body: str, method: str) -> bytes:
    data = body.encode("utf-8", "replace")
    lines = [
        f"HTTP/1.1 {code} {HTTPStatus(code).phrase}",
        f"Server: skyha/{__version__}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(data)}",
        "Cache-Control: no-store",
        "Connection: close",
        "X-Content-Type-Options: nosniff",
        "X-Frame-Options: DENY",
        "Referrer-Policy: no-referrer",
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    ]
    if code == 405:
        lines.append("Allow: " + ", ".join(_METHODS))
    return "\r\n".join(lines + ["", ""]).encode("ascii") + (b"" if method == "HEAD" else data)


def check_listen(address: str) -> str | None:
    """What is wrong with a listen address, None when nothing."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        return f"[http] listen = {address!r}: ADDRESS:PORT is needed, such as 127.0.0.1:8008 or [::1]:8008"
    for family, text in ((socket.AF_INET, host), (socket.AF_INET6, host[1:-1] if host[:1] + host[-1:] == "[]" else "")):
        try:
            socket.inet_pton(family, text)
            return None
        except (OSError, ValueError):  # ValueError: a NUL in it
            continue
    return f"[http] listen = {address!r}: {host!r} is not an IP address (IPv6 stands in brackets)"

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One connection to a member of an etcd: HTTP/1.1 over TLS, by the standard library, driven without ever blocking.

etcd's JSON gateway takes each call as a POST, and answers with one JSON object, with status 200 where the call was carried out. A binary
value is base64 in it, a 64-bit number a string, and what has its default value is left out.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import select
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..words import Failure, Sight
from . import tcp

LONGEST = 1 << 20  # bytes of an answer; a row has some hundred
_SIGHTS = {tcp.Port.REFUSED: Sight.REFUSED, tcp.Port.OPEN: Sight.DROPPED, tcp.Port.ERROR: Sight.UNKNOWN}


@dataclass(frozen=True)
class Reply:
    """What a member answered. code: gRPC's, where it is an error."""

    ok: bool
    body: Mapping[str, Any]
    code: int = 0
    error: str = ""


class Channel:
    """A connection that connects, is asked, answers, and may be asked again.

    The owner waits for `fileno()` to become ready for `wants` and then calls `advance`. Afterwards one of these holds: still
    `connecting` or `asking`; `ready` to be asked; an answer is in `reply`; `failure` says why it has ended.
    """

    def __init__(self, address: str, port: int, cafile: str, now: float) -> None:
        """Begin to connect with the IP address; `now`: the caller's monotonic time."""
        self.accepted_at: float | None = None
        self.reply: Reply | None = None
        self.failure: Failure | None = None
        self.wants = select.POLLOUT
        self.connecting, self.asking = True, False
        self._address, self._host = address, f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        self._raw: socket.socket | None = None
        self._tls: ssl.SSLSocket | None = None
        self._out, self._in = b"", b""
        self._cafile = cafile
        try:
            # Made for each connection, which are few: a file that has changed counts at once.
            self._context = ssl.create_default_context(cafile=cafile)
        except (OSError, ValueError) as error:
            self._end(Failure(Sight.UNKNOWN, f"the certificates in {cafile} cannot be used: {error}"))
            return
        try:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            self._raw = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._raw.connect((address, port))
        except BlockingIOError:
            pass
        except OSError as error:
            self._end(_of_error(error, accepted=False))

    @property
    def alive(self) -> bool:
        """The connection is there (or is being made)."""
        return self._raw is not None or self._tls is not None

    @property
    def ready(self) -> bool:
        """It can be asked."""
        return self.alive and not self.connecting and not self.asking

    def fileno(self) -> int:
        """The file descriptor to wait for; -1 when there is no connection."""
        held = self._tls or self._raw
        return -1 if held is None else held.fileno()

    def has_ended(self) -> bool:
        """Of a connection that was not asked anything: did the other side end it? (What TLS itself sends is no news.)"""
        try:
            return self._tls is None or self._tls.recv(1) is not None
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except (OSError, ValueError):
            return True

    def ask(self, path: str, body: Mapping[str, Any], token: str, now: float) -> None:
        """Send a call; what came back before is forgotten."""
        content = json.dumps(body).encode()
        # hasleader: a member that sees no leader says so at once, instead of waiting for one.
        head = [
            f"POST {path} HTTP/1.1",
            f"Host: {self._host}",
            "Content-Type: application/json",
            "Grpc-Metadata-hasleader: true",
        ]
        head += [f"Content-Length: {len(content)}", *([f"Authorization: {token}"] if token else []), "", ""]
        self.reply, self.asking, self._in = None, True, b""
        self._out = "\r\n".join(head).encode() + content
        self.advance(now)

    def advance(self, now: float) -> None:
        """Go as far as is possible without waiting."""
        try:
            if self._raw is not None:
                self._connected(now)
            if self._tls is not None and self.connecting:
                self._tls.do_handshake()
                self.connecting, self.wants = False, select.POLLIN
            if self._tls is not None and self.asking:
                self._exchange(self._tls)
        except ssl.SSLWantReadError:
            self.wants = select.POLLIN
        except (ssl.SSLWantWriteError, BlockingIOError):
            self.wants = select.POLLOUT
        except (OSError, ValueError) as error:
            self._end(_of_error(error, self.accepted_at is not None))

    def close(self) -> None:
        """Give the connection up."""
        for held in (self._raw, self._tls):
            if held is not None:
                held.close()
        self._raw = self._tls = None
        self.connecting = self.asking = False

    def _connected(self, now: float) -> None:
        raw = self._raw
        if raw is None:
            return
        code = raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        try:
            raw.getpeername()
        except OSError:
            raise BlockingIOError from None  # not yet
        self.accepted_at = now
        self._raw = None
        self._tls = self._context.wrap_socket(raw, server_hostname=self._address, do_handshake_on_connect=False)

    def _exchange(self, tls: ssl.SSLSocket) -> None:
        while self._out:
            self._out = self._out[tls.send(self._out) :]
        self.wants = select.POLLIN
        while self.reply is None:
            more = tls.recv(65536)
            if not more:
                raise ConnectionResetError("the connection was ended")
            self._in += more
            if len(self._in) > LONGEST:
                raise ValueError(f"an answer of more than {LONGEST} bytes: is it an etcd?")
            self.reply = _reply(self._in)
        self.asking = False

    def _end(self, failure: Failure) -> None:
        self.close()
        self.failure = failure


class _Bytes(io.BytesIO):
    """What http.client takes for a socket."""

    def makefile(self, _mode: str) -> io.BytesIO:
        """Itself."""
        return self


def _reply(text: bytes) -> Reply | None:
    """The answer, once all of it is there; raises ValueError for what is none."""
    if b"\r\n\r\n" not in text:
        return None
    answer = http.client.HTTPResponse(_Bytes(text), method="POST")  # type: ignore[arg-type]
    try:
        answer.begin()
        if answer.length is None and not answer.chunked:
            raise ValueError("an answer without a length: is it an etcd?")
        body = json.loads(answer.read())
    except http.client.IncompleteRead:
        return None
    except (http.client.HTTPException, ValueError) as error:
        raise ValueError(f"no answer of an etcd: {type(error).__name__} {error}".rstrip()) from error
    if not isinstance(body, dict):
        raise ValueError("no answer of an etcd: it is no JSON object")
    if answer.status == http.client.OK:
        return Reply(True, body)
    # The gateway of 3.4 and 3.5 says `error`, and all say `message`.
    said = str(body.get("message") or body.get("error") or f"HTTP status {answer.status}")
    code = body.get("code")
    return Reply(False, body, code if isinstance(code, int) else 0, said)


def _of_error(error: BaseException, accepted: bool) -> Failure:
    """What a connection's end says of the member."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure(Sight.ALIVE, f"its certificate is not trusted: {error.verify_message or error}")
    if isinstance(error, ssl.SSLEOFError) or (accepted and isinstance(error, ConnectionError)):
        return Failure(Sight.DROPPED, f"the connection was ended: {error}")
    if isinstance(error, ssl.SSLError):
        return Failure(Sight.ALIVE, f"TLS fails: {error.reason or error}")
    if isinstance(error, OSError):
        code = error.errno or 0
        return Failure(_SIGHTS.get(tcp.meaning(code), Sight.UNREACHABLE), os.strerror(code) if code else str(error))
    return Failure(Sight.ALIVE, str(error))

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server on loopback that speaks just enough of PostgreSQL's protocol, and misbehaves as told."""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass, field

ROW = ("f", "100", "1", "t", "f", None, "7300000000000000001")


@dataclass
class FakePostgres:
    """How it behaves can be changed at any time.

    mode: answer; silent (accepts and never says a word); drop (accepts and closes); refuse_login (an error while
    connecting); error (an error to each query); hang (lets in, then never answers).
    """

    mode: str = "answer"
    code: str = "XX000"
    message: str = "as told"
    delay: float = 0.0  # before each answer to a query
    login_delay: float = 0.0  # before it lets somebody in
    row: tuple[str | None, ...] = ROW
    connections: int = 0
    queries: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening and cut all connections."""
        self._listener.close()
        # a thread blocked in accept() holds the listener: one knock lets it go
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.2).close()
        except OSError:
            pass
        self.cut()

    def cut(self) -> None:
        """Cut all connections, as a dying server does."""
        for one in self._open:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._open = []

    def _accept(self) -> None:
        while True:
            try:
                one, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(one)
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one: socket.socket) -> None:
        try:
            if self.mode == "drop":
                one.close()
                return
            if self.mode == "silent":
                time.sleep(60)
                return
            length = struct.unpack("!i", _exactly(one, 4))[0]
            _exactly(one, length - 4)
            if self.mode == "refuse_login":
                one.sendall(_error("FATAL", self.code, self.message))
                one.close()
                return
            parameters = {
                "client_encoding": "UTF8",
                "server_encoding": "UTF8",
                "DateStyle": "ISO, MDY",
                "server_version": "15.0",
                "integer_datetimes": "on",
                "standard_conforming_strings": "on",
            }
            time.sleep(self.login_delay)
            one.sendall(
                _message(b"R", struct.pack("!i", 0))
                + b"".join(
                    _message(b"S", key.encode() + b"\0" + value.encode() + b"\0") for key, value in parameters.items()
                )
                + _message(b"K", struct.pack("!ii", 1, 2))
                + _READY
            )
            while True:
                kind = _exactly(one, 1)
                body = _exactly(one, struct.unpack("!i", _exactly(one, 4))[0] - 4)
                if kind != b"Q":
                    return
                self.queries.append(body[:-1].decode())
                self._answer(one)
        except (OSError, EOFError):
            pass

    def _answer(self, one: socket.socket) -> None:
        if self.mode == "hang":
            time.sleep(60)
        time.sleep(self.delay)
        if self.mode == "error":
            one.sendall(_error("ERROR", self.code, self.message) + _READY)
            return
        # bool, then integers, then booleans, then a float and a text: as the heartbeat's row
        kinds = (16, 20, 23, 16, 16, 701, 25)
        fields = b"".join(b"c\0" + struct.pack("!ihihih", 0, 0, kind, -1, -1, 0) for kind in kinds[: len(self.row)])
        values = b"".join(
            struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value.encode()
            for value in self.row
        )
        count = struct.pack("!h", len(self.row))
        one.sendall(
            _message(b"T", count + fields) + _message(b"D", count + values) + _message(b"C", b"SELECT 1\0") + _READY
        )


def _exactly(one: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = one.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _error(severity: str, code: str, text: str) -> bytes:
    fields = f"S{severity}\0C{code}\0M{text}\0\0"
    return _message(b"E", fields.encode())


_READY = _message(b"Z", b"I")

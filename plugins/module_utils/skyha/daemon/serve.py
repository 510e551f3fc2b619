# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One thread that answers short questions on sockets: the control socket and HTTP.

Every connection asks once, is answered once and is closed. All of it is bounded, so that nobody who can reach a socket
can hurt the daemon: so many connections (the oldest gives way), so many bytes, so many seconds.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Callable

BACKLOG = 32
REOPEN_EVERY = 10.0
LINGER = 1.0  # after the answer: how long to read on, so that unread bytes do not reset what was sent
CHUNK = 16384


@dataclass(frozen=True)
class Door:
    """A listening socket and what is answered there.

    listen: opens it, raises OSError; it is tried again later (an address may come back).
    is_complete: whether these bytes are a whole question.
    answer: the answer to a question; `whole` is False when it was too long or came too slowly. Must be quick.
    """

    name: str
    listen: Callable[[], socket.socket]
    is_complete: Callable[[bytes], bool]
    answer: Callable[[bytes, bool, socket.socket], bytes]
    most_bytes: int = 8192
    most_connections: int = 32
    ask_deadline: float = 5.0
    answer_deadline: float = 10.0


@dataclass
class _Caller:
    door: Door
    connection: socket.socket
    deadline: float
    heard: bytearray = field(default_factory=bytearray)
    left: memoryview | None = None  # of the answer; None: still listening to the question
    lingering: bool = False


class Serving(threading.Thread):
    """The thread. `log` takes a level (info, warning, alarm) and a sentence."""

    def __init__(self, doors: Sequence[Door], log: Callable[[str, str], None]) -> None:
        super().__init__(name="serving", daemon=True)
        self._doors = tuple(doors)
        self._log = log
        self._selector = selectors.DefaultSelector()
        self._open: dict[str, socket.socket] = {}
        self._complaints: dict[str, str] = {}
        self._callers: list[_Caller] = []
        self._retry_at = 0.0
        self._stopping = False
        self._bell, self._ringer = socket.socketpair()
        self._selector.register(self._bell, selectors.EVENT_READ, None)

    def open_doors(self) -> None:
        """Listen wherever that is not done yet; says once why it cannot."""
        for door in self._doors:
            if door.name in self._open:
                continue
            try:
                listener = door.listen()
            except OSError as error:
                self._complain(door.name, f"cannot listen on {door.name}: {error}; it is tried again")
                continue
            listener.setblocking(False)
            self._open[door.name] = listener
            self._selector.register(listener, selectors.EVENT_READ, door)
            if self._complaints.pop(door.name, None):
                self._log("info", f"listening on {door.name} now")
        self._retry_at = time.monotonic() + REOPEN_EVERY

    def listening(self) -> dict[str, socket.socket]:
        """The doors that are open, by name."""
        return dict(self._open)

    def stop(self) -> None:
        """Ask the thread to end; it closes everything."""
        self._stopping = True
        self._ringer.send(b".")

    def run(self) -> None:
        """Serve until stopped. An error of one caller is that caller's end only."""
        while not self._stopping:
            try:
                self._turn()
            except Exception as error:  # the page must never take the daemon with it
                self._complain("serving", f"an error while serving: {type(error).__name__}: {error}")
                time.sleep(0.2)
        for caller in list(self._callers):
            self._close(caller)
        for listener in self._open.values():
            listener.close()

    def _turn(self) -> None:
        if len(self._open) < len(self._doors) and time.monotonic() >= self._retry_at:
            self.open_doors()
        for key, _mask in self._selector.select(self._patience()):
            if key.data is None:
                self._bell.recv(16)
            elif isinstance(key.data, Door):
                self._accept(key.data, key.fileobj)  # type: ignore[arg-type]
            else:
                self._guard(key.data)
        now = time.monotonic()
        for caller in [caller for caller in self._callers if caller.deadline <= now]:
            if caller.left is None:
                self._guard(caller, late=True)
            else:
                self._close(caller)

    def _patience(self) -> float | None:
        times = [caller.deadline for caller in self._callers]
        if len(self._open) < len(self._doors):
            times.append(self._retry_at)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _accept(self, door: Door, listener: socket.socket) -> None:
        try:
            connection, _address = listener.accept()
        except OSError as error:
            if not isinstance(error, (BlockingIOError, ConnectionError)):
                # No file descriptor is left, most likely: the listener stays readable, so wait instead of spinning.
                self._complain("accept", f"cannot accept on {door.name}: {error}")
                time.sleep(0.1)
            return
        connection.setblocking(False)
        mine = [caller for caller in self._callers if caller.door is door]
        if len(mine) >= door.most_connections:
            self._close(mine[0])
        caller = _Caller(door, connection, time.monotonic() + door.ask_deadline)
        self._callers.append(caller)
        self._selector.register(connection, selectors.EVENT_READ, caller)
        self._guard(caller)

    def _guard(self, caller: _Caller, late: bool = False) -> None:
        if caller not in self._callers:
            return
        try:
            self._serve(caller, late)
        except OSError:
            self._close(caller)
        except Exception as error:
            self._complain(
                caller.door.name, f"an error while answering on {caller.door.name}: {type(error).__name__}: {error}"
            )
            self._close(caller)

    def _serve(self, caller: _Caller, late: bool) -> None:
        if caller.lingering:
            if not caller.connection.recv(CHUNK):
                self._close(caller)
            return
        if caller.left is None:
            self._listen_to(caller, late)
        if caller.left is not None and not caller.lingering:
            self._send(caller)

    def _listen_to(self, caller: _Caller, late: bool) -> None:
        door, ended = caller.door, False
        if not late:
            try:
                data = caller.connection.recv(CHUNK)
            except BlockingIOError:
                return
            ended = not data
            caller.heard += data
        question = bytes(caller.heard[: door.most_bytes])
        whole = door.is_complete(question)
        if not (whole or late or ended or len(caller.heard) > door.most_bytes):
            return
        if ended and not question:
            self._close(caller)
            return
        caller.left = memoryview(door.answer(question, whole, caller.connection))
        caller.deadline = time.monotonic() + door.answer_deadline
        self._selector.modify(caller.connection, selectors.EVENT_WRITE, caller)

    def _send(self, caller: _Caller) -> None:
        assert caller.left is not None
        if caller.left:
            try:
                caller.left = caller.left[caller.connection.send(caller.left) :]
            except BlockingIOError:
                return
        if not caller.left:
            caller.connection.shutdown(socket.SHUT_WR)
            caller.lingering = True
            caller.deadline = time.monotonic() + LINGER
            self._selector.modify(caller.connection, selectors.EVENT_READ, caller)

    def _close(self, caller: _Caller) -> None:
        self._callers.remove(caller)
        self._selector.unregister(caller.connection)
        caller.connection.close()

    def _complain(self, what: str, text: str) -> None:
        if self._complaints.get(what) != text:
            self._complaints[what] = text
            self._log("warning", text)


def tcp_listener(address: str) -> socket.socket:
    """A listening TCP socket for 'ADDRESS:PORT' or '[IPV6]:PORT'; raises OSError."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener

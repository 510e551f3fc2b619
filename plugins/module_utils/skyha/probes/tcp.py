# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A TCP handshake with a deadline: open, refused, timeout, unreachable."""

from __future__ import annotations

import errno
import ipaddress
import os
import select
import socket
import time
from dataclasses import dataclass
from enum import Enum
from typing import Callable

# Errors that say something of the network or of the other host.
_UNREACHABLE = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.ETIMEDOUT, errno.ECONNABORTED}
)


class Port(str, Enum):
    """What a TCP port answered."""

    OPEN = "open"  # the handshake was completed
    REFUSED = "refused"  # RST: the host lives, nobody listens
    TIMEOUT = "timeout"  # no answer within the deadline
    UNREACHABLE = "unreachable"  # the network said that there is no way, or the name is unknown
    ERROR = "error"  # this host itself failed (no file descriptor ...): says nothing of the port


@dataclass(frozen=True)
class Answer:
    """One handshake. latency: seconds that it took."""

    port: Port
    detail: str
    latency: float


class Knock:
    """One TCP handshake that never blocks; nothing is sent over the connection."""

    def __init__(self, address: str, port: int, now: float) -> None:
        """Begin the handshake with the IP address; `now`: the caller's monotonic time."""
        self.began = now
        self.opened_at: float | None = None
        self.closed = False  # the other side closed it after the handshake
        self.error = 0  # errno of a failed handshake
        self._socket: socket.socket | None = None
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            code = self._socket.connect_ex((address, port))
        except OSError as error:
            code = error.errno or errno.EIO
        if code not in (0, errno.EINPROGRESS):
            self._fail(code)

    def fileno(self) -> int:
        """The file descriptor to wait for; -1 when it is over."""
        return -1 if self._socket is None else self._socket.fileno()

    @property
    def wants(self) -> int:
        """The events to wait for, as for select.poll."""
        return select.POLLOUT if self.opened_at is None else select.POLLIN

    def advance(self, now: float) -> None:
        """Take note of what happened to the descriptor."""
        if self._socket is None:
            return
        if self.opened_at is None:
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._fail(code)
            else:
                self.opened_at = now
            return
        try:
            self.closed = not self._socket.recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            self.closed = True
        if self.closed:
            self.close()

    def close(self) -> None:
        """Forget the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _fail(self, code: int) -> None:
        self.error = code
        self.close()


def meaning(code: int) -> Port:
    """What the errno of a failed handshake says."""
    if code == errno.ECONNREFUSED:
        return Port.REFUSED
    if code == errno.ECONNRESET:  # accepted, then reset before we looked
        return Port.OPEN
    return Port.UNREACHABLE if code in _UNREACHABLE else Port.ERROR


def probe(address: str, port: int, deadline: float, clock: Callable[[], float] = time.monotonic) -> Answer:
    """One TCP handshake with `address` (an IP address or a name), within `deadline` seconds.

    A name is resolved first by the system's resolver, whose time this deadline does not bound.
    """
    began = clock()
    where = f"{address} port {port}"
    try:
        ip = str(ipaddress.ip_address(address))
    except ValueError:
        try:
            ip = str(socket.getaddrinfo(address, port, 0, socket.SOCK_STREAM)[0][4][0])
        except (OSError, UnicodeError) as error:
            return Answer(Port.UNREACHABLE, f"{where}: the name cannot be resolved: {error}", clock() - began)
        began = clock()
    knock = Knock(ip, port, began)
    try:
        poller = select.poll()
        if knock.fileno() >= 0:
            poller.register(knock.fileno(), knock.wants)
            if poller.poll(max(0.0, deadline) * 1000):
                knock.advance(clock())
            else:
                return Answer(Port.TIMEOUT, f"{where}: no answer within {deadline:g} s", clock() - began)
    finally:
        knock.close()
    took = clock() - began
    if knock.error:
        answer = meaning(knock.error)
        return Answer(answer, f"{where}: {os.strerror(knock.error)}", took)
    return Answer(Port.OPEN, f"{where}: open", took)


def wait_for(
    attempt: Callable[[], Answer], wanted: str, retries: int, delay: float, sleep: Callable[[float], None] = time.sleep
) -> tuple[Answer, int, bool]:
    """Repeat `attempt` until it shows what is wanted, at most `retries` times more; the last answer, attempts, and whether
    it was as wanted.

    wanted: a word of Port; 'closed' for all that is not open; 'any' for the first answer.
    """
    attempts = 0
    while True:
        answer = attempt()
        attempts += 1
        is_wanted = wanted in ("any", answer.port.value) or (
            wanted == "closed" and answer.port in (Port.REFUSED, Port.TIMEOUT, Port.UNREACHABLE)
        )
        if is_wanted or attempts > retries:
            return answer, attempts, is_wanted
        sleep(delay)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The datagrams between both skyhas: ten times a second each tells the other that it lives, and gives out a mark, its own time. While
it may promise to take nothing by the lease, it brings the other's newest mark back.

A datagram is the version (a byte), two times (the mark and the echo), two counts (the epoch and the beat of the register's row, -1:
none is told), four texts with a NUL between them (the cluster, the sender, its boot, and the boot that the echo is of; empty: no
promise), and at the end what signs all that. It is no secret.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import select
import socket
import struct
import threading
import time
from collections import deque
from typing import Callable, NamedTuple

from ..config import Config
from ..errors import ConfigError, may_pass
from ..words import Signs

EVERY = 0.1
SILENCE = 0.3  # it proves nothing: the loop only looks at once, not up to a second later
# Where the peer's datagram has woken the thread, its own leaves as well, if it is due within this time: one that wakes up
# half as often costs less, and the mark is back sooner.
EARLY = EVERY / 2
VERSION = 1
NEVER = float("-inf")
_HEAD = struct.Struct(">Bddqq")
_SIGNATURE = 32
_MOST_BYTES = 2048
_BOOTS_KNOWN = 64
_NO_BEAT = (-1, -1)


class Sign(NamedTuple):
    """What one datagram says. Both times are of the node that gave them out, within that boot of it."""

    cluster: str
    sender: str
    boot: str
    mark: float
    echoed_boot: str = ""  # '': it is no promise
    echo: float = 0.0
    epoch: int = -1
    beat: int = -1


class _Mark(NamedTuple):
    """A time of the peer's."""

    boot: str
    at: float


def sealed(sign: Sign, key: hmac.HMAC) -> bytes:
    """The datagram."""
    texts = "\0".join((sign.cluster, sign.sender, sign.boot, sign.echoed_boot))
    body = _HEAD.pack(VERSION, sign.mark, sign.echo, sign.epoch, sign.beat) + texts.encode()
    return body + _signature(body, key)


def unsealed(data: bytes, key: hmac.HMAC) -> Sign:
    """What a datagram says; raises ValueError, with the reason, for what nobody with this key has sent."""
    if data[:1] != bytes([VERSION]):
        raise ValueError(f"it is not of version {VERSION}: the same skyha must run on both nodes")
    body, signature = data[:-_SIGNATURE], data[-_SIGNATURE:]
    if not hmac.compare_digest(_signature(body, key), signature):
        raise ValueError("it is not signed with this node's key: [signs] keyfile must hold the same on both nodes")
    try:
        _version, mark, echo, epoch, beat = _HEAD.unpack_from(body)
        cluster, sender, boot, echoed_boot = body[_HEAD.size :].decode().split("\0")
    except (struct.error, ValueError):
        raise ValueError("it is signed, but garbled") from None
    if not (math.isfinite(mark) and math.isfinite(echo)):
        raise ValueError("it is signed, but its times are none")
    return Sign(cluster, sender, boot, mark, echoed_boot, echo, epoch, beat)


def _signature(body: bytes, key: hmac.HMAC) -> bytes:
    signing = key.copy()  # hmac.digest() would look its algorithm up each time
    signing.update(body)
    return signing.digest()


def read_key(path: str) -> hmac.HMAC:
    """What signs: made of the text in the file at `path`, less the white space around it; raises ConfigError."""
    try:
        with open(path, "rb") as file:
            text = file.read().strip()
    except OSError as error:
        raise ConfigError(
            [f"[signs] keyfile = {path}: cannot be read: {error}; {_KEY_COMES_FROM}"], may_pass(error)
        ) from error
    if not text:
        raise ConfigError([f"[signs] keyfile = {path}: is empty; {_KEY_COMES_FROM}"])
    return key_of(text)


def key_of(text: bytes) -> hmac.HMAC:
    """The same, of a text."""
    return hmac.new(hashlib.sha256(text).digest(), digestmod="sha256")


_KEY_COMES_FROM = "role skyha_daemon writes it, the same on both nodes"


class Datagrams:
    """The port to the peer's skyha. A thread sends and receives from the constructor on, until close()."""

    def __init__(
        self,
        config: Config,
        boot: str,
        clock: Callable[[], float] = time.monotonic,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """boot: as clock.boot() names this one; wake: to be called where the peer falls silent, or tells of another holder than before.

        Raises ConfigError where there is no key; all else is tried again and again."""
        self._key = read_key(config.signs.keyfile)
        self._cluster, self._name, self._peer = config.cluster.name, config.node.name, config.peer.name
        self._from, self._to = (config.node.address, config.signs.port), (config.peer.address, config.signs.port)
        self._boot, self._clock, self._wake = boot, clock, wake
        self._over = threading.Event()
        self._problem = ""
        # Of all that follows. It is held while a datagram is sent, so that told() and promise() cannot come between.
        self._lock = threading.Lock()
        self._until = NEVER
        self._own_beat = _NO_BEAT
        self._newest: _Mark | None = None
        self._echoed: _Mark | None = None
        self._left: deque[str] = deque(maxlen=_BOOTS_KNOWN)  # the peer's boots that are over
        self._heard_at: float | None = None
        self._is_silent = True
        self._promise: float | None = None
        self._promised_at: float | None = None
        self._beat: tuple[int, int] | None = None
        self._beat_at: float | None = None
        self._refused = (0, "")
        self._thread = threading.Thread(target=self._run, daemon=True, name="skyha-signs")
        self._thread.start()

    def promise(self, until: float) -> None:
        """See ports.Signs."""
        with self._lock:
            self._until = until

    def tell(self, beat: tuple[int, int] | None) -> None:
        """See ports.Signs."""
        with self._lock:
            self._own_beat = beat or _NO_BEAT

    def told(self) -> Signs:
        """See ports.Signs."""
        with self._lock:
            return Signs(self._heard_at, self._promise, self._promised_at, self._beat, self._beat_at, self._why())

    def _why(self) -> str:
        return self._problem or self._refused[1]

    @property
    def refused(self) -> tuple[int, str]:
        """How many datagrams were not taken for the peer's, and why the last one was not."""
        with self._lock:
            return self._refused

    @property
    def problem(self) -> str:
        """Why none can come or go at all; '': they can, as far as this host is concerned."""
        return self._problem

    def close(self) -> None:
        """Nothing is sent or received any more, after one last datagram: what this node knew at its end."""
        self._over.set()
        self._thread.join(1.0)

    # --- in the thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        family = socket.AF_INET6 if ":" in self._from[0] else socket.AF_INET
        while not self._over.is_set():
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as line:
                    line.setblocking(False)
                    line.bind(self._from)
                    self._problem = ""
                    self._talk(line)
            except OSError as error:  # the address is not there yet, somebody has the port ...: no reason to end skyha
                self._problem = f"datagrams cannot be exchanged from UDP {self._from[0]}:{self._from[1]}: {error}"
                self._over.wait(EVERY)

    def _talk(self, line: socket.socket) -> None:
        poller = select.poll()
        poller.register(line, select.POLLIN)
        due = self._clock()
        while not self._over.is_set():
            now = self._clock()
            if now >= due:
                self._send(line)
                due = now + EVERY
                self._listen(now)
            if poller.poll((due - now) * 1000) and self._receive(line) and due - self._clock() < EARLY:
                due = NEVER
        self._send(line)

    def _listen(self, now: float) -> None:
        """Has the peer fallen silent?"""
        if self._is_silent or self._heard_at is None or now - self._heard_at <= SILENCE:
            return
        self._is_silent = True
        self._wake()

    def _send(self, line: socket.socket) -> None:
        with self._lock:
            now = self._clock()
            # Each mark is brought back once: soon after the peer's last one there is nothing left to promise.
            echo = self._newest if now < self._until and self._newest != self._echoed else None
            boot, at = echo if echo is not None else ("", 0.0)
            sign = Sign(self._cluster, self._name, self._boot, now, boot, at, *self._own_beat)
            try:
                line.sendto(sealed(sign, self._key), self._to)
            except OSError:  # no route, a full queue, a firewall: the peer hears nothing, and that is all
                pass
            if echo is not None:
                # Noted once it has left, and nobody is told before, so it never left later than is told. (Were this thread frozen
                # between the check and the sending, the promise would leave late, but with an old mark: it grants no more than one
                # that is long on its way.) One that could not be sent counts as well: later is safer.
                self._echoed, self._promised_at = echo, self._clock()

    def _receive(self, line: socket.socket) -> bool:
        """Was it the peer's?"""
        try:
            data, sender = line.recvfrom(_MOST_BYTES)
        except BlockingIOError:  # it was damaged, and the kernel threw it away
            return False
        now = self._clock()
        with self._lock:
            before = self._beat
            try:
                self._take(unsealed(data, self._key), now)
            except ValueError as error:
                self._refused = (self._refused[0] + 1, f"a datagram from {sender[0]} is refused: {error}")
                return False
            is_other_holder = before is not None and self._beat is not None and self._beat[0] != before[0]
        if is_other_holder:
            self._wake()
        return True

    def _take(self, sign: Sign, now: float) -> None:
        """It has come; raises ValueError, with the reason, where it says nothing of the peer now."""
        if sign.cluster != self._cluster:
            raise ValueError(f"it is of cluster {sign.cluster!r}: each cluster needs a key of its own")
        if sign.sender != self._peer:
            raise ValueError(f"it is of node {sign.sender!r}, not of {self._peer}")
        if sign.boot in self._left:
            raise ValueError(f"it is of a boot of {self._peer} that is over")
        newest = self._newest
        if newest is not None and sign.boot == newest.boot and sign.mark <= newest.at:
            raise ValueError("a newer one came before: it was sent again, or overtaken")
        is_promise = sign.echoed_boot == self._boot
        if is_promise and sign.echo > now:
            raise ValueError("it brings back a mark that this node has not given out yet")
        if newest is not None and sign.boot != newest.boot:
            self._left.append(newest.boot)
        self._newest, self._heard_at, self._is_silent = _Mark(sign.boot, sign.mark), now, False
        if is_promise and (self._promise is None or sign.echo > self._promise):
            self._promise = sign.echo
        beat = (sign.epoch, sign.beat)
        if beat not in (_NO_BEAT, self._beat):
            self._beat, self._beat_at = beat, now

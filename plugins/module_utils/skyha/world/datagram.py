# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one datagram between both skyhas says, and how it is written and signed. It is no secret.

It is the version and the flags (a byte each; flag 1: it is a promise; 2: PostgreSQL there is stopped by a signal), two times (the mark and
the echo), two counts (the epoch and the beat of the register's row, -1: none is told), four texts with a NUL between them (the cluster,
the sender, its boot, and the boot that the echo is of; empty: nothing is echoed), and at the end what signs all that.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import struct
from typing import NamedTuple

from ..errors import ConfigError, may_pass

VERSION = 2
MOST_BYTES = 2048
_HEAD = struct.Struct(">BBddqq")
_PROMISE, _STOPPED = 1, 2
_SIGNATURE = 32


class Sign(NamedTuple):
    """What one datagram says. Both times are of the node that gave them out, within that boot of it."""

    cluster: str
    sender: str
    boot: str
    mark: float
    echoed_boot: str = ""  # '': the sender has had no mark of the receiver's
    echo: float = 0.0  # the newest mark of the receiver's that the sender has had
    is_promise: bool = False
    epoch: int = -1
    beat: int = -1
    is_stopped: bool = False


def sealed(sign: Sign, key: hmac.HMAC) -> bytes:
    """The datagram."""
    texts = "\0".join((sign.cluster, sign.sender, sign.boot, sign.echoed_boot))
    flags = (_PROMISE if sign.is_promise else 0) | (_STOPPED if sign.is_stopped else 0)
    body = _HEAD.pack(VERSION, flags, sign.mark, sign.echo, sign.epoch, sign.beat) + texts.encode()
    return body + _signature(body, key)


def unsealed(data: bytes, key: hmac.HMAC) -> Sign:
    """What a datagram says; raises ValueError, with the reason, for what nobody with this key has sent."""
    if data[:1] != bytes([VERSION]):
        raise ValueError(f"it is not of version {VERSION}: the same skyha must run on both nodes")
    body, signature = data[:-_SIGNATURE], data[-_SIGNATURE:]
    if not hmac.compare_digest(_signature(body, key), signature):
        raise ValueError("it is not signed with this node's key: [signs] keyfile must hold the same on both nodes")
    try:
        _version, flags, mark, echo, epoch, beat = _HEAD.unpack_from(body)
        cluster, sender, boot, echoed_boot = body[_HEAD.size :].decode().split("\0")
    except (struct.error, ValueError):
        raise ValueError("it is signed, but garbled") from None
    if not (math.isfinite(mark) and math.isfinite(echo)):
        raise ValueError("it is signed, but its times are none")
    return Sign(
        cluster, sender, boot, mark, echoed_boot, echo, bool(flags & _PROMISE), epoch, beat, bool(flags & _STOPPED)
    )


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

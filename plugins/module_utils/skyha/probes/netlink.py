# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The addresses of this host, asked of the kernel over rtnetlink: who holds the VIP, and its changes as events.

A bind() to the address would lie where ip_nonlocal_bind is set, and says nothing of the interface.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import WorldError

NEW_ADDRESS, DELETE_ADDRESS, _GET_ADDRESS = 20, 21, 22
REQUEST, _ACK, _CREATE, _EXCLUSIVE, _DUMP = 0x1, 0x4, 0x400, 0x200, 0x300
_ERROR, _DONE = 2, 3
_ADDRESS, _LOCAL, _FLAGS = 1, 2, 8  # IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS
_NODAD = 0x02  # IFA_F_NODAD: an IPv6 address is usable at once
_GROUPS = 0x10 | 0x100  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_HEADER, _IFADDR, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBBBI"), struct.Struct("=HH")


@dataclass(frozen=True)
class Held:
    """An address of this host."""

    address: str
    prefix: int
    interface: int  # its index


def addresses() -> list[Held]:
    """All addresses of this host; raises OSError."""
    with _open() as link:
        link.send(_message(_GET_ADDRESS, REQUEST | _DUMP, _IFADDR.pack(0, 0, 0, 0, 0)))
        found: list[Held] = []
        while True:
            for kind, body in _messages(link.recv(65536)):
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    raise OSError(_code(body), os.strerror(_code(body)))
                if kind == NEW_ADDRESS:
                    found += _held(body)


def change(kind: int, address: str, prefix: int, interface: str) -> None:
    """Add (NEW_ADDRESS) or take away (DELETE_ADDRESS) an address; raises WorldError.

    What is there already, or is gone already, is no error.
    """
    ip = ipaddress.ip_address(address)
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    verb, flags = ("added to", _CREATE | _EXCLUSIVE) if kind == NEW_ADDRESS else ("taken from", 0)
    try:
        index = socket.if_nametoindex(interface)
    except OSError as error:
        raise WorldError(
            f"the VIP {address}/{prefix} cannot be {verb} {interface}: there is no such interface here; "
            "set pg_cluster_vip_interface to this host's interface"
        ) from error
    body = _IFADDR.pack(family, prefix, 0, 0, index) + _attribute(_LOCAL, ip.packed) + _attribute(_ADDRESS, ip.packed)
    if family == socket.AF_INET6:
        body += _attribute(_FLAGS, struct.pack("=I", _NODAD))
    with _open() as link:
        link.send(_message(kind, REQUEST | _ACK | flags, body))
        for answer, answered in _messages(link.recv(65536)):
            code = _code(answered) if answer == _ERROR else 0
            if code and code != (errno.EEXIST if kind == NEW_ADDRESS else errno.EADDRNOTAVAIL):
                hint = "; skyhad needs CAP_NET_ADMIN (skyha.service)" if code == errno.EPERM else ""
                raise WorldError(f"the VIP {address}/{prefix} cannot be {verb} {interface}: {os.strerror(code)}{hint}")


class Watch:
    """Is an address held by this host? Asked again when the kernel tells of a change, and every `every` seconds."""

    def __init__(self, address: str, every: float = 5.0) -> None:
        self._address = str(ipaddress.ip_address(address))
        self._every = every
        self._asked_at = float("-inf")
        self._is_held: bool | None = None
        self._events = _open(_GROUPS)
        self._events.setblocking(False)

    def fileno(self) -> int:
        """Readable when an address of this host changed."""
        return self._events.fileno()

    def absorb(self) -> None:
        """Take note of the changes."""
        try:
            while self._events.recv(65536):
                self._asked_at = float("-inf")
        except BlockingIOError:
            pass
        except OSError:  # ENOBUFS: changes were lost
            self._asked_at = float("-inf")

    def is_held(self, now: float) -> bool | None:
        """Whether this host holds the address, None while it could not be asked; `now`: the caller's monotonic time."""
        self.absorb()
        if now - self._asked_at >= self._every:
            try:
                self._is_held = any(held.address == self._address for held in addresses())
            except OSError:
                self._is_held = None
            else:
                self._asked_at = now
        return self._is_held


def _open(groups: int = 0) -> socket.socket:
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        link.bind((0, groups))
        link.settimeout(2.0)
    except OSError:
        link.close()
        raise
    return link


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + b"\0" * (-length % 4)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind = _HEADER.unpack_from(data)[:2]
        if length < _HEADER.size:
            return
        yield kind, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def _held(body: bytes) -> list[Held]:
    if len(body) < _IFADDR.size:
        return []
    family, prefix, _flags, _scope, index = _IFADDR.unpack_from(body)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return []
    values, data = {}, body[_IFADDR.size :]
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        values[kind] = data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]
    packed = values.get(_LOCAL, values.get(_ADDRESS))
    return (
        [] if packed is None or len(packed) not in (4, 16) else [Held(str(ipaddress.ip_address(packed)), prefix, index)]
    )


def _code(body: bytes) -> int:
    return -int(struct.unpack_from("=i", body)[0])

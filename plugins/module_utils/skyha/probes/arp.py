# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ARP for the VIP: does another host answer for it (RFC 5227), and announcing it."""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import time
from typing import Callable

_ARP = 0x0806
_BROADCAST = b"\xff" * 6
_REQUEST, _REPLY = 1, 2
_PROBES = 3


def packet(operation: int, sender: bytes, sender_ip: bytes, target: bytes, target_ip: bytes) -> bytes:
    """An ARP packet in its Ethernet frame, to everybody."""
    return struct.pack("!6s6sH", _BROADCAST, sender, _ARP) + struct.pack(
        "!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, sender, sender_ip, target, target_ip
    )


def claims(frame: bytes, address: bytes, own: bytes) -> bool:
    """Does this frame show another host (not `own`) that has `address`, or is about to take it?"""
    if len(frame) < 42 or frame[12:20] != b"\x08\x06\0\x01\x08\0\x06\x04":
        return False
    operation, sender, sender_ip, target_ip = frame[20:22], frame[22:28], frame[28:32], frame[38:42]
    if sender == own:
        return False
    is_probe = operation == b"\0\x01" and sender_ip == b"\0\0\0\0" and target_ip == address
    return sender_ip == address or is_probe


def conflict(address: str, interface: str, wait: float, clock: Callable[[], float] = time.monotonic) -> bool:
    """Does another host answer for the IPv4 `address` on `interface` within `wait` seconds? Raises OSError.

    An interface without ARP (a tunnel, the loopback) has no conflicts.
    """
    ip = ipaddress.IPv4Address(address).packed
    with _open(interface) as link:
        own = hardware_address(link)
        if own is None:
            return False
        began, sent = clock(), 0
        while True:
            now = clock() - began
            if now >= wait:
                return False
            if sent < _PROBES and now >= sent * wait / _PROBES:
                link.send(packet(_REQUEST, own, b"\0" * 4, b"\0" * 6, ip))
                sent += 1
            due = sent * wait / _PROBES if sent < _PROBES else wait
            if select.select([link], [], [], max(0.0, due - now))[0] and claims(link.recv(2048), ip, own):
                return True


def announce(address: str, interface: str) -> None:
    """Gratuitous ARP for the IPv4 `address`, as request and as reply, since some listen to one only. Raises OSError."""
    ip = ipaddress.IPv4Address(address).packed
    with _open(interface) as link:
        own = hardware_address(link)
        if own is not None:
            link.send(packet(_REQUEST, own, ip, b"\0" * 6, ip))
            link.send(packet(_REPLY, own, ip, own, ip))


def hardware_address(link: socket.socket) -> bytes | None:
    """The Ethernet address of the interface that the packet socket is bound to, None where it has none."""
    address = link.getsockname()[4]
    return address if len(address) == 6 and any(address) else None


def _open(interface: str) -> socket.socket:
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.htons(_ARP))
    try:
        link.bind((interface, _ARP))
        link.setblocking(False)
    except OSError:
        link.close()
        raise
    return link

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Neighbour discovery for an IPv6 VIP: what arp does for IPv4 (RFC 4861, 4862)."""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import time
from typing import Callable

from .arp import hardware_address

_SOLICITATION, _ADVERTISEMENT = 135, 136
_OVERRIDE = 0x20000000
_PROBES = 3
_ALL_NODES = "ff02::1"


def solicited_node(address: bytes) -> str:
    """The multicast group that the holder of the packed `address` listens to."""
    return str(ipaddress.IPv6Address(b"\xff\x02" + b"\0" * 9 + b"\x01\xff" + address[13:]))


def claims(message: bytes, address: bytes) -> bool:
    """Is this ICMPv6 message another host's advertisement of `address`?"""
    return len(message) >= 24 and message[0] == _ADVERTISEMENT and message[8:24] == address


def conflict(address: str, interface: str, wait: float, clock: Callable[[], float] = time.monotonic) -> bool:
    """Does another host answer for the IPv6 `address` on `interface` within `wait` seconds? Raises OSError."""
    ip = ipaddress.IPv6Address(address).packed
    index = socket.if_nametoindex(interface)
    own = _own_address(interface)
    if own is None:
        return False
    solicitation = struct.pack("!BBHI16sBB6s", _SOLICITATION, 0, 0, 0, ip, 1, 1, own)
    with _open(interface, index) as link:
        began, sent = clock(), 0
        while True:
            now = clock() - began
            if now >= wait:
                return False
            if sent < _PROBES and now >= sent * wait / _PROBES:
                link.sendto(solicitation, (solicited_node(ip), 0, 0, index))
                sent += 1
            due = sent * wait / _PROBES if sent < _PROBES else wait
            if select.select([link], [], [], max(0.0, due - now))[0] and claims(link.recv(2048), ip):
                return True


def announce(address: str, interface: str) -> None:
    """An unsolicited advertisement of `address` to all hosts of the link. Raises OSError."""
    ip = ipaddress.IPv6Address(address).packed
    index = socket.if_nametoindex(interface)
    own = _own_address(interface)
    if own is None:
        return
    with _open(interface, index) as link:
        message = struct.pack("!BBHI16sBB6s", _ADVERTISEMENT, 0, 0, _OVERRIDE, ip, 2, 1, own)
        link.sendto(message, (_ALL_NODES, 0, 0, index))


def _own_address(interface: str) -> bytes | None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC) as packets:
        packets.bind((interface, 0))
        return hardware_address(packets)


def _open(interface: str, index: int) -> socket.socket:
    link = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMPV6)
    try:
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        link.setblocking(False)
    except OSError:
        link.close()
        raise
    return link

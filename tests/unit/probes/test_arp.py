# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ARP packets."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes import arp
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.arp import claims, packet

OWN, OTHER = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"
VIP, ELSE, NONE = bytes([198, 51, 100, 116]), bytes([198, 51, 100, 35]), b"\0" * 4


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (packet(2, OTHER, VIP, OWN, ELSE), True),  # an answer: it has the VIP
        (packet(1, OTHER, VIP, b"\0" * 6, VIP), True),  # it announces the VIP
        (packet(1, OTHER, NONE, b"\0" * 6, VIP), True),  # it is about to take it, too
        (packet(1, OTHER, ELSE, b"\0" * 6, VIP), False),  # a client that looks for the VIP
        (packet(2, OTHER, ELSE, OWN, VIP), False),
        (packet(1, OWN, NONE, b"\0" * 6, VIP), False),  # our own probe
        (packet(2, OTHER, VIP, OWN, ELSE)[:30], False),
        (b"", False),
    ],
)
def test_only_another_host_with_the_address_is_a_conflict(frame: bytes, expected: bool) -> None:
    assert claims(frame, VIP, OWN) is expected


class Cable:
    """A packet socket that notes what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, frame: bytes) -> int:
        self.sent.append(frame)
        return len(frame)

    def getsockname(self) -> tuple[object, ...]:
        return ("eth0", 0x0806, 0, 1, OWN)

    def __enter__(self) -> Cable:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""


def test_an_announcement_is_a_request_and_a_reply_that_name_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some switches and hosts learn from the one only, some from the other."""
    cable = Cable()
    monkeypatch.setattr(arp, "_open", lambda interface: cable)
    arp.announce("198.51.100.116", "eth0")
    assert [frame[20:22] for frame in cable.sent] == [b"\0\x01", b"\0\x02"]
    assert all(claims(frame, VIP, OTHER) for frame in cable.sent)

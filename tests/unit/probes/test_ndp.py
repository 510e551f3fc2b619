# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Neighbour discovery messages."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.eyes import ProbeEyes
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.ndp import claims, solicited_node
from rights import rights_of_nobody

VIP = ipaddress.IPv6Address("2001:db8::12:3456").packed


def test_group_of_the_holder() -> None:
    assert solicited_node(VIP) == "ff02::1:ff12:3456"


def test_only_an_advertisement_of_the_address_is_a_conflict() -> None:
    assert claims(b"\x88" + b"\0" * 7 + VIP, VIP)
    assert not claims(b"\x87" + b"\0" * 7 + VIP, VIP)
    assert not claims(b"\x88" + b"\0" * 7 + VIP[::-1], VIP)
    assert not claims(b"\x88", VIP)


def test_without_the_right_to_raw_packets_nothing_is_known(make_config: Callable[..., Config]) -> None:
    """Which counts as a conflict: the VIP is not taken where nobody could be heard."""
    for vip in ("2001:db8::12:3456", "198.51.100.116"):
        eyes = ProbeEyes(make_config(vip={"address": vip, "interface": "lo"}))
        with rights_of_nobody():
            assert eyes.vip_conflict(0.05) is True
        eyes.close()

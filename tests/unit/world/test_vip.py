# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The VIP in both styles. (The interface itself is tested in probes/test_netlink.py.)"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world import vip as room
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.vip import Vip, run_command
from isolated import isolated
from rights import rights_of_nobody


class Interface:
    """Stands for the kernel's addresses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held = False
        monkeypatch.setattr(room, "change", self.change)
        monkeypatch.setattr(Vip, "_held", lambda _vip: [(32, "lo")] if self.held else [])

    def change(self, kind: int, *_where: object) -> None:
        self.held = kind == room.NEW_ADDRESS


@pytest.fixture
def interface(monkeypatch: pytest.MonkeyPatch) -> Interface:
    return Interface(monkeypatch)


def test_vip_is_added_announced_again_and_dropped(make_config: Callable[..., Config], interface: Interface) -> None:
    announced: list[str] = []
    vip = Vip(make_config(vip={"arp_announcements": 3}), announce=lambda address, _interface: announced.append(address))
    vip.add()
    assert interface.held
    assert len(announced) == 1, "the first announcement is not waited for"
    until = time.monotonic() + 10
    while len(announced) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    assert len(announced) == 3
    vip.drop()
    assert not interface.held


def test_dropped_vip_is_not_announced_any_more(make_config: Callable[..., Config], interface: Interface) -> None:
    announced: list[str] = []
    vip = Vip(make_config(vip={"arp_announcements": 9}), announce=lambda address, _interface: announced.append(address))
    vip.add()
    vip.drop()
    time.sleep(0.3)
    assert len(announced) == 1


def test_ifup_style_calls_the_documents_commands(make_config: Callable[..., Config], interface: Interface) -> None:
    called: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> None:
        called.append(command)
        interface.held = command[2] == "/sbin/ifup"

    vip = Vip(make_config(vip={"style": "ifup", "arp_announcements": 1}), run, lambda *_where: None)
    vip.add()
    vip.drop()
    assert called == [["sudo", "-n", "/sbin/ifup", "lo:1"], ["sudo", "-n", "/sbin/ifdown", "lo:1"]]


def test_ifdown_that_is_not_allowed_does_not_leave_the_vip_up(
    make_config: Callable[..., Config], interface: Interface
) -> None:
    interface.held = True

    def run(_command: Sequence[str]) -> None:
        raise WorldError("sudo: a password is required")

    Vip(make_config(vip={"style": "ifup"}), run, lambda *_where: None).drop()
    assert not interface.held


def test_missing_interface_is_named(make_config: Callable[..., Config]) -> None:
    with pytest.raises(WorldError, match="nosuch0"):
        Vip(make_config(vip={"interface": "nosuch0"})).add()
    with pytest.raises(WorldError, match="nosuch0"):
        Vip(make_config(vip={"interface": "nosuch0", "style": "ifup"})).add()


def test_announcement_that_is_forbidden_says_what_is_needed(make_config: Callable[..., Config]) -> None:
    def forbidden(*_where: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    with pytest.raises(WorldError, match="CAP_NET_RAW"):
        Vip(make_config(), announce=forbidden).announce()


def test_command_that_fails_is_told_with_its_words() -> None:
    with pytest.raises(WorldError, match="exit code 3: oh no"):
        run_command(["sh", "-c", "echo oh; echo no >&2; exit 3"])
    with pytest.raises(WorldError, match="no-such-program"):
        run_command(["no-such-program"])


def test_real_address_comes_with_its_announcement_and_goes() -> None:
    isolated("""
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Cluster, Config, Node, Peer, Vip as Section, Vote
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.vip import Vip
ip("link add v0 type veth peer name v1")
ip("link set v0 up")
ip("link set v1 up")
time.sleep(0.2)
for address, prefix in (("198.51.100.116", 24), ("2001:db8::116", 64)):
    nodes = Cluster("sky"), Node("node1", "198.51.100.110"), Peer("node2", "198.51.100.111")
    vip = Vip(Config(*nodes, Section(address, prefix, "v0", arp_announcements=3), Vote("198.51.100.35")))
    vip.drop()
    vip.add()
    vip.add()
    assert [(held.prefix, held.address) for held in addresses() if held.address == address] == [(prefix, address)]
    ip(f"address add {address}/{prefix} dev v1" + (" nodad" if ":" in address else ""))
    vip.drop()
    assert address not in {held.address for held in addresses()}, "off every interface"
""")


def test_without_the_right_to_change_addresses_the_need_is_named(make_config: Callable[..., Config]) -> None:
    vip = Vip(make_config(vip={"address": "203.0.113.77", "interface": "lo"}))
    with rights_of_nobody(), pytest.raises(WorldError, match="CAP_NET_ADMIN"):
        vip.add()

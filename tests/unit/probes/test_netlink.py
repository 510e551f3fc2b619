# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The addresses of this host; changes only where a network of its own can be made."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.netlink import (
    NEW_ADDRESS,
    Watch,
    _held,
    _messages,
    addresses,
    change,
)
from hypothesis import given
from hypothesis import strategies as st
from isolated import isolated


def test_loopback_is_among_the_addresses() -> None:
    assert "127.0.0.1" in {held.address for held in addresses()}


def test_address_of_another_host_is_not_held() -> None:
    assert not Watch("203.0.113.77").is_held(0.0)


def test_missing_interface_is_named_with_the_next_step() -> None:
    with pytest.raises(WorldError, match=r"nosuch0: there is no such interface here; set pg_cluster_vip_interface"):
        change(NEW_ADDRESS, "198.51.100.116", 24, "nosuch0")


def test_address_comes_and_goes_and_the_watch_sees_it() -> None:
    isolated("""
ip("link set lo up")
watch = Watch("198.51.100.116", every=1000.0)
assert not watch.is_held(1.0)
change(NEW_ADDRESS, "198.51.100.116", 24, "lo")
assert watch.is_held(1.0), "the kernel's event made it look again"
change(NEW_ADDRESS, "198.51.100.116", 24, "lo")
assert [held.prefix for held in addresses() if held.address == "198.51.100.116"] == [24]
change(DELETE_ADDRESS, "198.51.100.116", 24, "lo")
assert not watch.is_held(1.0)
change(DELETE_ADDRESS, "198.51.100.116", 24, "lo")
change(NEW_ADDRESS, "2001:db8::116", 64, "lo")
assert Watch("2001:db8::116").is_held(1.0)
change(DELETE_ADDRESS, "2001:db8::116", 64, "lo")
assert not Watch("2001:db8::116").is_held(1.0)
""")


PAIR = """
ip("link add v0 type veth peer name v1")
other = subprocess.Popen(["unshare", "--net", "sleep", "60"])
time.sleep(0.3)
ip(f"link set v1 netns {other.pid}")
ip("link set v0 up")
ip("address add 198.51.100.1/24 dev v0")
ip("-6 address add 2001:db8::1/64 dev v0 nodad")
def there(line): subprocess.run(["nsenter", f"--net=/proc/{other.pid}/ns/net", "ip", *line.split()], check=True)
there("link set v1 up")
"""


def test_duplicate_address_is_detected_by_arp() -> None:
    isolated(
        PAIR
        + """
try:
    assert not arp.conflict("198.51.100.116", "v0", 0.3)
    there("address add 198.51.100.116/24 dev v1")
    began = time.monotonic()
    assert arp.conflict("198.51.100.116", "v0", 5.0)
    assert time.monotonic() - began < 4
    assert not arp.conflict("198.51.100.117", "v0", 0.3)
    assert not arp.conflict("198.51.100.116", "lo", 0.3)
    arp.announce("198.51.100.117", "v0")
finally:
    other.kill()
"""
    )


def test_duplicate_address_is_detected_by_neighbour_discovery() -> None:
    isolated(
        PAIR
        + """
try:
    time.sleep(2)  # until the link's own address is no longer tentative
    assert not ndp.conflict("2001:db8::116", "v0", 0.3)
    there("-6 address add 2001:db8::116/64 dev v1 nodad")
    assert ndp.conflict("2001:db8::116", "v0", 5.0)
    ndp.announce("2001:db8::117", "v0")
finally:
    other.kill()
"""
    )


def test_announcement_changes_the_neighbours_table() -> None:
    isolated(
        PAIR
        + """
try:
    there("address add 198.51.100.2/24 dev v1")
    there("neighbour add 198.51.100.116 lladdr 02:00:00:00:00:01 dev v1 nud stale")
    arp.announce("198.51.100.116", "v0")
    time.sleep(0.2)
    shown = subprocess.run(["nsenter", f"--net=/proc/{other.pid}/ns/net", "ip", "neighbour", "show", "198.51.100.116"],
                           capture_output=True, text=True).stdout
    own = open("/sys/class/net/v0/address").read().strip() if False else subprocess.run(
        ["ip", "-o", "link", "show", "v0"], capture_output=True, text=True).stdout.split("link/ether ")[1].split()[0]
    assert own in shown, (own, shown)
finally:
    other.kill()
"""
    )


@given(st.binary(max_size=200))
def test_no_answer_of_the_kernel_upsets_it(data: bytes) -> None:
    """A torn or strange message has no address, and is passed over."""
    for _kind, body in _messages(data):
        _held(body)
    for held in _held(data):
        assert held.address


def test_changes_that_came_too_fast_make_it_look_again() -> None:
    """The kernel drops what does not fit into the socket's buffer, and says so once."""
    isolated("""
import socket
ip("link set lo up")
watch = Watch("198.51.100.116", every=1000.0)
watch._events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
assert not watch.is_held(1.0)
for number in range(100):
    change(NEW_ADDRESS, f"198.51.100.{number + 100}", 32, "lo")
assert watch.is_held(1.0)
""")

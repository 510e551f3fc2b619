# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VIP that cannot be one is refused: by the inventory alone where that tells, by the node's interfaces where it was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from inventory_samples import NODE, offline, problems
from isolated import isolated
from render import ROLES
from value_samples import SIX, VIP6

IN_FOUR = {"ipv4": {"address": "198.51.100.110", "prefix": "24"}}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"pg_cluster_vip_prefix": 99},
            "pg_cluster_vip_prefix is '99': the length of the VIP's network (IPv4) is a number from 8 to 32",
        ),
        ({"pg_cluster_vip_prefix": 0}, "pg_cluster_vip_prefix is '0'"),
        ({"pg_cluster_vip_prefix": "255.255.255.0"}, "pg_cluster_vip_prefix is '255.255.255.0'"),
        (
            {"addresses": SIX, "pg_cluster_vip": VIP6},
            "pg_cluster_vip_prefix is '24': the length of the VIP's network (IPv6) is a number from 48",
        ),
        (
            {"pg_cluster_vip": "198.51.101.116"},
            "The VIP 198.51.101.116/24 is not in the network of the nodes (198.51.100.110, 198.51.100.111)",
        ),
        (
            {"pg_cluster_vip": "2001:db8:1::116", "pg_cluster_vip_prefix": 64, "addresses": SIX},
            "The VIP 2001:db8:1::116/64 is not in the network of the nodes (2001:db8::110, 2001:db8::111)",
        ),
        (
            {"pg_cluster_vip_prefix": 29},
            "The VIP 198.51.100.116/29 is not in the network of the nodes (198.51.100.110, 198.51.100.111)",
        ),
        (
            {"pg_cluster_vip": "198.51.100.0"},
            "The VIP 198.51.100.0 is the address of its network 198.51.100.0/24 itself",
        ),
        (
            {"pg_cluster_vip": "198.51.100.255"},
            "The VIP 198.51.100.255 is the broadcast address of its network 198.51.100.0/24",
        ),
        (
            {"pg_cluster_vip": "2001:db8::", "pg_cluster_vip_prefix": 64, "addresses": SIX},
            "The VIP 2001:db8:: is the address of its network",
        ),
        ({"pg_cluster_vip": "127.0.0.5"}, "The VIP 127.0.0.5 is an address that clients cannot connect to"),
        ({"pg_cluster_vip": "224.0.0.5"}, "The VIP 224.0.0.5 is an address that clients cannot connect to"),
        ({"pg_cluster_vip_interface": "lo"}, "pg_cluster_vip_interface is lo"),
    ],
)
def test_vip_that_cannot_be_one_is_refused_with_one_sentence(given: dict[str, Any], sentence: str) -> None:
    for found in (problems(**given, facts={"eth0": {}}), offline(**given)[0]):
        assert len(found) == 1
        assert sentence in found[0]


@pytest.mark.parametrize(
    "given",
    [
        {"pg_cluster_vip_prefix": 32},  # an address without a network
        {"pg_cluster_vip": "198.51.100.112", "pg_cluster_vip_prefix": 31, "addresses": {"node1": "198.51.100.113"}},
        {"pg_cluster_vip": "198.51.101.0", "pg_cluster_vip_prefix": 22},
        {"pg_cluster_vip": "198.51.100.255", "pg_cluster_vip_prefix": 22},
        {"pg_cluster_vip": VIP6, "pg_cluster_vip_prefix": 64, "addresses": SIX},
        {"pg_cluster_vip": VIP6, "pg_cluster_vip_prefix": 128, "addresses": SIX},
        {"pg_cluster_vip": VIP6, "pg_cluster_vip_prefix": 64},  # nodes that are known by IPv4
    ],
)
def test_vip_that_may_be_one_is_not(given: dict[str, Any]) -> None:
    found = [*problems(**given, facts={"eth0": {}}), *offline(**given)[0]]
    assert [one for one in found if "itself" in one or "broadcast" in one or "cannot connect" in one] == []
    assert ("is not in the network" in "\n".join(found)) == (given["pg_cluster_vip_prefix"] == 31)  # node2 is outside


@pytest.mark.parametrize(
    ("eth0", "is_refused"),
    [
        (IN_FOUR, False),
        # The nodes are known by another network than the clients': what counts is the interface.
        ({"ipv4": {"address": "192.0.2.7", "prefix": "24"}}, True),
        ({"ipv4": {"address": "192.0.2.7", "prefix": "24"}, "ipv4_secondaries": [IN_FOUR["ipv4"]]}, False),
        # It holds the VIP itself, left there by hand, and nothing else of that network.
        (
            {
                "ipv4": {"address": "192.0.2.7", "prefix": "24"},
                "ipv4_secondaries": [{"address": "198.51.100.116", "prefix": "24"}],
            },
            True,
        ),
        # An interface for the VIP alone: it has no network to compare with.
        ({"device": "eth0"}, False),
        ({"ipv6": [{"address": "fe80::1", "prefix": "64", "scope": "link"}]}, False),
    ],
)
def test_interface_of_a_node_that_was_asked_counts(eth0: dict[str, Any], is_refused: bool) -> None:
    found = problems(facts={"eth0": eth0}, node=NODE)
    assert bool(found) == is_refused
    if is_refused:
        assert "The VIP 198.51.100.116/24 is not in the network of eth0 on node1 (192.0.2.0/24)" in found[0]


def test_interface_is_found_by_its_name_in_the_facts_and_a_link_local_address_is_no_network() -> None:
    given = {"addresses": SIX, "pg_cluster_vip": VIP6, "pg_cluster_vip_prefix": 64, "pg_cluster_vip_interface": "br-ex"}
    for network, is_refused in (("fe80::1", False), ("2001:db8:7::1", True), ("2001:db8::1", False)):
        found = problems(**given, facts={"br_ex": {"ipv6": [{"address": network, "prefix": "64"}]}})
        assert ("is not in the network of br-ex on node1" in "\n".join(found)) == is_refused


def test_vip_that_is_served_is_not_questioned() -> None:
    """Whatever its network: it works so."""
    facts = {"eth0": {"ipv4": {"address": "192.0.2.7", "prefix": "24"}}}
    assert len(problems(facts=facts, node=NODE)) == 1
    assert problems(facts=facts, node=NODE, holders=["vip_held: true"]) == []


ANSWERS = {"vip_answers": False, "vip_neighbour": True, "vip_hardware": "02:00:00:00:00:09"}


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            {"vip_hardware_has": "198.51.100.1 198.51.100.77", "routers": "198.51.100.1"},
            "The router 198.51.100.1 (02:00:00:00:00:09) answers for the VIP 198.51.100.116, which neither node holds: it has that address, or answers "
            "for other hosts (proxy ARP)",
        ),
        (
            {"vip_hardware_has": "198.51.100.77", "routers": "198.51.100.1"},
            "another host answers for the VIP 198.51.100.116 (02:00:00:00:00:09, 198.51.100.77), and neither node holds it",
        ),
        ({"vip_hardware": ""}, "another host answers for the VIP 198.51.100.116, and neither node holds it"),
    ],
)
def test_who_answers_for_the_vip_is_named_in_one_sentence(told: dict[str, Any], sentence: str) -> None:
    found = problems(node={**NODE, **ANSWERS, **told})
    assert len(found) == 1
    assert sentence in found[0]


def test_answer_for_a_foreign_vip_is_not_said_as_well() -> None:
    facts = {"eth0": {"ipv4": {"address": "192.0.2.7", "prefix": "24"}}}
    found = problems(facts=facts, node={**NODE, **ANSWERS})
    assert len(found) == 1
    assert "is not in the network of eth0" in found[0]


LOOK = """
import json, os
import yaml
ip("link set lo up")
holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; read line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
holder.stdout.readline()
there = lambda line: subprocess.run(["nsenter", f"--net=/proc/{{holder.pid}}/ns/net", "sh", "-ec", line], check=True)
ip(f"link add eth0 type veth peer name eth0 netns {{holder.pid}}")
ip("address add 198.51.100.110/24 dev eth0")
ip("link set eth0 up")
there("ip link set lo up; ip address add 198.51.100.1/24 dev eth0; ip link set eth0 up")
there({there!r})
ip("route add default via 198.51.100.1")
look = lambda vip: yaml.safe_load(subprocess.run(
    ["sh", "-s", "--", "/nowhere/data", vip, "eth0", "1921", ""], stdin=open({script!r}), capture_output=True, text=True, check=True).stdout)
told = look("198.51.100.116")
with open("/sys/class/net/eth0/address") as own:
    assert told["vip_hardware"] != own.read().strip()
holder.stdin.close()
holder.wait()
print(json.dumps(told), file=open({result!r}, "w"))
"""


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        # A router that answers for all that it knows a way to, here by another interface.
        (
            "ip link add other type veth peer name behind; ip link set behind up; ip link set other up; ip route add 198.51.100.116 dev other; "
            "echo 1 > /proc/sys/net/ipv4/conf/eth0/proxy_arp; echo 1 > /proc/sys/net/ipv4/ip_forward",
            "The router 198.51.100.1 (",
        ),
        # A router that has the VIP.
        ("ip address add 198.51.100.116/24 dev eth0", "The router 198.51.100.1 ("),
        ("true", ""),
    ],
)
def test_node_says_who_answers_for_the_vip(there: str, sentence: str, tmp_path: Any) -> None:
    """A real router beside a real node, each in a network namespace of its own."""
    script, result = ROLES / "pg_cluster/files/preflight.sh", tmp_path / "told.json"
    isolated(LOOK.format(there=there, script=str(script), result=str(result)))
    told = json.loads(result.read_text())
    found = problems(node={**NODE, **{key: told[key] for key in told if key.startswith(("vip_", "routers"))}})
    assert len(found) == bool(sentence)
    if sentence:
        assert sentence in found[0]
        assert "proxy ARP" in found[0]

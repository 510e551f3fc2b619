# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each node says how it is switched off (pg_cluster_fence); its peer's skyha is told, and no node is told of itself."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from ansible_collections.sky.pg_cluster.plugins.filter.fence import fence_levels, fence_problems
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config_file
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from render import ROLES, template, value, variables
from value_samples import UNASKED

NODES = ("node1", "node2")
BMC = ("pg_cluster_bmc_address", "pg_cluster_bmc_user", "pg_cluster_bmc_password")


def outlets(number: int) -> list[dict[str, Any]]:
    """Both supplies of a node hang on outlets of this number, of two strips."""
    return [
        {"name": side, "agent": f"fence_apc_snmp plug={number}", "address": address, "password": "private"}
        for side, address in (("left", "192.0.2.51"), ("right", "192.0.2.52"))
    ]


def redfish(address: str) -> list[dict[str, Any]]:
    return [
        {"name": "idrac", "agent": "fence_redfish ssl_insecure=1", "address": address, "user": "u", "password": "p"}
    ]


def inventory(role: str, host: str = "node1", bmc: bool = False, **fences: Any) -> dict[str, Any]:
    """What the role sees on a host, where each node has that fence (and no BMC, unless it is said to have its own)."""
    known = variables(role, host=host)
    for node in NODES:
        if node in fences:
            known["hostvars"][node]["pg_cluster_fence"] = fences[node]
        for name in () if bmc else BMC:
            known["hostvars"][node].pop(name, None)
            known[name] = "" if node == host else known[name]
    if host in fences:
        known["pg_cluster_fence"] = fences[host]
    return known


def told(host: str, **fences: Any) -> Config:
    """The configuration of skyha on a host."""
    return config_file.parse(template("skyha_daemon", "skyha.conf.j2", inventory("skyha_daemon", host, **fences)))


def refused(host: str = "node1", **fences: Any) -> str:
    """What site.yml's preflight says on a host."""
    return "\n".join(value("__pg_cluster_found", {**inventory("pg_cluster", host, **fences), **UNASKED}))


def names(config: Config) -> list[list[str]]:
    return [[agent.name for agent in level] for level in config.fences]


class TestWhatSkyhaIsTold:
    """By the fence of its peer."""

    def test_peers_fence_and_never_the_nodes_own(self) -> None:
        config = told("node1", node1=[outlets(1)], node2=[outlets(2)])
        assert names(config) == [["left", "right"]]
        assert {line for agent in config.agents for line in (agent.status, agent.off, agent.on, agent.reset)} == {
            "fence_apc_snmp plug=2"
        }
        assert config.agents[0].address == "192.0.2.51"
        assert config.agents[0].password_file == "/etc/skyha/left.password"

    def test_levels_in_their_order(self) -> None:
        fence = {"node1": [redfish("192.0.2.1"), outlets(1)], "node2": [redfish("192.0.2.2"), outlets(2)]}
        assert names(told("node2", **fence)) == [["idrac"], ["left", "right"]]
        assert told("node2", **fence).agents[0].address == "192.0.2.1"

    def test_fence_of_one_node_leaves_the_other_with_its_bmc(self) -> None:
        fence = [redfish("192.0.2.2")]
        assert names(
            config_file.parse(
                template("skyha_daemon", "skyha.conf.j2", inventory("skyha_daemon", bmc=True, node2=fence))
            )
        ) == [["idrac"]]
        known = inventory("skyha_daemon", "node2", bmc=True, node2=fence)
        assert names(config_file.parse(template("skyha_daemon", "skyha.conf.j2", known))) == [["bmc"]]

    def test_inventory_without_it_gives_the_peers_bmc_as_ever(self) -> None:
        text = template("skyha_daemon", "skyha.conf.j2", variables("skyha_daemon"))
        assert "levels" not in text
        (agent,) = config_file.parse(text).agents
        assert (agent.name, agent.kind, agent.address, agent.user, agent.privilege, agent.cipher) == (
            *("bmc", "ipmi", "198.51.100.212", "test", "operator", 3),
        )
        assert config_file.parse(text).node.bmc_address == "198.51.100.213"

    def test_cipher_of_a_bmc_is_the_devices_own_or_the_roles(self) -> None:
        device = {"kind": "ipmi", "address": "192.0.2.2", "user": "u", "password": "p"}
        fence = [[{**device, "name": "old"}], [{**device, "name": "new", "cipher": 17}]]
        assert [agent.cipher for agent in told("node1", node1=[outlets(1)], node2=fence).agents] == [3, 17]


@pytest.mark.parametrize("host", NODES)
class TestPreflight:
    """Nothing is changed where a fence cannot be used, or would be turned against who uses it."""

    def test_no_bmc_is_demanded_where_other_fences_stand(self, host: str) -> None:
        fences = {"node1": [outlets(1)], "node2": [outlets(2)]}
        assert refused(host, **fences) == ""
        assert against(inventory("skyha_daemon", host, **fences)) == []

    def test_a_node_without_any_fence_is_named(self, host: str) -> None:
        other = "node2" if host == "node1" else "node1"
        assert "pg_cluster_bmc_address is not set" in refused(host, **{other: [outlets(1)]})

    def test_one_fence_for_both_nodes_is_refused(self, host: str) -> None:
        assert "one of them would switch itself off" in refused(host, node1=[outlets(1)], node2=[outlets(1)])

    @pytest.mark.parametrize("way", ["fence_virsh plug={peer}", "fence_virsh --plug={peer}.lan", "pdu off {address}"])
    def test_fence_that_names_who_is_to_use_it_is_refused(self, host: str, way: str) -> None:
        peer, address = ("node2", "198.51.100.111") if host == "node1" else ("node1", "198.51.100.110")
        fence = [[{"name": "vm", "agent": way.format(peer=peer, address=address)}]]
        assert f"{peer}, who is to use it, would switch itself off instead of {host}" in refused(
            host, **{host: fence, peer: [outlets(1)]}
        )

    def test_fence_by_the_bmc_of_who_is_to_use_it_is_refused(self, host: str) -> None:
        peer, address = ("node2", "198.51.100.212") if host == "node1" else ("node1", "198.51.100.213")
        assert f"leads to {address}" in refused(host, bmc=True, **{host: [redfish(address)]})
        assert refused(peer, bmc=True, **{host: [redfish("192.0.2.1")]}) == ""

    def test_role_refuses_it_without_the_preflight_too(self, host: str) -> None:
        assert against(inventory("skyha_daemon", host, node1=[outlets(1)], node2=[outlets(1)]))


def against(known: dict[str, Any]) -> list[str]:
    """The conditions of the role's own preflight that do not hold."""
    conditions = yaml.safe_load((ROLES / "skyha_daemon/tasks/preflight.yml").read_text())[0]["ansible.builtin.assert"][
        "that"
    ]
    return [one for one in conditions if not value(one, known)]


IPMI = {"name": "a", "kind": "ipmi", "address": "192.0.2.1", "user": "u", "password": "p"}
PEER: dict[str, Any] = {"name": "node2", "addresses": [], "fences": []}


@pytest.mark.parametrize(
    ("fence", "sentence"),
    [
        ("fence_rsa", "pg_cluster_fence of node1 is no list"),
        ([IPMI], "level 1 in pg_cluster_fence of node1 is no list of devices"),
        ([[IPMI], []], "level 2 in pg_cluster_fence of node1 is no list of devices"),
        ([["fence_rsa"]], "level 1 in pg_cluster_fence of node1 is no list of devices"),
        ([[IPMI], [IPMI]], "holds 'a' more than once"),
        ([[{**IPMI, "name": "a b"}]], "name is missing, or holds more than letters"),
        ([[{**IPMI, "adress": "x"}]], "adress is unknown; known: name, kind, agent"),
        ([[{"name": "a", "address": "192.0.2.1"}]], "kind is neither ipmi nor command"),
        ([[{**IPMI, "user": ""}]], "user is missing, which kind ipmi needs"),
        ([[{"name": "a", "kind": "command", "off": "x", "status": "x"}]], "on is missing, which kind command needs"),
        ([[{**IPMI, "password": "x" * 21}]], "longer than the 20 bytes"),
        ([[{**IPMI, "password": "a\nb"}]], "holds a line break"),
        ([[{**IPMI, "password": "CHANGE_ME_1"}]], "still the example's CHANGE_ME"),
    ],
)
def test_each_mistake_is_named_and_no_password_is(fence: Any, sentence: str) -> None:
    found = "\n".join(fence_problems(fence, "node1", PEER))
    assert sentence in found
    assert "CHANGE_ME_1" not in found
    assert "xxx" not in found


def test_bare_on_and_off_are_keys_although_yaml_reads_them_as_true_and_false() -> None:
    fence = yaml.safe_load("[[{name: pdu, kind: command, status: pdu 3, off: pdu 3 off, on: pdu 3 on}]]")
    assert fence_problems(fence, "node1", PEER) == []
    assert fence_levels(fence, {})[0][0]["off"] == "pdu 3 off"


def examples() -> list[Any]:
    """The fences of docs/fencing.md: each block that is a list of levels, and the first one, of a whole host."""
    page = re.sub(r'"\{\{.*?\}\}"', "secret", (ROLES.parent / "docs/fencing.md").read_text())
    whole = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    blocks = ["".join(lines) for lines in re.findall(r"((?:^ {4}.*\n)+)", page, re.MULTILINE)]
    levels = [level for block in blocks if block.lstrip().startswith("- - ") for level in yaml.safe_load(block)]
    return [whole["pg_nodes"]["hosts"]["node1"]["pg_cluster_fence"], *([level] for level in levels)]


def test_examples_of_the_page_are_taken() -> None:
    found = examples()
    assert len(found) > 8
    for fence in found:
        assert fence_problems(fence, "node1", PEER) == []

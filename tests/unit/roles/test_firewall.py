# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The firewall lets in whom a host serves, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from render import template, value, variables
from value_samples import SIX, VIP6

NODES, VIP, VOTE, MONITOR = ["198.51.100.110", "198.51.100.111"], "198.51.100.116", "198.51.100.35", "198.51.100.36"
CLIENTS = ["10.0.0.0/8"]
NRPE = ("NRPE", [MONITOR], 5666)


def rules(host: str, protocol: str = "tcp", **given: Any) -> list[tuple[str, list[str], int]]:
    """Comment, sources and port of each rule of the host."""
    return told(variables("os_tuning", host=host, os_tuning_client_cidrs=CLIENTS, **given), protocol)


def told(known: dict[str, Any], protocol: str = "tcp") -> list[tuple[str, list[str], int]]:
    rules = [rule for rule in value("__os_tuning_rules", known) if rule["protocol"] == protocol]
    return [(rule["comment"], rule["sources"], int(rule["port"])) for rule in rules]


def test_node_serves_its_peer_the_vote_host_monitoring_and_clients() -> None:
    assert rules("node1") == [
        NRPE,
        ("PostgreSQL: nodes, vote host, monitoring", [*NODES, VIP, VOTE, MONITOR], 1921),
        ("PostgreSQL: clients", CLIENTS, 1921),
        ("skyha", [*NODES, VIP, MONITOR], 8008),
    ]


def test_vote_host_serves_the_vote_port_only() -> None:
    assert rules("vote") == [
        NRPE,
        ("vote port: nodes, monitoring", [*NODES, VIP, MONITOR], 11921),
    ]


def test_vote_port_is_open_to_the_clients_that_were_named_for_it() -> None:
    assert rules("vote", pg_cluster_vote_client_cidrs=["203.0.113.0/24"])[-1] == (
        "vote port: clients",
        ["203.0.113.0/24"],
        11921,
    )


def test_register_is_for_the_nodes_only() -> None:
    assert rules("vote", pg_cluster_register="vote_host")[-1] == ("register: nodes", NODES, 11920)
    assert "register" not in str(rules("node1", pg_cluster_register="vote_host"))


@pytest.mark.parametrize(
    ("host", "nodes", "members"),
    [
        ("node1", NODES[1:], [NODES[1], VOTE]),
        ("node2", NODES[:1], [NODES[0], VOTE]),
        ("vote", NODES, NODES),
    ],
)
def test_member_of_the_etcd_serves_nodes_and_members_only(host: str, nodes: list[str], members: list[str]) -> None:
    found = [rule for rule in rules(host, pg_cluster_register="etcd") if "register" in rule[0]]
    assert found == [("register: nodes", nodes, 11923), ("register: members", members, 11924)]


def test_an_etcd_that_is_given_opens_nothing() -> None:
    given = {"pg_cluster_register": "etcd", "pg_cluster_register_endpoints": ["203.0.113.1:2379"]}
    for host in ("node1", "vote", "monitor"):
        assert "register" not in str(rules(host, **given))
    assert "register" not in str(rules("monitor", pg_cluster_register="etcd"))


def test_signs_of_life_come_from_the_peer_only() -> None:
    assert rules("node1", "udp") == [("skyha: signs of life", NODES[1:], 8009)]
    given = {"pg_cluster_register": "external", "pg_cluster_signs_port": 9009}
    assert rules("node2", "udp", **given) == [("skyha: signs of life", NODES[:1], 9009)]


@pytest.mark.parametrize("host", ["vote", "monitor"])
def test_no_port_is_opened_for_signs_of_life_that_nobody_sends(host: str) -> None:
    assert rules(host, "udp", pg_cluster_register="vote_host") == []


def test_monitoring_host_is_asked_by_monitoring_only() -> None:
    assert rules("monitor") == [NRPE]


def test_each_cluster_has_its_own_vote_port() -> None:
    known = variables("os_tuning", host="vote", os_tuning_client_cidrs=CLIENTS)
    moon = {"pg_cluster_group": "moon", "pg_cluster_vip": "198.51.100.126", "pg_cluster_vote_port": 11922}
    for name, address in (("node3", "198.51.100.120"), ("node4", "198.51.100.121")):
        known["hostvars"][name] = {
            "inventory_hostname": name,
            "pg_cluster_address": address,
            **moon,
            "pg_cluster_register": "vote_host",
            "pg_cluster_register_port": 11930,
        }
    known["groups"] = {**known["groups"], "pg_nodes": ["node1", "node2", "node3", "node4"]}
    others = ["198.51.100.120", "198.51.100.121"]
    assert told(known) == [
        NRPE,
        ("vote port: nodes, monitoring (sky)", [*NODES, VIP, MONITOR], 11921),
        ("vote port: nodes, monitoring (moon)", [*others, "198.51.100.126", MONITOR], 11922),
        ("register: nodes (moon)", others, 11930),
    ]


def test_without_vote_host_and_monitoring_only_nodes_and_clients_are_let_in() -> None:
    known = variables("os_tuning", os_tuning_client_cidrs=CLIENTS)
    known["groups"] = {"pg_nodes": known["groups"]["pg_nodes"]}
    assert [sources for _comment, sources, _port in told(known)] == [[], [*NODES, VIP], CLIENTS, [*NODES, VIP]]


def test_vip_that_is_not_set_makes_no_rule() -> None:
    assert [sources for _comment, sources, _port in rules("node1", pg_cluster_vip="")][3] == [*NODES, MONITOR]


def test_further_monitoring_sees_what_the_monitoring_hosts_see_and_nobody_twice() -> None:
    known = {"os_tuning_monitoring_cidrs": ["203.0.113.0/24", MONITOR, "2001:db8::9", "2001:DB8::9"]}
    seen = [MONITOR, "203.0.113.0/24", "2001:db8::9"]
    assert rules("node1", **known)[0] == ("NRPE", seen, 5666)
    assert rules("node1", **known)[3] == ("skyha", [*NODES, VIP, *seen], 8008)
    assert rules("vote", **known)[1] == ("vote port: nodes, monitoring", [*NODES, VIP, *seen], 11921)


@pytest.mark.parametrize(
    ("item", "there", "not_there"), [("iptables", CLIENTS[0], SIX["node2"]), ("ip6tables", SIX["node2"], CLIENTS[0])]
)
def test_each_family_has_its_own_file_of_iptables(item: str, there: str, not_there: str) -> None:
    known = variables("os_tuning", addresses=SIX, pg_cluster_vip=VIP6, os_tuning_client_cidrs=CLIENTS)
    text = template("os_tuning", "firewall.iptables.j2", {**known, "item": item})
    assert f"-s {there} -p tcp --dport 1921 -j ACCEPT\n" in text
    assert not_there not in text


@pytest.mark.parametrize("addresses", [None, SIX])
def test_signs_of_life_are_let_in_by_both_programs(addresses: dict[str, str] | None) -> None:
    known = variables("os_tuning", addresses=addresses, pg_cluster_register="vote_host")
    peer, item, family = (SIX["node2"], "ip6tables", "ip6") if addresses else (NODES[1], "iptables", "ip")
    text = template("os_tuning", "firewall.iptables.j2", {**known, "item": item})
    assert f"-s {peer} -p udp --dport 8009 -j ACCEPT\n" in text
    text = template("os_tuning", "firewall.nft.j2", known)
    assert f'{family} saddr {peer} udp dport 8009 accept comment "skyha: signs of life"\n' in text


def test_nft_has_a_line_for_each_source_of_each_rule() -> None:
    known = variables("os_tuning", host="vote", pg_cluster_register="vote_host")
    text = template("os_tuning", "firewall.nft.j2", known)
    wanted = [f"ip saddr {one} tcp dport {port} " for _comment, sources, port in told(known) for one in sources]
    assert [line.strip().partition("accept")[0] for line in text.splitlines() if " saddr 1" in line] == wanted
    assert f'ip saddr {NODES[1]} tcp dport 11920 accept comment "register: nodes"\n' in text

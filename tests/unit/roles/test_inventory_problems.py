# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong in an inventory is refused with a sentence before anything is done."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from inventory_samples import NODE, UNASKED, WITH_ETCD, WITH_REGISTER, problems, said
from render import ROLES, template, value, variables
from value_samples import FEW, SIX, TEXT, VIP6


def test_documents_inventory_has_no_problems() -> None:
    assert problems() == []


def test_clients_networks_are_chosen_by_the_inventory() -> None:
    known = {**variables("pg_cluster"), **UNASKED}
    del known["streaming_replication_client_cidrs"]
    (told,) = value("__pg_cluster_found", known)
    assert "streaming_replication_client_cidrs is not set: name the networks" in told
    assert problems(streaming_replication_client_cidrs=[]) == []


def test_ipv6_inventory_has_no_problems() -> None:
    assert problems(addresses=SIX, pg_cluster_vip=VIP6, pg_cluster_vip_prefix=64) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"pg_cluster_ha_password": ""}, "pg_cluster_ha_password is not set"),
        ({"pg_cluster_ha_password": "a\nb"}, "holds a line break"),
        ({"pg_cluster_ha_password": "CHANGE_ME_1"}, "still the example's"),
        ({"pg_cluster_ha_password": 12345}, "is not a text: put it in quotes"),
        ({"pg_cluster_ha_user": "a\nb"}, "pg_cluster_ha_user is empty or holds a line break"),
        ({"pg_cluster_name": 'the "sky"'}, "pg_cluster_name is 'the \"sky\"'"),
        ({"pg_cluster_name": "a\\b"}, "pg_cluster_name is 'a\\b'"),
        ({"pg_cluster_data_dir": "/data/my files"}, "pg_cluster_data_dir is '/data/my files'"),
        ({"pg_cluster_vip": "vip.example"}, "vip.example (the VIP) is not an IP address"),
        ({"pg_cluster_vip": '"; reboot'}, '"; reboot (the VIP) is not an IP address'),
        ({"pg_cluster_vip": "198.51.100.256"}, "198.51.100.256 (the VIP) is not an IP address"),
        ({"pg_cluster_vip": "198.51.100"}, "198.51.100 (the VIP) is not an IP address"),
        ({"pg_cluster_vip": ":0"}, ":0 (the VIP) is not an IP address"),
        ({"pg_cluster_vip": "198.51.100.35"}, "is the VIP and the vote host"),
        ({"pg_cluster_port": 543}, "pg_cluster_port is '543'"),
        ({"pg_cluster_port": "high"}, "pg_cluster_port is 'high'"),
        ({"pg_cluster_vip_prefix": 33}, "a number from 8 to 32"),
        ({"pg_cluster_postgresql_version": "9.3"}, "supported are 13 to 18"),
        ({"pg_build_method": "source"}, "pg_build_method is called pg_cluster_build_method now"),
        ({"skyha_daemon_agents": []}, "skyha_daemon_agents is gone: it told a node how its peer is switched off"),
        ({"skyha_daemon_watchdog_device": ""}, "skyha_daemon_watchdog_device is called pg_cluster_watchdog_device now"),
    ],
)
def test_each_bad_value_is_refused_with_a_sentence(given: dict[str, Any], sentence: str) -> None:
    assert sentence in "\n".join(problems(**given))


def test_register_on_the_vote_host_has_no_problems() -> None:
    assert problems(**WITH_REGISTER) == []
    assert problems(**WITH_REGISTER, addresses=SIX, pg_cluster_vip=VIP6, pg_cluster_vip_prefix=64) == []


def test_external_register_has_no_problems() -> None:
    assert (
        problems(**{**WITH_REGISTER, "pg_cluster_register": "external", "pg_cluster_register_address": "198.51.100.40"})
        == []
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"pg_cluster_register": "raft"}, "it must be none, vote_host, external or etcd"),
        ({"pg_cluster_register_password": ""}, "pg_cluster_register_password is not set for node1"),
        ({"pg_cluster_register_password": "a\nb"}, "pg_cluster_register_password of node1 holds a line break"),
        ({"pg_cluster_register_port": "high"}, "pg_cluster_register_port is 'high'"),
        ({"pg_cluster_register_port": 11921}, "is the vote port of cluster sky"),
        ({"pg_cluster_name": "x" * 41}, "longer than the 40 letters"),
        ({"pg_cluster_register_address": "198.51.100.40"}, "but the register is on the vote host 198.51.100.35"),
        (
            {"pg_cluster_vote_host": "far", "pg_cluster_vote_address": "198.51.100.41"},
            "'far' is not in the group vote_hosts",
        ),
        ({"pg_cluster_register": "external"}, "pg_cluster_register_address is ''"),
        (
            {"pg_cluster_register": "external", "pg_cluster_register_address": "198.51.100.111"},
            "the register 198.51.100.111 is the address of node2",
        ),
        ({"pg_cluster_register": "external", "pg_cluster_register_address": "198.51.100.116"}, "is the VIP"),
    ],
)
def test_register_that_cannot_be_is_refused_with_a_sentence(given: dict[str, Any], sentence: str) -> None:
    assert sentence in "\n".join(problems(**{**WITH_REGISTER, **given}))


CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
GIVEN_ETCD = {**WITH_ETCD, "pg_cluster_register_endpoints": ["203.0.113.1:2379"], "pg_cluster_register_ca": CA}


def test_etcd_that_is_made_or_given_has_no_problems() -> None:
    assert problems(**WITH_ETCD) == []
    assert problems(**WITH_ETCD, addresses=SIX, pg_cluster_vip=VIP6, pg_cluster_vip_prefix=64) == []
    assert problems(**{**GIVEN_ETCD, "pg_cluster_etcd_root_password": ""}) == []
    assert problems(**{**GIVEN_ETCD, "pg_cluster_register_endpoints": ["[2001:db8::7]:2379"]}) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"pg_cluster_etcd_root_password": ""}, "pg_cluster_etcd_root_password is not set for node1"),
        ({"pg_cluster_register_password": ""}, "pg_cluster_register_password is not set for node1"),
        ({"pg_cluster_etcd_port": 80}, "pg_cluster_etcd_port is '80'"),
        ({"pg_cluster_etcd_peer_port": "high"}, "pg_cluster_etcd_peer_port is 'high'"),
        ({"pg_cluster_etcd_peer_port": 11923}, "are both 11923"),
        ({"pg_cluster_etcd_port": 11921}, "the etcd's port 11921 on vote is the vote port of cluster sky"),
        ({"pg_cluster_etcd_port": 1921}, "the etcd's port 1921 is PostgreSQL's of cluster sky"),
        ({"pg_cluster_name": "x" * 41}, "longer than the 40 letters"),
        (
            {"pg_cluster_vote_host": "far", "pg_cluster_vote_address": "198.51.100.41"},
            "nothing would make the third member",
        ),
        ({**GIVEN_ETCD, "pg_cluster_register_ca": "/etc/ca.crt"}, "pg_cluster_register_ca is no certificate"),
        ({**GIVEN_ETCD, "pg_cluster_register_ca": ""}, "pg_cluster_register_ca is no certificate"),
        ({**GIVEN_ETCD, "pg_cluster_register_endpoints": ["https://203.0.113.1:2379"]}, "each is ADDRESS:PORT"),
        ({**GIVEN_ETCD, "pg_cluster_register_endpoints": ["etcd.example:2379"]}, "each is ADDRESS:PORT"),
        ({**GIVEN_ETCD, "pg_cluster_register_endpoints": ["203.0.113.1"]}, "each is ADDRESS:PORT"),
        ({**GIVEN_ETCD, "pg_cluster_register_endpoints": ["198.51.100.116:2379"]}, "holds the VIP"),
    ],
)
def test_etcd_that_cannot_be_is_refused_with_a_sentence(given: dict[str, Any], sentence: str) -> None:
    assert sentence in "\n".join(problems(**{**WITH_ETCD, **given}))


@pytest.mark.parametrize(
    ("family", "major", "is_refused"),
    [("Debian", "12", False), ("Debian", "13", False), ("Debian", "11", True), ("RedHat", "9", True)],
)
def test_etcd_is_made_from_packages_that_there_are(family: str, major: str, is_refused: bool) -> None:
    for host in ("node1", "vote"):
        known = {**variables("pg_cluster", family=family, major=major, host=host, **WITH_ETCD), **UNASKED}
        found = "\n".join(said(known))
        assert ("has no package of etcd 3.4 or newer" in found) == is_refused
    given = {**variables("pg_cluster", family=family, major=major, **GIVEN_ETCD), **UNASKED}
    assert "etcd" not in "\n".join(said(given))


def test_vote_host_has_room_for_one_member() -> None:
    known = {**variables("pg_cluster", **WITH_ETCD), **UNASKED}
    for name, address in (("node3", "198.51.100.120"), ("node4", "198.51.100.121")):
        moon = {"pg_cluster_group": "moon", "pg_cluster_vip": "198.51.100.126", "pg_cluster_vote_port": 11925}
        known["hostvars"][name] = {"inventory_hostname": name, "pg_cluster_address": address, **moon, **WITH_ETCD}
    known["groups"] = {**known["groups"], "pg_nodes": ["node1", "node2", "node3", "node4"]}
    assert "would both have a member of an etcd on vote" in "\n".join(said(known))
    for name in ("node3", "node4"):
        known["hostvars"][name].update(GIVEN_ETCD)
    assert "would both have" not in "\n".join(said(known))


def test_nothing_is_asked_of_a_register_that_is_none() -> None:
    assert problems(pg_cluster_register_port=11921, pg_cluster_register_address="x") == []


def lacking(*names: str, of: str = "node1", given: dict[str, Any]) -> list[str]:
    """What node1 says of an inventory in which these variables are not set for that node."""
    known = {**variables("pg_cluster", **given), **UNASKED}
    for name in names:
        known["hostvars"][of].pop(name, None)
        if of == "node1":
            known[name] = ""
    return said(known)


BMC = ("pg_cluster_bmc_address", "pg_cluster_bmc_user", "pg_cluster_bmc_password")


def test_cluster_with_a_lease_needs_no_bmc() -> None:
    assert lacking(*BMC, given=WITH_REGISTER) == []
    assert lacking("pg_cluster_bmc_address", given=WITH_REGISTER) == []


@pytest.mark.parametrize("given", [{}, {**WITH_REGISTER, "pg_cluster_watchdog_device": ""}])
def test_cluster_without_a_lease_needs_a_bmc(given: dict[str, Any]) -> None:
    assert [problem.partition(":")[0] for problem in lacking(*BMC, given=given)] == [
        f"{name} is not set for node1" for name in BMC
    ]


def test_bmc_that_is_named_must_be_usable_with_a_lease_too() -> None:
    assert "pg_cluster_bmc_password is not set for node1" in "\n".join(
        lacking("pg_cluster_bmc_password", given=WITH_REGISTER)
    )


@pytest.mark.parametrize("port", [0, 1023, 65536, "high"])
def test_port_of_the_signs_of_life_must_be_one(port: object) -> None:
    assert f"pg_cluster_signs_port is '{port}'" in "\n".join(problems(pg_cluster_signs_port=port))


def test_zero_loss_needs_a_register() -> None:
    assert problems(**WITH_REGISTER, pg_cluster_replication="zero_loss") == []
    assert "pg_cluster_replication is zero_loss, and pg_cluster_register is none" in "\n".join(
        problems(pg_cluster_replication="zero_loss")
    )
    assert "it must be async or zero_loss" in "\n".join(problems(pg_cluster_replication="sync"))


@pytest.mark.parametrize(
    ("name", "other", "sentence"),
    [
        ("pg_cluster_signs_port", 8010, "pg_cluster_signs_port is not the same for node1 and node2"),
        ("pg_cluster_watchdog_device", "", "pg_cluster_watchdog_device is empty for node2 only"),
    ],
)
def test_what_a_lease_needs_is_alike_on_both_nodes(name: str, other: object, sentence: str) -> None:
    known = {**variables("pg_cluster", **WITH_REGISTER), **UNASKED}
    known["hostvars"]["node2"][name] = other
    assert sentence in "\n".join(said(known))


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        ({"free_mb": 40960}, ""),
        # 2,100 MB hold a fresh server, and not the 38 GB of WAL that it may keep.
        ({"free_mb": 2100}, "40960 MB may be needed"),
        ({"one_disk": False, "free_mb": 2100}, ""),
        ({"one_disk": False, "free_mb": 2100, "wal_free_mb": 2100}, "2100 MB free for the WAL in /wal; 38912 MB"),
        ({"has_data": True, "free_mb": 5}, ""),
    ],
)
def test_disk_must_hold_the_wal_that_the_settings_keep(node: dict[str, Any], sentence: str) -> None:
    known = {"pg_cluster_wal_room_mb": 38912, "pg_cluster_wal_dir": "/wal"}
    found = "\n".join(problems(node={**NODE, **node}, **known))
    assert sentence in found
    assert bool(found) == bool(sentence)


def test_defaults_of_postgresql_need_what_they_keep() -> None:
    known = variables("streaming_replication")
    assert value("__streaming_replication_wanted | sky.pg_cluster.wal_room_mb", known) == 38912


def test_node_names_must_make_slots_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for first, second, sentence in (
        ("a" * 64, "node2", "longer than the 63 letters"),
        ("db-1", "db_1", "would both have the slot db_1"),
    ):
        known = {**variables("pg_cluster"), **UNASKED}
        known["hostvars"] = {
            first: {**known["hostvars"]["node1"], "inventory_hostname": first},
            second: {**known["hostvars"]["node2"], "inventory_hostname": second},
            "vote": known["hostvars"]["vote"],
            "monitor": known["hostvars"]["monitor"],
        }
        known["groups"] = {**known["groups"], "pg_nodes": [first, second]}
        known["inventory_hostname"] = first
        assert sentence in "\n".join(said(known))


@pytest.mark.parametrize(
    "role", ["streaming_replication", "skyha_daemon", "os_tuning", "vote_host_balance", "nagios_nrpe"]
)
def test_inventory_with_ansible_host_only_gives_the_same(role: str) -> None:
    """pg_cluster_address is ansible_host by default, of the other hosts as well: what is written is the same."""
    host = {"vote_host_balance": "vote", "nagios_nrpe": "monitor"}.get(role, "node1")
    known, bare = variables(role, host=host), variables(role, host=host)
    for name, of in bare["hostvars"].items():
        of["ansible_host"] = of.pop("pg_cluster_address")
        if name == host:
            bare["ansible_host"] = of["ansible_host"]
            bare["pg_cluster_address"] = of["ansible_host"]  # this host's own default is seen
    for path in sorted((ROLES / role / "templates").glob("*.j2")):
        if path.name == "restart_plan.j2":
            continue
        texts = [
            template(role, path.name, {**one, "item": "iptables", "os_tuning_ntp_servers": ["ntp.example"]})
            for one in (known, bare)
        ]
        assert texts[0] == texts[1], path.name
    assert value("pg_cluster_vote_address", bare) == "198.51.100.35"
    assert value("pg_cluster_clusters", bare) == value("pg_cluster_clusters", known)


def test_no_other_hosts_address_is_read_but_in_one_place() -> None:
    """Another host's role defaults cannot be seen in hostvars, so everybody asks pg_cluster_addresses."""
    files = [*ROLES.glob("*/*/*.yml"), *ROLES.glob("*/templates/*.j2")]
    wrong = re.compile(
        r"""hostvars\[[^]]*\]\.pg_cluster_address\b|extract', hostvars, 'pg_cluster_address'|attribute='pg_cluster_address'"""
    )
    assert [str(path) for path in files if wrong.search(path.read_text())] == []


def test_bmc_password_longer_than_ipmi_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**variables("pg_cluster"), **UNASKED}
    known["pg_cluster_bmc_password"] = "x" * 21
    assert "longer than the 20 bytes" in "\n".join(said(known))
    known["pg_cluster_bmc_password"] = "x" * 20
    assert "longer than the 20 bytes" not in "\n".join(said(known))


@FEW
@given(vip=TEXT, name=TEXT, directory=TEXT)
def test_whatever_is_wrong_the_list_of_problems_is_whole(vip: str, name: str, directory: str) -> None:
    found = problems(pg_cluster_vip=vip, pg_cluster_name=name, pg_cluster_socket_dir=directory)
    assert all(isinstance(problem, str) and len(problem) > 20 for problem in found)
    # YAML's reader leaves JSON's surrogate pairs apart; such a letter in a message may look odd.
    # What is made of an address' characters only may be one.
    unnamed = max(vip) > "\uffff" or set(vip) <= set("0123456789abcdefABCDEF:.")
    assert unnamed or any(vip in problem for problem in found)


# --- IPv6 all over ------------------------------------------------------------------------------------------------

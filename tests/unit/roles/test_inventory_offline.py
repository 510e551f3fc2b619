# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An inventory that is judged without its hosts: what they alone could tell is not known, and neither good nor bad."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.sky.pg_cluster.plugins.filter.preflight import each_once
from inventory_samples import WITH_ETCD, WITH_REGISTER, offline, problems
from render import ROLES, value, variables


@pytest.mark.parametrize("host", ["node1", "vote", "monitor"])
@pytest.mark.parametrize("given", [{}, WITH_REGISTER, WITH_ETCD, {"pg_cluster_build_method": "source"}])
def test_documents_inventory_has_no_problems_offline(host: str, given: dict[str, Any]) -> None:
    found, unknown = offline(host, **given)
    assert found == []
    assert f"the distribution, systemd and Python of {host}" in unknown


def test_what_a_node_alone_could_tell_is_named() -> None:
    unknown = "\n".join(offline(pg_cluster_wal_room_mb=38912, **WITH_REGISTER)[1])
    for thing in (
        "PostgreSQL's version on node1",
        "the interface eth0 of node1, its networks, and whether another host has the VIP",
        "whether there are the 40960 MB on node1",
        "what is installed on node1",
        "the watchdog of node1",
    ):
        assert thing in unknown
    given = "\n".join(offline(pg_cluster_postgresql_version="17")[1])
    assert "PostgreSQL's version" not in given
    assert "watchdog" not in given


def test_node_that_was_asked_leaves_nothing_unknown() -> None:
    known = {**variables("pg_cluster"), "__pg_cluster_node": {"interface": True}, "__pg_cluster_holders": []}
    assert value("__pg_cluster_unknown", {**known, "ansible_play_hosts_all": []}) == []


def test_host_without_facts_is_no_host_that_will_do_where_it_was_asked() -> None:
    known = {**variables("pg_cluster"), "__pg_cluster_node": {}, "__pg_cluster_holders": [], "ansible_facts": {}}
    known.update(
        {"ansible_play_hosts_all": [], "pg_cluster_bin_dir": "/usr/bin", "pg_cluster_postgresql_version": "17"}
    )
    assert "node1 runs ? with ?" in "\n".join(value("__pg_cluster_found", known))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"pg_cluster_postgresql_version": "9.3"}, "supported are 13 to 18"),
        ({"pg_cluster_bin_dir": "/opt/my pg"}, "pg_cluster_bin_dir is '/opt/my pg'"),
        ({"pg_cluster_vote_address": ""}, "put the vote host into the inventory's group vote_hosts"),
    ],
)
def test_what_the_inventory_says_wrong_is_wrong_offline_too(given: dict[str, Any], sentence: str) -> None:
    found, _unknown = offline(**given)
    assert len(found) == 1
    assert sentence in found[0]


# --- one error, one sentence --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (
            {"pg_cluster_vip": "", "pg_cluster_vpi": "198.51.100.116"},
            "pg_cluster_vpi is no variable of this collection and would be ignored: call it pg_cluster_vip",
        ),
        ({"pg_cluster_ha_password": "", "pg_cluster_ha_pasword": "ha"}, "pg_cluster_ha_pasword is no variable"),
        (
            {"os_tuning_colour_of_the_rack": "grey"},
            "os_tuning_colour_of_the_rack is no variable of this collection (docs/variables.md)",
        ),
    ],
)
def test_misspelt_variable_is_one_sentence(given: dict[str, Any], wrong: str) -> None:
    """That the right one is not set is not said as well."""
    for found in (offline(**given)[0], problems(**given)):
        assert len(found) == 1
        assert wrong in found[0]


def test_same_error_of_several_hosts_is_one_sentence() -> None:
    said = "pg_cluster_ha_password is not set for {host}: set it"
    assert each_once({"node1": [said], "node2": [said, "other"], "vote": ["other"]}) == [
        "pg_cluster_ha_password is not set for node1 and node2: set it",
        "other",
    ]
    assert each_once({"node1": [said], "node2": [said], "vote": [said]}) == [
        "pg_cluster_ha_password is not set for all hosts: set it"
    ]
    assert each_once({"node1": [said], "node2": [said]}) == [
        "pg_cluster_ha_password is not set for node1 and node2: set it"
    ]


# --- the example's secrets ----------------------------------------------------------------------------------------


SECRETS = {
    name
    for path in ROLES.glob("*/meta/argument_specs.yml")
    for entry in yaml.safe_load(path.read_text())["argument_specs"].values()
    for name in entry.get("options", {})
    if name.endswith("_password")
}


def test_secrets_of_the_roles_are_these() -> None:
    """One of a further role would need a judgement of that role's, as Nagios' has."""
    assert "pg_cluster_etcd_root_password" in SECRETS
    assert [name for name in SECRETS if not name.startswith("pg_cluster_")] == ["nagios_nrpe_web_password"]


# (A BMC's is the node's own.)
@pytest.mark.parametrize("name", sorted(SECRETS - {"nagios_nrpe_web_password", "pg_cluster_bmc_password"}))
@pytest.mark.parametrize("others", [{}, WITH_ETCD])
def test_placeholder_is_found_in_every_secret(name: str, others: dict[str, Any]) -> None:
    assert offline(**{**others, name: "CHANGE_ME"})[0] == [
        f"{name} of node1 is still the example's CHANGE_ME: choose your own in group_vars/all/vault.yml"
    ]


def test_placeholder_is_found_in_a_nodes_own_secret() -> None:
    known = variables("pg_cluster")
    known["pg_cluster_bmc_password"] = "CHANGE_ME"
    known.update({"__pg_cluster_node": {}, "__pg_cluster_holders": [], "ansible_play_hosts_all": []})
    assert [one for one in value("__pg_cluster_found", known) if "pg_cluster_bmc_password of {host} is still" in one]


def test_placeholder_is_found_in_what_other_roles_keep_secret() -> None:
    devices = [{"name": "pdu", "kind": "command", "off": "a", "password": "CHANGE_ME"}, {"kind": "command", "off": "b"}]
    known = variables("pg_cluster", pg_cluster_fence=[devices])
    assert "the password of fence pdu of {host} is still the example's" in "\n".join(
        value("__pg_cluster_fence_passwords | sky.pg_cluster.placeholders", known)
    )
    known = variables("nagios_nrpe", host="node1", nagios_nrpe_web_password="CHANGE_ME")
    assert value("{'a': nagios_nrpe_web_password} | sky.pg_cluster.placeholders | length", known) == 1

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A group or a variable that is misspelt is named, and what is a user's own is left alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sky.pg_cluster.plugins.filter import spelling
from names_samples import VARIABLE, files
from render import GROUPS, ROLES, variables

HOSTS: dict[str, list[str]] = {"all": ["node1", "node2", "vote", "monitor"], "ungrouped": [], **GROUPS}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pg_node", "pg_nodes"),
        ("pgnodes", "pg_nodes"),
        ("pg_ndoes", "pg_nodes"),
        ("PG_NODES", "pg_nodes"),
        ("vote_host", "vote_hosts"),
        ("votes_hosts", "vote_hosts"),
        ("monitoring_host", "monitoring_hosts"),
        ("monitor_hosts", "monitoring_hosts"),
    ],
)
def test_misspelt_group_is_named_once(name: str, meant: str) -> None:
    instead = {**{group: hosts for group, hosts in HOSTS.items() if group != meant}, name: GROUPS[meant]}
    beside = {**HOSTS, name: ["other"]}
    for groups, host in ((instead, GROUPS[meant][0]), (beside, "other")):
        found = spelling.group_problems(groups, [])
        assert len(found) == 1
        assert f"group {name} ({host}" in found[0]
        assert f"call it {meant}" in found[0]


@pytest.mark.parametrize("name", ["db_nodes", "web_hosts", "orders", "remote_hosts", "postgres_nodes", "votes"])
def test_users_own_group_is_left_alone(name: str) -> None:
    assert spelling.group_problems({**HOSTS, name: ["other"]}, []) == []


def test_group_like_ours_may_be_a_part_of_it_or_empty() -> None:
    assert spelling.group_problems({**HOSTS, "pg_nodes1": ["node1"], "vote_host": []}, []) == []


@pytest.mark.parametrize("groups", [{}, {"all": [], "ungrouped": []}, {**HOSTS, "pg_nodes": []}, {"pg_nodes": []}])
def test_cluster_without_nodes_is_none(groups: dict[str, list[str]]) -> None:
    assert "no host in the group pg_nodes" in "\n".join(spelling.group_problems(groups, []))


@pytest.mark.parametrize(
    ("name", "is_refused"),
    [
        ("vote_host.yml", True),
        ("pg_node", True),
        ("vote_hosts.yml", False),
        ("monitoring_hosts.yml", False),  # the group is not there, and may come
        ("orders.yml", False),
        ("pg_nodes1.yml", False),  # a group of the inventory
        ("vote_host.yml.bak", False),
    ],
)
def test_variables_of_a_group_that_is_none_are_named(name: str, is_refused: bool, tmp_path: Path) -> None:
    """Ansible would read them for nobody."""
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / name).write_text("---\n")
    (tmp_path / "hosts.yml").write_text("---\n")
    groups = {**{name: hosts for name, hosts in HOSTS.items() if name != "monitoring_hosts"}, "pg_nodes1": ["node1"]}
    for source in (tmp_path, tmp_path / "hosts.yml"):
        found = spelling.group_problems(groups, [str(source), "node1,"])
        assert len(found) == is_refused
        if is_refused:
            assert f"group_vars/{name} is read for no host, as there is no group {name.split('.')[0]}" in found[0]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pg_cluster_vpi", "pg_cluster_vip"),
        ("pg_cluster_bmc_adress", "pg_cluster_bmc_address"),
        ("pg_cluster_interface", "pg_cluster_vip_interface"),
        ("skyha_daemon_time", "skyha_daemon_timing"),
        ("nagios_nrpe_web_pasword", "nagios_nrpe_web_password"),
        # The slip is in what names of a role begin with.
        ("pgcluster_vip", "pg_cluster_vip"),
        ("skyha_deamon_profile", "skyha_daemon_profile"),
        ("PG_CLUSTER_VIP", "pg_cluster_vip"),
        # None is near.
        ("os_tuning_colour_of_the_rack", ""),
    ],
)
def test_misspelt_variable_is_found_with_the_nearest(name: str, meant: str) -> None:
    assert spelling.misspelt_variables([name, "pg_cluster_port"]) == {name: meant}


@pytest.mark.parametrize(
    "name",
    [
        "vault_ha_password",
        "db_cluster_name",
        "my_pg_cluster_vip",
        "cluster_vip",
        "ansible_host",
        "pg_version",
        "__pg_cluster_vpi",
    ],
)
def test_users_own_variable_is_left_alone(name: str) -> None:
    assert spelling.misspelt_variables([name]) == {}


def test_every_variable_that_the_collection_knows_is_known() -> None:
    """Those that it documents, sets and reads: none is called misspelt, whatever play has been before."""
    known = set()
    for role in ROLES.iterdir():
        for path in files(role.name):
            text = re.sub(r"(?m)^\s*#.*$|tags: .*$|\.(py|sh|yml|j2)\b", "", path.read_text(encoding="utf-8"))
            known |= {found[0] for found in VARIABLE.finditer(text) if not found[0].startswith("__")}
    tags = {f"{role.name}_{part}" for role in ROLES.iterdir() for part in ("install", "configure", "run")}
    assert "pg_cluster_wal_room_mb" in known
    assert spelling.misspelt_variables(sorted(known - tags - spelling.RENAMED.keys())) == {}
    for role in ROLES.iterdir():
        assert spelling.misspelt_variables(list(variables(role.name))) == {}


def test_what_plays_work_out_is_no_option_of_a_role() -> None:
    options: set[str] = set()
    for path in ROLES.glob("*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            options |= set(entry.get("options", {}))
    assert options & spelling.BY_PLAYS == set()
    text = "\n".join(path.read_text() for path in [*ROLES.glob("*/*/*.yml"), *ROLES.parent.glob("playbooks/*.yml")])
    assert [name for name in spelling.BY_PLAYS if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize("path", sorted(ROLES.parent.glob("inventory/*/**/*.yml*")), ids=str)
def test_inventories_of_the_project_hold_no_misspelt_name(path: Any) -> None:
    names = re.findall(r"^[ #]*(\w+):", path.read_text(), re.MULTILINE)
    assert spelling.misspelt_variables(names) == {}

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""check_inventory.yml as an operator runs it: the real ansible-playbook on inventories whose hosts do not exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from programs import program

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "inventory/prod"
MAIN, VAULT = "group_vars/all/main.yml", "group_vars/all/vault.yml"


class Run(NamedTuple):
    """How it ended, and what it said as one line."""

    status: int
    said: str


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """The example's inventory with secrets of its own; a host that is asked all the same fails."""
    place = tmp_path / "inventory"
    shutil.copytree(EXAMPLE, place)
    secrets = (place / f"{VAULT}.example").read_text()
    (place / VAULT).write_text(secrets.replace("CHANGE_ME", "a-secret-of-ours"))
    chosen = (
        (place / MAIN).read_text().replace("# streaming_replication_client_cidrs", "streaming_replication_client_cidrs")
    )
    (place / MAIN).write_text(chosen)
    return place


def play(inventory: Path, name: str = "check_inventory", *arguments: str) -> Run:
    done = subprocess.run(
        [program("ansible-playbook"), "-i", inventory, *arguments, f"playbooks/{name}.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={
            **os.environ,
            "ANSIBLE_SSH_EXECUTABLE": "/bin/false",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "0",
        },
    )
    assert "UNREACHABLE" not in done.stdout, "a host was asked"
    assert "changed=0" in done.stdout
    return Run(done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr))


def problems(run: Run) -> list[str]:
    """What speaks against it; ends with a code that is not 0 where something does."""
    found = re.search(r'Say it\] \*+ ok: \[\S+\] => \{ "msg": "(.*?) Nothing was changed\." \}', run.said)
    assert bool(found) == (run.status != 0)
    assert "a-secret-of-ours" not in run.said
    return re.split(r"(?<=\.) (?=\S+ (?:is|of) |The )", found[1]) if found else []


def rename_group(inventory: Path, group: str, name: str) -> None:
    hosts = inventory / "hosts.yml"
    hosts.write_text(hosts.read_text().replace(f"    {group}:", f"    {name}:"))


def test_inventory_with_nothing_wrong_ends_well_and_says_what_is_not_known(inventory: Path) -> None:
    run = play(inventory)
    assert problems(run) == []
    assert "Nothing speaks against this inventory, as far as it can be judged without the hosts." in run.said
    assert "the distribution, systemd and Python of all hosts" in run.said
    assert "the interface eth0 of node1 and node2, its networks, and whether another host has the VIP" in run.said
    # What PostgreSQL's settings keep is known without a host.
    assert "the 40960 MB on node1 and node2 that data and WAL may need" in run.said


def test_example_as_it_is_shipped_lacks_its_secrets_and_the_clients_networks() -> None:
    found = problems(play(EXAMPLE))
    found.remove(next(one for one in found if one.startswith("streaming_replication_client_cidrs is not set")))
    assert [one.split()[0] for one in found] == [
        "pg_cluster_superuser_password",
        "pg_cluster_replication_password",
        "pg_cluster_ha_password",
        "pg_cluster_bmc_password",
        "pg_cluster_register_password",
    ]
    assert all("is not set for node1 and node2" in one for one in found)


def test_examples_placeholders_are_named_each_once(inventory: Path) -> None:
    shutil.copy(inventory / f"{VAULT}.example", inventory / VAULT)
    found = problems(play(inventory))
    assert sorted(one.split()[0] for one in found) == [
        "nagios_nrpe_web_password",
        "pg_cluster_bmc_password",
        "pg_cluster_ha_password",
        "pg_cluster_register_password",
        "pg_cluster_replication_password",
        "pg_cluster_superuser_password",
    ]
    assert all("is still the example's CHANGE_ME" in one for one in found)


@pytest.mark.parametrize(
    ("playbook", "group", "name", "hosts"),
    [
        ("check_inventory", "pg_nodes", "pg_node", "node1, node2"),
        ("site", "pg_nodes", "pg_node", "node1, node2"),
        ("site", "vote_hosts", "vote_host", "vote"),
    ],
)
def test_misspelt_group_stops_before_any_host_is_asked(
    playbook: str, group: str, name: str, hosts: str, inventory: Path
) -> None:
    rename_group(inventory, group, name)
    found = problems(play(inventory, playbook))
    assert len(found) == 1
    assert f"group {name} ({hosts}) is none of this collection's" in found[0]
    assert f"call it {group}" in found[0]


def test_variables_for_a_group_that_is_none_are_refused(inventory: Path) -> None:
    (inventory / "group_vars/pg_node.yml").write_text("pg_cluster_port: 5432\n")
    found = problems(play(inventory))
    assert len(found) == 1
    assert "group_vars/pg_node.yml is read for no host" in found[0]


def test_inventory_without_hosts_is_none(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all: {}\n")
    assert problems(play(tmp_path)) == [
        "The inventory has no host in the group pg_nodes: put both nodes of the cluster there."
    ]


@pytest.mark.parametrize("place", ["group_vars/vote_hosts.yml", "host_vars/node2.yml"])
def test_misspelt_variable_is_found_wherever_it_is_set(place: str, inventory: Path) -> None:
    file = inventory / place
    file.parent.mkdir(exist_ok=True)
    file.write_text((file.read_text() if file.exists() else "---\n") + "skyha_deamon_profile: document\nour_own: 1\n")
    found = problems(play(inventory))
    assert len(found) == 1
    assert found[0].startswith("skyha_deamon_profile is no variable of this collection and would be ignored: call it skyha_daemon_profile")  # fmt: skip


def test_all_errors_are_said_at_once_each_once(inventory: Path) -> None:
    main = yaml.safe_load((inventory / MAIN).read_text())
    main.update(pg_cluster_vip="192.168.170.116", pg_cluster_postgresql_version="9.3", pg_cluster_bmc_user="")
    del main["pg_cluster_ha_password"]
    main["pg_cluster_ha_pasword"] = "a-secret-of-ours"
    (inventory / MAIN).write_text(yaml.safe_dump(main))
    said = " ".join(problems(play(inventory)))
    for sentence in (
        "The VIP 192.168.170.116/24 is not in the network of the nodes (192.168.169.110, 192.168.169.111)",
        "pg_cluster_bmc_user is not set for node1 and node2",
        "pg_cluster_postgresql_version is '9.3'",
        "call it pg_cluster_ha_password",
    ):
        assert said.count(sentence) == 1
    assert "pg_cluster_ha_password is not set" not in said

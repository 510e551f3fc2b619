# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wrong input stops site.yml before anything is changed, with a sentence that says what to set."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.lab import lab

CASES = {
    "no VIP": ({"pg_cluster_vip": ""}, "pg_cluster_vip is not set for node1"),
    "no password": ({"pg_cluster_ha_password": ""}, "pg_cluster_ha_password is not set for node1"),
    "example password": ({"pg_cluster_ha_password": "CHANGE_ME"}, "still the example's CHANGE_ME"),
    "neither BMC nor lease": (
        {"pg_cluster_bmc_address": "", "pg_cluster_watchdog_device": ""},
        "pg_cluster_bmc_address is not set for node1",
    ),
    "VIP is a node": ({"pg_cluster_vip": "198.51.100.111"}, "198.51.100.111 is the address of node2 and the VIP"),
    "equal nodes": ({"pg_cluster_address": "198.51.100.110"}, "the address of node1 and the address of node2"),
    "BMC is the host": (
        {"pg_cluster_bmc_address": "198.51.100.110"},
        "a BMC that is the host itself could not switch it off",
    ),
    "vote host is a node": ({"pg_cluster_vote_address": "198.51.100.111"}, "and the vote host"),
    "old PostgreSQL": ({"pg_cluster_postgresql_version": "9.2"}, "supported are 13 to 18"),
    "unknown method": ({"pg_cluster_build_method": "magic"}, "it must be package or source"),
    "no such interface": ({"pg_cluster_vip_interface": "eth7"}, "has no network interface eth7"),
    "too little disk": (
        {"pg_cluster_min_free_mb": 99999999, "pg_cluster_data_dir": "/data/other/pg_root"},
        "MB free for /data/other",
    ),
    "one node": ({"pg_cluster_group": "vote_hosts"}, "exactly two nodes make a cluster"),
    "another data directory": (
        {"pg_cluster_data_dir": "/data/other/pg_root"},
        "has '/data/pgdata/pg_root'. Set it back.",
    ),
    "another port": ({"pg_cluster_port": 1922}, "change it by playbooks/change_port.yml"),
    "another VIP": ({"pg_cluster_vip": "198.51.100.117"}, "change it by playbooks/change_vip.yml"),
    "another name": ({"pg_cluster_name": "moon"}, "what runs on node1 has 'sky'"),
    "another database": ({"pg_cluster_database": "other"}, "Another name means another cluster"),
    "another WAL directory": ({"pg_cluster_wal_dir": "/wal/pg"}, "inside the data directory"),
    "one fence for all nodes": (
        {"pg_cluster_fence": [[{"name": "pdu", "agent": "pdu 3"}]]},
        "one of them would switch itself off",
    ),
    "name for an address": ({"pg_cluster_vote_address": "vote.example"}, "is not an IP address"),
}


def run(variables: dict[str, object], *arguments: str) -> subprocess.CompletedProcess[str]:
    """site.yml on the lab with these extra variables."""
    command = [
        str(lab.ROOT / ".venv/bin/ansible-playbook"),
        "site.yml",
        "-i",
        "inventory/lab",
        "-e",
        json.dumps(variables),
        *arguments,
    ]
    return subprocess.run(command, cwd=lab.ROOT, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("case", CASES)
def test_wrong_input_is_named_before_anything_is_changed(case: str) -> None:
    variables, message = CASES[case]
    done = run(variables)
    assert done.returncode != 0
    said = re.sub(r"\s+", " ", done.stdout)
    assert message in said
    assert said.count("Nothing was changed.") == 1, "one paragraph, once"
    assert not re.search(r"changed=[1-9]", done.stdout)


@pytest.mark.parametrize("play", ["rolling_restart", "stop_cluster"])
def test_playbooks_refuse_an_inventory_that_means_another_cluster(play: str) -> None:
    """rolling_restart.yml writes the configuration as site.yml does."""
    with pytest.raises(RuntimeError, match=r"change it by\s+playbooks/change_port.yml"):
        lab.playbook(f"playbooks/{play}.yml", "-e", "pg_cluster_port=1922")
    assert lab.is_whole()


def test_foreign_holder_of_the_vip_is_noticed() -> None:
    """Another host answers for the address that was chosen as VIP."""
    done = run({"pg_cluster_vip": lab.HOSTS["monitor"]["pg_cluster_address"]})
    assert "another host answers for the VIP" in re.sub(r"\s+", " ", done.stdout)
    assert not re.search(r"changed=[1-9]", done.stdout)

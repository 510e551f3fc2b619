# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Playbooks act on the cluster that is meant, and refuse inventories that mix two up."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import yaml

from tests.clusters.hand import Cluster
from tests.lab import lab

Pair = tuple[Cluster, Cluster]
TWO = ("-i", "inventory/lab-two")
# Wrong settings of moon -> what is said about them.
MIXED_UP = {
    "no group of its own": ({"pg_cluster_group": "pg_nodes"}, "the group pg_nodes holds node1, node2, node3, node4"),
    "the other's group": (
        {"pg_cluster_group": "sky"},
        "node3 is in the group pg_nodes and its pg_cluster_group is sky",
    ),
    "the other's name": ({"pg_cluster_name": "sky"}, "are both called sky"),
    "the other's vote port": ({"pg_cluster_vote_port": 11921}, "share the vote port 11921 of vote"),
    "the other's VIP": (
        {"pg_cluster_vip": "198.51.100.116"},
        "198.51.100.116 is the VIP of cluster sky and the VIP of cluster moon",
    ),
    "the other's node as VIP": (
        {"pg_cluster_vip": "198.51.100.110"},
        "198.51.100.110 is the address of node1 and the VIP of cluster moon",
    ),
    "the other's BMC": (
        {"pg_cluster_bmc_address": "198.51.100.213"},
        "198.51.100.213 is the BMC of node1 and the BMC of",
    ),
}


def recap(output: str) -> dict[str, int]:
    """Host -> how many tasks changed something."""
    return {host: int(count) for host, count in re.findall(r"^(\w+) +: ok=.*? changed=(\d+)", output, re.MULTILINE)}


@pytest.mark.parametrize("case", MIXED_UP)
def test_inventory_that_mixes_up_two_clusters_is_refused(case: str, tmp_path: Path) -> None:
    settings, message = MIXED_UP[case]
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts.yml").write_text("all: {}\n")
    if "pg_cluster_bmc_address" in settings:  # a host's own, so a group's would not win
        (tmp_path / "host_vars").mkdir()
        (tmp_path / "host_vars/node3.yml").write_text(yaml.safe_dump(settings))
    else:
        (tmp_path / "group_vars/moon.yml").write_text(yaml.safe_dump(settings))
    with pytest.raises(RuntimeError) as refused:
        lab.playbook("site.yml", *TWO, "-i", str(tmp_path))
    said = re.sub(r"\s+", " ", str(refused.value))
    assert message in said
    assert not re.search(r"changed=[1-9]", said)


def test_switchover_wants_to_know_which_cluster(clusters: Pair) -> None:
    before = [one.call("primary") for one in clusters]
    for chosen in ((), ("--limit", "node3")):
        with pytest.raises(RuntimeError) as refused:
            lab.playbook("playbooks/switchover.yml", *TWO, *chosen)
        assert "--limit sky, or --limit moon" in re.sub(r"\s+", " ", str(refused.value))
    assert [one.call("primary") for one in clusters] == before


def test_switchover_of_one_cluster_leaves_the_other_alone(clusters: Pair) -> None:
    sky, moon = clusters
    before, timeline = moon.call("primary"), sky.call("timeline")
    since = time.monotonic()
    for one in clusters:
        one.call("begin")
    told = lab.playbook("playbooks/switchover.yml", *TWO, "--limit", "moon")
    seen = {one.name: one.call("end") for one in clusters}
    assert [one["lost"] for one in seen.values()] == [0, 0], seen
    assert moon.call("primary") != before
    assert set(recap(told)) == {"node3", "node4"}
    assert "cluster moon" in told
    assert "cluster sky" not in told
    assert sky.call("timeline") == timeline
    assert not {"switchover", "vip_down", "promoted"} & set(sky.call("events", since)), seen


def test_rebuild_of_one_cluster_leaves_the_other_alone(clusters: Pair) -> None:
    _, moon = clusters
    standby = next(node for node in moon.call("nodes") if node != moon.call("primary"))
    lab.on(standby, "systemctl", "stop", "skyha", "sky-postgresql")
    lab.on(standby, "rm", "/data/pgdata/pg_root/PG_VERSION")
    for one in clusters:
        one.call("begin")
    told = lab.playbook("failover_rebuild.yml", *TWO, "--limit", "moon")
    assert set(recap(told)) == {"node3", "node4"}
    told = lab.playbook("failover_rebuild.yml", *TWO)
    assert recap(told) == {"node1": 0, "node2": 0, "node3": 0, "node4": 0}
    seen = {one.name: one.call("end") for one in clusters}
    assert [one["lost"] for one in seen.values()] == [0, 0], seen
    moon.call("whole")


def test_check_mode_finds_nothing_to_change_on_either() -> None:
    assert not any(recap(lab.playbook("site.yml", *TWO, "--check", "--diff")).values())


def test_site_on_one_cluster_keeps_the_other_on_the_vote_host(clusters: Pair) -> None:
    """Neither a limit to one cluster and the vote host nor tags make the vote host forget a cluster."""
    hosts = "sky:vote_hosts:monitoring_hosts:backup_hosts"
    chosen = ("--limit", hosts, "--tags", "os_tuning,vote_host_balance,nagios_nrpe,pg_backup")
    assert recap(lab.playbook("site.yml", *TWO, *chosen)) == {
        "node1": 0,
        "node2": 0,
        "vote": 0,
        "monitor": 0,
        "backup": 0,
    }
    config = lab.on("vote", "cat", "/etc/sky-vote-proxy/haproxy.cfg")
    assert "198.51.100.116:1921" in config
    assert "198.51.100.126:1921" in config
    config = lab.on("backup", "cat", "/etc/sky-backup/pgbackrest.conf")
    assert "[sky]" in config
    assert "[moon]" in config

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What happens to one cluster is not noticed by the other, though they share the vote host."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.clusters.hand import Cluster
from tests.lab import lab

MAX_CONNECTIONS = 40  # vote_host_balance_max_connections of inventory/lab-two
Pair = tuple[Cluster, Cluster]
FAILOVER = {"fencing", "fenced", "promoted", "found_primary", "vip_taken", "vip_down"}


def orders(node: str) -> str:
    """What the node's BMC was told so far."""
    log = Path(f"/run/sky-lab/bmc/{node}/orders.log")
    return log.read_text() if log.exists() else ""


def test_each_vote_port_leads_to_its_own_cluster(clusters: Pair) -> None:
    assert [one.call("answered_through_the_vote_port") for one in clusters] == ["198.51.100.116", "198.51.100.126"]


@pytest.mark.parametrize("struck", [("moon",), ("sky", "moon")], ids=" and ".join)
def test_power_loss_is_a_matter_of_its_own_cluster(clusters: Pair, struck: tuple[str, ...]) -> None:
    before = {one.name: (one.call("primary"), one.call("timeline")) for one in clusters}
    told = {node: orders(node) for one in clusters for node in one.call("nodes")}
    for one in clusters:
        one.call("begin")
    lost = {one.name: one.call("power_loss") for one in clusters if one.name in struck}
    cut = time.monotonic()
    for one in clusters:
        if one.name in struck:
            survivor = next(node for node in one.call("nodes") if node != lost[one.name])
            one.send("writes_again_on", survivor, cut + 0.5)
        else:
            one.send("writes_again_on", before[one.name][0], cut + 5)
    for one in clusters:
        one.answer()
    for one in clusters:
        one.send("whole")
    for one in clusters:
        one.answer()
    seen = {one.name: one.call("end") for one in clusters}
    print(f"\n{'both' if len(struck) == 2 else struck[0]} lost power: {seen}")
    for one in clusters:
        old_primary, timeline = before[one.name]
        if one.name in struck:
            assert one.call("primary") != old_primary
            assert {"fenced", "promoted"} <= set(seen[one.name]["kinds"])
        else:
            assert (one.call("primary"), one.call("timeline")) == (old_primary, timeline)
            assert not FAILOVER & set(seen[one.name]["kinds"]), seen[one.name]
            assert {node: orders(node) for node in one.call("nodes")} == {n: told[n] for n in one.call("nodes")}


def test_cluster_that_comes_to_the_vote_host_is_not_noticed_by_the_other(clusters: Pair) -> None:
    """moon is taken from the vote host and put back there: sky neither fails over nor loses its vote port."""
    sky, moon = clusters
    since = time.monotonic()
    only_vote = ("--limit", "vote", "--tags", "vote_host_balance")
    lab.playbook("site.yml", *only_vote)
    assert "11922" not in lab.on("vote", "cat", "/etc/sky-vote-proxy/haproxy.cfg")
    assert sky.call("answered_through_the_vote_port") == "198.51.100.116"
    lab.wait_for("moon is served no more", lambda: not moon.call("armed"), 60)
    lab.playbook("site.yml", "-i", "inventory/lab-two", *only_vote)
    lab.wait_for("moon is armed", lambda: moon.call("armed"), 60)
    assert sky.call("answered_through_the_vote_port") == "198.51.100.116"
    assert not FAILOVER & set(sky.call("events", since))


def test_clients_of_one_vote_port_cannot_shut_out_the_other_cluster(clusters: Pair) -> None:
    """A client takes all the connections that moon's vote port has: sky stays armed."""
    sky, moon = clusters
    since = time.monotonic()
    crowd = []
    try:
        for _ in range(2 * MAX_CONNECTIONS):
            client = socket.socket()
            client.settimeout(2)
            try:
                client.connect((lab.VOTE, 11922))
            except OSError:
                break
            crowd.append(client)
        assert len(crowd) > MAX_CONNECTIONS
        for _ in range(10):
            assert sky.call("answered_through_the_vote_port") == "198.51.100.116"
        assert sky.call("armed")
        assert not FAILOVER & set(sky.call("events", since))
    finally:
        for client in crowd:
            client.close()
    lab.wait_for("moon is armed", lambda: moon.call("armed"), 60)

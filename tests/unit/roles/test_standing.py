# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a run of site.yml ends, and room for WAL."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.filter import standing

PATH = {"sight": "ok", "detail": "", "latency_ms": 3.0, "answered_by": "node1"}
GOOD: dict[str, Any] = {
    "server": "up",
    "detail": "",
    "streaming": True,
    "peer_streaming": True,
    "paths": {"vip": PATH, "vote": PATH},
    "skyha": {"state": "running"},
}
REFUSED = {**PATH, "sight": "refused", "detail": "connection refused"}


def ends(is_primary: bool = False, **change: Any) -> str:
    return " ".join(standing.not_whole({"cluster": {**GOOD, **change}}, "node2", is_primary))


def test_whole_cluster_ends_well() -> None:
    assert ends() == ""
    assert ends(True) == ""
    # An operator's pause is the operator's.
    assert ends(skyha={"state": "running", "paused": {"on": True}}) == ""


@pytest.mark.parametrize(
    ("is_primary", "change", "said"),
    [
        (False, {"skyha": {"state": "absent", "detail": "no status"}}, "skyha on node2 is absent (no status)"),
        (False, {"skyha": {"state": "failed", "problems": ["no record"]}}, "skyha on node2 is failed (no record)"),
        (False, {"streaming": False}, "node2 does not stream from its primary"),
        (True, {"peer_streaming": False}, "No standby streams from node2"),
        (False, {"server": "down"}, "PostgreSQL on node2 is down"),
        (False, {"paths": {"vip": PATH, "vote": REFUSED}}, "through the vote host is refused (connection refused)"),
        (False, {"paths": {"vip": REFUSED, "vote": PATH}}, "through the VIP is refused"),
    ],
)
def test_what_is_missing_is_said_with_where_to_look(is_primary: bool, change: dict[str, Any], said: str) -> None:
    sentence = ends(is_primary, **change)
    assert said in sentence
    assert ": see " in sentence or "; see " in sentence


def test_node_that_could_not_be_looked_at_is_no_success() -> None:
    assert "node1 could not be looked at: no psycopg2" in standing.not_whole({"msg": "no psycopg2"}, "node1", True)[0]
    assert standing.not_whole({}, "node1", True)


@pytest.mark.parametrize(
    ("settings", "megabytes"),
    [
        ({"wal_keep_size": "16GB", "max_wal_size": "6GB"}, 22528),
        ({"wal_keep_size": "16GB", "max_wal_size": "6GB", "max_slot_wal_keep_size": "32GB"}, 38912),
        ({"wal_keep_size": "16GB", "max_wal_size": "6GB", "max_slot_wal_keep_size": -1}, 22528),
        ({"wal_keep_size": 128, "max_wal_size": "131072kB"}, 256),
        ({}, 1024),
        ({"wal_keep_size": "no number"}, 1024),
    ],
)
def test_room_for_wal_is_what_may_be_kept(settings: dict[str, Any], megabytes: int) -> None:
    assert standing.wal_room_mb(settings) == megabytes


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"there": True}, ""),
        ({"there": False}, "node1 has no watchdog /dev/watchdog0: load its driver"),
        ({"there": True, "systemd": "30s"}, "systemd feeds the watchdog /dev/watchdog0 of node1 itself (every 30s)"),
        (
            {"there": True, "holder": "watchdog (pid 7)"},
            "watchdog (pid 7) has the watchdog /dev/watchdog0 of node1 open",
        ),
    ],
)
def test_watchdog_that_could_not_be_used(told: dict[str, Any], sentence: str) -> None:
    found = " ".join(standing.watchdog_problems(told, "/dev/watchdog0", "node1"))
    assert found.startswith(sentence)
    assert bool(found) == bool(sentence)

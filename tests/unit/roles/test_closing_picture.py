# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The closing picture of plays says who serves, who follows, and what is missing."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.filter.picture import closing_picture

SKY = {"name": "sky", "vip": "198.51.100.116", "nodes": [{"name": "node1"}, {"name": "node2"}]}
MOON = {"name": "moon", "vip": "198.51.100.126", "nodes": [{"name": "node3"}, {"name": "node4"}]}
OK = {"sight": "ok", "answered_by": "node1"}
PRIMARY: dict[str, Any] = {
    "server": "up",
    "role": "primary",
    "detail": "",
    "timeline": 3,
    "vip_held": True,
    "peer_streaming": True,
    "streaming": None,
    "lag_bytes": None,
    "paths": {"vip": OK, "vote": OK},
    "skyha": {"state": "running", "armed": None, "not_armed": {}},
}
STANDBY = {
    **PRIMARY,
    "role": "standby",
    "vip_held": False,
    "peer_streaming": None,
    "streaming": True,
    "lag_bytes": 8,
    "skyha": {"state": "running", "armed": True, "not_armed": {}},
}
WHOLE = [
    "cluster sky, VIP 198.51.100.116",
    "  node1: primary on timeline 3, holds the VIP, its standby streams",
    "     through the VIP: ok, answered by node1; through the vote host: ok, answered by node1",
    "     skyha: running",
    "  node2: standby on timeline 3, no VIP, streams, 8 bytes behind",
    "     through the VIP: ok, answered by node1; through the vote host: ok, answered by node1",
    "     skyha: running, armed",
    "  configuration: the same on both nodes",
]


def found(one: dict[str, Any] = PRIMARY, two: dict[str, Any] = STANDBY, **facts: Any) -> dict[str, dict[str, Any]]:
    """What the play found out of two nodes that see this, and both of these facts."""
    known = {"__pg_cluster_configuration": {"stdout": "{}"}, "pg_cluster_differences": [], **facts}
    return {
        name: {**known, "__pg_cluster_picture": {"cluster": seen}} for name, seen in (("node1", one), ("node2", two))
    }


def picture(found_out: dict[str, dict[str, Any]]) -> list[str]:
    return closing_picture([SKY], ["node1", "node2"], found_out)


def test_whole_cluster() -> None:
    assert picture(found()) == WHOLE


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"streaming": False}, "  node2: standby on timeline 3, no VIP, DOES NOT STREAM"),
        ({"lag_bytes": None}, "  node2: standby on timeline 3, no VIP, streams, how far behind is not known"),
        ({"vip_held": None}, "  node2: standby on timeline 3, no VIP, streams, 8 bytes behind"),
        ({"role": "primary"}, "  node2: primary on timeline 3, no VIP, NO STANDBY STREAMS"),
        ({"server": "down", "detail": "refused"}, "  node2: PostgreSQL is down (standby) refused"),
        ({"skyha": {"state": "stopped"}}, "     skyha: stopped"),
        ({"skyha": {}}, "     skyha: ?"),
        (
            {"skyha": {"state": "running", "armed": False, "not_armed": {"vote": "no vote", "bmc": "no BMC"}}},
            "     skyha: running, NOT ARMED: no vote; no BMC",
        ),
        (
            {"skyha": {"state": "running", "armed": None, "not_armed": None}},
            "     skyha: running, NOT ARMED: it does not say why",
        ),
        (
            {"paths": {"vip": {"sight": "refused", "answered_by": None}, "vote": {"sight": "alive"}}},
            "     through the VIP: refused; through the vote host: alive",
        ),
    ],
)
def test_what_is_missing_of_a_standby_is_said(change: dict[str, Any], said: str) -> None:
    lines = picture(found(two={**STANDBY, **change}))
    assert said in lines
    assert len(lines) == len(WHOLE)


def test_node_that_is_down_is_asked_for_paths_and_skyha_all_the_same() -> None:
    lines = picture(found(one={**PRIMARY, "server": "down", "role": "unknown"}))
    assert lines[1] == "  node1: PostgreSQL is down (unknown) "
    assert lines[2:] == WHOLE[2:]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"msg": "no psycopg2\nTraceback"}, ["  node1: not known (no psycopg2", "Traceback)"]),
        ({"skipped": True}, ["  node1: not known (not looked at)"]),
        (None, ["  node1: not known (not looked at)"]),
    ],
)
def test_node_that_was_not_seen_is_not_known(told: dict[str, Any] | None, said: list[str]) -> None:
    facts = found()
    facts["node1"]["__pg_cluster_picture"] = told
    assert picture(facts) == [WHOLE[0], *said, *WHOLE[4:]]


def test_configuration_of_one_silent_node_is_not_called_the_same() -> None:
    facts = found()
    facts["node2"]["__pg_cluster_configuration"] = {"skipped": True}
    assert picture(facts) == WHOLE[:-1]


def test_differences_stand_instead_of_alike() -> None:
    assert picture(found(pg_cluster_differences=["work_mem is 4MB on node1, 7MB on node2"])) == [
        *WHOLE[:-1],
        "  configuration, WHAT IS NOT AS IT SHOULD BE:",
        "     work_mem is 4MB on node1, 7MB on node2",
    ]


def test_restart_that_is_due_is_named_node_by_node() -> None:
    facts = found()
    facts["node2"]["pg_cluster_restart_reasons"] = ["shared_buffers 64MB -> 128MB", "program"]
    due = "  node2 WAITS FOR A RESTART (run rolling_restart.yml): shared_buffers 64MB -> 128MB; program"
    assert picture(facts) == [*WHOLE, due]


def test_only_clusters_of_the_play_are_shown() -> None:
    facts = {**found(), "node3": {}, "node4": {}}
    assert closing_picture([MOON, SKY], ["node1"], facts) == WHOLE
    assert closing_picture([MOON, SKY], ["vote"], facts) == []
    assert closing_picture([SKY, MOON], ["node2", "node4"], facts) == [
        *WHOLE,
        "cluster moon, VIP 198.51.100.126",
        "  node3: not known (not looked at)",
        "  node4: not known (not looked at)",
    ]

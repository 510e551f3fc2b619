# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the closing picture says of two nodes' configurations."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from render import value, variables

ALIKE: dict[str, Any] = {
    "version": "15.20",
    "program": {"running": "/usr/bin/postgres", "installed": "/usr/bin/postgres"},
    "files": {"work_mem": {"text": "4MB", "source": "postgresql.conf"}},
    "running": {"work_mem": "4MB"},
    "pending": {},
    "hba": ["local all postgres peer", "host all all 0.0.0.0 0.0.0.0 scram-sha-256"],
}


def told(name: str, one: dict[str, Any] | None, two: dict[str, Any] | None) -> list[str]:
    """The sentences of pg_cluster's variable `name` for node1 and node2 with these configurations; None: no answer."""
    known = variables("pg_cluster")
    for node, seen in (("node1", one), ("node2", two)):
        known["hostvars"][node]["__pg_cluster_configuration"] = {"stdout": json.dumps(seen) if seen else ""}
    known["__pg_cluster_configuration"] = known["hostvars"]["node1"]["__pg_cluster_configuration"]
    return value(name, known)


def other(**change: Any) -> dict[str, Any]:
    """A node like ALIKE but for this."""
    return {**copy.deepcopy(ALIKE), **change}


def test_like_nodes_and_silent_ones_are_not_accused() -> None:
    assert told("__pg_cluster_differences", ALIKE, ALIKE) == []
    assert told("__pg_cluster_differences", ALIKE, None) == []
    assert told("__pg_cluster_restart_reasons", ALIKE, ALIKE) == []
    assert told("__pg_cluster_restart_reasons", None, None) == []


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (other(version="15.18"), ["PostgreSQL is 15.20 on node1, 15.18 on node2"]),
        (
            other(running={"work_mem": "7MB"}, files={"work_mem": {"text": "7MB", "source": "ALTER SYSTEM"}}),
            [
                "work_mem is 4MB on node1 (postgresql.conf), 7MB on node2 (ALTER SYSTEM)",
                "work_mem = 7MB was set by ALTER SYSTEM on node2 and lies over the inventory: set it there, then ALTER SYSTEM "
                "RESET work_mem",
            ],
        ),
        (other(running={}, files={}), ["work_mem is 4MB on node1 (postgresql.conf), its default on node2"]),
        (
            other(files={"work_mem": {"text": "8MB", "source": "postgresql.conf"}}),
            ["work_mem differs in the files, not in use yet: 4MB on node1, 8MB on node2"],
        ),
        (
            other(hba=[*ALIKE["hba"], "host all all 192.0.2.0 255.255.255.0 trust"]),
            ["pg_hba.conf has on node2 only: host all all 192.0.2.0 255.255.255.0 trust"],
        ),
        (other(hba=ALIKE["hba"][::-1]), ["pg_hba.conf has its lines in another order on node1 than on node2"]),
    ],
)
def test_what_is_not_the_same_is_named(there: dict[str, Any], said: list[str]) -> None:
    assert told("__pg_cluster_differences", ALIKE, there) == said


def test_what_waits_for_a_restart_is_named_with_both_values() -> None:
    here = other(
        pending={"max_connections": {"now": "100", "later": "120"}},
        program={"running": "/opt/a/bin/postgres (deleted)", "installed": "/opt/b/bin/postgres"},
    )
    assert told("__pg_cluster_restart_reasons", here, ALIKE) == [
        "max_connections 100 -> 120",
        "program: /opt/a/bin/postgres (deleted) runs, /opt/b/bin/postgres is installed",
    ]


@pytest.mark.parametrize(
    ("floors", "given", "lower", "written"),
    [
        ([100, 100], 100, False, 100),
        ([100, 100], 120, False, 120),
        # A standby that came up with less than its primary would not start.
        ([120, 120], 100, False, 120),
        ([100, 120], 100, False, 120),
        ([120, 120], 100, True, 100),
        # A node with no data directory yet.
        ([None, None], 50, False, 50),
    ],
)
def test_lower_values_are_written_only_where_the_order_is_right(
    floors: list[int | None], given: int, lower: bool, written: int
) -> None:
    known = variables("streaming_replication", streaming_replication_settings_extra={"max_connections": given})
    known["streaming_replication_settings_extra"] = {"max_connections": given}
    known["streaming_replication_lower"] = lower
    known["pg_cluster_nodes"] = ["node1", "node2"]
    for node, floor in zip(("node1", "node2"), floors):
        state = "floor: {}" if floor is None else f"floor: {{max_connections: {floor}, max_wal_senders: 32}}"
        known["hostvars"][node]["__streaming_replication_found"] = {"stdout": f"installed: true\n{state}"}
    assert int(value("__streaming_replication_written", known)["max_connections"]) == written

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the operator's playbooks say: a drill's report, a restart's plan, and what stands against a tablespace."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from render import ROLES, template, value, variables

SAW = {
    "acknowledged": 900,
    "lost": 0,
    "server": "15.18",
    "began": 1000.0,
    "ended": 1100.0,
    "errors": {"the server <closed> it": 3},
    "gaps": [{"seconds": 0.6, "begin": 1001.0, "end": 1001.6}, {"seconds": 4.25, "begin": 1010.0, "end": 1014.25}],
}
EVENTS = [
    {"wall": 1009.0, "kind": "earlier", "level": "good", "text": "all is well", "facts": {}},
    {"wall": 1012.5, "kind": "fence", "level": "alarm", "text": "node1 is off", "facts": {"proof": "power <off>"}},
]


def drill(**change: Any) -> dict[str, Any]:
    known = variables("pg_operations", host="node2")
    answers = {
        "__pg_operations_drill_saw": {**SAW, **change},
        "__pg_operations_drill_events": EVENTS,
        "__pg_operations_drill_story": {"phases": {"seen": 1.5, "fence": 1.0, "promote": 0.0}},
    }
    known.update({name: {"stdout": json.dumps(answer)} for name, answer in answers.items()})
    known["__pg_operations_drill_version"] = {"stdout": "skyctl 0.1.0"}
    return {**known, "pg_cluster_primary": "node1", "pg_cluster_drill_report": "/tmp/drill.html"}


def test_drill_is_told_with_its_longest_hole() -> None:
    text = template("pg_operations", "drill.txt.j2", drill())
    assert "node1 was switched off, node2 took over" in text
    assert "4.25 s between two acknowledged commits" in text
    assert "seen 1.50 s, fence 1.00 s, promote 0.00 s, client 1.75 s\n" in text
    assert "900 acknowledged, 0 of them lost" in text
    assert "90 s after the power went" in text


def test_drill_report_shows_what_happened_since_the_fault() -> None:
    page = template("pg_operations", "drill.html.j2", drill())
    assert 'class="verdict good"><b>Passed.</b>' in page
    assert "client 1.75 s" in page
    assert "no acknowledged commit is lost" in page
    assert "PostgreSQL 15.18,\nskyctl 0.1.0 (skyha)" in page
    assert '<td class="n">+2.50</td><td class="alarm">fence</td>' in page
    assert "all is well" not in page
    # What came from outside cannot become markup.
    assert "3 &times; the server &lt;closed&gt; it" in page
    assert "proof: power &lt;off&gt;" in page


def test_drill_without_the_bmc_says_what_was_done() -> None:
    known = {**drill(), "pg_cluster_drill_fault": "power_and_bmc"}
    assert "node1 was switched off and its BMC was dead, node2 took over" in template(
        "pg_operations", "drill.txt.j2", known
    )
    page = template("pg_operations", "drill.html.j2", known)
    assert "was switched off through its BMC 198.51.100.213, which gave skyha no answer any more</td>" in page


@pytest.mark.parametrize(("bmc", "family"), [("198.51.100.213", "ip "), ("2001:db8::213", "ip6 ")])
def test_drill_silences_that_bmc_for_skyha_alone(bmc: str, family: str) -> None:
    known = drill()
    known["hostvars"]["node1"]["pg_cluster_bmc_address"] = bmc
    table = template("pg_operations", "drill.nft.j2", known)
    assert f'meta skuid "skyha" {family}daddr {bmc} ct mark set' in table
    assert f"{family}saddr {bmc} ct mark 0x5c drop" in table


def test_drill_report_says_when_commits_were_lost() -> None:
    assert 'class="verdict bad"><b>Failed.</b>' in template("pg_operations", "drill.html.j2", drill(lost=2))


def test_drill_that_may_lose_commits_says_so() -> None:
    page = template("pg_operations", "drill.html.j2", {**drill(lost=2), "pg_cluster_drill_no_loss": False})
    assert "<b>Passed.</b>" in page
    assert "lost commits are counted only (pg_cluster_drill_no_loss is off)" in page


def test_drill_without_a_hole_is_told_too() -> None:
    known = drill(gaps=[])
    assert "0.00 s between two acknowledged commits" in template("pg_operations", "drill.txt.j2", known)
    assert "0 hole(s)" in template("pg_operations", "drill.html.j2", known)


@pytest.mark.parametrize(
    ("due", "lowering", "always", "said"),
    [
        (
            [[], []],
            {},
            False,
            ["node2: nothing waits for a restart", "node1: nothing waits for a restart", "Nothing is to be done."],
        ),
        (
            [["work 1 -> 2", "port 3 -> 4"], []],
            {},
            False,
            [
                "node2: work 1 -> 2; port 3 -> 4",
                "node1: nothing waits for a restart",
                "node2, the standby, is restarted.",
            ],
        ),
        (
            [[], []],
            {},
            True,
            [
                "node2: nothing waits for a restart",
                "node1: nothing waits for a restart",
                "node2, the standby, is restarted.",
                "A switchover makes node2 the primary (writes pause for its length) and starts node1 again, as standby.",
            ],
        ),
        (
            [["max_connections 200 -> 100"], ["max_connections 200 -> 100"]],
            {"max_connections": 200},
            True,
            [
                "node2: max_connections 200 -> 100",
                "node1: max_connections 200 -> 100",
                "max_connections: lower than the present 200",
                "A standby must not have less than its primary: so node1 first, in place (writes pause for the restart), then node2.",
            ],
        ),
    ],
)
def test_plan_of_a_restart(due: list[list[str]], lowering: dict[str, int], always: bool, said: list[str]) -> None:
    known = variables("streaming_replication")
    known.update(
        __streaming_replication_first="node2",
        __streaming_replication_second="node1",
        __streaming_replication_due=due,
        __streaming_replication_lowering=lowering,
        streaming_replication_restart_always=always,
    )
    assert template("streaming_replication", "restart_plan.j2", known).splitlines() == said


def obstacles(host: str = "node1", standbys: int = 1, names: dict[str, str] | None = None, **there: Any) -> list[str]:
    known = variables("ha_schema", host=host)
    told = {"stdout": json.dumps({"pg_default": "", **(names or {})})}
    known["hostvars"]["node1"]["__ha_schema_tablespaces"] = told
    directory = {"parent": True, "plain": True, "foreign": "", "used": False, **there}
    known.update(
        pg_cluster_primary="node1",
        pg_cluster_standby_streams=standbys > 0,
        tablespace_name="fast",
        tablespace_location="/mnt/fast/",
        __ha_schema_tablespaces=told,
        __ha_schema_directory={"stdout": json.dumps(directory)},
    )
    return value("__ha_schema_obstacles", known)


@pytest.mark.parametrize("host", ["node1", "node2"])
def test_nothing_stands_against_a_new_tablespace_nor_against_a_second_run(host: str) -> None:
    assert obstacles(host) == []
    assert obstacles(host, names={"fast": "/mnt/fast"}, foreign="PG_15", used=True, standbys=0) == []


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ({"parent": False}, "/mnt does not exist on node1"),
        ({"plain": False}, "is no plain directory"),
        ({"foreign": "lost+found"}, "is not empty (lost+found ...)"),
        ({"foreign": """it's "here": \\n #1"""}, """is not empty (it's "here": \\n #1 ...)"""),
        ({"used": True}, "holds a tablespace's files already"),
        ({"names": {"fast": "/elsewhere"}}, "There is a tablespace fast already, at /elsewhere"),
        ({"names": {"slow": "/mnt/fast"}}, "is the place of tablespace slow already"),
        ({"standbys": 0}, "No standby streams from node1"),
    ],
)
def test_each_obstacle_is_named(found: dict[str, Any], word: str) -> None:
    (said,) = obstacles(**found)
    assert word in said


def test_all_obstacles_are_named_at_once() -> None:
    assert len(obstacles(foreign="it's", used=True, standbys=0)) == 3


def looked_at(place: Path) -> dict[str, Any]:
    """What the script tells of a directory."""
    done = subprocess.run(
        ["sh", "-s", "--", str(place)],
        input=(ROLES / "ha_schema/files/tablespace_directory.sh").read_text(),
        capture_output=True,
        text=True,
        check=True,
    )
    return yaml.safe_load(done.stdout)


def test_whatever_a_directory_holds_is_told(tmp_path: Path) -> None:
    place = tmp_path / "space"
    assert looked_at(place) == {"parent": True, "plain": True, "foreign": "", "used": False}
    place.mkdir()
    (place / "PG_15_202209061").mkdir()
    (place / "pgsql_tmp_sky_heartbeat").touch()
    assert looked_at(place) == {"parent": True, "plain": True, "foreign": "", "used": True}
    (place / """it's "my": file\\n""").touch()
    assert looked_at(place)["foreign"] == """it's "my": file\\n"""
    (place / "a\tb").touch()
    assert "a?b" in looked_at(place)["foreign"]


def test_no_play_counts_standbys_by_itself() -> None:
    """A base backup or another reader of WAL streams from the same address, the first by the same slot: skyha's query knows them."""
    assert [
        str(file)
        for file in sorted(ROLES.rglob("*"))
        if file.suffix in {".yml", ".j2", ".sh", ".py", ".sql"} and "FROM pg_stat_replication" in file.read_text()
    ] == []

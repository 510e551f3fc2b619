# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The metrics: a strict reading of Prometheus' text format and of its naming conventions."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.metrics import metrics
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import from_json, to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.status import Moment, broken
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Path as Way
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Slot, Wal
from daemon_samples import CONFIG, PRIMARY, SILENT, STANDBY, World

SAMPLE = re.compile(r'([a-z][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)')


def parse(text: str) -> dict[str, dict[str, float]]:
    """name -> labels as text -> value; fails on anything that promtool would complain of."""
    assert text.endswith("\n")
    found: dict[str, dict[str, float]] = {}
    kinds: dict[str, str] = {}
    helped: set[str] = set()
    current = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current, words = line[7:].split(" ", 1)
            assert current not in helped, f"{current} is described twice"
            assert words.endswith(".")
            helped.add(current)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name == current
            assert kind in ("gauge", "counter", "histogram")
            kinds[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels, value = match.groups()
            of_one = (
                (f"{current}_bucket", f"{current}_sum", f"{current}_count")
                if kinds[current] == "histogram"
                else (current,)
            )
            assert name in of_one, "samples stand together, after HELP and TYPE"
            assert labels not in found.setdefault(name, {}), f"{line} twice"
            found[name][labels or ""] = float(value)
    for name, kind in kinds.items():
        assert name.startswith("skyha_")
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|milliseconds|kb|percent|gauge|counter)$", name)
        assert found.get(f"{name}_count" if kind == "histogram" else name), f"{name} has no sample"
    assert helped == set(kinds) == {re.sub("_(bucket|sum|count)$", "", name) for name in found}
    return found


def of(status: Any, age: float = 0.5) -> dict[str, dict[str, float]]:
    return parse(metrics(from_json(status), age))


def test_standby() -> None:
    found = of(World(STANDBY, "/nonexistent").turn(5))
    assert found["skyha_armed"][""] == 1
    assert found["skyha_role"]['role="standby"'] == 1
    assert sum(found["skyha_role"].values()) == 1
    assert found["skyha_vip_held"][""] == 0
    assert found["skyha_replication_lag_seconds"][""] == 0
    assert set(found["skyha_not_armed_reason"].values()) == {0}
    assert found["skyha_path_looks_total"]['path="vip",sight="ok"'] >= 4
    assert found["skyha_tasks_total"]['task="check_bmc",result="ok"'] == 1
    assert found["skyha_resident_memory_bytes"][""] > 1e6


def test_how_long_the_answers_took_is_a_histogram() -> None:
    world = World(STANDBY, "/nonexistent")
    world.turn()  # nothing was looked at yet
    for took in (0.0005, 0.003, 0.003, 0.9):
        world.eyes.looks = {path: dataclasses.replace(look, latency=took) for path, look in world.eyes.looks.items()}
        status = world.turn()
    found = of(status)
    buckets = found["skyha_answer_seconds_bucket"]
    told = {bound: buckets[f'path="vip",le="{bound}"'] for bound in ("0.001", "0.002", "0.004", "0.512", "+Inf")}
    count, total = (found[f"skyha_answer_seconds_{one}"]['path="vip"'] for one in ("count", "sum"))
    assert told["+Inf"] == count
    assert told["+Inf"] - told["0.512"] == 1
    assert told["0.004"] - told["0.002"] == 2
    assert told["0.001"] == told["0.002"] == count - 3 >= 1
    assert total == pytest.approx(0.9065)
    assert found["skyha_look_deadline_seconds"]['path="vip"'] == CONFIG.timing.look_deadline, "few answers tell nothing"


def test_primary() -> None:
    found = of(World(PRIMARY, "/nonexistent").turn(5))
    assert found["skyha_serving"][""] == 1
    assert found["skyha_vip_held"][""] == 1
    assert "skyha_armed" not in found
    assert "skyha_replication_lag_seconds" not in found


def test_slots_tell_what_they_keep() -> None:
    slots = (Slot("barman", False, False, False, 4096), Slot("feed", True, False, True, None))
    found = of(World(dataclasses.replace(PRIMARY, wal=Wal(slots, None, 1, 1, 300.0)), "/nonexistent").turn(5))
    assert found["skyha_replication_slot_kept_bytes"] == {'slot="barman",kind="physical"': 4096}


def test_reason_that_keeps_a_standby_from_being_armed_is_one() -> None:
    found = of(World(dataclasses.replace(STANDBY, streaming=False), "/nonexistent").turn(3))
    assert found["skyha_armed"][""] == 0
    assert found["skyha_not_armed_reason"]['reason="replication"'] == 1
    assert found["skyha_alarm"]['alarm="replication",severity="critical",rule="SkyhaNotArmed"'] == 1


@pytest.mark.parametrize(
    ("register", "where"),
    [
        ({"engine": "vote_host", "address": "198.51.100.35", "port": 11920}, "198.51.100.35:11920"),
        (
            {"engine": "etcd", "endpoints": ["198.51.100.110:11922", "198.51.100.111:11922"]},
            "198.51.100.110:11922, 198.51.100.111:11922",
        ),
    ],
)
def test_which_register_it_is(register: dict[str, Any], where: str) -> None:
    found = of({**World(STANDBY, "/nonexistent").turn(1), "register": {**register, "epoch": 3, "age": 0.5}})
    assert found["skyha_register_info"] == {f'engine="{register["engine"]}",where="{where}"': 1}
    assert found["skyha_register_epoch"][""] == 3


def test_trouble() -> None:
    world = World(STANDBY, "/nonexistent")
    world.turn(5)
    world.eyes.looks = {Way.VIP: SILENT, Way.VOTE: SILENT}
    found = of(world.turn(2))
    assert found["skyha_trouble"][""] == 1
    assert found["skyha_not_armed_reason"]['reason="cut_off"'] == 1


def test_stale_or_broken_daemon_is_not_running() -> None:
    assert of(World(STANDBY, "/nonexistent").turn(1), 99.0)["skyha_running"][""] == 0
    assert of(to_json(broken(None, "misconfigured", ["x"], Moment(1.0, 2.0, 2.0, 3))))["skyha_running"][""] == 0


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "ümlaut"])
def test_odd_names_are_escaped(name: str) -> None:
    status = {**World(STANDBY, "/nonexistent").turn(1), "cluster": name}
    assert len(of(status)["skyha_info"]) == 1


def test_phases_of_the_last_failover() -> None:
    status = dict(World(PRIMARY, "/nonexistent").turn(1))
    status["failover"] = {
        **status["failover"],
        "last": {"wall": 1.0, "seconds": 3.5, "phases": {"detect": 2.0, "fence": 1.5}},
    }
    found = of(status)
    assert found["skyha_last_failover_phase_seconds"] == {'phase="detect"': 2.0, 'phase="fence"': 1.5}

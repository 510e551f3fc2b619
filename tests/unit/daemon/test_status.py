# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""status.json: what it says in each state, and that it is plain JSON without secrets."""

from __future__ import annotations

import dataclasses
import json
import re
import stat
from pathlib import Path

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon import status as module
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import from_json, to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Event, Server
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Path as Way
from daemon_samples import DROPPED, PRIMARY, SILENT, STANDBY, World


def test_healthy_standby_is_armed(tmp_path: Path) -> None:
    status = World(STANDBY, str(tmp_path)).turn(5)
    assert status["armed"] is True
    assert status["not_armed"] == {}
    assert status["role"] == "standby"
    assert status["lag"] == {"seconds": 0.0, "bytes": 0}
    assert status["paths"]["vip"]["sight"] == "ok"
    assert status["paths"]["vote"]["ok_age"] is not None
    assert status["bmc"]["power"] == "on"
    assert status["bmc"]["checks"] == 1
    assert module.is_replica(from_json(status))
    assert not module.is_serving(from_json(status))
    assert module.is_well(from_json(status))


def test_standby_without_vote_path_names_it(tmp_path: Path) -> None:
    world = World(STANDBY, str(tmp_path))
    world.turn(3)
    world.eyes.looks = {**world.eyes.looks, Way.VOTE: DROPPED}
    status = world.turn(20)
    assert status["armed"] is False
    assert "198.51.100.35:11921" in status["not_armed"]["vote_path"]
    assert status["alarms"]["path_vote"].startswith("the heartbeat along the vote path fails: dropped")


def test_trouble_keeps_armed_as_it_was_when_it_began(tmp_path: Path) -> None:
    world = World(STANDBY, str(tmp_path))
    world.turn(5)
    world.eyes.looks = {Way.VIP: SILENT, Way.VOTE: DROPPED}
    status = world.turn(1)
    assert status["trouble"] is not None
    assert status["armed"] is True
    assert not module.is_well(from_json({**status, "alarms": {}}))


def test_standby_that_is_cut_off_is_not_armed(tmp_path: Path) -> None:
    world = World(STANDBY, str(tmp_path))
    world.turn(5)
    world.eyes.looks = {Way.VIP: SILENT, Way.VOTE: SILENT}
    status = world.turn(2)
    assert "cut_off" in status["not_armed"]


def test_primary_serves_and_has_no_word_on_armed(tmp_path: Path) -> None:
    status = World(PRIMARY, str(tmp_path)).turn(3)
    assert status["armed"] is None
    assert status["streaming"] is True
    assert module.is_serving(from_json(status))
    assert not module.is_replica(from_json(status))
    assert module.failover_works(from_json(status)) is None
    assert not module.is_well(from_json(status))


def test_node_that_is_down_serves_nothing(tmp_path: Path) -> None:
    world = World(PRIMARY, str(tmp_path))
    world.turn(2)
    world.eyes.here = dataclasses.replace(PRIMARY, server=Server.DOWN, peer_streaming=False)
    status = world.turn(2)
    assert not module.is_serving(from_json(status))
    assert status["server"] == "down"


def test_every_value_is_plain_json_even_infinite_facts(tmp_path: Path) -> None:
    world = World(STANDBY, str(tmp_path))
    world.daemon.teller.add(Event("odd", "x", facts={"lag": float("inf"), "way": Way.VIP, "list": [1]}))
    status = world.turn(1)
    facts = json.loads(module.as_text(status))["events"][-1]["facts"]
    assert facts["lag"] == "inf"


def test_file_is_readable_by_all_and_written_whole(tmp_path: Path) -> None:
    World(STANDBY, str(tmp_path)).turn(1)
    file = tmp_path / "status.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert json.loads(file.read_text())["node"] == "node2"
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_password_file_is_not_named(tmp_path: Path) -> None:
    told = module.as_text(World(STANDBY, str(tmp_path)).turn(1))
    assert not [agent.password_file for agent in World(STANDBY, "").config.agents if agent.password_file in told]


def test_every_field_is_documented_and_every_documented_one_is_there(tmp_path: Path) -> None:
    """docs/status.md is what scripts of others are written by."""
    rows = re.findall(r"^\| (`.*?) \|", (Path(__file__).parents[3] / "docs/status.md").read_text(), re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    always = {name for row in rows if row.endswith("*") for name in re.findall(r"`(\w+)`", row)}
    assert documented == {*World(STANDBY, str(tmp_path)).turn(1), "age"}  # web.py adds the age
    assert always <= set(to_json(module.broken(None, "misconfigured", [], module.Moment(1.0, 2.0, 2.0, 3))))


def test_misconfigured_lists_every_problem() -> None:
    status = to_json(module.broken(None, "misconfigured", ["one", "two"], module.Moment(1.0, 2.0, 2.0, 3)))
    assert status["problems"] == ["one", "two"]
    assert status["state"] == "misconfigured"
    assert not module.is_serving(from_json(status))
    assert not module.is_replica(from_json(status))

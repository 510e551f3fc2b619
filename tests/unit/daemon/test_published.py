# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The published form of a status and back: whole, of another version, and of nobody who speaks it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.sources import NotRunning, understood
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon import published
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.page import page
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.peer import Told, shown, understand
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import Status, from_json, to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.status import as_text, is_well, snapshot
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Path, Slot, Wal
from daemon_samples import PRIMARY, SILENT, STANDBY, World


def whole() -> Status:
    """A status in which nothing is left out: a failover, slots, a peer that told all."""
    world = World(dataclasses.replace(STANDBY, wal=Wal((Slot("feed", True, False, True, 1),), None, 1, 1, 300.0)), "/n")
    world.turn(3)
    world.eyes.looks = {Path.VIP: SILENT, Path.VOTE: SILENT}
    world.turn(12)
    status = world.daemon.status
    last = published.LastFailover(1.0, 2.0, {"fence": 1.0})
    failover = dataclasses.replace(status.verdict.failover, last=last)
    return dataclasses.replace(
        status,
        around=dataclasses.replace(
            status.around,
            peer_status=shown(Told(world.clock.now, of_peer()), world.clock.now),
            peer_seen=published.PeerSeen(),
            register=published.Register("external", "198.51.100.35", 11920, "node1", 3, 77, None, 0.1, ""),
        ),
        verdict=dataclasses.replace(
            status.verdict, failover=failover, intent=published.Intent("fencing", 1.0, "why", 2.0, 1)
        ),
    )


def served(**values: Any) -> bytes:
    """What a standby serves, with these values instead."""
    return as_text({**World(STANDBY, "/n").turn(5), **values}).encode()


def of_peer(**values: Any) -> Status:
    return understand(served(**values), "node2")[0]


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in json.loads(served()).items() if key != name}).encode()


@pytest.mark.parametrize(
    "status",
    [whole(), World(PRIMARY, "/n").daemon.status, Status(published.Run(state="misconfigured", sentence="why"))],
)
def test_published_and_read_it_is_the_same(status: Status) -> None:
    assert from_json(json.loads(as_text(to_json(status)))) == status


def test_what_a_node_publishes_of_its_peer_is_a_part_that_can_be_read_again() -> None:
    data = to_json(whole())["peer_status"]["status"]
    assert set(data) == set(published.OF_PEER)
    assert from_json(data) == of_peer()


def test_peer_that_rests_is_told_in_three_words() -> None:
    status = understand(b'{"state": "stopped", "sentence": "skyha is stopped", "pid": 1}', "node2")[0]
    shown_of = dataclasses.replace(whole().around, peer_status=shown(Told(1.0, status), 1.0))
    told = to_json(dataclasses.replace(whole(), around=shown_of))["peer_status"]
    assert told["status"] == {"state": "stopped", "node": "node2", "sentence": "skyha is stopped"}
    assert told["problem"] == "its skyha is stopped"


def test_fields_of_a_newer_skyha_are_passed_over() -> None:
    lag = {"seconds": 0.0, "bytes": 0, "novel": 1}
    assert of_peer(novel={"a": [1]}, lag=lag) == of_peer()


@pytest.mark.parametrize("name", ["cluster", "detail", "timeline", "lag", "limits", "vip", "bmc", "codes", "not_armed"])
def test_what_an_older_skyha_does_not_tell_is_not_known(name: str) -> None:
    status, _behind = understand(without(name), "node2")
    default, _behind = understand(served(), "node2")
    for one in dataclasses.fields(Status):
        part = getattr(status, one.name)
        if hasattr(part, name):
            assert getattr(part, name) == getattr(type(part)(), name)
            assert dataclasses.replace(part, **{name: getattr(getattr(default, one.name), name)}) == getattr(
                default, one.name
            )
    world = World(PRIMARY, "/n")
    world.turn(5)
    around = dataclasses.replace(world.daemon.status.around, peer_status=shown(Told(102.0, status), world.clock.now))
    assert "<html" in page(dataclasses.replace(world.daemon.status, around=around), 0.5)


@pytest.mark.parametrize("name", ["node", "role", "server", "alarms", "armed", "trouble", "intent"])
def test_peer_that_does_not_tell_the_least_tells_nothing(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        understand(without(name), "node2")


def test_status_without_a_word_is_not_well() -> None:
    assert not is_well(from_json({}))
    assert not is_well(from_json({"state": "running", "role": "standby", "server": "up"}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", 1),
        ("node", None),
        ("role", None),
        ("timeline", True),
        ("timeline", "1"),
        ("timeline", 1.5),
        ("streaming", 1),
        ("armed", "yes"),
        ("lag", []),
        ("lag", {"seconds": "1"}),
        ("lag", {"seconds": float("nan")}),
        ("limits", {"lag_seconds": float("inf")}),
        ("limits", {"lag_bytes": 10**400}),
        ("alarms", ["down"]),
        ("alarms", {"down": None}),
        ("not_armed", None),
        ("codes", {"down": "bad"}),
        ("intent", "fencing"),
        ("trouble", {"not_armed": "lag"}),
        ("age", "1"),
        ("age", float("inf")),
        ("format", 2),
    ],
)
def test_value_of_another_kind_is_refused(name: str, value: object) -> None:
    data = {**json.loads(served()), name: value}
    with pytest.raises(ValueError, match=f"'{name}['.]|format 2"):
        understand(json.dumps(data).encode(), "node2")
    if name != "age":
        with pytest.raises(NotRunning, match="tells no status of skyha"):
            understood({"status": data})


def test_snapshot_that_was_told_nothing_of_the_peer_says_so() -> None:
    world = World(PRIMARY, "/n")
    world.turn(1)
    loop = world.daemon.loop
    assert loop.seen is not None
    assert loop.decision is not None
    made = snapshot(world.config, loop.memory, loop.seen, loop.decision, world.daemon._board, world.daemon._moment())
    assert to_json(made)["peer_status"] == {"status": None, "age": None, "problem": "its skyha was not asked yet"}

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the status, the page and the metrics say of zero loss; that it is so in the world stands in tests/simulation."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.metrics import metrics
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.page import page, zero_loss_text
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.peer import Told, shown, understand
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import Status, from_json, to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.status import as_text, is_well, wanting
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local, Server, Sync
from daemon_samples import CONFIG, OF_NODE1, PRIMARY, STANDBY, World
from node_samples import configured

ON = {"register": {"engine": "vote_host", "address": "198.51.100.35"}, "replication": {"mode": "zero_loss"}}
ONE, TWO = configured(OF_NODE1, **ON), configured(CONFIG, **ON)
LOOK = Sync("", "", "on", False, True, True, 0x3000148, ("role app", "database web"))
SERVES = dataclasses.replace(PRIMARY, sync=LOOK)


def status(local: Local, turns: int = 4) -> dict[str, Any]:
    """What a node's skyha tells that was never answered by its register."""
    return World(local, "/nonexistent", TWO if local.role is STANDBY.role else ONE).turn(turns)


def told(**values: Any) -> Status:
    """A primary with zero loss, and this of it."""
    data = status(SERVES)
    return from_json({**data, "alarms": {}, "replication": {**data["replication"], **values}})


def test_asynchronous_is_a_mode_and_nothing_else() -> None:
    found = World(PRIMARY, "/nonexistent").turn(3)["replication"]
    assert found.pop("mode") == "async"
    assert set(found.values()) == {None}
    assert zero_loss_text(from_json(World(PRIMARY, "/nonexistent").turn(3))) == ("off", "")


def test_primary_without_an_heir_is_not_protected_and_names_who_does_not_wait() -> None:
    found = status(SERVES)["replication"]
    assert (found["mode"], found["commit"], found["protected"], found["waiting"]) == ("zero_loss", "on", False, 0.0)
    assert found["lowered"] == ["role app", "database web"]
    assert found["for"] is not None
    assert found["heir"] is None


def test_roles_that_do_not_wait_are_an_alarm() -> None:
    text = status(SERVES)["alarms"]["sync_lowered"]
    assert text.startswith("commits of role app, database web do not wait for node2")


def test_two_standbys_of_one_name_are_an_alarm() -> None:
    double = dataclasses.replace(SERVES, sync=dataclasses.replace(LOOK, alone=False))
    assert "more than one standby streams by the name node2" in status(double)["alarms"]["sync_double"]


def test_standby_that_was_not_told_by_the_register_knows_nothing() -> None:
    found = status(STANDBY)["replication"]
    assert (found["heir"], found["for"], found["complete_age"], found["protected"]) == (None, None, None, None)
    assert (found["lacks"], found["heard_age"]) == (0, 0.0)
    assert zero_loss_text(from_json(status(STANDBY))) == ("not known", "warn")


def test_node_that_is_down_promises_nothing() -> None:
    down = dataclasses.replace(SERVES, server=Server.DOWN, peer_streaming=None)
    assert status(down)["replication"]["protected"] is None
    assert zero_loss_text(from_json(status(down))) == ("on", "")


def test_status_of_an_older_skyha_says_nothing_of_it() -> None:
    data = status(SERVES)
    del data["replication"]
    assert zero_loss_text(from_json(data)) == ("not known", "")


def test_what_is_not_protected_is_not_well_before_it_alarms() -> None:
    peer = from_json({**World(STANDBY, "/nonexistent").turn(5), "alarms": {}})
    around = {"peer_status": shown(Told(100.0, peer), 100.0)}
    for protected in (True, False):
        status = told(protected=protected)
        status = dataclasses.replace(status, around=dataclasses.replace(status.around, **around))
        assert is_well(status) is protected
    assert wanting(told(protected=False)) == "What is committed is not protected against loss yet"
    assert "loss" not in wanting(told(protected=True))


@pytest.mark.parametrize(
    ("values", "text", "kind"),
    [
        ({"protected": True, "for": 300.0}, "protected, for 5 min", "good"),
        ({"protected": True, "for": 300.0, "waiting": 0.4}, "protected, for 5 min", "good"),
        ({"protected": True, "for": 300.0, "waiting": 2.1}, "commits wait, 2.1 s", "bad"),
        ({"protected": False, "for": 20.0}, "NOT protected, for 20 s", "bad"),
        ({"protected": None, "for": None, "heir": True}, "the heir", "good"),
        ({"protected": None, "for": 312.0, "heir": False}, "not the heir, for 5 min", "bad"),
    ],
)
def test_cell_of_the_page_and_the_table(values: dict[str, Any], text: str, kind: str) -> None:
    status = told(**values)
    assert zero_loss_text(status) == (text, kind)
    assert f'<td class="{kind}">{text}</td>' in page(status, 0.5)


def test_metrics_of_a_primary() -> None:
    text = metrics(told(protected=True, waiting=2.5), 0.5)
    assert "\nskyha_zero_loss_protected 1\n" in text
    assert "\nskyha_commits_waiting_seconds 2.5\n" in text
    assert "\nskyha_zero_loss_protected 0\n" in metrics(told(protected=False), 0.5)


@pytest.mark.parametrize("local", [STANDBY, PRIMARY])
def test_no_metrics_where_there_is_nothing_to_say(local: Local) -> None:
    """On a standby, or where replication is asynchronous, an alert on them must not see a node."""
    data = status(STANDBY) if local is STANDBY else World(PRIMARY, "/nonexistent").turn(3)
    text = metrics(from_json(data), 0.5)
    assert "skyha_zero_loss_protected" not in text
    assert "skyha_commits_waiting_seconds" not in text


def test_page_of_a_primary_shows_the_register_as_both_nodes_see_it() -> None:
    world = World(SERVES, "/nonexistent", ONE)
    mine = from_json(world.turn(4))
    theirs = understand(as_text(status(STANDBY)).encode(), "node2")[0]
    peer = shown(Told(world.clock.now, theirs), world.clock.now)
    html = page(dataclasses.replace(mine, around=dataclasses.replace(mine.around, peer_status=peer)), 0.5)
    row = html.split('<th scope="row">Register</th>')[1].split("</tr>")[0]
    assert row.count("no answer: none yet") == 2


@pytest.mark.parametrize("here", ["node1", "node2"])
def test_rows_that_only_one_node_has_are_shown_too(here: str) -> None:
    """They are configured differently, for as long as site.yml takes, or are of two versions."""
    local, config = (SERVES, ONE) if here == "node1" else (STANDBY, TWO)
    world = World(local, "/nonexistent", config)
    mine = from_json(world.turn(4))
    other = World(STANDBY if here == "node1" else PRIMARY, "/nonexistent").turn(4)
    peer = shown(Told(world.clock.now, understand(as_text(other).encode(), str(other["node"]))[0]), world.clock.now)
    html = page(dataclasses.replace(mine, around=dataclasses.replace(mine.around, peer_status=peer)), 0.5)
    row = html.split('<th scope="row">Register</th>')[1].split("</tr>")[0]
    assert "no answer: none yet" in row
    assert '<td class="">-</td>' in row


def test_what_is_published_can_be_read_again() -> None:
    found = told(protected=True, tried_in=4.0, lowered=["role app"])
    assert from_json(to_json(found)) == found

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of skyctl status: what its cells say in each situation, good and bad."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.main import _code
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.sources import View, _fresh
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.table import table
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.text import Paint, lsn_text
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import from_json, to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Local,
    Order,
    Outcome,
    Path,
    Request,
    Server,
    Slot,
    Task,
    Wal,
)
from daemon_samples import DROPPED, PRIMARY, SILENT, STANDBY, World

GONE = View(None, "skyha at 198.51.100.110:8008 does not answer: timed out")


def view(local: Local, before: Callable[[World], None] = lambda world: None, turns: int = 3) -> View:
    """How a node's skyha tells this; `before`: what happened to it after its first cycles."""
    world = World(local, "/nonexistent")
    world.turn(3)
    before(world)
    return View(from_json(world.turn(turns)))


def row(text: str, name: str) -> str:
    """The cells of a row, without the blanks between them."""
    return next(" ".join(line[13:].split()) for line in text.splitlines() if line[:13].rstrip() == name and line)


def shown(mine: View, theirs: View = GONE) -> str:
    text = table(mine, theirs, Paint(False))
    assert max(map(len, text.splitlines())) <= 80
    return text


LEASE = {"term": 7.0, "left": 2.9, "watchdog": "fed"}


@pytest.mark.parametrize(
    ("changes", "register", "lease"),
    [
        ({"lease": LEASE}, "holder node1, heir node2", "2.9 s left, watchdog fed"),
        ({"lease": {"term": 7.0, "over_in": 7.2}}, "holder node1, heir node2", "7 s of the holder"),
        (
            {"lease": {"term": 0.0, "watchdog_problem": "stuck"}},
            "holder node1, heir node2",
            "none: the watchdog cannot",
        ),
        ({"lease": {"term": 0.0}, "heir": ""}, "holder node1, no heir", "none now"),
        ({"engine": "etcd", "endpoints": ["a:1", "b:1", "c:1"]}, "holder node1, heir node2 (etcd)", "none"),
        ({"problem": "it is stalled"}, "no answer: it is stalled", "none"),
    ],
)
def test_register_and_lease_have_their_rows(changes: dict[str, object], register: str, lease: str) -> None:
    told = {"holder": "node1", "heir": "node2", "epoch": 3, "beat": 70, "problem": "", **changes}
    mine = view(PRIMARY)
    assert mine.status is not None
    text = shown(dataclasses.replace(mine, status=from_json({**to_json(mine.status), "register": told})))
    assert row(text, "register").startswith(register)
    assert row(text, "lease").startswith(lease)


def test_both_nodes_stand_side_by_side_by_name_with_no_alarm() -> None:
    text = shown(view(STANDBY), view(PRIMARY))
    assert row(text, "") == "node1 node2 (this node)"
    assert row(text, "role") == "primary standby"
    assert row(text, "PostgreSQL") == "up up"
    assert row(text, "replication") == "streaming streaming"
    assert row(text, "zero loss") == "off off"
    assert row(text, "VIP") == "held -"
    assert row(text, "armed") == "- yes"
    assert row(text, "WAL") == "write 0/3000148 replay 0/3000148"
    assert row(text, "lag").startswith("- 0.0 s, 0 bytes")
    assert "No alarms." in text


def test_row_that_only_one_node_has_is_shown_too() -> None:
    theirs = view(PRIMARY)
    assert theirs.status is not None
    told = {"holder": "node1", "heir": "node2", "epoch": 3, "beat": 70, "problem": ""}
    theirs = View(from_json({**to_json(theirs.status), "register": told}))
    assert row(shown(view(STANDBY), theirs), "register") == "holder node1, heir node2 -"
    assert row(shown(theirs, view(STANDBY)), "register") == "holder node1, heir node2 -"


def test_primary_whose_standby_was_not_heard_is_no_all_well() -> None:
    text = shown(view(PRIMARY))
    assert "No alarms, but node1: Whether a failover would work is not known." in text
    assert "No alarms." not in text


def test_what_the_peer_says_now_counts_before_what_was_heard_of_it() -> None:
    """A primary's skyha that has just started was told nothing yet; skyctl has asked its standby itself."""
    mine, theirs = view(PRIMARY), view(STANDBY)
    assert _code(mine, theirs) == 0
    assert _code(theirs, mine) == 0
    assert _code(mine, GONE) == 4


def test_alarms_name_their_node() -> None:
    text = shown(view(STANDBY), view(dataclasses.replace(PRIMARY, peer_streaming=False)))
    assert "  node1: no standby streams" in text
    assert "No alarms" not in text


def test_standby_that_never_heard_its_primary_knows_no_lag() -> None:
    world = World(STANDBY, "/nonexistent")
    world.eyes.looks = {Path.VIP: SILENT, Path.VOTE: DROPPED}
    text = shown(View(from_json(world.turn(2))))
    assert row(text, "lag") == "unknown"
    assert row(text, "vip path") == "unreachable, never ok"
    assert row(text, "armed").startswith("NO: ")
    assert row(text, "peer's BMC") == "not asked yet"


def test_path_that_went_bad_says_when_it_was_good() -> None:
    def cut(world: World) -> None:
        world.eyes.looks = {Path.VIP: SILENT, Path.VOTE: DROPPED}

    text = shown(view(STANDBY, cut, turns=1))
    assert row(text, "vip path").startswith("unreachable, ok ")
    assert row(text, "vote path").startswith("dropped, ok ")


def test_path_that_was_never_looked_at_is_no_failure() -> None:
    assert row(shown(View(from_json(World(PRIMARY, "/nonexistent").turn(1)))), "vip path") in (
        "not looked at yet",
        "ok 1.2 ms, 0.0 s ago",
    )


def test_bmc_that_fails_says_why() -> None:
    def fail(world: World) -> None:
        world.tasks.over.append(Outcome(Task.CHECK_BMC, False, "wrong password"))

    text = shown(view(STANDBY, fail, turns=1))
    assert "fails: " in row(text, "peer's BMC")
    assert "wrong password" in text


@pytest.mark.parametrize(("seconds", "told"), [(None, "yes"), (600.0, "yes, 10 min left")])
def test_pause_is_told_with_what_is_left_of_it(seconds: float | None, told: str) -> None:
    def pause(world: World) -> None:
        world.daemon.submit(Request(Order.PAUSE, "anna", seconds))

    assert row(shown(view(STANDBY, pause, turns=1)), "paused") == told


def test_restart_that_is_due_is_named() -> None:
    waiting = dataclasses.replace(STANDBY, pending_restart=("shared_buffers", "max_connections"))
    assert row(shown(view(waiting)), "restart due") == "shared_buffers, max_connections"


def test_slots_that_are_not_skyhas_are_named() -> None:
    ours, other = Slot("node2", False, True, False, 0), Slot("barman", False, False, False, 4096)
    text = shown(view(dataclasses.replace(PRIMARY, wal=Wal((ours, other), None, 1, 1, 300.0))))
    assert row(text, "other slots") == "barman"


def test_failover_under_way_is_shown_by_its_stage() -> None:
    def die(world: World) -> None:
        world.eyes.looks = {Path.VIP: SILENT, Path.VOTE: DROPPED}

    text = shown(view(STANDBY, die, turns=16))
    assert row(text, "under way").startswith("fencing, ")


def test_server_that_is_down_is_bad_and_its_detail_stands_there() -> None:
    down = dataclasses.replace(STANDBY, server=Server.DOWN, detail="no process", streaming=False)
    text = shown(view(down))
    assert row(text, "role") == "was standby"
    assert row(text, "PostgreSQL") == "down: no process"
    assert row(text, "replication") == "not streaming"


def test_without_this_nodes_word_the_peers_is_shown() -> None:
    text = shown(View(None, "skyha does not run: nobody answers"), view(PRIMARY))
    assert text.startswith("skyha does not run: nobody answers")
    assert "The peer's skyha answers:" in text
    assert row(text, "role") == "primary"


def test_without_anybodys_word_the_next_step_is_all() -> None:
    text = shown(View(None, "skyha does not run: nobody answers"))
    assert "systemctl start skyha" in " ".join(text.split())
    assert "The peer's" not in text


@pytest.mark.parametrize("theirs", [GONE, _fresh({"status": World(PRIMARY, "/nonexistent").published})])
def test_peer_of_which_nothing_is_known_has_no_column(theirs: View) -> None:
    text = shown(view(STANDBY), theirs)
    assert row(text, "") == "node2 (this node)"
    assert f"node1: {theirs.problem}" in " ".join(text.split())


def test_skyha_that_has_just_started_is_not_taken_for_one_that_does_not_run() -> None:
    text = shown(_fresh({"status": World(STANDBY, "/nonexistent").published}))
    assert text == "skyha has just started and has completed no cycle yet: ask again in a moment"


def test_colours_tell_good_from_bad() -> None:
    text = table(view(dataclasses.replace(STANDBY, streaming=False)), GONE, Paint(True))
    lines = {line[:13].rstrip(): line for line in text.splitlines()}
    assert "\033[31m" in lines["replication"]
    assert "\033[32m" in lines["PostgreSQL"]
    assert "\033[31m" in lines["armed"]


def test_wal_positions_as_postgresql_writes_them() -> None:
    assert lsn_text(0x1_6B37_4D90) == "1/6B374D90"
    assert lsn_text(0) == "0/0"

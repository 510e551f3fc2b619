# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What skyctl explain says in each situation: whether a failover would work, why not, and what to do about it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.alarms import ALARMS
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.explain import explain
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.sources import View, _fresh
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.text import Paint
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config, Fence
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import from_json, to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local, Outcome, Path, Server, Task
from daemon_samples import CONFIG, DROPPED, OF_NODE1, PRIMARY, STANDBY, World
from daemon_samples import SILENT as SILENT_LOOK

SILENT = View(None, "skyha at 198.51.100.111:8008 does not answer: timed out")


def view(local: Local) -> View:
    """How a node's skyha tells this, after some cycles."""
    return View(from_json(World(local, "/nonexistent").turn(5)))


def told(mine: View, theirs: View = SILENT, config: Config | None = CONFIG) -> str:
    text = explain(config, mine, theirs, Paint(False))
    assert max(map(len, text.splitlines())) <= 80
    return " ".join(text.split())


def changed(one: View, **values: Any) -> View:
    assert one.status is not None
    return dataclasses.replace(one, status=from_json({**to_json(one.status), **values}))


def test_standby_that_is_armed_names_its_patience_and_how_it_would_fence() -> None:
    text = told(view(STANDBY))
    assert "Nothing would stop node2 from taking over if node1 died now." in text
    timing = CONFIG.timing
    seconds = timing.failures_before_failover * (timing.look_deadline + timing.retry_interval)
    assert f"host gone: {timing.failures_before_failover} looks without an answer, about {seconds:.1f} s" in text
    assert f"PostgreSQL gone, host alive: {timing.restart_grace:g} s" in text
    assert "node1 is switched off and read back until it is off" in text
    assert "Alarms" not in text


def quick(vip: tuple[float, ...], turns: int = 70, local: Local = STANDBY) -> str:
    """What a standby tells whose primary answered like that along the VIP, again and again, and in 4 ms through the vote host."""
    world = World(local, "/nonexistent")
    for number in range(turns):
        good = {path: dataclasses.replace(look, latency=0.004) for path, look in world.eyes.looks.items()}
        good[Path.VIP] = dataclasses.replace(good[Path.VIP], latency=vip[number % len(vip)])
        world.eyes.looks = good
        status = world.turn()
    text = explain(CONFIG, View(from_json(status)), SILENT, Paint(False))
    assert max(map(len, text.splitlines())) <= 80
    return text


def test_how_quickly_the_primary_answered_is_drawn_with_where_a_look_gives_up() -> None:
    text = quick((0.003, 0.003, 0.006))
    lines = [line.split() for line in text[text.index("vip path") :].splitlines()]
    assert ["up", "to", "4", "ms"] in [line[:4] for line in lines]
    assert any(line and line[-1] == "#" * 30 for line in lines)
    assert "-- 450 ms: a look gives up" in text
    assert "-- 600 ms: look_deadline" in text
    assert "99 % came within 8 ms, and a look gives up after 450 ms" in " ".join(text.split())


def test_a_primary_that_answers_slowly_is_told_as_one() -> None:
    text = " ".join(quick((0.003, 0.9)).split())
    assert "More than one answer in a hundred took over 512 ms" in text
    assert "-- 600 ms: a look gives up" in text


def test_a_standby_that_would_not_take_over_draws_it_as_well() -> None:
    text = quick((0.003,), local=dataclasses.replace(STANDBY, streaming=False))
    assert "would NOT take over" in text
    assert "-- 450 ms: a look gives up" in text


def test_before_there_are_enough_answers_nothing_is_drawn() -> None:
    assert "answered lately" not in quick((0.003,), turns=30)


def test_reset_is_not_told_as_off() -> None:
    text = told(view(STANDBY), config=dataclasses.replace(CONFIG, fence=Fence("reset")))
    assert "then: node1 is reset, up to" in text
    assert "read back" not in text


REGISTER = {"holder": "node1", "heir": "node2", "epoch": 3, "beat": 70, "problem": ""}
LEASED = {"register": {**REGISTER, "lease": {"term": 7.0, "over_in": 7.5, "watchdog": "rests"}}}


def test_a_lease_is_the_other_way_to_prove_it() -> None:
    text = told(changed(view(STANDBY), **LEASED))
    assert "or, if its BMC does not answer either: 7.7 s after its last renewal its lease has run out" in text


def test_without_a_bmc_it_is_the_only_one() -> None:
    text = told(changed(view(STANDBY), **LEASED), config=dataclasses.replace(CONFIG, agents=()))
    assert "then: node1 has no BMC, so: 7.7 s after its last renewal its lease has run out" in text
    assert "attempts" not in text


def test_heir_of_zero_loss_has_all_that_was_acknowledged_when_the_register_was_read() -> None:
    text = told(changed(view(STANDBY), replication={"mode": "zero_loss", "heir": True, "complete_age": 3.0}))
    assert "it has all that node1 had acknowledged when the register was last read, 3.0 s ago" in text
    assert "zero loss" not in told(view(STANDBY))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"protected": True, "for": 300.0}, "(5 min): commits wait for node2, which has all that was acknowledged"),
        ({"protected": False, "for": 20.0}, "(20 s): if node1 dies now, node2 does not take over by itself."),
        ({"protected": False, "tried_in": 4.0}, "does not take over by itself. node2 is tried again in 4.0 s."),
    ],
)
def test_primary_with_zero_loss_says_whether_it_holds_and_since_when(values: dict[str, Any], said: str) -> None:
    text = told(changed(view(PRIMARY), replication={"mode": "zero_loss", **values}), config=OF_NODE1)
    assert said in text
    assert ("Zero loss holds" in text) == bool(values["protected"])


def test_without_a_configuration_the_patience_is_left_out() -> None:
    text = told(view(STANDBY), config=None)
    assert "Nothing would stop node2" in text
    assert "looks without an answer" not in text


@pytest.mark.parametrize("code", sorted(ALARMS))
def test_every_reason_comes_with_its_next_step(code: str) -> None:
    text = told(changed(view(STANDBY), armed=False, not_armed={code: "this is why"}, alarms={code: "this is why"}))
    assert "node2 would NOT take over if node1 died now: - this is why next: " in text
    assert " ".join(ALARMS[code].next.split()) in text
    assert text.count("this is why") == 1  # not once more among the alarms


def test_reason_of_another_version_is_told_all_the_same() -> None:
    text = told(changed(view(STANDBY), armed=False, not_armed={"novel": "nobody knows"}))
    assert "would NOT take over if node1 died now: - nobody knows next: 'skyctl explain' on the other node" in text


def test_alarm_that_does_not_stop_a_failover_stands_by_itself() -> None:
    text = told(changed(view(STANDBY), alarms={"path_vip": "the VIP path fails", "local": "no such table"}))
    assert "Nothing would stop node2" in text
    assert "Alarms - the VIP path fails next: see what the sentence says" in text
    assert "- no such table next: if skyha's objects are missing" in text


def in_trouble(turns: int) -> World:
    """A standby whose primary fell silent, `turns` cycles ago; its BMC answers no order."""
    world = World(STANDBY, "/nonexistent")
    world.turn(3)
    world.eyes.looks = {Path.VIP: SILENT_LOOK, Path.VOTE: DROPPED}
    world.turn(turns)
    return world


def test_dead_primary_is_no_question_of_what_if() -> None:
    text = told(View(in_trouble(2).daemon.status))
    assert "node1 shows no life for" in text
    assert "Nothing would stop" not in text
    assert "if node1 died now" not in text


def test_failed_fence_is_what_keeps_the_standby_from_taking_over() -> None:
    world = in_trouble(8)
    for _attempt in range(2):
        world.tasks.over.append(Outcome(Task.FENCE, False, "the BMC does not answer"))
        world.turn(12)
    status = world.published
    assert status["intent"]["stage"] == "fencing"
    assert status["armed"] is False
    assert status["bmc"]["error"] == "the BMC does not answer"
    assert status["codes"]["fence_failed"]["severity"] == "critical"
    text = told(View(from_json(status)))
    assert "What keeps node2 from taking over: - node1 is not fenced after" in text
    assert "next: mend the BMC; or make sure that the host is off" in text
    assert "Nothing would stop" not in text


def test_primary_tells_what_its_standby_would_do() -> None:
    text = told(view(PRIMARY), view(STANDBY), OF_NODE1)
    assert f"skyha starts it again in place (up to {OF_NODE1.timing.restart_attempts} times)" in text
    assert "Nothing would stop node2 from taking over if node1 died now." in text
    assert "No standby streams" not in text


def test_primary_whose_standby_is_not_armed_tells_its_reasons() -> None:
    theirs = changed(view(STANDBY), armed=False, not_armed={"lag": "it was 99 s behind"})
    text = told(view(PRIMARY), theirs, OF_NODE1)
    assert "node2 would NOT take over if node1 died now: - it was 99 s behind next: look at the load" in text


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        (SILENT, "skyha at 198.51.100.111:8008 does not answer: timed out."),
        (View(from_json({"state": "running", "role": "primary"})), "it is no running standby."),
    ],
)
def test_primary_does_not_speak_for_a_standby_that_does_not_answer(theirs: View, why: str) -> None:
    text = told(view(PRIMARY), theirs, OF_NODE1)
    assert f"Whether node2 would take over only its own skyha can say: {why}" in text
    assert "Nothing would stop" not in text


def test_primary_without_a_standby_says_that_nothing_can_take_over() -> None:
    text = told(view(dataclasses.replace(PRIMARY, peer_streaming=False)), SILENT, OF_NODE1)
    assert "No standby streams: if node1 dies now, nothing can take over." in text
    assert "look at the other node" in text


def test_primary_that_is_down_promises_no_restart_without_a_server() -> None:
    text = told(view(dataclasses.replace(PRIMARY, server=Server.DOWN, vip_held=False)), SILENT, None)
    assert "skyha starts it again in place" not in text


@pytest.mark.parametrize(
    "mine",
    [
        View(None, "nobody answers on /run/skyha/skyha.sock: no such file"),
        View(from_json({"state": "running", "node": "node2"}), "skyha has not completed a cycle for 99 s", 99.0),
    ],
)
def test_skyha_that_does_not_run_is_told_with_what_follows_from_it(mine: View) -> None:
    text = told(mine)
    assert text.startswith(mine.problem)
    assert "systemctl start skyha" in text
    assert text.endswith("Meanwhile this node does not take over, and nobody keeps the VIP here.")


def test_skyha_that_has_just_started_says_so() -> None:
    """Between its start and the end of its first cycle it answers already, and knows nothing."""
    text = told(_fresh({"status": World(STANDBY, "/nonexistent").published}))
    assert text.startswith("skyha has just started")
    assert "does not take over" not in text


def test_bad_news_is_red_and_good_news_green_on_a_terminal() -> None:
    good = view(STANDBY)
    bad = changed(good, armed=False, not_armed={"lag": "late"})
    assert "\033[32mNothing would stop node2" in explain(CONFIG, good, SILENT, Paint(True))
    assert "\033[31mnode2 would NOT take over" in explain(CONFIG, bad, SILENT, Paint(True))

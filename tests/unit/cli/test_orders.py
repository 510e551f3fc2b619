# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl's orders from the word of the operator to what came of it."""

from __future__ import annotations

import dataclasses
import io
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli import orders
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Event,
    Look,
    Order,
    Outcome,
    Peer,
    Power,
    Server,
    Task,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Path as Way
from daemon_samples import DROPPED, PRIMARY, SILENT, STANDBY
from live_node import Node, wait_for
from rights import rights_of_nobody

Make = Callable[..., Node]


def kinds(one: Node) -> list[str]:
    return one.world.history.kinds()


class Follow(threading.Thread):
    """skyctl beside the test, that goes on meanwhile."""

    def __init__(self, one: Node, *arguments: str) -> None:
        super().__init__(daemon=True)
        self._one, self._arguments = one, arguments
        self.code, self.text = -1, ""
        self.start()

    def run(self) -> None:
        self.code, self.text = self._one.skyctl(*self._arguments)

    def end(self) -> tuple[int, str]:
        self.join(20.0)
        return self.code, " ".join(self.text.split())


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (Event("switched", "node2 is primary on timeline 2", "warning"), 0),
        (Event("switchover_failed", "switchover given up: it took too long", "alarm"), 1),
        (Event("switchover_refused", "switchover refused: node2 does not stream", "warning"), 1),
    ],
)
def test_switchover_is_followed_to_its_end(node: Make, last: Event, code: int) -> None:
    one = node(PRIMARY)
    following = Follow(one, "switchover", "--force", "--wait", "15s")
    wait_for(lambda: "switchover" in kinds(one), True)
    one.world.daemon.teller.add(last)
    assert following.end() == (code, following.end()[1])
    assert "Switchover to node2 asked for." in following.end()[1]
    assert f"{last.kind}: {last.text}" in following.end()[1]


def test_switchover_whose_end_is_not_seen_says_where_to_look(node: Make) -> None:
    code, text = node(PRIMARY).skyctl("switchover", "--force", "--wait", "0.5s")
    assert code == 1
    assert "not seen within 0.5 s; see 'skyctl status'" in " ".join(text.split())


def test_switchover_is_followed_over_a_restart_of_skyha(node: Make) -> None:
    one = node(PRIMARY)
    following = Follow(one, "switchover", "--force", "--wait", "1.5s")
    wait_for(lambda: "switchover" in kinds(one), True)
    one.stop()
    (one.file.parent / "skyha.sock").unlink()
    code, text = following.end()
    assert code == 1
    assert "not seen within 1.5 s" in text


def test_acknowledge_reaches_the_daemon(node: Make) -> None:
    one = node(PRIMARY)
    assert one.skyctl("acknowledge") == (0, "Acknowledged.\n")
    wait_for(lambda: "order" in kinds(one), True)
    assert "an operator orders: acknowledge" in [event.text for event in one.world.history.events]


def test_rejoin_is_refused_where_postgresql_runs(node: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert node(STANDBY).skyctl("rejoin")[0] == 1
    assert "nothing to rejoin" in capsys.readouterr().err


def test_rejoin_is_taken_where_it_is_down(node: Make) -> None:
    one = node(PRIMARY.__class__(Server.DOWN, PRIMARY.role, timeline=1))
    code, text = one.skyctl("rejoin")
    assert code == 0
    assert "becomes a standby of node2 by pg_rewind" in " ".join(text.split())
    wait_for(lambda: "order" in kinds(one), True)


def gone(make: Make) -> Node:
    """A standby whose primary shows no life, in the middle of a failover."""
    one = make(STANDBY)
    wait_for(lambda: one.world.published["armed"], True)
    one.world.eyes.looks = {Way.VIP: SILENT, Way.VOTE: DROPPED}
    one.world.eyes.there = Peer(Server.UNREACHABLE)
    wait_for(lambda: bool(one.world.published.get("trouble") or one.world.published.get("intent")), True)
    return one


def promoted(one: Node) -> None:
    """PostgreSQL does as it was told, and the VIP is taken."""
    wait_for(lambda: "fenced" in kinds(one), True)
    one.world.eyes.here = dataclasses.replace(PRIMARY, timeline=2, vip_held=True)


def test_confirm_off_typed_in_is_followed_until_this_node_is_the_primary(
    node: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = gone(node)
    monkeypatch.setattr(sys, "stdin", io.StringIO("node1\n"))
    following = Follow(one, "confirm-off")
    promoted(one)
    code, text = following.end()
    assert code == 0, text
    assert "skyha takes node1 for off" in text
    assert "fence_read_back: node1 is off: an operator confirmed" in text
    assert "node2 is the primary on timeline 2 and holds the VIP 198.51.100.116" in text


def test_confirm_off_that_nothing_follows_from_says_why_and_what_to_do(node: Make) -> None:
    one = gone(node)
    one.world.eyes.looks = {Way.VIP: SILENT, Way.VOTE: SILENT}
    wait_for(lambda: "cut_off" in one.world.published["alarms"], True)
    code, text = one.skyctl("confirm-off", "--yes", "node1")
    assert code == 1
    assert "it may be this node that is cut off" in " ".join(text.split())
    assert "skyctl takeover" in text


@pytest.mark.parametrize("vote", [DROPPED, SILENT])
def test_takeover_is_followed_until_this_node_is_the_primary(node: Make, vote: Look) -> None:
    """With the vote host alive and dead."""
    one = gone(node)
    one.world.eyes.looks = {Way.VIP: SILENT, Way.VOTE: vote}
    following = Follow(one, "takeover", "--yes", "node1")
    wait_for(lambda: Task.FENCE in one.world.tasks.started and "takeover" in kinds(one), True)
    one.world.tasks.over.append(Outcome(Task.FENCE, True, "read back: off", Power.OFF, proof=True))
    promoted(one)
    code, text = following.end()
    assert code == 0, text
    assert "last heartbeat of node1:" in text
    assert "timeline" in text
    assert "node1's BMC says that it is on: skyha switches it off first" in text
    assert "node2 is the primary on timeline 2 and holds the VIP" in text


def test_takeover_over_a_primary_that_answers_is_refused_with_the_reason(node: Make) -> None:
    one = node(STANDBY)
    wait_for(lambda: one.world.published["armed"], True)
    one.world.eyes.there = Peer(Server.UP, PRIMARY.role, 1)
    code, text = one.skyctl("takeover", "--yes", "node1")
    assert code == 1
    assert "the primary shows life" in text
    assert "node2 is not the primary with the VIP" in " ".join(text.split())


def test_takeover_whose_end_is_not_seen_says_how_things_stand(node: Make) -> None:
    one = gone(node)
    code, text = one.skyctl("takeover", "--yes", "node1", "--wait", "1s")
    assert code == 1
    assert "is not the primary with the VIP within 1 s" in " ".join(text.split())
    assert "skyctl status" in text


def test_takeover_asks_for_the_peers_name(node: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = gone(node)
    monkeypatch.setattr(sys, "stdin", io.StringIO("node2\n"))
    code, text = one.skyctl("takeover")
    assert code == 1
    assert "two histories begin" in " ".join(text.split())
    assert "'node2' is not the peer's name 'node1': nothing was done" in " ".join(text.split())
    assert "takeover" not in kinds(one)


def test_takeover_on_the_primary_is_refused(node: Make) -> None:
    code, text = node(PRIMARY).skyctl("takeover", "--yes", "node2")
    assert code == 1
    assert "node1 is the running primary" in " ".join(text.split())


def test_confirm_off_without_an_answer_does_nothing(node: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = node(STANDBY)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    code, text = one.skyctl("confirm-off")
    assert code == 1
    assert "'Nothing' is not the peer's name 'node1': nothing was done" in " ".join(text.split())
    assert "order" not in kinds(one)


def test_fence_test_that_fails_names_the_reason(node: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = node(STANDBY)

    def fail(task: Task) -> None:
        one.world.tasks.over.append(Outcome(task, False, "refuses user test: incorrect password"))

    monkeypatch.setattr(one.world.tasks, "start", fail)
    code, text = one.skyctl("fence-test")
    assert code == 1
    assert "The BMC of node1 cannot be used: " in text
    assert "incorrect password" in text


def test_fence_test_names_the_device_that_does_not_answer_beside_a_level_that_stands(
    node: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = node(STANDBY)
    told = Outcome(Task.CHECK_BMC, True, power=Power.ON, warning="outlet right: no answer")
    monkeypatch.setattr(one.world.tasks, "start", lambda _task: one.world.tasks.over.append(told))
    code, text = one.skyctl("fence-test")
    assert code == 0
    assert "answers: power is on" in text
    assert "outlet right: no answer" in text


def test_fence_test_without_an_answer_ends(node: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = node(STANDBY)
    monkeypatch.setattr(one.world.tasks, "start", lambda task: None)
    monkeypatch.setattr(orders, "FENCE_TEST_DEADLINE", 0.5)
    assert one.skyctl("fence-test") == (1, "No answer within 0.5 s; see 'skyctl status'.\n")


@pytest.mark.parametrize("verb", ["pause", "switchover", "takeover", "confirm-off", "fence-test", "history"])
def test_who_may_not_is_told_how_he_may(
    node: Make, open_directory: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    """Nobody can reach the control socket's directory, nor read the history."""
    one = node(PRIMARY)
    one.file = Path(shutil.copy(one.file, open_directory))
    with rights_of_nobody():
        code, _text = one.skyctl(verb)
    assert code == 5
    assert f"sudo skyctl {verb}" in " ".join(capsys.readouterr().err.split())
    assert "order" not in kinds(one)


def test_order_carries_the_name_of_who_gave_it(node: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = node(PRIMARY)
    monkeypatch.setenv("SUDO_USER", "anna")
    one.skyctl("pause")
    wait_for(lambda: "order" in kinds(one), True)
    order = next(event for event in one.world.history.events if event.kind == "order")
    assert str(order.facts["by"]).startswith("anna (uid ")
    assert Order.PAUSE.value in order.text

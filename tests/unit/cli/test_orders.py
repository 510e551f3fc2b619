# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl's orders from the word of the operator to what came of it."""

from __future__ import annotations

import io
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli import orders
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Event, Order, Outcome, Server, Task
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


def test_confirm_off_typed_in_is_taken_while_the_primary_is_silent(node: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = node(STANDBY)
    wait_for(lambda: one.world.daemon.status["armed"], True)
    one.world.eyes.looks = {Way.VIP: SILENT, Way.VOTE: DROPPED}
    wait_for(lambda: bool(one.world.daemon.status.get("trouble") or one.world.daemon.status.get("intent")), True)
    monkeypatch.setattr(sys, "stdin", io.StringIO("node1\n"))
    code, text = one.skyctl("confirm-off")
    assert code == 0
    assert "skyha takes node1 for off" in text
    assert wait_for(lambda: "fence_read_back" in kinds(one), True)


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


def test_fence_test_without_an_answer_ends(node: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = node(STANDBY)
    monkeypatch.setattr(one.world.tasks, "start", lambda task: None)
    monkeypatch.setattr(orders, "FENCE_TEST_DEADLINE", 0.5)
    assert one.skyctl("fence-test") == (1, "No answer within 0.5 s; see 'skyctl status'.\n")


@pytest.mark.parametrize("verb", ["pause", "switchover", "confirm-off", "fence-test", "history"])
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

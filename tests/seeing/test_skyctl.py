# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl on a node, as different users and on a terminal."""

from __future__ import annotations

import json

import pytest

from tests.lab import lab, places

# Rights come before names: the peer's and one's own, whichever node that is.
CONFIRM = tuple(f"confirm-off --yes {node}" for node in lab.NODES)
ORDERS = ("pause", "resume", "acknowledge", "switchover", "takeover", *CONFIRM, "fence-test")


@pytest.mark.parametrize("user", ["root", "postgres", "nobody"])
def test_everybody_may_look(standby: str, user: str) -> None:
    lab.wait_for("all is well", lambda: places.skyctl(standby, "status", user=user)[0] == 0, 60, every=1)
    _, text = places.skyctl(standby, "status", user=user)
    assert "No alarms." in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "\033" not in text
    assert "Nothing would stop" in places.skyctl(standby, "explain", user=user)[1]
    both = json.loads(places.skyctl(standby, "status", "--json", user=user)[1])
    assert {both["here"]["status"]["role"], both["peer"]["status"]["role"]} == {"primary", "standby"}


@pytest.mark.parametrize("user", ["nobody", "postgres"])
@pytest.mark.parametrize("order", [*ORDERS, "history"])
def test_orders_and_history_are_not_for_others(standby: str, order: str, user: str) -> None:
    before = lab.status(standby)["paused"]
    code, text = places.skyctl(standby, *order.split(), user=user)
    assert code == 5
    assert f"sudo skyctl {order.split()[0]}" in " ".join(text.split())
    assert lab.status(standby)["paused"] == before


def test_skyhas_own_user_may_order(standby: str) -> None:
    assert places.skyctl(standby, "fence-test", user="skyha")[0] == 0
    assert places.skyctl(standby, "history", user="skyha")[0] == 0


def test_colour_on_a_terminal_only(standby: str) -> None:
    def on_terminal(command: str) -> str:
        return lab.on(standby, "script", "-qec", command, "/dev/null", check=False)

    assert "\033[32m" in on_terminal("skyctl status")
    assert "\033" not in on_terminal("NO_COLOR=1 skyctl status")
    watched = on_terminal("timeout 4 skyctl status --watch 0.5; true")
    assert watched.count("Cluster sky") >= 2
    assert "Traceback" not in watched


def test_completion_is_installed(standby: str) -> None:
    line = (
        "source /etc/bash_completion.d/skyctl; COMP_WORDS=(skyctl {}); COMP_CWORD={}; _skyctl; echo ${{COMPREPLY[*]}}"
    )
    assert lab.on(standby, "bash", "-c", line.format("sw", 1)).split() == ["switchover"]
    assert lab.on(standby, "bash", "-c", line.format("history --j", 2)).split() == ["--json"]


def test_pipe_that_is_closed_early_and_unknown_words_give_no_traceback(standby: str) -> None:
    for command in ("skyctl history | head -1", "skyctl status --watch 0.1 | head -3", "skyctl frobnicate; true"):
        _, out, err = places.ask(standby, "bash", "-c", command)
        assert "Traceback" not in out + err, command

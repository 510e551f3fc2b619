# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Paused: nothing automatic happens on either node, whatever is restarted; and everybody is told."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.lab import faults, lab

CHECK = "/usr/local/nagios/libexec/check_skyha_armed"


FETCH = "import sys, urllib.request as u; print(u.urlopen('http://127.0.0.1:8008/' + sys.argv[1]).read().decode())"


@pytest.fixture(autouse=True)
def resumed() -> Iterator[None]:
    """No pause is left behind, whatever failed."""
    yield
    faults.heal()
    for node in lab.NODES:
        if is_paused(node):
            lab.on(node, "skyctl", "resume", check=False)


def is_paused(node: str) -> bool:
    return bool((lab.status(node).get("paused") or {}).get("on"))


def test_pause_survives_restarts_and_a_reboot_and_is_shown_everywhere(primary: str, standby: str) -> None:
    lab.on(standby, "skyctl", "pause", "--for", "30m")
    lab.wait_for("the pause on both nodes", lambda: all(map(is_paused, lab.NODES)), 30)
    for node in lab.NODES:
        lab.on(node, "systemctl", "restart", "skyha")
    lab.lab("power", standby, "off")
    lab.lab("power", standby, "on")
    lab.wait_for("skyha's word", lambda: lab.status(standby).get("alarms", {}).get("paused"), 90)
    assert all(map(is_paused, lab.NODES))
    assert 0 < lab.status(standby)["paused"]["left"] <= 1800
    # Nothing automatic: a postmaster that dies stays down, and nobody takes over.
    faults.postmaster_killed(primary)
    time.sleep(12)
    assert not any(map(lab.is_writable, lab.NODES))
    said = lab.on(primary, "skyctl", "status", check=False)
    assert "paused" in said
    assert "left" in said
    assert "paused" in lab.on(standby, CHECK, check=False)
    for page, word in (("", "paused"), ("metrics", r"(?m)^skyha_paused(\{.*\})? 1$")):
        assert re.search(word, lab.on(primary, "python3", "-c", FETCH, page))
    # Given where PostgreSQL is down, the order counts there at once, and the other node learns of it from the database.
    lab.on(primary, "skyctl", "resume")
    lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)
    assert lab.primary() == primary
    assert not any(map(is_paused, lab.NODES))


@pytest.mark.parametrize("obstacle", ["paused", "replay paused", "skyha stopped"])
def test_switchover_is_refused_with_the_reason(primary: str, standby: str, obstacle: str) -> None:
    do, undo, word = {
        "paused": (
            lambda: lab.on(primary, "skyctl", "pause"),
            lambda: lab.on(primary, "skyctl", "resume"),
            "paused",
        ),
        "replay paused": (
            lambda: lab.sql(standby, "SELECT pg_wal_replay_pause()"),
            lambda: lab.sql(standby, "SELECT pg_wal_replay_resume()"),
            "replay is paused",
        ),
        "skyha stopped": (
            lambda: lab.on(standby, "systemctl", "stop", "skyha"),
            lambda: lab.on(standby, "systemctl", "start", "skyha"),
            "does not answer",
        ),
    }[obstacle]
    do()
    try:
        lab.wait_for("the reason", lambda: word in refusal(primary), 30)
        assert lab.is_writable(primary)
        assert lab.holds_vip(primary)
    finally:
        undo()
    assert f"on {primary}" in refusal(standby), "asked of the standby it says where to run it"


def refusal(node: str) -> str:
    """What skyctl says to a switchover that is refused; RuntimeError where it is not."""
    code = "skyctl switchover 2>&1; test $? = 1"
    return " ".join(lab.on(node, "sh", "-c", code).split())

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One power loss of the primary, seen in every place, told by the history, and warned of until it is acknowledged."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.lab import faults, lab, places, prometheus, watch
from tests.seeing.conftest import acknowledge

LIMIT = 10.0  # seconds
RECENT = "20s"  # Prometheus is asked what it noted within: the old primary is back so soon that 'now' can be too late


@dataclass
class Night:
    """What happened: who died, who took over, and after how many seconds each place showed it."""

    old: str
    new: str
    seen: dict[str, float]
    load: float


def limit(load: float) -> float:
    """10 s on a machine that has time; what runs beside the lab makes everything in it slower."""
    return LIMIT * max(1.0, load / (os.cpu_count() or 1))


def looks(old: str, new: str, scraper: prometheus.Scraper, since: float) -> dict[str, Callable[[], bool]]:
    """By place: does it show that the primary is gone? `since`: monotonic; older events do not count."""
    return {
        "Nagios": lambda: places.services()[f"{old}/PostgreSQL port"] == places.RED,
        "/metrics": lambda: (
            (found := places.metrics(new))["skyha_trouble"] + found["skyha_failover_unacknowledged"] > 0
        ),
        "Prometheus": lambda: (
            scraper.by_node(f"min_over_time(up[{RECENT}])")[old] == 0 and "SkyhaDown" in scraper.alerts(RECENT)
        ),
        "status page": lambda: "All is well" not in places.http(new, "/")[1],
        "skyctl status": lambda: places.skyctl(new, "status")[0] == 4,
        "history": lambda: any(
            event["kind"] == "fencing" and event["monotonic"] > since for event in watch.history(new)
        ),
        "journal": lambda: any(
            event["SKYHA_KIND"] == "fencing" and int(event["__MONOTONIC_TIMESTAMP"]) / 1e6 > since
            for event in places.journal(new)
        ),
    }


def nobody_shows_any(asked: dict[str, Callable[[], bool]]) -> bool:
    """No place shows a fault; AssertionError names those that do."""
    showing = [name for name, look in asked.items() if look()]
    assert not showing, f"these show a fault before there is one: {showing}"
    return True


@pytest.fixture(scope="module")
def night(primary: str, standby: str, scraper: prometheus.Scraper) -> Night:
    """Cut the primary's power and look everywhere at the same time."""
    lab.wait_for("Nagios' page is green", places.is_all_green, 120, every=1)
    asked = looks(primary, standby, scraper, time.monotonic())
    lab.wait_for("calm in every place", lambda: nobody_shows_any(asked), 120, every=1)
    seen: dict[str, float] = {}

    def watch_place(name: str, look: Callable[[], bool]) -> None:
        try:
            lab.wait_for(f"{name} shows the power loss", look, 60, every=0.25)
            seen[name] = round(time.monotonic() - began, 2)
        except Exception as error:
            failed.append(f"{name}: {error}")

    failed: list[str] = []
    threads = [threading.Thread(target=watch_place, args=item, daemon=True) for item in asked.items()]
    began = time.monotonic()
    faults.power_loss(primary)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert not failed, failed
    print(f"\nseconds until each place showed the power loss: {seen}")
    return Night(primary, standby, seen, os.getloadavg()[0])


def test_every_place_shows_it_within_ten_seconds(night: Night) -> None:
    late = {name: seconds for name, seconds in night.seen.items() if seconds > limit(night.load)}
    assert not late, (late, night.load)
    assert len(night.seen) == 7


def test_history_explains_it(night: Night) -> None:
    lab.wait_for("the new primary", lambda: lab.holds_vip(night.new) and lab.is_writable(night.new), 60)
    lab.wait_for("the story's end", lambda: "done" in places.skyctl(night.new, "history", "1")[1].split("\n")[0], 20)
    code, text = places.skyctl(night.new, "history", "1")
    assert code == 0
    # Cause, evidence, proof, result and how long each phase took.
    for word in (
        "trouble",
        "vip",
        "vote",
        "fencing",
        "fenced",
        f"{night.old} is off",
        "promoted",
        "vip_taken",
        "detect",
        "all",
    ):
        assert word in text, (word, text)
    assert max(len(line) for line in text.splitlines()) <= 80
    story = json.loads(places.skyctl(night.new, "history", "1", "--json")[1])
    assert (story["kind"], story["result"]) == ("failover", "done")
    assert set(story["phases"]) == {"detect", "fence", "promote", "vip"}
    assert story["seconds"] == pytest.approx(sum(story["phases"].values()), abs=0.01)


def test_journal_and_history_tell_the_same(night: Night) -> None:
    def told() -> bool:
        file = [(event["kind"], event["level"], event["text"]) for event in watch.history(night.new)][-8:]
        fields = [(event["SKYHA_KIND"], event["SKYHA_LEVEL"], event["MESSAGE"]) for event in places.journal(night.new)]
        return file == fields[-8:]

    lab.wait_for("the same last events", told, 20, every=1)
    fenced = [event for event in places.journal(night.new) if event["SKYHA_KIND"] == "promoted"][-1]
    assert fenced["_SYSTEMD_UNIT"] == "skyha.service"
    assert isinstance(json.loads(fenced["SKYHA_FACTS"]), dict)


def test_warning_stays_until_it_is_acknowledged(night: Night) -> None:
    faults.make_whole()
    lab.on(night.new, "systemctl", "restart", "skyha")

    def asked() -> tuple[int, str]:
        return places.nrpe(night.new, "check_sky_pg_clusterd")

    lab.wait_for("only the warning is left", lambda: asked()[0] == places.WARNING, 60, every=1)
    line = asked()[1]
    assert "a failover took place at 20" in line
    assert "skyctl acknowledge" in line
    name = f"{night.new}/skyha alive"
    lab.wait_for("Nagios shows the warning", lambda: places.services()[name] == places.YELLOW, 30, every=1)
    assert "a failover took place" in places.skyctl(night.new, "status")[1]
    assert "was not acknowledged" in places.http(night.new, "/")[1]
    assert places.metrics(night.new)["skyha_failover_unacknowledged"] == 1
    acknowledge()
    lab.wait_for("Nagios' page is green again", places.is_all_green, 120, every=1)
    assert places.metrics(night.new)["skyha_failover_unacknowledged"] == 0
    assert places.skyctl(night.new, "status")[0] == 0


def test_history_survives_a_restart(night: Night) -> None:
    before = places.skyctl(night.new, "history", "1")
    lab.on(night.new, "systemctl", "restart", "skyha")
    assert places.skyctl(night.new, "history", "1") == before
    last = lab.wait_for("a running skyha", lambda: lab.status(night.new)["failover"]["last"], 60)
    assert set(last["phases"]) == {"detect", "fence", "promote", "vip"}

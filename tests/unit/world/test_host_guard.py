# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The watchdog in skyha's hands, against the lab's device: a file that answers the kernel's own calls, and bites."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Food, Guard
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world import guard as module
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.guard import HostGuard
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.watchdog import (
    Device,
    Trouble,
    Watchdog,
    WatchdogError,
)
from lab_watchdog import LabWatchdog, served

FAR = 1e9
PAST = 0.0
FED = Guard(True, "", "sky-lab watchdog", False)


class Counting(Watchdog):
    """Counts what is tried."""

    opened = fed = rested = 0

    def open(self, timeout: int) -> Device:
        """See Watchdog."""
        type(self).opened += 1
        return super().open(timeout)

    def feed(self, not_after: float) -> bool:
        """See Watchdog."""
        type(self).fed += 1
        return super().feed(not_after)

    def rest(self) -> bool:
        """See Watchdog."""
        type(self).rested += 1
        return super().rest()


@pytest.fixture
def lab(open_directory: Path) -> Iterator[LabWatchdog]:
    with served(open_directory) as device:
        yield device


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., HostGuard]]:
    """Makes a guard that is in a hurry, and ends it afterwards."""
    monkeypatch.setattr(module, "OPEN_EVERY", 0.1)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.1)
    made = []

    def make(lab: LabWatchdog, timeout: int, deadline: float = 5.0, kind: type[Watchdog] = Watchdog) -> HostGuard:
        made.append(HostGuard(kind(lab.path, deadline, lab.classes), timeout))
        return made[-1]

    yield make
    for guard in made:
        guard.close()


def until(holds: Callable[[], bool], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def log(lab: LabWatchdog) -> list[str]:
    return lab.log() if (lab.folder / "log").exists() else []


def bites_at(lab: LabWatchdog) -> float | None:
    """When the device will bite, if it is not fed until then; None: it rests."""
    deadline: float | None = json.loads((lab.folder / "state").read_text())["deadline"]
    return deadline


def is_fed_on(lab: LabWatchdog) -> bool:
    """Within three pauses?"""
    before = bites_at(lab)
    time.sleep(0.3)
    return bites_at(lab) != before


def test_one_word_feeds_it_for_as_long_as_it_says(lab: LabWatchdog, guarded: Callable[..., HostGuard]) -> None:
    guard = guarded(lab, 1)
    assert guard.told() == Guard()
    over_at = time.monotonic() + 1.3
    guard.feed(Food(over_at))
    until(lambda: guard.told() == FED)
    assert log(lab) == ["opened", "timeout 1 s"]
    until(lambda: time.monotonic() > over_at)
    assert not guard.told().fed
    assert lab.has_bitten(within=10.0)
    assert over_at + 0.5 < time.monotonic() < over_at + 5.0
    assert guard.told().problem == ""


def test_where_its_time_is_past_it_is_neither_opened_nor_fed(
    lab: LabWatchdog, guarded: Callable[..., HostGuard]
) -> None:
    guard = guarded(lab, 60)
    guard.feed(Food(PAST))
    time.sleep(0.3)
    assert log(lab) == []
    guard.feed(Food(FAR))
    until(lambda: guard.told().fed)
    guard.feed(Food(time.monotonic()))
    assert guard.told() == replace(FED, fed=False)
    time.sleep(0.2)  # a feeding may be under way
    assert not is_fed_on(lab)
    assert bites_at(lab) is not None


def test_fed_again_before_it_bites_is_told_as_fed_only_once_it_is(
    lab: LabWatchdog, guarded: Callable[..., HostGuard]
) -> None:
    guard = guarded(lab, 60)
    guard.feed(Food(FAR))
    until(lambda: guard.told().fed)
    lab.fault("stuck")
    guard.feed(Food(PAST))
    guard.feed(Food(FAR))
    assert not guard.told().fed
    lab.heal("stuck")
    until(lambda: guard.told().fed)


def test_put_to_rest_it_does_not_bite_and_can_be_started_again(
    lab: LabWatchdog, guarded: Callable[..., HostGuard]
) -> None:
    guard = guarded(lab, 60)
    guard.feed(Food(FAR))
    until(lambda: guard.told().fed)
    guard.rest()
    assert log(lab)[-1] == "put to rest"
    assert guard.told() == replace(FED, fed=False)
    time.sleep(0.3)
    assert log(lab)[-1] == "put to rest", "nobody has opened it since"
    assert bites_at(lab) is None
    guard.feed(Food(FAR))
    until(lambda: guard.told().fed)
    assert log(lab)[-2:] == ["opened", "timeout 60 s"]


def test_what_another_process_has_started_is_left_alone(
    lab: LabWatchdog, guarded: Callable[..., HostGuard], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.close(os.open(lab.path, os.O_WRONLY))
    until(lambda: log(lab) == ["opened", "closed, and runs on"])
    monkeypatch.setattr(Counting, "rested", 0)
    guard = guarded(lab, 1, kind=Counting)
    guard.rest()
    time.sleep(0.2)
    assert Counting.rested == 0
    assert log(lab) == ["opened", "closed, and runs on"]


def test_closed_it_is_left_as_it_is_and_would_bite(lab: LabWatchdog, guarded: Callable[..., HostGuard]) -> None:
    guard = guarded(lab, 60)
    guard.feed(Food(FAR))
    until(lambda: guard.told().fed)
    guard.close()
    assert not guard._thread.is_alive()
    assert not is_fed_on(lab)
    assert bites_at(lab) is not None


# --- what cannot be leant on -------------------------------------------------------------------------------------


def test_one_that_can_never_rest_is_not_opened(lab: LabWatchdog, guarded: Callable[..., HostGuard]) -> None:
    lab.fault("nowayout")
    guard = guarded(lab, 1)
    guard.feed(Food(FAR))
    until(lambda: "nowayout" in guard.told().problem)
    assert not guard.told().fed
    assert not lab.has_bitten(within=0.3)
    assert log(lab) == []
    guard.rest()
    assert guard.told() == Guard()
    lab.heal("nowayout")
    (lab.folder / "class/watchdog0/nowayout").write_text("0\n")
    guard.feed(Food(FAR))
    until(lambda: guard.told() == FED)


def test_one_that_bites_too_late_is_put_to_rest_and_left_alone(
    lab: LabWatchdog, guarded: Callable[..., HostGuard]
) -> None:
    lab.fault("coarse", "30")
    guard = guarded(lab, 1)
    guard.feed(Food(FAR))
    until(lambda: log(lab)[-1:] == ["put to rest"])
    until(lambda: "bites after 30 s, not after 1 s" in guard.told().problem)
    assert not guard.told().fed
    time.sleep(0.2)
    guard.feed(Food(PAST))
    guard.feed(Food(FAR))
    time.sleep(0.2)  # it would be tried again
    assert log(lab) == ["opened", "timeout 30 s", "put to rest"]
    assert "bites after 30 s" in guard.told().problem
    lab.heal("coarse")
    guard.rest()
    assert guard.told().problem == "", "nothing is asked of it"
    guard.feed(Food(FAR))
    until(lambda: guard.told() == FED)


class Stubborn(Watchdog):
    """It says that it runs on."""

    def rest(self) -> bool:
        """See Watchdog."""
        super().rest()
        return False


def test_one_that_bites_too_late_and_does_not_rest_is_kept_from_biting(
    lab: LabWatchdog, guarded: Callable[..., HostGuard]
) -> None:
    lab.fault("coarse", "30")
    guard = guarded(lab, 1, kind=Stubborn)
    guard.feed(Food(FAR))
    until(lambda: log(lab).count("opened") >= 2)
    until(lambda: "it runs on" in guard.told().problem)
    assert not guard.told().fed


class WithoutMagicClose(Watchdog):
    """As some drivers are."""

    def open(self, timeout: int) -> Device:
        """See Watchdog."""
        return replace(super().open(timeout), magic_close=False)


def test_one_without_magic_close_is_fed_but_not_leant_on(lab: LabWatchdog, guarded: Callable[..., HostGuard]) -> None:
    guard = guarded(lab, 60, kind=WithoutMagicClose)
    guard.feed(Food(FAR))
    until(lambda: "no magic close" in guard.told().problem)
    assert is_fed_on(lab)
    assert not guard.told().fed
    assert "no magic close" in guard.told().problem
    guard.rest()
    assert log(lab)[-1] == "put to rest"
    assert guard.told().problem == ""


# --- drivers that fail, and that hang ----------------------------------------------------------------------------


def test_one_that_somebody_else_has_is_used_once_it_is_free(
    lab: LabWatchdog, guarded: Callable[..., HostGuard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counting, "opened", 0)
    fd = os.open(lab.path, os.O_WRONLY)
    guard = guarded(lab, 1, kind=Counting)
    guard.feed(Food(FAR))
    until(lambda: "somebody else holds it" in guard.told().problem)
    assert not guard.told().fed
    os.write(fd, b"V")
    os.close(fd)
    until(lambda: guard.told() == FED)
    assert Counting.opened >= 2


def test_it_is_opened_no_more_than_once_in_a_while(
    lab: LabWatchdog, guarded: Callable[..., HostGuard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counting, "opened", 0)
    guard = guarded(replace_path(lab, "nowhere"), 1, kind=Counting)
    monkeypatch.setattr(module, "OPEN_EVERY", 60.0)
    guard.feed(Food(FAR))
    until(lambda: "No such file" in guard.told().problem)
    for _ in range(4):
        guard.rest()
        assert guard.told().problem == ""
        guard.feed(Food(FAR))
        time.sleep(0.05)
    assert Counting.opened == 1


def replace_path(lab: LabWatchdog, name: str) -> LabWatchdog:
    other = LabWatchdog(lab.folder)
    other.path = str(lab.folder / name)
    return other


def test_it_is_fed_eight_times_within_its_timeout(
    lab: LabWatchdog, guarded: Callable[..., HostGuard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counting, "fed", 0)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 60.0)
    guard = guarded(lab, 1, kind=Counting)
    guard.feed(Food(FAR))
    until(lambda: guard.told().fed)
    before, began = Counting.fed, time.monotonic()
    until(lambda: Counting.fed == before + 4)
    assert 0.35 < time.monotonic() - began < 1.5


def test_driver_that_hangs_is_a_problem_until_it_is_back(lab: LabWatchdog, guarded: Callable[..., HostGuard]) -> None:
    guard = guarded(lab, 60, deadline=0.5)
    guard.feed(Food(FAR))
    until(lambda: guard.told().fed)
    lab.fault("stuck")
    until(lambda: "does not come back" in guard.told().problem)
    began = time.monotonic()
    assert not guard.told().fed
    guard.feed(Food(FAR))
    assert time.monotonic() - began < 0.4, "it waits for no driver"
    lab.heal("stuck")
    until(lambda: guard.told() == FED)


def test_rest_of_one_that_hangs_is_told_and_done_when_it_is_back(
    lab: LabWatchdog, guarded: Callable[..., HostGuard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST_TAKES", 0.2)
    guard = guarded(lab, 60, deadline=0.5)
    guard.feed(Food(FAR))
    until(lambda: guard.told().fed)
    lab.fault("stuck")
    began = time.monotonic()
    guard.rest()
    assert 0.2 <= time.monotonic() - began < 5.0
    assert guard.told().problem != ""
    monkeypatch.setattr(module, "REST_TAKES", 60.0)
    guard.rest()
    assert time.monotonic() - began < 10.0, "the second one does not wait again"
    until(lambda: "could not be put to rest" in guard.told().problem)
    monkeypatch.setattr(module, "REST_TAKES", 1.0)
    lab.heal("stuck")
    until(lambda: log(lab)[-1] == "put to rest")
    until(lambda: guard.told() == replace(FED, fed=False))


def test_fed_on_though_its_rest_still_hangs_it_is_opened_again(
    lab: LabWatchdog, guarded: Callable[..., HostGuard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST_TAKES", 0.2)
    guard = guarded(lab, 60, deadline=0.3)
    guard.feed(Food(FAR))
    until(lambda: guard.told().fed)
    lab.fault("stuck")
    guard.rest()
    until(lambda: "could not be put to rest" in guard.told().problem)
    guard.feed(Food(FAR))
    lab.heal("stuck")
    until(lambda: guard.told() == FED)
    assert log(lab)[-3:] == ["put to rest", "opened", "timeout 60 s"]


def test_opening_that_comes_back_late_is_put_to_rest(lab: LabWatchdog, guarded: Callable[..., HostGuard]) -> None:
    lab.fault("stuck")
    guard = guarded(lab, 60, deadline=0.2)
    guard.feed(Food(FAR))
    until(lambda: "could not be opened" in guard.told().problem)
    assert not guard.told().fed
    resting = threading.Thread(target=guard.rest)
    resting.start()
    lab.heal("stuck")
    resting.join(10.0)
    until(lambda: log(lab)[-1:] == ["put to rest"])
    until(lambda: guard.told().problem == "")


class Late(Watchdog):
    """Each feeding is over too late."""

    def feed(self, not_after: float) -> bool:
        """See Watchdog."""
        super().feed(not_after)
        return False


def test_fed_too_late_is_not_fed(lab: LabWatchdog, guarded: Callable[..., HostGuard]) -> None:
    guard = guarded(lab, 60, kind=Late)
    guard.feed(Food(FAR))
    until(lambda: guard.told().name != "")
    assert not lab.has_bitten(within=0.3)
    assert not guard.told().fed


class Broken(Watchdog):
    """It cannot be put to rest, and is closed thereby."""

    def rest(self) -> bool:
        """See Watchdog."""
        os.close(self._fd)
        self._fd = -1
        raise WatchdogError(Trouble.BROKEN, "the watchdog could not be put to rest: broken")


def test_rest_that_fails_is_told_and_feeding_goes_on_where_it_is_asked_for(
    lab: LabWatchdog, guarded: Callable[..., HostGuard]
) -> None:
    guard = guarded(lab, 1, kind=Broken)
    guard.feed(Food(FAR))
    until(lambda: guard.told().fed)
    guard.rest()
    assert guard.told() == replace(FED, fed=False, problem="the watchdog could not be put to rest: broken")
    guard.feed(Food(FAR))
    until(lambda: guard.told() == FED)


def test_a_promise_feeds_it_beyond_what_the_loop_said_last(lab: LabWatchdog) -> None:
    """A loop that waits for a slow disk costs nothing while the peer promises."""
    promise = [time.monotonic()]
    guard = HostGuard(Watchdog(lab.path, 5.0, lab.classes), 1, lambda: promise[0])
    try:
        guard.feed(Food(time.monotonic() + 0.3, 0.5))
        until(lambda: guard.told().fed)
        over_at = time.monotonic() + 1.5
        while time.monotonic() < over_at:
            promise[0] = time.monotonic()
            time.sleep(0.02)
        assert guard.told().fed
        assert not lab.has_bitten()
        guard.feed(Food(PAST))
        assert not guard.told().fed, "it holds only where the loop says so"
    finally:
        guard.close()

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The watchdog, against the lab's device: a file that answers the kernel's own calls, and bites."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.watchdog import (
    Device,
    Trouble,
    Watchdog,
    WatchdogError,
)
from lab_watchdog import LabWatchdog, served
from rights import NOBODY, rights_of_nobody

FAR = 1e9


@pytest.fixture
def lab(open_directory: Path) -> Iterator[LabWatchdog]:
    with served(open_directory) as device:
        yield device


def client(lab: LabWatchdog, deadline: float = 5.0) -> Watchdog:
    return Watchdog(lab.path, deadline, lab.classes)


def trouble(error: pytest.ExceptionInfo[WatchdogError]) -> Trouble:
    return error.value.trouble


def test_open_device_says_what_it_is(lab: LabWatchdog) -> None:
    assert client(lab).open(7) == Device(lab.path, "sky-lab watchdog", 7, False, True, False, False)


def test_fed_it_does_not_bite_and_unfed_it_does(lab: LabWatchdog) -> None:
    watchdog = client(lab)
    watchdog.open(2)
    for _ in range(25):
        fed_at = time.monotonic()
        assert watchdog.feed(FAR)
        time.sleep(0.1)
    assert not lab.has_bitten()
    assert lab.has_bitten(within=10.0)
    assert time.monotonic() - fed_at > 1.95


def test_resting_it_does_not_bite(lab: LabWatchdog) -> None:
    watchdog = client(lab)
    watchdog.open(1)
    assert watchdog.rest()
    assert not lab.has_bitten(within=1.5)
    assert watchdog.rest(), "what rests can be put to rest"
    assert watchdog.open(1).timeout == 1, "and be opened again"
    assert watchdog.rest()


def test_closed_without_a_word_it_bites(lab: LabWatchdog) -> None:
    """As when skyhad is killed."""
    fd = os.open(lab.path, os.O_WRONLY)
    os.close(fd)
    watchdog = client(lab)
    watchdog.open(1)
    os.close(watchdog._fd)
    assert lab.has_bitten(within=10.0)
    assert lab.log()[-2:] == ["closed, and runs on", "bites: not fed for 1 s"]


def test_too_late_it_is_not_fed(lab: LabWatchdog) -> None:
    watchdog = client(lab)
    watchdog.open(1)
    until = time.monotonic() + 0.5
    while watchdog.feed(until):
        time.sleep(0.02)
    assert time.monotonic() >= until
    assert lab.has_bitten(within=10.0)


def test_feeding_that_took_until_it_was_too_late_is_told(lab: LabWatchdog) -> None:
    watchdog = client(lab)
    watchdog.open(30)
    write = os.write

    def frozen(fd: int, data: bytes) -> int:
        time.sleep(0.3)
        return write(fd, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", frozen)
        assert not watchdog.feed(time.monotonic() + 0.1)


def test_nowayout_is_known_before_it_is_opened_and_rest_says_that_it_runs_on(lab: LabWatchdog) -> None:
    lab.fault("nowayout")
    watchdog = client(lab)
    assert watchdog.nowayout() is True
    assert watchdog.open(1).nowayout is True
    assert watchdog.rest() is False
    assert lab.has_bitten(within=10.0)


def test_kernel_that_shows_nothing_leaves_nowayout_unknown(lab: LabWatchdog, tmp_path: Path) -> None:
    watchdog = Watchdog(lab.path, 5.0, str(tmp_path))
    assert watchdog.nowayout() is None
    assert watchdog.open(5).nowayout is None
    assert watchdog.rest() is True


def test_timeout_that_the_driver_rounds_up_is_read_back(lab: LabWatchdog) -> None:
    lab.fault("coarse", "30")
    assert client(lab).open(7).timeout == 30


def test_timeout_that_the_driver_does_not_take_leaves_its_own(lab: LabWatchdog) -> None:
    assert client(lab).open(100_000).timeout == 60


def test_next_start_of_the_host_knows_that_it_was_bitten(lab: LabWatchdog) -> None:
    client(lab).open(1)
    assert lab.has_bitten(within=10.0)
    lab.restart_host()
    assert client(lab).open(60).has_bitten is True


def test_host_that_is_off_is_not_bitten(lab: LabWatchdog) -> None:
    client(lab).open(1)
    lab.restart_host()
    assert not lab.has_bitten(within=1.5)


def test_held_by_somebody_else(lab: LabWatchdog) -> None:
    client(lab).open(60)
    with pytest.raises(WatchdogError, match="RuntimeWatchdogSec") as error:
        client(lab).open(60)
    assert trouble(error) is Trouble.BUSY


def test_no_such_device(tmp_path: Path) -> None:
    with pytest.raises(WatchdogError, match="could not be opened: No such file") as error:
        Watchdog(str(tmp_path / "watchdog0")).open(5)
    assert trouble(error) is Trouble.ABSENT


def test_what_is_no_watchdog(tmp_path: Path) -> None:
    (tmp_path / "watchdog0").touch()
    with pytest.raises(WatchdogError, match="Inappropriate ioctl") as error:
        Watchdog(str(tmp_path / "watchdog0")).open(5)
    assert trouble(error) is Trouble.BROKEN


def test_unopened_is_not_fed(lab: LabWatchdog) -> None:
    with pytest.raises(WatchdogError, match="could not be fed") as error:
        client(lab).feed(FAR)
    assert trouble(error) is Trouble.BROKEN


def test_driver_that_hangs_costs_no_more_than_the_deadline(lab: LabWatchdog) -> None:
    watchdog = client(lab, deadline=0.3)
    watchdog.open(60)
    lab.fault("stuck")
    for _ in range(2):  # the second finds the first still out, and adds nothing to it
        began = time.monotonic()
        with pytest.raises(WatchdogError, match="does not come back within") as error:
            watchdog.feed(FAR)
        assert trouble(error) is Trouble.STUCK
        assert time.monotonic() - began < 2.0
    lab.heal("stuck")
    time.sleep(0.5)
    assert watchdog.feed(FAR), "it serves again when it is back"
    assert watchdog.rest()


def test_open_that_comes_back_late_can_be_put_to_rest(lab: LabWatchdog) -> None:
    lab.fault("stuck")
    watchdog = client(lab, deadline=0.3)
    with pytest.raises(WatchdogError) as error:
        watchdog.open(60)
    assert trouble(error) is Trouble.STUCK
    lab.heal("stuck")
    time.sleep(0.5)
    assert watchdog.open(5).timeout == 5, "no 'busy' by ourselves"
    assert watchdog.rest()
    assert lab.log()[-1] == "put to rest"


def test_device_of_another_user(lab: LabWatchdog) -> None:
    with rights_of_nobody(), pytest.raises(WatchdogError, match="Permission denied; skyha") as error:
        client(lab).open(5)
    assert trouble(error) is Trouble.DENIED


def test_device_that_was_given_to_the_user(lab: LabWatchdog) -> None:
    os.chown(lab.path, NOBODY, -1)
    with rights_of_nobody():
        assert client(lab).open(5).timeout == 5

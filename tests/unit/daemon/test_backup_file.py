# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyha reads the report of the backups: whole, of now, without waiting; and it raises its alarms beside the decision, not in it."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.backup_report import Told
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.sources import View
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.table import table
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.text import Paint
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.backups import BackupFile
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.daemon import Daemon
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.metrics import metrics
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.page import page
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import from_json, to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.status import as_text, is_well
from backup_samples import GOOD, HOUR, OF_NODE1, OF_NODE2, ONLY_DISK, WALL, as_json
from daemon_samples import PRIMARY, STANDBY, World
from node_samples import NODE1

NOW = 110.0  # the sample was written at 100


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def file(path: Path, text: str | bytes = as_json(GOOD)) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def told(path: str, config: Config = OF_NODE1, now: float = NOW) -> Told | None:
    return BackupFile(config, Clock(now), path).told()


def test_report_of_now_is_told_with_its_age(tmp_path: Path) -> None:
    assert told(file(tmp_path / "r")) == Told(GOOD, 10.0, "")


def test_report_that_is_too_old_says_so_and_is_still_shown(tmp_path: Path) -> None:
    found = told(file(tmp_path / "r"), now=300.0)
    assert found is not None
    assert found.report == GOOD
    assert found.problem.startswith("the report of the backups is 200 s old")
    assert "sky-backup-report.timer" in found.problem


def test_report_of_the_boot_before_says_nothing(tmp_path: Path) -> None:
    found = told(file(tmp_path / "r"), now=50.0)
    assert found is not None
    assert "before the last boot" in found.problem


def test_first_report_is_waited_for_and_then_missed(tmp_path: Path) -> None:
    clock = Clock()
    reader = BackupFile(OF_NODE1, clock, str(tmp_path / "none"))
    assert reader.told() == Told()
    clock.now += 181.0
    missed = reader.told()
    assert missed is not None
    assert missed.problem.startswith("there is no report of the backups")


def test_without_backups_no_report_is_asked_for_but_one_that_is_there_counts(tmp_path: Path) -> None:
    clock = Clock()
    reader = BackupFile(NODE1, clock, str(tmp_path / "r"))
    clock.now += 9999.0
    assert reader.told() is None
    clock.now = NOW
    assert told(file(tmp_path / "r", as_json(ONLY_DISK)), NODE1) == Told(ONLY_DISK, 10.0)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        as_json(GOOD)[:400],
        b"\xff\xfe",
        b"[" * 50_000,
        b" " * 70_000,
        '{"format": 2}',
        "{}",
        json.dumps({**dataclasses.asdict(GOOD), "wal_disk": 3}),
        json.dumps({**dataclasses.asdict(GOOD), "written_monotonic": float("inf")}),
    ],
)
def test_what_is_no_report_is_a_problem_with_the_next_step(tmp_path: Path, text: str | bytes) -> None:
    found = told(file(tmp_path / "r", text))
    assert found is not None
    assert found.report is None
    assert "journalctl -u sky-backup-report" in found.problem


def test_pipe_in_its_place_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "r")
    began = time.monotonic()
    found = told(str(tmp_path / "r"))
    assert time.monotonic() - began < 1.0
    assert found is not None
    assert "no plain file" in found.problem


def test_file_is_read_again_after_a_while_only(tmp_path: Path) -> None:
    clock = Clock()
    reader = BackupFile(OF_NODE1, clock, file(tmp_path / "r"))
    assert reader.told() == Told(GOOD, 10.0)
    (tmp_path / "r").unlink()
    clock.now += 4.0
    assert reader.told() == Told(GOOD, 14.0)
    clock.now += 2.0
    assert reader.told() == Told()


class Reader:
    """Tells what a test says."""

    def __init__(self, of: Told | None) -> None:
        self.of = of

    def told(self) -> Told | None:
        return self.of


def world(of: Told | None, standby: bool = False) -> World:
    made = World(STANDBY if standby else PRIMARY, "/n", OF_NODE2 if standby else OF_NODE1)
    made.ports = dataclasses.replace(made.ports, backups=Reader(of))
    made.daemon = Daemon(made.config, made.ports)
    return made


# The fakes' clock is years before the sample's.
def at(of: Told, wall: float) -> Told:
    assert of.report is not None
    assert of.report.repository is not None
    assert of.report.repository.newest is not None
    assert of.report.archiver is not None
    shift = wall - WALL
    repository = dataclasses.replace(
        of.report.repository,
        newest=dataclasses.replace(of.report.repository.newest, stop=of.report.repository.newest.stop + shift),
        oldest_stop=(of.report.repository.oldest_stop or 0.0) + shift,
        verified_at=(of.report.repository.verified_at or 0.0) + shift,
    )
    done = of.report.archiver.done
    archiver = dataclasses.replace(
        of.report.archiver, done=dataclasses.replace(done, at=None if done.at is None else done.at + shift)
    )
    return dataclasses.replace(of, report=dataclasses.replace(of.report, repository=repository, archiver=archiver))


GOOD_NOW = at(Told(GOOD, 10.0), 1_700_000_100.0)
LATE = Told(GOOD, 999.0, "the report of the backups is 999 s old")


def test_alarm_of_the_backups_is_told_once_and_makes_the_node_not_well() -> None:
    one = world(LATE)
    one.turn(5)
    assert one.daemon.status.verdict.alarms["backup_report"] == LATE.problem
    assert not is_well(one.daemon.status)
    told = [event for event in one.history.events if event.facts.get("code") == "backup_report"]
    assert len(told) == 1


def test_alarm_of_the_backups_changes_nothing_of_the_decision() -> None:
    for standby in (False, True):
        with_alarm, without = world(LATE, standby), world(None, standby)
        with_alarm.turn(10)
        without.turn(10)
        seen = [one.daemon.loop for one in (with_alarm, without)]
        assert seen[0].memory == seen[1].memory
        decisions = [loop.decision for loop in seen]
        assert all(decision is not None for decision in decisions)
        alarms = [set(decision.alarms) for decision in decisions if decision is not None]
        assert alarms[0] - alarms[1] == {"backup_report"}
        same = [dataclasses.replace(decision, alarms={}) for decision in decisions if decision is not None]
        assert same[0] == same[1]
        assert with_alarm.hands.done == without.hands.done


def test_status_holds_it_and_is_read_back() -> None:
    one = world(GOOD_NOW)
    one.turn(3)
    assert not {code for code in one.daemon.status.verdict.alarms if code.startswith(("backup", "archive", "wal"))}
    assert from_json(json.loads(as_text(to_json(one.daemon.status)))) == one.daemon.status


def shown(one: World) -> str:
    return table(View(one.daemon.status), View(None, "silent"), Paint(False))


def row(text: str) -> str:
    return next((" ".join(line.split()[1:]) for line in text.splitlines() if line.startswith("backup ")), "")


def test_skyctl_status_and_the_page_show_one_row() -> None:
    one = world(GOOD_NOW)
    one.turn(3)
    assert row(shown(one)).startswith("diff 3 h, WAL ")
    assert row(shown(one)).endswith("tried 2 d")
    assert "tried 2 d</td>" in page(one.daemon.status, 0.5)


def test_standby_says_nothing_of_the_archive() -> None:
    assert GOOD_NOW.report is not None
    assert GOOD_NOW.report.archiver is not None
    archiver = dataclasses.replace(GOOD_NOW.report.archiver, in_recovery=True)
    of = dataclasses.replace(GOOD_NOW, report=dataclasses.replace(GOOD_NOW.report, archiver=archiver))
    one = world(of, standby=True)
    one.turn(3)
    assert row(shown(one)) == "diff 3 h, tried 2 d"


@pytest.mark.parametrize("of", [None, Told(ONLY_DISK, 1.0)])
def test_without_backups_there_is_no_row(of: Told | None) -> None:
    one = world(of)
    one.turn(3)
    assert row(shown(one)) == ""
    assert "Backup" not in page(one.daemon.status, 0.5)


@pytest.mark.parametrize("of", [Told(), LATE])
def test_what_is_not_known_is_shown_as_such(of: Told) -> None:
    one = world(of)
    one.turn(3)
    assert row(shown(one)) == "not known"


def samples(one: World) -> dict[str, float]:
    lines = [line.split() for line in metrics(one.daemon.status, 0.5).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines if name.startswith(("skyha_backup", "skyha_wal_disk"))}


def test_metrics_of_backups_in_good_order() -> None:
    one = world(GOOD_NOW)
    one.turn(1)
    found = samples(one)
    assert found.pop("skyha_backup_newest_age_seconds") == pytest.approx(3 * HOUR, abs=60)
    assert found.pop("skyha_backup_archive_age_seconds") == pytest.approx(20.0, abs=60)
    assert found.pop("skyha_backup_verified_age_seconds") == pytest.approx(48 * HOUR, abs=60)
    assert found.pop("skyha_backup_oldest_age_seconds") == pytest.approx(216 * HOUR, abs=60)
    assert found == {
        "skyha_backup_report_known": 1,
        "skyha_backup_report_age_seconds": 10,
        "skyha_backup_repository_up": 1,
        "skyha_backup_backups": 2,
        "skyha_backup_repository_bytes": 3621837,
        "skyha_backup_archive_waiting_files": 0,
        "skyha_backup_archive_waiting_seconds": 0,
        "skyha_backup_archive_failures_total": 0,
        "skyha_backup_spool_files": 0,
        "skyha_backup_spool_bytes": 0,
        "skyha_wal_disk_bytes": 1e11,
        "skyha_wal_disk_free_bytes": 6e10,
    }


def test_metrics_tell_nothing_that_is_not_of_now() -> None:
    one = world(LATE)
    one.turn(1)
    assert samples(one) == {"skyha_backup_report_known": 0, "skyha_backup_report_age_seconds": 999}
    one = world(None)
    one.turn(1)
    assert samples(one) == {}

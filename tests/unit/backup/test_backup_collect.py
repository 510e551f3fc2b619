# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report as a whole: of a real server and a real repository; and with parts that fail, or hang."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.backup import archiver, collect, disks, repository
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.backup_report import Check, Gap, Pushed, Report
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError
from backup_samples import GOOD, OF_NODE1, RealBackups
from node_samples import NODE1
from real_postgres import make_root


@pytest.fixture(scope="module")
def real() -> Iterator[RealBackups]:
    root = make_root()
    backups = None
    try:
        backups = RealBackups(root)
        yield backups
    finally:
        if backups is not None:
            backups.server.stop("immediate")
        shutil.rmtree(root, ignore_errors=True)


def made(config: object, directory: Path) -> Report:
    """One run of the program, and what stands in its file."""
    collect.collect(config, str(directory))  # type: ignore[arg-type]
    found = collect.previous(str(directory / "report.json"))
    assert found.written > 0
    return found


def test_a_real_repository_from_nothing_to_a_backup_that_was_tried(
    real: RealBackups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{real.path}:{os.environ['PATH']}")
    monkeypatch.setattr(disks.check, "__defaults__", (str(tmp_path / "check.json"),))
    report = made(real.config(), tmp_path)
    assert report.repository is not None
    assert report.archiver is not None
    assert report.repository.error == "repository 1: missing stanza path"
    assert (report.archiver.error, report.archiver.in_recovery, report.archiver.mode) == ("", False, "on")
    assert report.archiver.pushes

    real.run("stanza-create")
    report = made(real.config(), tmp_path)
    assert report.repository is not None
    assert (report.repository.error, report.repository.backups) == ("", 0)

    real.run("--type=full", "backup")
    real.server.sql("SELECT pg_switch_wal()")
    real.run("--type=incr", "backup")
    report = made(real.config(), tmp_path)
    assert report.repository is not None
    assert report.repository.newest is not None
    assert report.archiver is not None
    assert (report.repository.backups, report.repository.newest.kind) == (2, "incr")
    assert abs(time.time() - report.repository.newest.stop) < 60
    assert report.repository.verified_at is None
    assert report.archiver.done.count >= 3
    assert report.repository.wal_to >= report.archiver.done.wal[:24]
    assert report.spool is not None
    assert report.spool.files is not None

    real.run(f"--set={report.repository.newest.label}", "--annotation=sky-verified=2026-11-27T22:30:00Z", "annotate")
    report = made(real.config(), tmp_path)
    assert report.repository is not None
    assert report.repository.verified_at == 1795818600.0


def test_archiver_that_fails_is_seen_with_what_waits(
    real: RealBackups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real.server.sql("ALTER SYSTEM SET archive_command = 'false'")
    real.server.sql("SELECT pg_reload_conf()")
    try:
        real.server.sql("CREATE TABLE IF NOT EXISTS filler AS SELECT 1")
        real.server.sql("SELECT pg_switch_wal()")
        deadline = time.monotonic() + 20
        found = archiver.look(real.config())
        while found.failed.count == 0 and time.monotonic() < deadline:
            time.sleep(0.1)
            found = archiver.look(real.config())
        assert found.failed.count > 0
        assert len(found.failed.wal) == 24
        assert found.pushes is False
        assert found.waiting == 1
        assert found.waiting_for is not None
        assert 0 <= found.waiting_for < 30
    finally:
        real.server.sql("ALTER SYSTEM RESET archive_command")
        real.server.sql("SELECT pg_reload_conf()")


def test_server_that_is_down_spoils_its_part_only(tmp_path: Path) -> None:
    report = made(OF_NODE1, tmp_path)
    assert report.archiver is not None
    assert report.archiver.error.startswith("PostgreSQL here does not say it: ")
    assert "\n" not in report.archiver.error
    assert report.stanza == "sky"


def test_part_that_hangs_is_told_and_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room, name in ((disks, "wal_disk"), (disks, "spool"), (repository, "look"), (archiver, "look")):
        monkeypatch.setattr(room, name, lambda *_: time.sleep(30))
    monkeypatch.setattr(disks, "check", Check)
    monkeypatch.setattr(collect, "FIRST", 0.2)
    monkeypatch.setattr(collect, "WRITING", 0.2)
    began = time.monotonic()
    collect.collect(OF_NODE1, str(tmp_path), limit=1.0)
    assert time.monotonic() - began < 5
    report = collect.previous(str(tmp_path / "report.json"))
    parts = (report.wal_disk, report.spool, report.repository, report.archiver)
    assert [one.error for one in parts if one is not None] == ["it did not answer in time"] * 4
    assert report.check == Check()


def test_error_of_any_kind_in_one_part_is_told_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "spool", lambda _config: 1 // 0)
    report = made(OF_NODE1, tmp_path)
    assert report.spool is not None
    assert "ZeroDivisionError" in report.spool.error


def test_what_fails_keeps_what_was_known_and_says_for_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise WorldError("no route to host")

    monkeypatch.setattr(repository, "look", refuse)
    report = GOOD
    for at, lasts in ((160.0, 0.0), (220.0, 60.0), (290.0, 130.0)):
        report = collect.report(OF_NODE1, report, at, time.monotonic() + 5)
        assert report.repository is not None
        assert report.repository.error == "no route to host"
        assert report.repository.error_for == pytest.approx(lasts)
        assert GOOD.repository is not None
        assert report.repository.newest == GOOD.repository.newest
        report = Report(**{**vars(report), "written_monotonic": at})


def gaps(monkeypatch: pytest.MonkeyPatch, *steps: tuple[str, str, float]) -> list[Gap | None]:
    """What is told after each look: (archived, newest in the repository, end of the newest backup)."""
    assert GOOD.repository is not None
    assert GOOD.repository.newest is not None
    assert GOOD.archiver is not None
    found, report = [], GOOD
    for done, newest, stop in steps:
        backup = dataclasses.replace(GOOD.repository.newest, stop=stop)
        there = dataclasses.replace(GOOD.repository, wal_to=newest, newest=backup)
        here = dataclasses.replace(GOOD.archiver, done=Pushed(9, done, 1.0))
        monkeypatch.setattr(repository, "look", lambda *_, there=there: there)
        monkeypatch.setattr(archiver, "look", lambda *_, here=here: here)
        report = collect.report(OF_NODE1, report, time.monotonic(), time.monotonic() + 5)
        found.append(report.gap)
    return found


def test_wal_that_was_acknowledged_and_is_not_there_is_told_until_a_newer_backup(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    five, six, seven = (f"00000001000000000000000{number}" for number in (5, 6, 7))
    now = time.time()
    found = gaps(monkeypatch, (five, five, 1.0), (six, five, 1.0), (seven, seven, 1.0), (seven, seven, now + 60))
    assert found[0] is None
    assert found[1] is not None
    assert (found[1].wal, found[1].newest) == (six, five)
    assert found[2] == found[1], "that newer WAL is there mends nothing"
    assert found[3] is None


@pytest.mark.parametrize(
    ("done", "newest"),
    [
        ("00000002.history", "000000010000000000000005"),
        ("000000010000000000000009", "000000020000000000000003"),  # of before a failover
        ("", ""),
    ],
)
def test_what_is_no_gap_is_none(monkeypatch: pytest.MonkeyPatch, done: str, newest: str) -> None:
    assert gaps(monkeypatch, (done, newest, 1.0)) == [None]


def test_empty_archive_after_wal_was_acknowledged_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gaps(monkeypatch, ("000000010000000000000005", "", 1.0))[0] is not None


def test_what_was_known_of_another_stanza_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "look", lambda *_: GOOD.repository)
    assert made(OF_NODE1, tmp_path).repository == GOOD.repository

    def refuse(*_: object) -> None:
        raise WorldError("no such stanza")

    monkeypatch.setattr(repository, "look", refuse)
    other = made(NODE1.__class__(**{**vars(OF_NODE1), "backup": type(OF_NODE1.backup)("other")}), tmp_path).repository
    assert other is not None
    assert (other.error, other.newest) == ("no such stanza", None)


def test_without_backups_only_the_disk_is_looked_at(tmp_path: Path) -> None:
    report = made(NODE1, tmp_path)
    assert report.stanza == ""
    assert (report.repository, report.archiver, report.spool, report.check) == (None, None, None, None)


def test_everybody_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        collect.collect(NODE1, str(tmp_path))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report.json").stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["report.json"]
    json.loads((tmp_path / "report.json").read_text())


def test_directory_that_is_missing_is_named_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="systemd-tmpfiles --create"):
        collect.collect(NODE1, str(tmp_path / "none"))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 9}', '{"format": 1, "written_monotonic": 1e12}'])
def test_report_that_cannot_be_used_is_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    assert collect.previous(str(tmp_path / "report.json")) == Report()


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        ("pgbackrest --config=/etc/sky-backup/pgbackrest.conf --stanza=sky archive-push %p", True),
        ("", False),
        ("(disabled)", False),
        ("/bin/true", False),
        ("cp %p /archive/%f", False),
        ("pgbackrest archive-get %f %p", False),
    ],
)
def test_command_that_is_not_pgbackrests_is_told_from_it(command: str, ours: bool) -> None:
    assert archiver.is_ours(command) is ours

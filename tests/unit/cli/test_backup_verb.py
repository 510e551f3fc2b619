# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl backup: the report in plain words, with skyha's alarms; skyctl backup-report: by the database's user only."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.backup_report import Report
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli import backup
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.text import Paint
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local
from backup_samples import GOOD, OF_NODE1, OF_NODE2, ONLY_DISK, as_json
from daemon_samples import PRIMARY, STANDBY
from live_node import Node
from node_samples import NODE1, configured
from rights import rights_of_nobody

Make = Callable[[Local], Node]


def fresh(report: Report = GOOD, **parts: Any) -> str:
    """The report as it would be if it were written now."""
    return as_json(dataclasses.replace(report, written_monotonic=time.monotonic() - 12.0, **parts))


def show(tmp_path: Path, text: str | None, config: Any = OF_NODE1, as_json: bool = False) -> tuple[int, str]:
    """`skyctl backup` where this report lies."""
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    out = io.StringIO()
    here = configured(config, paths={"run_dir": str(tmp_path)}, http={"listen": ()})
    code = backup.show(here, as_json, out, Paint(False), str(tmp_path / "report.json"))
    return code, out.getvalue()


def row(text: str, name: str) -> str:
    return next(line[20:] for line in text.splitlines() if line.startswith(name))


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: GOOD.written)


@pytest.mark.usefixtures("today")
class TestShown:
    def test_report_in_plain_words(self, tmp_path: Path) -> None:
        code, text = show(tmp_path, fresh())
        assert text.startswith("Backups of stanza sky, as of 12 s ago\n")
        assert row(text, "newest backup").startswith("diff, 3 h ago (20261127-222441F_20261127-222448D), 25.4 MiB")
        assert row(text, "restore reaches") == "back to 9 d ago"
        assert row(text, "verified") == "2 d ago"
        assert row(text, "trial on this node") == "none"
        assert row(text, "archived up to") == "000000010000000000000005, 20 s ago"
        assert row(text, "waiting") == "0 files"
        assert row(text, "disk of the WAL") == "55.9 GiB of 93.1 GiB free (60%)"
        assert max(map(len, text.splitlines())) <= 80
        assert "Whether there are alarms is not known" in text, "no skyha runs here"
        assert code == 4

    def test_part_that_could_not_be_looked_at_is_not_shown_as_good(self, tmp_path: Path) -> None:
        assert GOOD.repository is not None
        failing = dataclasses.replace(GOOD.repository, error="[HostConnectError] no route to host", error_for=600.0)
        _code, text = show(tmp_path, fresh(repository=failing))
        assert row(text, "repository") == "NOT KNOWN for 10 min: [HostConnectError] no route to host"

    def test_standby_does_not_archive(self, tmp_path: Path) -> None:
        assert GOOD.archiver is not None
        _code, text = show(tmp_path, fresh(archiver=dataclasses.replace(GOOD.archiver, in_recovery=True)))
        assert row(text, "archive") == "the primary archives, this node does not"
        assert "archived up to" not in text

    def test_nothing_configured_is_said(self, tmp_path: Path) -> None:
        assert show(tmp_path, None, NODE1)[1].startswith("No backups are configured")
        _code, text = show(tmp_path, fresh(ONLY_DISK), NODE1)
        assert text.startswith("No backups are configured")
        assert "60%" in row(text, "disk of the WAL")

    def test_report_that_is_missing_or_broken_is_no_good_news(self, tmp_path: Path) -> None:
        code, text = show(tmp_path, None)
        assert (code, text.splitlines()[0]) == (4, "There is no report yet: one is written each minute.")
        code, text = show(tmp_path, "{")
        assert code == 4
        assert "is no report of the backups" in " ".join(text.split())

    def test_json(self, tmp_path: Path) -> None:
        _code, text = show(tmp_path, fresh(), as_json=True)
        data = json.loads(text)
        assert data["configured"] is True
        assert data["report"]["repository"]["newest"]["kind"] == "diff"
        assert data["problem"] == ""


def test_alarms_of_the_backups_are_listed_with_the_next_step(node: Make, tmp_path: Path) -> None:
    one = node(PRIMARY)
    status = one.world.daemon.status
    verdict = dataclasses.replace(
        status.verdict, alarms={"archive": "7 files of WAL wait for the archive", "paused": "the cluster is paused"}
    )
    one.world.daemon.turn = lambda: None  # type: ignore[method-assign]
    one.world.daemon.status = dataclasses.replace(status, verdict=verdict)
    code, text = show(tmp_path, fresh(), configured(OF_NODE1, paths={"run_dir": str(tmp_path)}))
    assert "  7 files of WAL wait for the archive\n    Next: PostgreSQL's log" in text
    assert "paused" not in text
    assert code == 4


def test_verb_without_backups_is_well_where_skyha_runs(node: Make) -> None:
    code, text = node(STANDBY).skyctl("backup")
    assert (code, text) == (0, "No backups are configured ([backup] in skyha.conf).\n")


def test_report_is_not_made_by_root(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can try")
    out = io.StringIO()
    assert backup.make(OF_NODE2, out, Paint(False), str(tmp_path)) == 5
    assert "sudo -u postgres skyctl backup-report" in " ".join(out.getvalue().split())
    assert not (tmp_path / "report.json").exists()


def test_report_is_made_by_others(open_directory: Path) -> None:
    open_directory.chmod(0o777)
    out = io.StringIO()
    with rights_of_nobody():
        assert backup.make(NODE1, out, Paint(False), str(open_directory)) == 0
        assert backup.make(NODE1, out, Paint(False), str(open_directory / "none")) == 1
    assert (open_directory / "report.json").exists()
    assert "cannot be written" in out.getvalue()

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pgBackRest says is taken as it is meant; what cannot be understood is an error, and never a repository without backups."""

from __future__ import annotations

import json
import stat
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.backup import repository
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.backup.repository import understood
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError
from backup_samples import NO_BACKUP, NO_STANZA, OF_NODE1, TWO_BACKUPS
from hypothesis import given, settings
from hypothesis import strategies as st


def with_(**changes: Any) -> str:
    """The answer with two backups, other keys of the stanza."""
    return json.dumps([{**json.loads(TWO_BACKUPS)[0], **changes}])


def test_two_backups() -> None:
    found = understood(TWO_BACKUPS, "sky")
    assert found.newest is not None
    assert (found.newest.label, found.newest.kind, found.newest.stop) == (
        "20261127-222441F_20261127-222448D",
        "diff",
        1795818290.0,
    )
    assert (found.newest.size, found.newest.added, found.newest.damaged) == (26621610, 578381, False)
    assert (found.oldest_stop, found.backups, found.bytes) == (1795818287.0, 2, 3043456 + 578381)
    assert (found.wal_from, found.wal_to) == ("000000010000000000000001", "000000010000000000000005")
    assert found.server == "7712980780557570444"
    assert found.verified_at == datetime(2026, 11, 27, 22, 30, tzinfo=timezone.utc).timestamp()
    assert found.verified_label == "20261127-222441F_20261127-222448D"


def test_repository_is_of_the_newest_server_that_it_was_given_to() -> None:
    servers = [{"id": 2, "system-id": 75}, {"id": 1, "system-id": 74}]
    assert understood(with_(db=servers), "sky").server == "75"
    assert understood(with_(db=[]), "sky").server == ""


def test_repository_without_a_backup_answers_and_says_so() -> None:
    found = understood(NO_BACKUP, "sky")
    assert (found.newest, found.backups, found.bytes, found.wal_to, found.verified_at) == (None, 0, 0, "", None)


def test_stanza_that_is_missing_is_an_error_though_the_exit_code_is_0() -> None:
    with pytest.raises(WorldError, match="repository 1: missing stanza path"):
        understood(NO_STANZA, "sky")


def test_answer_about_another_stanza_is_an_error() -> None:
    with pytest.raises(WorldError, match="knows no stanza other"):
        understood(TWO_BACKUPS, "other")


def test_one_of_two_repositories_that_fails_is_named() -> None:
    repo = [
        {"key": 1, "status": {"code": 0, "message": "ok"}},
        {"key": 2, "status": {"code": 99, "message": "[HostConnectError] unable to connect\nsecond line"}},
    ]
    text = with_(status={"code": 4, "message": "different across repos"}, repo=repo)
    with pytest.raises(WorldError) as error:
        understood(text, "sky")
    assert str(error.value) == "repository 2: [HostConnectError] unable to connect"


def test_pages_that_are_damaged_are_told() -> None:
    backups = json.loads(TWO_BACKUPS)[0]["backup"]
    backups[-1]["error"] = True
    newest = understood(with_(backup=backups), "sky").newest
    assert newest is not None
    assert newest.damaged is True


def test_wal_of_the_database_before_an_upgrade_does_not_count() -> None:
    archive = [
        {"database": {"id": 1}, "id": "15-1", "max": "0000000900000000000000FF", "min": "000000010000000000000001"},
        {"database": {"id": 2}, "id": "16-2", "max": "000000010000000000000003", "min": "000000010000000000000002"},
    ]
    found = understood(with_(archive=archive), "sky")
    assert (found.wal_from, found.wal_to) == ("000000010000000000000002", "000000010000000000000003")


@pytest.mark.parametrize("value", ["", "yesterday", "2026-13-45", 5, None])
def test_annotation_that_is_no_time_proves_nothing(value: object) -> None:
    backups = json.loads(TWO_BACKUPS)[0]["backup"]
    backups[-1]["annotation"] = {"sky-verified": value}
    assert understood(with_(backup=backups), "sky").verified_at is None


@pytest.mark.parametrize(
    "text", ["", "null", "{}", "[1]", "[" * 5000, with_(backup=None), with_(status={}), with_(backup=[{"label": "x"}])]
)
def test_answer_of_another_form_is_an_error(text: str) -> None:
    with pytest.raises(WorldError):
        understood(text, "sky")


@settings(max_examples=100, deadline=None)
@given(end=st.integers(min_value=1, max_value=len(TWO_BACKUPS) - 1))
def test_answer_that_is_cut_short_is_an_error(end: int) -> None:
    with pytest.raises(WorldError):
        understood(TWO_BACKUPS[:end], "sky")


def stand_in(directory: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    """A program `pgbackrest` in the PATH."""
    script = directory / "pgbackrest"
    script.write_text(f"#!/bin/sh\n{lines}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("exec sleep 60", "no answer within 1 s"),
        ("echo 'ERROR: [055]: it is locked' >&2; echo more >&2; exit 55", "fails: ERROR: [055]: it is locked"),
        ("exit 3", "fails: exit code 3"),
        ("echo", "is not understood"),
    ],
)
def test_program_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, said: str) -> None:
    stand_in(tmp_path, monkeypatch, lines)
    with pytest.raises(WorldError) as error:
        repository.look(OF_NODE1, 1.0)
    assert said in str(error.value)
    assert "more" not in str(error.value)


def test_program_that_is_missing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorldError, match="pgbackrest cannot be run"):
        repository.look(OF_NODE1, 1.0)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file by which commits wait: durable, read once, in doubt where it must be, and never taken for nobody's when it cannot be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world import store
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.sync import NAME, SyncFile


@pytest.fixture
def config(make_config: Callable[..., Config]) -> Config:
    return make_config(replication={"sync_commit": "remote_apply"})


def settings(directory: Path) -> dict[str, str]:
    """As PostgreSQL reads it."""
    lines = (line for line in (directory / NAME).read_text().splitlines() if line and not line.startswith("#"))
    return {name: value.strip("'").replace("''", "'") for name, value in (line.split(" = ", 1) for line in lines)}


def test_it_says_for_whom_commits_wait_and_how_far(config: Config, tmp_path: Path) -> None:
    file = SyncFile(config)
    assert file.name == "", "without it nobody is waited for"
    file.write("node2")
    assert file.name == "node2"
    expected = {"synchronous_standby_names": 'FIRST 1 ("node2")', "synchronous_commit": "remote_apply"}
    assert settings(tmp_path) == expected
    assert SyncFile(config).name == "node2"


def test_for_nobody_it_sets_nothing(config: Config, tmp_path: Path) -> None:
    file = SyncFile(config)
    file.write("node2")
    file.write("")
    assert settings(tmp_path) == {}
    assert SyncFile(config).name == ""


@pytest.mark.parametrize("name", ["it's", 'no"de', "a.b-c"])
def test_names_of_any_kind_come_back(config: Config, name: str) -> None:
    SyncFile(config).write(name)
    assert SyncFile(config).name == name


def test_it_is_read_once(config: Config, tmp_path: Path) -> None:
    file = SyncFile(config)
    file.write("node2")
    (tmp_path / NAME).write_text("")
    assert file.name == "node2"


def test_others_cannot_write_it(config: Config, tmp_path: Path) -> None:
    SyncFile(config).write("node2")
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) & 0o022 == 0
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"synchronous_standby_names = 'x'\n"], ids=["no text", "a hand's"])
def test_one_that_is_damaged_is_not_known_and_not_nobodys(config: Config, tmp_path: Path, damage: bytes) -> None:
    (tmp_path / NAME).write_bytes(damage)
    file = SyncFile(config)
    assert file.name is None
    file.write("")
    assert file.name == ""


def test_one_that_cannot_be_read_is_not_known(config: Config, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    assert SyncFile(config).name is None


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_a_write_that_fails_is_told_and_then_it_is_read_again(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    file = SyncFile(config)
    file.write("node2")

    def full(*_arguments: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(WorldError, match=r"synchronous\.conf.*No space left.*see to the space"):
            file.write("")
    assert file.name == "node2"


def test_it_is_on_disk_before_it_counts(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both the file and its name in the directory: a host that loses power must not come up with the file before."""
    calls = []
    for name in ("fsync", "replace"):
        honest = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, h=honest: (calls.append(n), h(*a))[1])
    monkeypatch.setattr(store, "sync_directory", lambda directory: calls.append(f"sync {directory}"))
    SyncFile(config).write("node2")
    assert calls == ["fsync", "replace", f"sync {tmp_path}"]


def test_a_directory_that_cannot_be_synced_leaves_it_unknown(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    file = SyncFile(config)

    def fails(_directory: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(store, "sync_directory", fails)
    with pytest.raises(WorldError, match="Input/output error"):
        file.write("node2")
    assert file._name is None


def test_one_in_doubt_is_no_later_skyhas_and_commits_wait_on(config: Config, tmp_path: Path) -> None:
    file = SyncFile(config)
    file.write(config.peer.name)
    before = settings(tmp_path)
    file.doubt()
    assert file.name is None
    assert SyncFile(config).name is None
    assert settings(tmp_path) == before
    file.write(config.peer.name)
    assert SyncFile(config).name == config.peer.name

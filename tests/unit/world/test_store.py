# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record is whole, or refused, or not there yet."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import StateError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.store import FileStore

RECORD = {"boot": "a", "role": "primary", "intent": {"stage": "fencing", "at": 1.5}, "paused": None}


def test_record_comes_back_as_it_was(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    assert store.load() is None
    store.save(RECORD)
    assert FileStore(str(tmp_path)).load() == RECORD
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"version": 1, "record": {}}',
        b"\xff\xfe",
        b'{"version": 1, "checksum": "0", "record": {"boot": "a"}}',
    ],
)
def test_damaged_record_is_never_taken_for_none(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "state.json").write_bytes(damage)
    with pytest.raises(StateError, match=r"state\.json"):
        FileStore(str(tmp_path)).load()


def test_changed_value_is_noticed(tmp_path: Path) -> None:
    FileStore(str(tmp_path)).save(RECORD)
    path = tmp_path / "state.json"
    path.write_text(path.read_text().replace("primary", "standby"))
    with pytest.raises(StateError, match="checksum"):
        FileStore(str(tmp_path)).load()


def test_record_of_the_future_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"version": 99, "checksum": "", "record": {}}))
    with pytest.raises(StateError, match="version 99"):
        FileStore(str(tmp_path)).load()


def test_write_that_fails_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(str(tmp_path))
    store.save(RECORD)

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left"):
        store.save({"boot": "b"})
    assert store.load() == RECORD


def test_value_that_json_does_not_know_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StateError):
        FileStore(str(tmp_path)).save({"boot": object()})

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Boots are told apart, and durations do not hang on the time of day."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import StateError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.clock import HostClock


def test_boot_has_one_name_until_the_run_directory_is_emptied(tmp_path: Path) -> None:
    first = HostClock(str(tmp_path)).boot()
    assert first
    assert HostClock(str(tmp_path)).boot() == first, "a daemon that was restarted is still in the same boot"
    (tmp_path / "boot").unlink()
    assert HostClock(str(tmp_path)).boot() != first
    assert [path.name for path in tmp_path.iterdir()] == ["boot"]


def test_torn_file_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "boot").write_text("")
    clock = HostClock(str(tmp_path))
    assert clock.boot() == clock.boot()


def test_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="none/boot"):
        HostClock(str(tmp_path / "none")).boot()


def test_monotonic_time_does_not_follow_the_wall_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HostClock(str(tmp_path))
    monkeypatch.setattr(time, "time", lambda: 5e9)
    assert clock.wall() == 5e9
    before, told, after = time.monotonic(), clock.monotonic(), time.monotonic()
    assert before <= told <= after

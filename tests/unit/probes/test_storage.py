# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tablespace's disk that is not mounted, or does not answer, is seen as that."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes import storage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.storage import Storage, places


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a tablespace at disk/ts."""
    (tmp_path / "data" / "pg_wal" / "archive_status").mkdir(parents=True)
    (tmp_path / "data" / "pg_tblspc").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("15\n")
    (tmp_path / "disk" / "ts" / "PG_15_202209061").mkdir(parents=True)
    (tmp_path / "data" / "pg_tblspc" / "16402").symlink_to(tmp_path / "disk" / "ts")
    return tmp_path / "data"


def test_what_is_there_is_whole_and_says_on_which_mount(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = str(data.parent / "disk")
    monkeypatch.setattr(os.path, "ismount", lambda path: path in ("/", disk))
    wal, tablespace = places(str(data))
    assert (wal.name, wal.mount, wal.whole) == ("pg_wal", "/", True)
    assert (tablespace.name, tablespace.path, tablespace.mount) == ("pg_tblspc/16402", f"{disk}/ts", disk)
    assert tablespace.whole


@pytest.mark.parametrize("left", ["empty", "nothing", "another version"])
def test_a_directory_without_the_files_of_this_version_is_not_whole(data: Path, left: str) -> None:
    target = data.parent / "disk" / "ts"
    (target / "PG_15_202209061").rmdir()
    if left == "nothing":
        target.rmdir()
    if left == "another version":
        (target / "PG_14_202107181").mkdir()
    assert [place.whole for place in places(str(data))] == [True, False]


def test_wal_on_a_disk_that_is_not_mounted_is_not_whole(data: Path) -> None:
    (data / "pg_wal" / "archive_status").rmdir()
    (data / "pg_wal").rmdir()
    (data / "pg_wal").symlink_to(data.parent / "waldisk")
    assert [place.whole for place in places(str(data))] == [False, True]


def test_a_disk_that_hangs_is_not_known_after_a_while_and_nobody_waits_for_it(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    watch = Storage(str(data), lambda: now)
    known = watch.look(5.0)
    assert known is not None
    hangs = threading.Event()
    monkeypatch.setattr(storage, "places", lambda _data: hangs.wait(30) and ())
    try:
        now = storage.EVERY + 1
        assert watch.look(0.05) == known
        assert watch.look(0.05, now_on=True) is None
        now = storage.HOLDS + 1
        assert watch.look(0.05) is None
    finally:
        hangs.set()

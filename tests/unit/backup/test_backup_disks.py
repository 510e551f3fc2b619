# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The room for the WAL and how fast it goes, the spool, and what the last trial of a backup on this node came to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.backup import disks
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.backup_report import Check, Sample, Spool, WalDisk
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError


@pytest.fixture
def config(make_config: Callable[..., Config], tmp_path: Path) -> Config:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/pg_wal").symlink_to(tmp_path / "elsewhere")
    queue = str(tmp_path / "queue")
    return make_config(
        postgresql={"data_dir": str(tmp_path / "data")}, backup={"stanza": "sky", "queue_directory": queue}
    )


def test_disk_is_the_one_that_pg_wal_really_is_on(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, real = [], os.statvfs

    def look(path: str) -> os.statvfs_result:
        asked.append(path)
        return real(path)

    monkeypatch.setattr(os, "statvfs", look)
    found = disks.wal_disk(config, WalDisk(), 100.0)
    assert asked == [str(tmp_path / "elsewhere")]
    assert found.total is not None
    assert found.free is not None
    assert 0 < found.free < found.total
    assert (found.fills, found.full_in) == (None, None), "one sample tells no rate"


def test_rate_is_reckoned_over_the_last_minutes(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [10_000_000]
    room = os.statvfs("/")
    monkeypatch.setattr(
        os, "statvfs", lambda _path: os.statvfs_result((1, 1, 20_000_000, free[0], free[0], *room[5:11]))
    )
    disk = WalDisk()
    for minute in range(30):
        disk = disks.wal_disk(config, disk, 1000.0 + 60 * minute)
        assert (disk.fills is None) == (minute < 5)
        free[0] -= 6000 if minute < 20 else 60
    assert disk.fills == pytest.approx((9 * 60 + 6000 * 2) / 660), "what was longer ago does not count"
    assert len(disk.samples) == 12
    assert disk.full_in == pytest.approx((disk.free or 0) / disk.fills)


def test_samples_of_another_boot_do_not_count(config: Config) -> None:
    before = WalDisk(samples=(Sample(9000.0, 1),))
    assert disks.wal_disk(config, before, 50.0).samples[0].at == 50.0


def test_disk_that_is_not_there_is_an_error(make_config: Callable[..., Config], tmp_path: Path) -> None:
    nowhere = make_config(postgresql={"data_dir": str(tmp_path / "none")})
    with pytest.raises(WorldError, match=r"none/pg_wal: No such file"):
        disks.wal_disk(nowhere, WalDisk(), 1.0)


def test_spool_is_counted_with_all_below_it(config: Config, tmp_path: Path) -> None:
    inner = tmp_path / "queue/archive/sky/out"
    inner.mkdir(parents=True)
    (inner / "000000010000000000000005.ok").write_bytes(b"12345")
    (tmp_path / "queue/x").write_bytes(b"1")
    assert disks.spool(config) == Spool(files=2, bytes=6)


def test_spool_that_is_missing_is_an_error_and_not_an_empty_one(config: Config) -> None:
    with pytest.raises(WorldError, match="queue: No such file"):
        disks.spool(config)


def test_last_trial_is_read(tmp_path: Path) -> None:
    file = tmp_path / "check.json"
    file.write_text('{"at": 1795818600.5, "label": "20261127-222441F", "ok": false, "detail": "pg_amcheck: 1 error"}')
    assert disks.check(str(file)) == Check(
        at=1795818600.5, label="20261127-222441F", ok=False, detail="pg_amcheck: 1 error"
    )


def test_no_trial_on_this_node_is_none(tmp_path: Path) -> None:
    assert disks.check(str(tmp_path / "check.json")) == Check()


@pytest.mark.parametrize(
    "text", ["", "[]", "3", '{"at": 1.0}', '{"ok": true}', '{"at": "now", "ok": true}', '{"at": 1.0, "ok": "yes"}']
)
def test_trial_that_cannot_be_read_is_an_error_and_not_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "check.json").write_text(text)
    with pytest.raises(WorldError, match=r"check\.json"):
        disks.check(str(tmp_path / "check.json"))

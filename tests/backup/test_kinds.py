# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Without a backup host: the repository in an object storage, or in a file system that both nodes mount."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

import pytest

from tests.backup import hush, storage
from tests.backup.repository import archived_up_to_now, backrest, backups, client, gaps, now, numbers, restore
from tests.lab import lab
from tests.operations.plays import play

CHECK_DIR = "/var/lib/sky-backup-check"
SHARED = "/srv/shared"


@pytest.fixture(scope="module", params=["s3", "posix"])
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """The cluster, moved there from its backup host; it is moved back afterwards."""
    with contextlib.ExitStack() as stack:
        if request.param == "s3":
            stack.enter_context(storage.running())
        os.environ["LAB_BACKUP"] = request.param
        try:
            lab.playbook("site.yml")
            yield request.param
        finally:
            del os.environ["LAB_BACKUP"]
            lab.playbook("site.yml")


@pytest.fixture(autouse=True)
def _of_that_kind(kind: str, _a_backup: None) -> None:
    """First of all."""


def said(node: str, job: str, since: float) -> str:
    """What that node's job has logged since then."""
    unit = f"sky-backup-sky-{job}"
    return lab.on(node, "journalctl", "-u", unit, "--no-pager", "-o", "cat", "--since", f"@{int(since)}")


def test_backup_is_the_standbys_whichever_node_that_is_and_each_knows_its_turn(kind: str, primary: str) -> None:
    for _ in lab.NODES:
        primary, standby = lab.primary(), lab.other(lab.primary())
        before, began = backups(), time.time()
        told = play("backup", pg_backup_type="diff")
        assert len(backups()) == len(before) + 1
        assert "wait for replay on the standby" in told
        assert "the other node's turn: this one is primary" in said(primary, "diff", began)
        assert "new backup label" in said(standby, "diff", began)
        lab.on(standby, "skyctl", "switchover", "--wait", timeout=120)
        lab.wait_for("the switchover", lab.is_whole, 120, every=0.5)


def test_what_is_kept_is_there_encrypted(kind: str, primary: str) -> None:
    lab.sql(primary, "CREATE TABLE IF NOT EXISTS open_secret AS SELECT repeat('everybody reads this ', 50) AS t")
    archived_up_to_now()
    lab.sql(primary, "DROP TABLE open_secret")
    if kind == "s3":
        found = storage.keys("var/lib/pgbackrest/archive/sky")
        assert any(key.endswith("archive.info") for key in found), found
        assert storage.content(next(key for key in found if key.endswith("archive.info"))).startswith(b"Salted__")
    else:
        for node in lab.NODES:
            head = lab.on(node, "head", "-c", "8", f"{SHARED}/pgbackrest/archive/sky/archive.info")
            assert head == "Salted__"


def test_check_runs_on_the_standby_and_finds_the_backup_good(kind: str, primary: str, standby: str) -> None:
    began = time.time()
    told = play("backup_check")
    assert "is good" in told
    assert "sky-verified" in backrest(f"--set={backups()[-1]}", "info")
    assert f"restoring backup {backups()[-1]}" in said(standby, "check", began)
    assert "the other node's turn" in said(primary, "check", began)
    for node in lab.NODES:
        assert lab.on(node, "ls", "-A", CHECK_DIR) == ""


def test_cluster_back_to_a_time(kind: str, primary: str) -> None:
    with client() as writer:
        lab.sql(primary, "CREATE TABLE dear AS SELECT generate_series(1, 1000) AS n")
        writer.wait_for(50)
        moment = now()
        writer.wait_for(50)
        lab.sql(primary, "DROP TABLE dear")
        archived_up_to_now()
        before = list(writer.acknowledged)
        restore(moment)
        lab.wait_for("the whole cluster", lab.is_whole, 60, every=0.5)
        node = lab.primary()
        there = numbers(node)
        assert lab.sql(node, "SELECT count(*) FROM dear") == "1000"
        assert {number for number, at in before if at < moment} <= there
        assert not {number for number, at in before if at > moment} & there
        lab.sql(node, "DROP TABLE dear")
    archived_up_to_now()
    assert gaps() == []
    for one in lab.NODES:
        lab.on(one, "sh", "-c", "rm -rf /data/pgdata/pg_root.before-restore-* /data/pgdata/pg_root.old-*")


def test_standby_is_rebuilt_from_there(kind: str, primary: str, standby: str) -> None:
    for unit in ("skyha", "sky-postgresql"):
        lab.on(standby, "systemctl", "stop", unit)
    lab.on(standby, "rm", "/data/pgdata/pg_root/PG_VERSION")
    play("failover_rebuild", streaming_replication_copy_from="backup")
    lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)


def test_second_runs_change_nothing(kind: str, primary: str) -> None:
    assert lab.changed(lab.playbook("site.yml")) == 0
    assert lab.changed(play("backup_info")) == 0


def test_no_secret_is_shown(kind: str) -> None:
    assert hush.shown() == set()


def test_directory_that_is_not_the_same_on_both_nodes_is_no_repository(kind: str, primary: str, standby: str) -> None:
    if kind != "posix":
        pytest.skip("an object storage is one by its address")
    lab.on(standby, "mount", "-t", "tmpfs", "tmpfs", SHARED)
    try:
        with pytest.raises(RuntimeError, match=r"is not the\s+same"):
            lab.playbook("site.yml", "--tags", "pg_backup")
    finally:
        lab.on(standby, "umount", SHARED)
    assert lab.is_whole()

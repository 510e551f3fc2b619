# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archiving and backups through whatever happens to the cluster and to the repository."""

from __future__ import annotations

import pytest

from tests.backup import hush
from tests.backup.repository import CONFIG, HOST, PATH, archived_up_to_now, backrest, backups, client, gaps, info
from tests.lab import faults, lab
from tests.operations.plays import no_commit_lost, play


def test_archive_has_no_gap_over_failover_rejoin_and_switchover(primary: str, standby: str) -> None:
    before = backups()
    with client() as writer:
        writer.wait_for(20)
        faults.power_loss(primary)
        lab.wait_for("the failover", lambda: lab.primary() == standby, 60)
        writer.wait_for(20)
        lab.lab("power", primary, "on", "--wait")
        lab.wait_for("the rejoin", lab.is_whole, 120, every=0.5)
        lab.on(standby, "skyctl", "switchover", "--wait", timeout=120)
        lab.wait_for("the switchover", lab.is_whole, 120, every=0.5)
        writer.wait_for(20)
        archived_up_to_now()
    play("backup", pg_backup_type="incr")
    assert len(backups()) > len(before)
    assert gaps() == []
    assert (
        info()["backup"][-1]["archive"]["stop"][:8]
        == f"{int(lab.sql(lab.primary(), 'SELECT timeline_id FROM pg_control_checkpoint()')):08X}"
    )


def test_backup_is_taken_from_the_standby_and_from_the_primary_where_none_streams(primary: str, standby: str) -> None:
    told = play("backup", pg_backup_type="diff")
    assert "wait for replay on the standby" in told
    for unit in ("skyha", "sky-postgresql"):
        lab.on(standby, "systemctl", "stop", unit)
    told = play("backup", pg_backup_type="diff")
    assert "the backup is taken from the primary" in told


def test_weekly_check_finds_a_good_backup_good(primary: str) -> None:
    told = play("backup_check")
    assert "is good" in told
    assert "sky-verified" in backrest(f"--set={backups()[-1]}", "info")
    assert lab.on(HOST, "ls", "-A", "/var/lib/sky-backup-check") == "", "the scratch directory is empty again"


def test_weekly_check_finds_a_broken_one(primary: str) -> None:
    play("backup", pg_backup_type="full")
    label = backups()[-1]
    kept = "/var/tmp/lab_kept"
    victim = lab.on(HOST, "sh", "-c", f"find {PATH}/backup/sky/{label} -name 'pg_control*' | head -1").strip()
    lab.on(
        HOST,
        "sh",
        "-c",
        f"cp -p {victim} {kept}; printf broken | dd of={victim} bs=1 seek=100 conv=notrunc 2>/dev/null",
    )
    try:
        with pytest.raises(RuntimeError, match="could not be restored"):
            play("backup_check")
    finally:
        lab.on(HOST, "sh", "-c", f"cp -p {kept} {victim}; rm {kept}")


def test_repository_that_is_gone_for_a_while_costs_no_client_anything(primary: str) -> None:
    with no_commit_lost("ten minutes without a repository") as watch:
        lab.lab("cut", HOST)
        try:
            lab.wait_for(
                "the alarm", lambda: {"archive", "backup_repository"} & set(lab.status(primary)["alarms"]), 720, every=2
            )
            watch.wait_for_commits(200)
        finally:
            lab.lab("heal", HOST)
        archived_up_to_now()
        lab.wait_for(
            "the alarm's end",
            lambda: not {"archive", "backup_repository"} & set(lab.status(primary)["alarms"]),
            180,
            every=2,
        )
    assert gaps() == []


def test_repository_whose_disk_is_full(primary: str) -> None:
    small = f"mount -t tmpfs -o size=1m,mode=0750 tmpfs {PATH} && cp -a {PATH}.kept/. {PATH}/ 2>/dev/null"
    lab.on(HOST, "sh", "-c", f"mv {PATH} {PATH}.kept && mkdir {PATH} && {small}; chown postgres: {PATH}")
    try:
        with no_commit_lost("a repository that is full"):
            lab.sql(primary, "SELECT pg_switch_wal()")
            lab.wait_for(
                "the alarm", lambda: {"archive", "backup_repository"} & set(lab.status(primary)["alarms"]), 900, every=2
            )
    finally:
        lab.on(HOST, "sh", "-c", f"umount -l {PATH} && rmdir {PATH} && mv {PATH}.kept {PATH}")
    archived_up_to_now()
    assert gaps() == []


def test_wrong_pass_phrase_is_told_and_harms_nothing(primary: str) -> None:
    lab.on(
        HOST,
        "sh",
        "-c",
        f"cp -p {CONFIG} {CONFIG}.kept; sed -i 's/^repo1-cipher-pass=.*/repo1-cipher-pass=another pass phrase/' {CONFIG}",
    )
    try:
        with pytest.raises(RuntimeError):
            play("backup", pg_backup_type="diff")
        assert "another pass phrase" not in lab.on(HOST, "journalctl", "-u", "sky-backup-sky-diff", "--no-pager")
    finally:
        lab.on(HOST, "sh", "-c", f"mv {CONFIG}.kept {CONFIG}")
    archived_up_to_now()
    play("backup", pg_backup_type="diff")


def test_copy_of_the_cluster_to_look_into(primary: str) -> None:
    lab.sql(primary, "CREATE TABLE dear AS SELECT 7 AS n")
    archived_up_to_now()
    try:
        told = play("clone")
        assert "psql -h /var/lib/sky-backup-clone -p 1922" in " ".join(told.split())
        ask = "psql -X -At -h /var/lib/sky-backup-clone -p 1922 -c 'SELECT n, pg_is_in_recovery() FROM dear' postgres"
        assert lab.on(HOST, "runuser", "-u", "postgres", "--", "sh", "-c", f"cd /; {ask}").strip() == "7|f"
        with pytest.raises(RuntimeError, match="holds a copy already"):
            play("clone")
        assert lab.is_whole()
    finally:
        play("clone", pg_backup_clone="absent")
        lab.sql(primary, "DROP TABLE dear")
    assert lab.on(HOST, "sh", "-c", "systemctl is-active sky-clone || :").strip() == "inactive"


def test_standby_is_rebuilt_from_the_repository(primary: str, standby: str) -> None:
    with no_commit_lost("a rebuild from the repository"):
        for unit in ("skyha", "sky-postgresql"):
            lab.on(standby, "systemctl", "stop", unit)
        play("failover_rebuild", streaming_replication_copy_from="backup")
        lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)
    assert lab.primary() == primary


def test_standby_that_fell_behind_its_slot_catches_up_from_the_archive(primary: str, standby: str) -> None:
    with no_commit_lost("a standby behind its slot"):
        lab.on(standby, "systemctl", "stop", "skyha")
        lab.on(standby, "systemctl", "stop", "sky-postgresql")
        lab.sql(
            primary,
            f"SELECT pg_drop_replication_slot('{standby}') FROM pg_replication_slots WHERE slot_name = '{standby}'",
        )
        for _ in range(14):  # past wal_keep_size
            lab.sql(
                primary,
                "CREATE TABLE filler AS SELECT repeat('x', 1000) AS t FROM generate_series(1, 20000); DROP TABLE filler; SELECT pg_switch_wal()",
            )
        lab.sql(primary, "CHECKPOINT")
        archived_up_to_now()
        lab.on(standby, "systemctl", "start", "skyha")
        lab.wait_for("the whole cluster", lab.is_whole, 300, every=1.0)


def test_no_secret_is_shown(primary: str) -> None:
    assert hush.shown() == set()


def test_second_runs_change_nothing(primary: str) -> None:
    assert lab.changed(lab.playbook("site.yml")) == 0
    assert lab.changed(play("backup_info")) == 0

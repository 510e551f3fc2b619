# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""restore.yml: the whole cluster is what it was, and both nodes serve again."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.backup.repository import DATA, RESTORE, archived_up_to_now, client, now, numbers, restore, timed, verify
from tests.lab import lab

AS_OF = "SELECT count(*) FROM pg_class WHERE relname = 'dear'"


def whole_again() -> str:
    """Both nodes, and a failover would work; the primary's name."""
    lab.wait_for("the whole cluster", lab.is_whole, 60, every=0.5)
    primary = lab.primary()
    assert lab.sql(primary, "SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'") == "0"
    assert lab.sql(primary, "SELECT name FROM pg_settings WHERE pending_restart") == ""
    assert lab.status(primary)["timeline"] == int(lab.sql(primary, "SELECT timeline_id FROM pg_control_checkpoint()"))
    return primary


def remove_kept() -> None:
    for node in lab.NODES:
        lab.on(node, "sh", "-c", f"rm -rf {DATA}.before-restore-* {DATA}.old-*")


@pytest.fixture(autouse=True)
def _nothing_kept():
    yield
    remove_kept()


def test_to_a_second_before_a_table_was_dropped(primary: str) -> None:
    with client() as writer:
        lab.sql(primary, "CREATE TABLE dear AS SELECT generate_series(1, 1000) AS n")
        writer.wait_for(50)
        moment = now()
        writer.wait_for(50)
        lab.sql(primary, "DROP TABLE dear")
        writer.wait_for(20)
        archived_up_to_now()
        before = list(writer.acknowledged)
        with timed("restore to a time"):
            told = restore(moment)
        node = whole_again()
        assert lab.sql(node, "SELECT count(*) FROM dear") == "1000"
        kept = {number for number, at in before if at < moment}
        gone = {number for number, at in before if at > moment}
        there = numbers(node)
        assert kept <= there, "acknowledged before that moment, and not there"
        assert not gone & there, "committed after that moment, and there all the same"
        assert len(kept) > 40
        assert len(gone) > 40
        assert f"{DATA}.before-restore-" in told
        assert lab.on(node, "sh", "-c", f"ls -d {DATA}.before-restore-*").strip(), "the old data are kept"
        lab.sql(node, "DROP TABLE dear")
    archived_up_to_now()
    verify()


def test_to_the_newest_after_both_data_directories_were_destroyed(primary: str, standby: str) -> None:
    with client() as writer:
        writer.wait_for(50)
        lab.sql(primary, "INSERT INTO told VALUES (-1)")
        archived_up_to_now()
        for node in (standby, primary):
            for unit in ("skyha", "sky-postgresql"):
                lab.on(node, "systemctl", "stop", unit)
            lab.on(node, "rm", "-rf", DATA)
        for node in lab.NODES:
            lab.on(node, "systemctl", "start", "skyha")
        with pytest.raises(RuntimeError, match="is its disk mounted"):
            restore()
        with timed("restore of everything"):
            restore(pg_backup_restore_gone=True)
        assert -1 in numbers(whole_again())


def test_broken_off_and_run_again(primary: str) -> None:
    lab.sql(primary, "CREATE TABLE dear AS SELECT 1 AS n")
    archived_up_to_now()
    command = ["-e", "pg_backup_restore_confirm=sky"]
    started = subprocess.Popen(
        [str(lab.ROOT / ".venv/bin/ansible-playbook"), "-i", "inventory/lab", "playbooks/restore.yml", *command],
        cwd=lab.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        lab.wait_for(
            "both servers to be stopped",
            lambda: not any(lab.is_writable(node) for node in lab.NODES) or started.poll() is not None,
            RESTORE,
        )
    finally:
        started.kill()
        started.wait(30)
    assert started.returncode != 0, "it ended before it could be broken off"
    restore()
    assert lab.sql(whole_again(), "SELECT n FROM dear") == "1"
    lab.sql(lab.primary(), "DROP TABLE dear")


def test_target_that_is_not_in_the_archive_is_told_and_another_one_works(primary: str) -> None:
    tomorrow = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(time.time() + 86400))
    with pytest.raises(RuntimeError, match=r"was not\s+reached"):
        restore(tomorrow)
    restore()
    whole_again()


def test_check_mode_says_what_would_be_done_and_does_nothing(primary: str) -> None:
    told = " ".join(lab.playbook("playbooks/restore.yml", "--check", "-e", "pg_backup_restore_confirm=sky").split())
    assert f"would be copied to {primary} while the cluster serves" in told
    assert "the cluster is what it was" not in told
    assert lab.changed(told) == 0
    assert lab.primary() == primary
    assert lab.is_whole()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"pg_backup_restore_confirm": "moon"}, "is not the name of the cluster"),
        ({"pg_backup_restore_to": "2026-01-01 00:00:00"}, "no time with its zone"),
        ({"pg_backup_restore_node": "node3"}, "must be one of"),
    ],
)
def test_what_is_not_meant_so_is_refused_and_nothing_is_touched(primary: str, variables: dict, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        lab.playbook(
            "playbooks/restore.yml",
            *[
                word
                for item in {"pg_backup_restore_confirm": "sky", **variables}.items()
                for word in ("-e", "=".join((item[0], f"'{item[1]}'")))
            ],
        )
    assert lab.primary() == primary
    assert lab.is_whole()

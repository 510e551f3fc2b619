# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups are switched off on a cluster that runs, and on again: what waits for a restart is told, and nothing of them stays behind."""

from __future__ import annotations

import pytest

from tests.backup.repository import HOST, archived_up_to_now, backups
from tests.lab import lab
from tests.operations.plays import no_commit_lost, play

LEFT = "ls -d /etc/sky-backup /etc/systemd/system/*sky-backup* /usr/local/sbin/sky-backup 2>/dev/null; systemctl list-units --plain --no-legend '*sky-backup*'"


def flat(text: str) -> str:
    return " ".join(text.split())


def test_off_and_on_again(primary: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = backups()
    with no_commit_lost("backups off and on again"):
        monkeypatch.setenv("LAB_BACKUP", "none")
        told = flat(lab.playbook("site.yml"))
        assert f"{primary} keeps all WAL on its disk until PostgreSQL is restarted" in told
        assert "archive_mode on -> off" in told
        play("rolling_restart")
        for host in (*lab.NODES, HOST):
            assert lab.on(host, "sh", "-c", f"{LEFT}; true").strip() == "", host
        assert {lab.sql(node, "SHOW archive_mode") for node in lab.NODES} == {"off"}
        assert lab.changed(lab.playbook("site.yml")) == 0

        monkeypatch.delenv("LAB_BACKUP")
        told = flat(lab.playbook("site.yml"))
        node = lab.primary()
        assert f"{node} archives nothing until PostgreSQL is restarted" in told
        lab.wait_for("the alarm", lambda: "archive_off" in lab.status(node)["alarms"], 180, every=1)
        play("rolling_restart")
    assert {lab.sql(node, "SHOW archive_mode") for node in lab.NODES} == {"on"}
    # From the older ones no restore would get over the time without an archive.
    lab.wait_for("a new backup", lambda: backups()[-1] > before[-1], 180, every=1)
    archived_up_to_now()
    lab.wait_for(
        "no alarm", lambda: not {"archive_off", "archive"} & set(lab.status(lab.primary())["alarms"]), 180, every=1
    )
    assert lab.changed(lab.playbook("site.yml")) == 0

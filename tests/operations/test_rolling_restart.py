# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings that only a restart changes, and nodes that differ."""

from __future__ import annotations

from tests.lab import lab
from tests.operations.plays import kinds, no_commit_lost, play, setting, with_settings

RAISED = with_settings(max_connections=120, max_worker_processes=10)


def started(node: str) -> str:
    """When the server of this node was started."""
    return lab.sql(node, "SELECT pg_postmaster_start_time()")


def test_raised_settings_go_standby_first_then_by_a_switchover(primary: str, standby: str) -> None:
    with no_commit_lost("rolling restart") as watch:
        output = play("rolling_restart", streaming_replication_settings_extra=RAISED)
    assert "max_connections 100 -> 120" in output
    assert lab.primary() == standby
    assert kinds(watch).count("switched") == 1
    assert [setting(node, "max_connections") for node in lab.NODES] == ["120", "120"]
    assert "fencing" not in kinds(watch)

    before = [started(node) for node in lab.NODES]
    again = play("rolling_restart", streaming_replication_settings_extra=RAISED)
    assert lab.changed(again) == 0
    assert "Nothing is to be done." in again
    assert [started(node) for node in lab.NODES] == before


def test_lower_settings_wait_for_rolling_restart_and_go_primary_first(primary: str, standby: str) -> None:
    """The inventory says 100 again. site.yml must not write it: a standby that restarts with it would not start."""
    output = play("site", "--limit", "pg_nodes", "--tags", "streaming_replication")
    assert "max_connections, max_worker_processes shall become lower" in output
    assert "rolling_restart.yml" in output
    lab.on(standby, "systemctl", "restart", "sky-postgresql")
    lab.wait_for("a whole cluster", lab.is_whole, 120, every=0.5)
    with no_commit_lost("lower settings") as watch:
        play("rolling_restart")
    assert lab.primary() == primary
    assert [setting(node, "max_connections") for node in lab.NODES] == ["100", "100"]
    assert not {"fencing", "switched"} & set(kinds(watch))
    lab.wait_for("a whole cluster", lab.is_whole, 120, every=0.5)
    assert lab.changed(play("rolling_restart")) == 0


def test_what_differs_between_the_nodes_is_named(primary: str, standby: str) -> None:
    file = "/data/pgdata/pg_root/pg_hba.conf"
    lab.sql(standby, "ALTER SYSTEM SET work_mem = '7MB'")
    lab.on(standby, "sh", "-c", f"cp -p {file} {file}.good && echo 'host all all 192.0.2.0/24 trust' >> {file}")
    lab.on(primary, "sh", "-c", "cd /data/pgdata/pg_root && echo \"max_wal_senders = '33'\" >> postgresql.conf")
    try:
        lab.on(standby, "systemctl", "reload", "sky-postgresql")
        lab.wait_for("the setting", lambda: setting(standby, "work_mem") == "7MB", 10)
        output = play("site", "--limit", "pg_nodes", "--tags", "picture")
        assert f"7MB on {standby} (ALTER SYSTEM)" in output
        assert "lies over the inventory" in output
        assert f"pg_hba.conf has on {standby} only: host all all 192.0.2.0" in output
        assert f"{primary} WAITS FOR A RESTART (run rolling_restart.yml): max_wal_senders 32 -> 33" in output
    finally:
        lab.sql(standby, "ALTER SYSTEM RESET work_mem")
        lab.on(standby, "mv", f"{file}.good", file)
        lab.on(primary, "sed", "-i", "/^max_wal_senders = '33'/d", "/data/pgdata/pg_root/postgresql.conf")
        for node in lab.NODES:
            lab.on(node, "systemctl", "reload", "sky-postgresql")
    assert "configuration: the same on both nodes" in play("site", "--limit", "pg_nodes", "--tags", "picture")


def test_check_mode_tells_the_plan_and_changes_nothing(primary: str, standby: str) -> None:
    before = [started(node) for node in lab.NODES]
    output = play("rolling_restart", "--check", "--diff", streaming_replication_settings_extra=RAISED)
    assert "max_connections = '120'" in output
    assert [started(node) for node in lab.NODES] == before
    assert [setting(node, "max_connections") for node in lab.NODES] == ["100", "100"]

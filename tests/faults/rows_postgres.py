# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of the primary's PostgreSQL, its disk and its objects."""

from __future__ import annotations

import json
import time

import psycopg2

from tests.faults import disk
from tests.faults.rows import NO_HEIR, row
from tests.faults.scene import CONF, Scene
from tests.lab import faults, lab

HA = "sky_pg_cluster"
CHECKPOINTER = "pgrep -f '[p]ostgres: .*checkpointer'"


@row("postmaster killed -9", "R", selection=True, outage=15)
def postmaster_killed(scene: Scene) -> None:
    """Boot: primary, served in this boot / standby, not promoted."""
    faults.postmaster_killed(scene.primary)
    # Its backends outlive it for a moment, and commit: only a new connection tells that it is back.
    lab.wait_for("the primary serving again", lambda: lab.is_writable(scene.primary), 40)
    scene.commits()


@row("PostgreSQL restarted by the system's upgrade tools (systemctl restart), with a slow stop", "R+A", outage=30)
def restarted_slowly(scene: Scene) -> None:
    """Its last checkpoint stands still for longer than every patience."""
    lab.on(
        scene.primary, "sh", "-c", f"kill -STOP $({CHECKPOINTER}); systemctl restart --no-block sky-postgresql.service"
    )
    scene.alarm(scene.standby, "stopping", "shuts down", within=15)
    scene.quiet()
    lab.on(scene.primary, "sh", "-c", f"kill -CONT $({CHECKPOINTER})")
    scene.commits()


@row("postmaster killed -9 while the primary's skyha is stopped", "F", without_register=NO_HEIR)
def postmaster_killed_for_good(scene: Scene) -> None:
    scene.skyha(scene.primary, "stop")
    faults.postmaster_killed(scene.primary)
    scene.took_over()


@row("PostgreSQL cannot be started again: a damaged file", "F+A")
def damaged_file(scene: Scene) -> None:
    """Its control file is cut short. The old primary must not be started, nor its data touched, until it is mended."""
    control = f"{faults.DATA}/global/pg_control"
    lab.on(
        scene.primary,
        "sh",
        "-c",
        f"pkill -STOP -x skyhad; {KILL}; sleep 1; cp -p {control} /var/tmp/pg_control; truncate -s 0 {control}; pkill -CONT -x skyhad",
    )
    scene.took_over()
    lab.wait_for("the old primary back", lambda: lab.status(scene.primary).get("role"), 90)
    scene.alarm(scene.primary, "down")
    lab.on(scene.primary, "cp", "-p", "/var/tmp/pg_control", control)


KILL = f"kill -9 $({faults.POSTMASTER})"


@row("PostgreSQL cannot be started again: the WAL disk is full", "F", before=disk.for_wal)
def wal_disk_full(scene: Scene) -> None:
    scene.later(disk.free, scene.primary)
    disk.fill(scene.primary)
    disk.use_up_wal(scene.primary)
    scene.took_over()
    lab.wait_for("the old primary's skyha", lambda: lab.status(scene.primary).get("state") == "running", 90)
    scene.quiet(5)  # pg_rewind cannot work on a full disk
    disk.free(scene.primary)
    lab.on(scene.primary, "systemctl", "restart", "skyha")


@row("postmaster and backends stopped (SIGSTOP)", "F", selection=True)
def postgres_stopped(scene: Scene) -> None:
    faults.postgres_stopped(scene.primary)
    scene.took_over()


@row("postmaster alone stopped (SIGSTOP): sessions go on, nobody new is let in", "F")
def postmaster_stopped(scene: Scene) -> None:
    lab.on(scene.primary, "sh", "-c", f"kill -STOP $({faults.POSTMASTER})")
    scene.took_over()


@row("one walsender stopped", "N+A", outage=5)
def walsender_stopped(scene: Scene) -> None:
    lab.on(scene.primary, "sh", "-c", "kill -STOP $(pgrep -f '[p]ostgres: .*walsender')")
    scene.alarm(scene.standby, "lag", within=120)


# The time after which a primary takes itself for alone is 20 minutes, by design. Here less: patience and margins of the installed
# runtime are cut short on the primary, and it follows from them (config.Timing.alone_after).
ALONE_AFTER = 75.0
MARGINS, SHORT = "/opt/skyha/current/skyha/margins.py", {"STOP_LIMIT": 1.0, "STREAM_LINGERS": 2.0, "TAKEN_BACK": 1.0}
PATIENCE = {"fence_attempts": 1, "fence_deadline": 3, "switchover_deadline": 5}


def _is_recorded(node: str) -> bool:
    """Does skyha's record say that a standby streams, and may be promoted?"""
    return bool(json.loads(lab.on(node, "cat", "/var/lib/skyha/state.json"))["record"]["standby_recorded"])


@row("the primary's own look at its server ends in an error, for longer than it waits until it is alone", "N", outage=5)
def own_look_fails(scene: Scene) -> None:
    """pg_hba.conf locks skyha out of the socket. What it cannot see is no 'no standby streams': the record stays."""
    node, hba = scene.primary, f"{faults.DATA}/pg_hba.conf"
    shorter = "; ".join(f"s/^{name} = .*/{name} = {value}/" for name, value in SHORT.items())
    patience = "\\n".join(f"{key} = {value}" for key, value in PATIENCE.items())
    kept = f"cp -p {MARGINS} {MARGINS}.kept; cp -p {CONF} {CONF}.kept"
    scene.later(
        lab.on, node, "sh", "-c", f"mv {MARGINS}.kept {MARGINS}; mv {CONF}.kept {CONF}; systemctl restart skyha"
    )
    cut = f"sed -i '{shorter}' {MARGINS}; sed -i 's/^profile = .*/&\\n{patience}/' {CONF}"
    lab.on(node, "sh", "-c", f"{kept}; {cut}; systemctl restart skyha")
    lab.wait_for("the cluster armed with it", lambda: lab.is_whole() and _is_recorded(node), 60, every=0.5)

    back = f"test ! -e {hba}.kept || mv {hba}.kept {hba}; systemctl reload sky-postgresql"
    scene.later(lab.on, node, "sh", "-c", back)
    lab.on(
        node,
        "sh",
        "-c",
        f"cp -p {hba} {hba}.kept; sed -i '1i local all postgres reject' {hba}; systemctl reload sky-postgresql",
    )
    with lab.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_addr IS NULL AND usename = 'postgres'"
        )
    scene.quiet(ALONE_AFTER + 15)
    status = lab.status(node)
    assert (status["server"], "reject" in status["detail"]) == ("up", True), status
    assert _is_recorded(node)
    assert lab.status(scene.standby)["armed"]
    lab.on(node, "sh", "-c", back)

    # The time is a real one: without a standby the same record changes within it.
    lab.on(scene.standby, "sh", "-c", "systemctl stop skyha; systemctl stop sky-postgresql")
    stopped = time.monotonic()
    lab.wait_for("the primary alone on record", lambda: not _is_recorded(node), ALONE_AFTER + 30, every=0.5)
    assert time.monotonic() - stopped > ALONE_AFTER - 5


@row("slow disk, heartbeats still commit in time", "N", outage=5, before=disk.for_wal)
def slow_disk(scene: Scene) -> None:
    """The WAL's file system stands still for 0.2 s, again and again."""
    disk.stutter(scene.primary, frozen=0.2, flowing=0.1, seconds=25)
    scene.commits()


@row("slow disk: it stands still for three seconds, less than hang_timeout", "N", before=disk.for_wal)
def very_slow_disk(scene: Scene) -> None:
    disk.stutter(scene.primary, frozen=3.0, flowing=0.5, seconds=11)
    scene.commits()


@row("disk of one tablespace dead, tablespace_policy alarm", "N+A", outage=5, before=disk.for_tablespace)
def tablespace_dead(scene: Scene) -> None:
    lab.on(scene.primary, "mount", "-o", "remount,ro", disk.MOUNT)
    scene.later(lab.on, scene.primary, "mount", "-o", "remount,rw", disk.MOUNT)
    scene.alarm(scene.standby, "path_vip", "tablespace")
    scene.quiet()


@row("disk of one tablespace dead, tablespace_policy failover", "F", before=disk.for_tablespace)
def tablespace_dead_failover(scene: Scene) -> None:
    scene.configure("tablespace_policy", "failover")
    lab.on(scene.primary, "mount", "-o", "remount,ro", disk.MOUNT)
    scene.took_over()


@row("disk of one tablespace hangs, tablespace_policy alarm", "N+A", before=disk.for_tablespace)
def tablespace_hangs(scene: Scene) -> None:
    with disk.frozen(scene.primary):
        scene.alarm(scene.standby, "path_vip", "tablespace")
        scene.quiet()
    scene.commits()


@row("max_connections used up by clients", "N+A", outage=5)
def clients_used_up(scene: Scene) -> None:
    lab.sql(scene.primary, "CREATE ROLE lab_client LOGIN PASSWORD 'lab_client'")
    crowd = _crowd("lab_client", "lab_client", 200)
    try:
        scene.alarm(scene.primary, "connections")
        scene.quiet()
        assert lab.status(scene.standby)["armed"], lab.status(scene.standby)
    finally:
        _leave(crowd)
        lab.wait_for("the role's end", lambda: lab.sql(scene.primary, "DROP ROLE lab_client; SELECT 1"), 20)


@row("max_connections used up, the reserved ones too", "N+A")
def all_connections_used_up(scene: Scene) -> None:
    crowd = _crowd("postgres", lab.SETTINGS["pg_cluster_superuser_password"], 200)
    try:
        scene.alarm(scene.primary, "connections")
        scene.quiet()
    finally:
        _leave(crowd)


def _crowd(user: str, password: str, most: int) -> list[object]:
    """As many connections through the VIP as the server takes."""
    found: list[object] = []
    for _ in range(most):
        try:
            found.append(
                psycopg2.connect(
                    host=lab.VIP, port=lab.PORT, user=user, password=password, dbname="postgres", connect_timeout=5
                )
            )
        except psycopg2.OperationalError as error:
            if "remaining connection slots" in str(error) or "too many clients" in str(error):
                break
            raise
    return found


def _leave(crowd: list[object]) -> None:
    for connection in crowd:
        connection.close()  # type: ignore[attr-defined]


@row("password of the HA role changed", "N+A", outage=5)
def password_changed(scene: Scene) -> None:
    password = lab.SETTINGS["pg_cluster_ha_password"]
    lab.sql(scene.primary, f"ALTER ROLE {HA} PASSWORD 'another'")
    scene.later(lab.sql, scene.primary, f"ALTER ROLE {HA} PASSWORD '{password}'")
    scene.alarm(scene.standby, "path_vip", "password")
    scene.quiet()


@row("the HA role may not log in any more", "N+A", outage=5)
def role_missing(scene: Scene) -> None:
    lab.sql(scene.primary, f"ALTER ROLE {HA} NOLOGIN")
    scene.later(lab.sql, scene.primary, f"ALTER ROLE {HA} LOGIN")
    scene.alarm(scene.standby, "path_vip", "not permitted to log in")
    scene.quiet()


@row("the heartbeat's function is missing", "N+A", outage=5)
def function_missing(scene: Scene) -> None:
    _rename(scene, "FUNCTION", "cluster_keepalive_test()", "cluster_keepalive_test")
    scene.alarm(scene.standby, "path_vip", "does not exist")
    scene.quiet()


@row("the heartbeat's table is missing", "N+A", outage=5)
def status_table_missing(scene: Scene) -> None:
    _rename(scene, "TABLE", "cluster_status", "cluster_status")
    scene.alarm(scene.standby, "path_vip", "does not exist")
    scene.quiet()


@row("skyha's own table is missing", "N+A", outage=5)
def control_table_missing(scene: Scene) -> None:
    _rename(scene, "TABLE", "cluster_control", "cluster_control")
    scene.alarm(scene.standby, "path_vip", "does not exist")
    scene.alarm(scene.primary, "local", "cluster_control")
    scene.quiet()


def _rename(scene: Scene, kind: str, what: str, name: str) -> None:
    away = "gone()" if what.endswith("()") else "gone"
    lab.sql(scene.primary, f"ALTER {kind} {HA}.{what} RENAME TO gone", HA)
    scene.later(lab.sql, scene.primary, f"ALTER {kind} {HA}.{away} RENAME TO {name}", HA)


@row("one commit waits for a lock on the heartbeat's row", "N+A", outage=5)
def heartbeat_locked(scene: Scene) -> None:
    with lab.connect(dbname=HA) as connection:
        connection.autocommit = False
        connection.cursor().execute(f"SELECT * FROM {HA}.cluster_status FOR UPDATE")
        scene.alarm(scene.standby, "path_vip")
        scene.quiet()
        connection.rollback()


@row("the heartbeat's table is locked, tablespace_policy failover", "N+A", outage=5)
def heartbeat_table_locked(scene: Scene) -> None:
    """Somebody's forgotten transaction. To wait for a lock is no fault of the storage."""
    scene.configure("tablespace_policy", "failover")
    _locked(scene, "cluster_status", "path_vip", "held by process")


@row("skyha's own table is locked, tablespace_policy failover", "N+A", outage=5)
def control_table_locked(scene: Scene) -> None:
    scene.configure("tablespace_policy", "failover")
    _locked(scene, "cluster_control", "path_vip", "lock timeout")


def _locked(scene: Scene, table: str, code: str, words: str) -> None:
    with lab.connect(dbname=HA) as connection:
        connection.autocommit = False
        connection.cursor().execute(f"LOCK TABLE {HA}.{table} IN ACCESS EXCLUSIVE MODE")
        scene.alarm(scene.standby, code, words)
        scene.quiet(20)
        connection.rollback()


WAL = "SELECT pg_logical_emit_message(true, 'lab', 'x');\nSELECT pg_switch_wal();\n"  # one segment, 16 MB


@row("the checkpointer is stopped (SIGSTOP): WAL grows without bound", "N+A", outage=5)
def checkpointer_stopped(scene: Scene) -> None:
    """Three times max_wal_size is written."""
    lab.on(scene.primary, "sh", "-c", "kill -STOP $(pgrep -f '[p]ostgres: .*checkpointer')")
    lab.sql(scene.primary, WAL * 30)
    scene.alarm(scene.primary, "checkpoint", "checkpointer")
    lab.on(scene.primary, "sh", "-c", "kill -CONT $(pgrep -f '[p]ostgres: .*checkpointer')")


@row("a slot that is not skyha's holds WAL back", "N+A", outage=5)
def slot_of_others(scene: Scene) -> None:
    """A backup tool's, whose reader is gone."""
    lab.sql(scene.primary, "SELECT pg_create_physical_replication_slot('barman', true)")
    scene.later(lab.sql, scene.primary, "SELECT pg_drop_replication_slot('barman')")
    lab.sql(scene.primary, WAL * 12)
    scene.alarm(scene.primary, "slots", "the physical slot barman is not in use and holds back")


@row("a slot that is not skyha's, of which the standby keeps a copy: the primary dies", "F")
def slot_kept(scene: Scene) -> None:
    """Its reader finds its slot on the new primary, with all the WAL that it lacks."""
    scene.configure("keep_slots", "barman")
    lab.sql(scene.primary, "SELECT pg_create_physical_replication_slot('barman', true)")
    for node in lab.NODES:
        scene.later(_drop_barman, node)
    at = "SELECT restart_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = 'barman'"
    lab.wait_for("the standby's copy of the slot", lambda: lab.sql(scene.standby, at), 60, every=0.5)
    reached = int(lab.sql(scene.primary, at))
    faults.power_loss(scene.primary)
    scene.took_over()
    kept = int(lab.sql(scene.standby, at))
    assert kept <= reached, f"the copy begins at {kept}, its reader is at {reached}"


def _drop_barman(node: str) -> None:
    """A node that comes back takes a moment until it can."""
    drop = "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE slot_name = 'barman'"
    lab.wait_for(f"{node} without the slot", lambda: lab.sql(node, drop), 120, every=1.0)

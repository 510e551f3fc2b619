# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What site.yml promises of the finished cluster, seen on the hosts."""

from __future__ import annotations

import pytest

from tests.lab import lab


def test_standby_streams_from_the_primary_through_its_slot(primary: str, standby: str) -> None:
    query = "SELECT application_name, state, (SELECT active FROM pg_replication_slots) FROM pg_stat_replication"
    lab.wait_for("a streaming standby", lambda: lab.sql(primary, query) == f"{standby}|streaming|t", 20)
    receiver = lab.sql(standby, "SELECT status, sender_host FROM pg_stat_wal_receiver")
    # Not through the VIP, which goes before the last WAL of a clean stop does.
    assert receiver == f"streaming|{lab.HOSTS[primary]['pg_cluster_address']}"


def test_vip_is_on_the_primary_alone(primary: str, standby: str) -> None:
    assert lab.holds_vip(primary)
    assert not lab.holds_vip(standby)


def test_query_through_the_vote_host_is_answered_by_the_primary(primary: str) -> None:
    with lab.connect(lab.VOTE, lab.VOTE_PORT) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery(), inet_server_addr()::text")
        assert cursor.fetchone() == (False, f"{lab.VIP}/32")


@pytest.mark.parametrize("node", lab.NODES)
def test_nothing_brings_the_vip_up_at_boot(node: str) -> None:
    found = lab.on(
        node,
        "sh",
        "-c",
        f"grep -rlF {lab.VIP} /etc/network /etc/netplan /etc/NetworkManager /etc/sysconfig 2>/dev/null || true",
    )
    assert found == ""


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("port", "1921"),
        ("wal_level", "replica"),
        ("hot_standby", "on"),
        ("hot_standby_feedback", "on"),
        ("wal_log_hints", "on"),
        ("max_wal_senders", "32"),
        ("archive_mode", "on"),
        ("log_statement", "none"),
        ("server_encoding", "UTF8"),
        ("lc_messages", "C"),
        ("data_checksums", "on"),
        ("shared_preload_libraries", "pg_stat_statements"),
    ],
)
def test_server_runs_with_the_documents_settings(primary: str, standby: str, setting: str, value: str) -> None:
    for node in (primary, standby):
        assert lab.sql(node, f"SHOW {setting}") == value


def test_both_nodes_run_the_same_server_and_configuration(primary: str, standby: str) -> None:
    assert lab.sql(primary, "SHOW server_version") == lab.sql(standby, "SHOW server_version")
    for file in ("postgresql.conf", "pg_hba.conf"):
        sums = {lab.on(node, "sha256sum", f"/data/pgdata/pg_root/{file}") for node in lab.NODES}
        assert len(sums) == 1, f"{file} differs between the nodes"


def test_replica_role_is_as_the_document_says(primary: str) -> None:
    query = (
        "SELECT rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolreplication, rolconnlimit, rolcanlogin "
        "FROM pg_roles WHERE rolname = 'replica'"
    )
    assert lab.sql(primary, query) == "f|f|f|f|t|32|t"


def test_passwords_are_stored_as_scram(primary: str) -> None:
    query = "SELECT count(*) FROM pg_authid WHERE rolpassword IS NOT NULL AND rolpassword NOT LIKE 'SCRAM-SHA-256$%'"
    assert lab.sql(primary, query) == "0"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM sky_pg_cluster.cluster_status",
        "TRUNCATE sky_pg_cluster.cluster_status",
        "INSERT INTO sky_pg_cluster.cluster_status VALUES (2, now())",
    ],
)
def test_cluster_status_keeps_its_one_row(primary: str, statement: str) -> None:
    with pytest.raises(RuntimeError):
        lab.sql(primary, f"\\set ON_ERROR_STOP on\n{statement};", "sky_pg_cluster")
    assert lab.sql(primary, "SELECT count(*) FROM sky_pg_cluster.cluster_status", "sky_pg_cluster") == "1"


def test_heartbeat_writes_on_the_primary_and_says_so_on_the_standby(primary: str, standby: str) -> None:
    lab.sql(primary, "SELECT sky_pg_cluster.cluster_keepalive_test()", "sky_pg_cluster")
    age = lab.sql(
        primary, "SELECT now() - last_alive < interval '5 s' FROM sky_pg_cluster.cluster_status", "sky_pg_cluster"
    )
    assert age == "t"
    lab.sql(standby, "SELECT sky_pg_cluster.cluster_keepalive_test()", "sky_pg_cluster")


def heartbeat_error(node: str) -> str:
    """What is said of a heartbeat that fails; empty when it does not."""
    try:
        lab.sql(node, "\\set ON_ERROR_STOP on\nSELECT sky_pg_cluster.cluster_keepalive_test();", "sky_pg_cluster")
    except RuntimeError as error:
        return str(error)
    return ""


def test_heartbeat_names_a_tablespace_that_cannot_be_written(primary: str, standby: str) -> None:
    for node in (standby, primary):
        lab.on(node, "install", "-d", "-o", "postgres", "-m", "0700", "/data/tblspc_test")
    lab.sql(primary, "CREATE TABLESPACE tblspc_test LOCATION '/data/tblspc_test'")
    try:
        lab.on(
            primary,
            "sh",
            "-c",
            "mount -t tmpfs -o size=16k,mode=0700 tmpfs /mnt && chown postgres /mnt && "
            # The file system itself, as a kernel does with a disk that fails: how one mount of it is read need not reach the unit's.
            "cp -a /data/tblspc_test/. /mnt/ && mount --bind /mnt /data/tblspc_test && mount -o remount,ro /mnt",
        )
        # All heartbeats of some seconds share one write to the storage (ha_schema_storage_interval).
        lab.wait_for("a heartbeat that names it", lambda: "tblspc_test" in heartbeat_error(primary), 60, every=0.5)
    finally:
        lab.on(primary, "sh", "-c", "umount /data/tblspc_test; umount /mnt", check=False)
        lab.sql(primary, "DROP TABLESPACE tblspc_test")


def test_vote_proxy_accepts_while_the_vip_is_down(primary: str) -> None:
    """The vote host must tell 'the primary is gone' from 'I am cut off': so it accepts in any case."""
    probe = f"import socket; socket.create_connection(('{lab.VOTE}', {lab.VOTE_PORT}), 2); print('accepted')"
    lab.lab("cut", "vote", "--to", "vip")
    try:
        assert lab.on(lab.other(primary), "python3", "-c", probe).strip() == "accepted"
    finally:
        lab.lab("heal", "vote")

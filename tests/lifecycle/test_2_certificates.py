# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TLS on the finished cluster: who gets in, whom the nodes believe, and new certificates under a client that writes."""

from __future__ import annotations

import time
from typing import Any

import psycopg2
import pytest

from tests.lab import lab
from tests.lab.watch import Watch

PLAY = "playbooks/rotate_certificates.yml"
FILES = "/etc/sky-postgresql"


def client(**given: Any) -> Any:
    """Somebody on the clients' network."""
    known = {"host": lab.VIP, "port": lab.PORT, "user": "postgres", "dbname": "postgres", "connect_timeout": 5}
    return psycopg2.connect(**known, password=lab.SETTINGS["pg_cluster_superuser_password"], **given)


def serial(node: str) -> str:
    """Of the certificate that the node's server shows."""
    where = f"{lab.HOSTS[node]['pg_cluster_address']}:{lab.PORT}"
    shown = f"openssl s_client -starttls postgres -connect {where} </dev/null 2>/dev/null | openssl x509 -noout -serial"
    return lab.on(node, "sh", "-c", shown).strip()


def alarms(node: str) -> dict[str, str]:
    return dict(lab.status(node).get("alarms") or {})


def test_client_without_tls_is_refused_and_one_that_checks_gets_in(primary: str, tmp_path: Any) -> None:
    with pytest.raises(psycopg2.OperationalError, match="no encryption"):
        client(sslmode="disable")
    (tmp_path / "ca.crt").write_text(lab.on(primary, "cat", f"{FILES}/ca.crt"))
    connection = client(sslmode="verify-full", sslrootcert=str(tmp_path / "ca.crt"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert cursor.fetchone() == (True,)
    connection.close()
    (tmp_path / "other.crt").write_text(lab.on("backup", "cat", "/etc/sky-backup/ca.crt"))
    with pytest.raises(psycopg2.OperationalError, match="certificate verify failed"):
        client(sslmode="verify-full", sslrootcert=str(tmp_path / "other.crt"))


def test_replication_and_heartbeats_go_over_tls(primary: str, standby: str) -> None:
    query = (
        "SELECT DISTINCT a.usename || ' ' || s.ssl FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) "
        "WHERE a.client_addr IS NOT NULL AND a.usename IN ('replica', 'sky_pg_cluster') ORDER BY 1"
    )
    assert lab.sql(primary, query).splitlines() == ["replica true", "sky_pg_cluster true"]


def test_new_certificates_drop_no_connection_and_disarm_nothing(primary: str, standby: str) -> None:
    before = {node: serial(node) for node in lab.NODES}
    receiver = lab.sql(standby, "SELECT pid FROM pg_stat_wal_receiver")
    held = client()
    held.autocommit = True
    assert lab.changed(lab.playbook(PLAY, "--check")) > 0
    assert {node: serial(node) for node in lab.NODES} == before
    with Watch() as watch:
        lab.playbook(PLAY)
        watch.wait_for_commits(10)
    watch.report.check()
    assert not watch.report.lost
    after = {node: serial(node) for node in lab.NODES}
    assert all(after[node] != before[node] for node in lab.NODES), (before, after)
    with held.cursor() as cursor:
        cursor.execute("SELECT 1")
    held.close()
    assert lab.sql(standby, "SELECT pid FROM pg_stat_wal_receiver WHERE status = 'streaming'") == receiver
    # A connection that is made now believes the new ones.
    lab.sql(primary, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
    lab.wait_for("replication", lambda: lab.sql(standby, "SELECT status FROM pg_stat_wal_receiver") == "streaming", 30)
    lab.wait_for("armed", lambda: lab.status(standby).get("armed"), 60)
    print(f"rotated: {len(watch.report.acknowledged)} commits, none lost, outage {watch.report.outage:.2f} s")


def test_server_with_a_certificate_of_another_ca_is_not_believed(primary: str, standby: str) -> None:
    """It is a sign of life all the same: nobody is fenced; there is an alarm, and it is armed again with the right one."""
    made = f"cd {FILES}; cp -a server.key server.key.kept; cp -a server.crt server.crt.kept; openssl req -x509 -newkey ec -pkeyopt "
    made += "ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=other -addext subjectAltName=IP:$0,IP:$1 -keyout k -out c 2>&1; "
    made += "cat k > server.key; cat c > server.crt; rm k c; systemctl reload sky-postgresql"
    began = time.time()
    lab.on(primary, "sh", "-c", made, lab.HOSTS[primary]["pg_cluster_address"], lab.VIP)
    try:
        lab.wait_for("not armed", lambda: lab.status(standby).get("armed") is False, 60)
        told = lab.on(standby, "skyctl", "explain", check=False)
        assert "certificate verify failed" in told, told
        lab.wait_for("the alarm", lambda: "certificate_bad" in str(lab.status(primary)), 150, 2.0)
        lab.sql(primary, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
        time.sleep(5)
        assert lab.sql(standby, "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'") == "0"
        assert lab.primary() == primary
    finally:
        back = (
            f"cd {FILES}; mv server.key.kept server.key; mv server.crt.kept server.crt; systemctl reload sky-postgresql"
        )
        lab.on(primary, "sh", "-c", back)
    lab.wait_for("replication", lambda: lab.sql(standby, "SELECT status FROM pg_stat_wal_receiver") == "streaming", 60)
    lab.wait_for("armed", lambda: lab.status(standby).get("armed"), 60)
    assert lab.logged(standby, "skyha", began, "fencing") == ""

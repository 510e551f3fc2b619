# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Passwords reach neither the log of a real server nor pg_stat_statements, and the HA role gets in from the cluster's hosts only."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from real_postgres import RealPostgres, make_root
from render import ROLES, template, value, variables

SECRETS = {"pg_cluster_ha_password": "SecretOfTheHa", "pg_cluster_replication_password": "SecretOfTheReplica"}
# All that a server can log of statements.
TALKATIVE = "log_statement = 'all'\nlog_min_duration_statement = 0\nlog_min_error_statement = 'debug5'\n"


@pytest.fixture
def server() -> Iterator[RealPostgres]:
    root = make_root()
    found = RealPostgres(root, "logs")
    try:
        yield found
    finally:
        found.stop("immediate")
        shutil.rmtree(root, ignore_errors=True)


def logged(server: RealPostgres) -> str:
    return (server.root / "logs.log").read_text()


def settings_of_the_role() -> str:
    """What postgresql.conf of role streaming_replication says of statements."""
    wanted: dict[str, Any] = value("__streaming_replication_wanted", variables("streaming_replication"))
    said = {name: text for name, text in wanted.items() if name.startswith(("log_statement", "pg_stat_statements"))}
    return "shared_preload_libraries = 'pg_stat_statements'\n" + "".join(f"{n} = '{t}'\n" for n, t in said.items())


def test_users_password_is_not_kept_by_the_default_settings(server: RealPostgres) -> None:
    server.initdb(settings_of_the_role())
    server.sql("CREATE EXTENSION pg_stat_statements")
    server.sql("CREATE ROLE clerk LOGIN PASSWORD 'SecretOfTheClerk'")
    server.sql("ALTER ROLE clerk PASSWORD 'SecretOfTheClerk2'")
    assert "SecretOfTheClerk" not in logged(server)
    assert "SecretOfTheClerk" not in server.sql("SELECT string_agg(query, ' ') FROM pg_stat_statements")


def test_roles_passwords_are_not_logged_by_the_most_talkative_server(server: RealPostgres) -> None:
    server.initdb(TALKATIVE)
    for role, name in (("streaming_replication", "primary.sql.j2"), ("ha_schema", "ha_schema.sql.j2")):
        text = template(role, name, variables(role, **SECRETS)).replace("'create extension", "--")
        if role == "streaming_replication":
            text = text.partition("select '--")[0]  # that library is not loaded here
        done = subprocess.run(
            [
                *("psql", "-XAt", "-v", "ON_ERROR_STOP=1", "-v", "login=false", "-v", "database=sky_pg_cluster"),
                *("-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-d", "postgres", "-f", "-"),
            ],
            input=text,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    spec = importlib.util.spec_from_file_location("rotate", ROLES / "streaming_replication/files/rotate_passwords.py")
    assert spec is not None
    assert spec.loader is not None
    rotate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rotate)
    connection = psycopg2.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="postgres")
    rotate.set_passwords(connection, {"replica": "SecretOfTheRotation"})
    connection.close()
    assert server.sql("SELECT count(*) FROM pg_authid WHERE rolpassword IS NOT NULL") == "2"
    assert "cluster_keepalive_test" in logged(server), "not as talkative as the search needs"
    assert "SecretOf" not in logged(server)


def test_ha_role_is_rejected_from_where_clients_come_from(server: RealPostgres) -> None:
    """The loopback is first a client's network, then a node's address."""
    server.initdb()
    server.sql("ALTER ROLE sky_pg_cluster NOSUPERUSER PASSWORD 'right'")
    server.sql("CREATE ROLE clerk LOGIN PASSWORD 'right'")
    known = variables("streaming_replication", streaming_replication_client_cidrs=["127.0.0.0/8"])
    hba = template("streaming_replication", "pg_hba.conf.j2", known)

    def answer(lines: str, user: str) -> str:
        (server.data_dir / "pg_hba.conf").write_text(lines)
        server.run(
            ["pg_ctl", "-D", str(server.data_dir), "-w", "-m", "fast", "restart", "-l", str(server.root / "logs.log")]
        )
        try:
            psycopg2.connect(
                host="127.0.0.1", port=server.port, user=user, password="right", dbname="sky_pg_cluster"
            ).close()
        except psycopg2.OperationalError as error:
            return str(error)
        return ""

    elsewhere = "".join(line for line in hba.splitlines(True) if "127.0.0.1/32" not in line)
    assert answer(elsewhere, "clerk") == ""
    assert "pg_hba.conf rejects connection" in answer(elsewhere, "sky_pg_cluster")
    assert answer(hba, "sky_pg_cluster") == ""

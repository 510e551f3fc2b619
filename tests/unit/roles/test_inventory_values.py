# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever names and passwords the inventory holds: they reach the programs as they are."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config_file
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn
from readers import hba, pgpass
from readers import settings as read_settings
from real_postgres import RealPostgres, bin_dir, make_root
from render import template, value, variables
from value_samples import FEW, TEXT


@FEW
@given(password=TEXT, user=TEXT, database=TEXT)
def test_password_file_holds_them_as_they_are(password: str, user: str, database: str) -> None:
    known = variables(
        "streaming_replication",
        pg_cluster_ha_password=password,
        pg_cluster_ha_user=user,
        pg_cluster_database=database,
        pg_cluster_replication_password=password[::-1],
    )
    lines = pgpass(template("streaming_replication", "pgpass.j2", known))
    assert ["198.51.100.116", "1921", database, user, password] in lines
    assert ["198.51.100.35", "11921", database, user, password] in lines
    assert ["198.51.100.111", "1921", "replication", "replica", password[::-1]] in lines


@FEW
@given(user=TEXT, passfile=TEXT)
def test_conninfo_of_the_standby_is_read_back(user: str, passfile: str) -> None:
    known = variables("streaming_replication", pg_cluster_replication_user=user)
    known["streaming_replication_conninfo"] = {"connect_timeout": 5, "sslkey": passfile}
    read = read_settings(template("streaming_replication", "node.conf.j2", known))
    dsn = parse_dsn(read["primary_conninfo"])
    assert (dsn["user"], dsn["sslkey"], dsn["host"]) == (user, passfile, "198.51.100.111")
    assert read["primary_slot_name"] == "node1"


@FEW
@given(database=TEXT)
def test_standby_may_log_in_to_the_database_by_which_it_synchronizes_slots(database: str) -> None:
    known = variables("streaming_replication")
    known["streaming_replication_conninfo"] = {"connect_timeout": 5, "dbname": database}
    known["pg_cluster_replication_password"] = "secret"
    read = read_settings(template("streaming_replication", "node.conf.j2", known))
    assert parse_dsn(read["primary_conninfo"])["dbname"] == database
    lines = pgpass(template("streaming_replication", "pgpass.j2", known))
    assert ["198.51.100.111", "1921", database, "replica", "secret"] in lines
    assert ["198.51.100.111", "1921", "replication", "replica", "secret"] in lines
    allowed = [[word for word, _ in line] for line in hba(template("streaming_replication", "pg_hba.conf.j2", known))]
    assert ["host", database, "replica", "198.51.100.111/32", "scram-sha-256"] in allowed


@FEW
@given(text=TEXT)
def test_setting_is_read_back(text: str) -> None:
    known = variables("streaming_replication")
    known["streaming_replication_settings_extra"] = {"log_line_prefix": text, "archive_mode": False}
    read = read_settings(template("streaming_replication", "postgresql.conf.j2", known))
    assert (read["log_line_prefix"], read["archive_mode"], read["port"]) == (text, "off", "1921")


@FEW
@given(user=TEXT | st.sampled_from(["all", "+group", "@file", "replication"]), database=TEXT)
def test_names_in_hba_are_names_and_no_keywords(user: str, database: str) -> None:
    known = variables("streaming_replication", pg_cluster_ha_user=user, pg_cluster_database=database)
    lines = hba(template("streaming_replication", "pg_hba.conf.j2", known))
    line = next(line for line in lines if line[0][0] == "host" and line[1][0] == database)
    assert line[2][0] == user
    assert line[2][1] or user.replace("_", "").isalnum()
    assert line[3:] == [("127.0.0.1/32", False), ("scram-sha-256", False)]


# The daemon's reader strips the blanks around a value and a quoted one is JSON: names are looked at as it reads them.
@FEW
@given(name=TEXT, user=TEXT, command=TEXT)
def test_daemon_reads_what_the_role_wrote(name: str, user: str, command: str) -> None:
    known = variables("skyha_daemon", pg_cluster_database=name, pg_cluster_ha_user=user, pg_cluster_bmc_user=user)
    known["skyha_daemon_hook_role_change"] = command
    read = config_file.parse(template("skyha_daemon", "skyha.conf.j2", known))
    assert (read.postgresql.database, read.postgresql.user) == (name, user)
    assert (read.agents[0].user, read.hooks.role_change) == (user, command)
    assert (read.peer.address, read.vip.address, read.agents[0].address) == (
        "198.51.100.111",
        "198.51.100.116",
        "198.51.100.212",
    )


ODD: dict[str, Any] = {
    "pg_cluster_ha_user": "ha \"user' é:\\",
    "pg_cluster_ha_password": 'it\'s \\ a "pass:word" $x -- é',
    "pg_cluster_database": "My data'base",
    "pg_cluster_replication_user": "re plica'\"",
    "pg_cluster_replication_password": "a'b\\c:d e",
}


@pytest.fixture(scope="module")
def server() -> Iterator[RealPostgres]:
    root = make_root()
    server = RealPostgres(root, "odd")
    try:
        server.run(
            ["initdb", "-D", str(server.data_dir), "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C"]
        )
        server._configure()
        server.start()
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(root, ignore_errors=True)


def psql(port: int, *arguments: str, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [bin_dir() / "psql", "-XAtw", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port), *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **environment},
    )


def test_odd_names_and_passwords_work_on_a_real_server(server: RealPostgres, tmp_path: Path) -> None:
    """The roles' SQL makes the roles, and their password file and pg_hba.conf let exactly them in."""
    known = variables("streaming_replication", pg_cluster_port=server.port, **ODD)
    schema = variables("ha_schema", pg_cluster_port=server.port, **ODD)
    scripts = [
        template("streaming_replication", "primary.sql.j2", known),
        template("ha_schema", "ha_schema.sql.j2", schema),
    ]
    for script in scripts:
        arguments = ("-U", "postgres", "-v", "login=false", "-v", f"database={ODD['pg_cluster_database']}", "-f", "-")
        done = psql(server.port, *arguments, text=script)
        assert done.returncode == 0, done.stderr
    (server.data_dir / "pg_hba.conf").write_text(template("streaming_replication", "pg_hba.conf.j2", known))
    server.run(["pg_ctl", "-D", str(server.data_dir), "reload"])
    passfile = tmp_path / "pgpass"
    passfile.write_text(template("streaming_replication", "pgpass.j2", known))
    passfile.chmod(0o600)
    query = f"select {value('__ha_schema_schema', schema)}.cluster_keepalive_test()"
    login = ("-U", ODD["pg_cluster_ha_user"], "-d", ODD["pg_cluster_database"], "-c", query)
    done = psql(server.port, *login, PGPASSFILE=str(passfile))
    assert done.returncode == 0, done.stderr
    done = psql(server.port, *login, PGPASSWORD="wrong")
    assert "password authentication failed" in done.stderr
    dsn = "dbname=replication replication=true"
    user = {"PGUSER": ODD["pg_cluster_replication_user"], "PGPASSFILE": str(passfile)}
    done = psql(server.port, "-c", "IDENTIFY_SYSTEM", dsn, **user)
    assert done.returncode == 0, done.stderr

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a running cluster is stays what it is: other data, other places and other servers are refused, with the way to do it."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sky.pg_cluster.plugins.filter import identity
from real_postgres import RealPostgres, bin_dir, make_root
from render import ROLES, template, value, variables

LOOK = ROLES / "pg_cluster/files/preflight.sh"


def wanted(**change: Any) -> dict[str, Any]:
    known = {**variables("pg_cluster"), "pg_cluster_peer": "node2", "pg_cluster_vip_interface": "eth0"}
    return {**value("__pg_cluster_wanted", known), **change}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def record(**fields: Any) -> str:
    return encoded(json.dumps({"version": 1, "checksum": "x", "record": {"role": "primary", "timeline": 5, **fields}}))


def standbys(user: str) -> str:
    """The first line of pg_hba.conf that lets the standby in."""
    hba = template(
        "streaming_replication", "pg_hba.conf.j2", variables("streaming_replication", pg_cluster_replication_user=user)
    )
    return encoded(next(line for line in hba.splitlines() if line.startswith("host replication ")))


def told(**change: Any) -> dict[str, Any]:
    """What preflight.sh says of a node of a cluster that runs."""
    conf = template("skyha_daemon", "skyha.conf.j2", variables("skyha_daemon"))
    return {
        "conf": encoded(conf),
        "standbys": standbys("replica"),
        "record": record(),
        "record_there": True,
        "unit_data": "/data/pgdata/pg_root",
        "has_data": True,
        "version": "15",
        "identifier": "7300000000000000001",
        "wal": "",
        "ours": True,
        "server": "812",
        "listener": "",
        **change,
    }


BARE = told(
    conf="",
    standbys="",
    record="",
    record_there=False,
    unit_data="",
    has_data=False,
    version="",
    identifier="",
    ours=False,
    server="",
)


def problems(
    node: dict[str, Any], peer: dict[str, Any] | None = None, changing: tuple[str, ...] = (), **change: Any
) -> str:
    return " ".join(identity.identity_problems(node, peer or {}, wanted(**change), changing))


def test_bare_hosts_and_a_cluster_that_runs_are_let_through() -> None:
    assert problems(BARE, BARE) == ""
    assert problems(told(), told()) == ""
    assert problems({}) == ""


@pytest.mark.parametrize(
    ("variable", "other", "way"),
    [
        ("pg_cluster_port", 1922, "change_port.yml"),
        ("pg_cluster_socket_dir", "/run/elsewhere", "change_port.yml"),
        ("pg_cluster_vip", "198.51.100.117", "change_vip.yml"),
        ("pg_cluster_vip_interface", "eth1", "change_vip.yml"),
        ("pg_cluster_vip_prefix", 25, "change_vip.yml"),
        ("pg_cluster_name", "moon", "change_vip.yml"),
        ("pg_cluster_data_dir", "/data/new", "stop_cluster.yml, move the directory"),
        ("pg_cluster_wal_dir", "/wal", "failover_rebuild.yml"),
        ("pg_cluster_database", "other", "dump and restore"),
        ("pg_cluster_ha_user", "other", "dump and restore"),
        ("pg_cluster_superuser", "other", "dump and restore"),
        ("pg_cluster_replication_user", "other", "dump and restore"),
        ("inventory_hostname", "db1", "decommission.yml"),
        ("pg_cluster_peer", "db2", "decommission.yml"),
    ],
)
def test_what_cannot_be_changed_in_place_is_refused_with_the_way_to_do_it(variable: str, other: Any, way: str) -> None:
    said = problems(told(), **{variable: other})
    assert str(other) in said
    assert way in said
    if "playbooks/change_" in said:
        assert problems(told(), changing=(variable,), **{variable: other}) == ""


@pytest.mark.parametrize("user", ["replica", "o'clock", "back\\slash", "a b", '"', 'say "x" now', "all", "_"])
def test_replication_role_is_read_as_it_was_written(user: str) -> None:
    node = told(standbys=standbys(user))
    assert problems(node, pg_cluster_replication_user=user) == ""
    assert "pg_cluster_replication_user is 'other'" in problems(node, pg_cluster_replication_user="other")


def test_another_data_directory_is_refused_although_it_is_empty() -> None:
    """It would be taken for a fresh cluster: initdb, and an empty database behind the VIP at the next crash."""
    empty = told(has_data=False, version="", identifier="", ours=False, server="")
    assert "pg_cluster_data_dir is '/data/new'" in problems(empty, pg_cluster_data_dir="/data/new")
    # Without skyha's configuration the unit says it.
    assert "has '/data/pgdata/pg_root'" in problems({**empty, "conf": ""}, pg_cluster_data_dir="/data/new")
    assert problems(told(), pg_cluster_data_dir="/data/pgdata/pg_root/") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [(record(), "has served as primary"), (record(role="standby"), "as standby"), (encoded("{"), "a node of")],
)
def test_record_without_data_asks_about_the_mount(text: str, said: str) -> None:
    gone = told(record=text, has_data=False, version="", identifier="", ours=True, server="")
    for node in (gone, {**gone, "conf": "", "unit_data": ""}):
        assert said in problems(node, node)
        assert "is its disk mounted?" in problems(node, node)


@pytest.mark.parametrize("role", ["none", "unknown"])
def test_record_of_a_node_that_never_served_is_no_hindrance(role: str) -> None:
    assert problems({**BARE, "record": record(role=role), "record_there": True}) == ""


@pytest.mark.parametrize("server", ["812", ""])
def test_server_that_is_not_ours_is_left_as_it_is(server: str) -> None:
    foreign = told(conf="", record="", record_there=False, unit_data="", ours=False, server=server)
    said = problems(foreign)
    assert "holds a PostgreSQL server that this collection did not make" in said
    assert ("(pid 812)" in said) == bool(server)


def test_port_that_somebody_else_has_is_refused() -> None:
    assert "port 1921 is taken by redis (pid 5)" in problems({**BARE, "listener": "redis (pid 5)"})


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (told(), told(identifier="7300000000000000002")),
        (told(record=record(system_identifier=7300000000000000002)), told()),
        (told(), told(record=record(system_identifier="7300000000000000002"))),
    ],
)
def test_data_of_another_cluster_are_refused(here: dict[str, Any], there: dict[str, Any]) -> None:
    assert "7300000000000000002 (system identifiers" in problems(here, there)


def test_records_without_an_identifier_and_silent_peers_accuse_nobody() -> None:
    assert problems(told(record=record(system_identifier="")), told(identifier="")) == ""
    assert problems(told(record=record(system_identifier="7300000000000000001")), told(identifier="")) == ""


# --- what the script sees on a real directory -------------------------------------------------------------------


def look(data: Path, port: int) -> dict[str, Any]:
    done = subprocess.run(["sh", LOOK, data, "", "lo", str(port), ""], capture_output=True, text=True, check=True)
    return yaml.safe_load(done.stdout)


@pytest.fixture(scope="module")
def server() -> Iterator[RealPostgres]:
    root = make_root()
    server = RealPostgres(root, "stranger")
    try:
        server.run(["initdb", "-D", str(server.data_dir), "-A", "trust", "-U", "postgres", "-N", "--locale=C"])
        server._configure()
        server.start()
        yield server
    finally:
        server.stop("immediate")


def test_running_server_is_seen_with_its_identifier_and_as_no_other_listener(server: RealPostgres) -> None:
    seen = look(server.data_dir, server.port)
    control = subprocess.run(
        [bin_dir() / "pg_controldata", server.data_dir], capture_output=True, text=True, check=True
    )
    assert seen["identifier"] in control.stdout
    assert (seen["has_data"], seen["ours"], seen["listener"]) == (True, False, "")
    pid = (server.data_dir / "postmaster.pid").read_text().split()[0]
    assert str(seen["server"]) == pid
    assert (int(seen["server_port"]), seen["server_socket_dir"]) == (server.port, str(server.root))
    said = " ".join(identity.identity_problems(seen, {}, wanted(), ()))
    assert f"runs there (pid {pid})" in said


def test_listener_is_named_when_it_is_not_the_directorys_server(server: RealPostgres, tmp_path: Path) -> None:
    seen = look(tmp_path / "not" / "there", server.port)
    assert seen["listener"].startswith("postgres (pid ")
    assert (seen["has_data"], seen["identifier"], seen["server"]) == (False, "", "")
    assert (seen["server_port"], seen["server_socket_dir"]) == ("", "")


def test_configuration_of_these_roles_makes_the_data_ours(server: RealPostgres) -> None:
    (server.data_dir / "postgresql.conf").write_text("# Managed by Ansible (sky.pg_cluster, role x)\n")
    assert look(server.data_dir, server.port)["ours"] is True

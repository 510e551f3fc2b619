# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The heartbeat's function as role ha_schema makes it, in a real server, seen by skyha's own looks.

Somebody else's lock is no fault of the storage: whatever tablespace_policy says, the primary is seen to live.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg2
import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.patience import BOTH, living
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.eyes import ProbeEyes
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Look, Path, Server, Sight
from real_postgres import RealPostgres
from render import template, value, variables

DATABASE = "heartbeat"


@pytest.fixture(scope="module")
def database(postgres: RealPostgres) -> Iterator[RealPostgres]:
    postgres.sql(f"CREATE DATABASE {DATABASE}")
    known = variables("ha_schema")
    rights = ", ".join(value("__ha_schema_owner_rights", known))
    postgres.sql(f"CREATE ROLE sky_pg_cluster_owner; GRANT {rights} TO sky_pg_cluster_owner")
    postgres.sql(template("ha_schema", "objects.sql.j2", known), DATABASE)
    yield postgres
    postgres.sql(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    postgres.sql("DROP ROLE sky_pg_cluster_owner")


@pytest.fixture
def eyes(database: RealPostgres, make_config: Callable[..., Config]) -> Iterator[ProbeEyes]:
    config = make_config(
        postgresql={**database.settings, "database": DATABASE},
        vote={"port": database.port},
    )
    found = ProbeEyes(config)
    assert found.look(BOTH, 3.0, BOTH)[Path.VIP].sight is Sight.OK
    yield found
    found.close()


@contextmanager
def session(database: RealPostgres, sql: str, name: str = "somebody") -> Iterator[int]:
    """A transaction that has done `sql` and stays open; its process id."""
    connection = psycopg2.connect(
        host="127.0.0.1", port=database.port, user="postgres", dbname=DATABASE, application_name=name
    )
    try:
        connection.cursor().execute(sql)
        yield connection.info.backend_pid
    finally:
        connection.close()


def looks_for(eyes: ProbeEyes, seconds: float) -> Iterator[Mapping[Path, Look]]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield eyes.look(BOTH, 0.6, BOTH)


@pytest.mark.parametrize(
    ("lock", "named"),
    [
        ("LOCK TABLE sky_pg_cluster.cluster_status IN ACCESS EXCLUSIVE MODE", "cluster_status, held by process {pid}"),
        ("LOCK TABLE sky_pg_cluster.cluster_status IN SHARE MODE", "cluster_status, held by process {pid}"),
        ("SELECT * FROM sky_pg_cluster.cluster_status FOR UPDATE", 'relation "cluster_status"'),
        ("LOCK TABLE sky_pg_cluster.cluster_control IN ACCESS EXCLUSIVE MODE", "lock timeout"),
    ],
)
def test_lock_shows_life_in_every_look_and_is_named(
    database: RealPostgres, eyes: ProbeEyes, lock: str, named: str
) -> None:
    """For longer than hang_timeout, and with less between two signs of life than a retry (a busy machine stalls a look)."""
    told, lived_at = 0, time.monotonic()
    with session(database, lock) as pid:
        for looks in looks_for(eyes, 7.0):
            assert not any(look.sight is Sight.SICK for look in looks.values()), looks
            if living(looks, "failover") is not None:
                lived_at = time.monotonic()
                told += named.format(pid=pid) in " ".join(look.detail for look in looks.values())
            assert time.monotonic() - lived_at < 2.5, looks
    assert told > 3


def test_lock_on_skyhas_table_leaves_this_nodes_server_up(database: RealPostgres, eyes: ProbeEyes) -> None:
    with session(database, "LOCK TABLE sky_pg_cluster.cluster_control IN ACCESS EXCLUSIVE MODE"):
        local = eyes.local(0.6)
    assert (local.server, "lock timeout" in local.detail) == (Server.UP, True), local


# What a heartbeat does that hangs at the storage: it holds the advisory lock and waits for no other.
STUCK = "SELECT pg_advisory_xact_lock(1921011921); LOCK TABLE sky_pg_cluster.cluster_status IN ROW EXCLUSIVE MODE"


def sick_within(eyes: ProbeEyes, seconds: float) -> str:
    for looks in looks_for(eyes, seconds):
        for look in looks.values():
            if look.sight is Sight.SICK:
                return look.detail
    return ""


def test_heartbeat_stuck_at_the_storage_is_told_as_the_storages_fault(database: RealPostgres, eyes: ProbeEyes) -> None:
    with session(database, STUCK, "heartbeat at tablespace fast"):
        assert "stuck for more than 2s (heartbeat at tablespace fast)" in sick_within(eyes, 6.0)


def test_lock_that_waits_behind_a_stuck_heartbeat_does_not_hide_it(database: RealPostgres, eyes: ProbeEyes) -> None:
    with session(database, STUCK, "heartbeat at tablespace fast"):
        waiting = psycopg2.connect(host="127.0.0.1", port=database.port, user="postgres", dbname=DATABASE, async_=1)
        while waiting.poll() != psycopg2.extensions.POLL_OK:
            time.sleep(0.01)
        waiting.cursor().execute("LOCK TABLE sky_pg_cluster.cluster_status IN ACCESS EXCLUSIVE MODE")
        try:
            assert "heartbeat at tablespace fast" in sick_within(eyes, 6.0)
        finally:
            waiting.close()

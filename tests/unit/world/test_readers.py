# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sessions on a real standby that replay waits for: found, named, ended, and nobody else."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.eyes import ProbeEyes
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.postgres import HostHands
from real_postgres import RealPostgres, make_root

SETTINGS = "wal_level = replica\nmax_standby_streaming_delay = -1\n"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[RealPostgres, RealPostgres]]:
    root = make_root()
    primary, standby = RealPostgres(root, "node1"), RealPostgres(root, "node2")
    try:
        primary.initdb(SETTINGS)
        standby.clone(primary)
        standby.sql("ALTER SYSTEM SET max_standby_streaming_delay = -1")
        standby.sql("SELECT pg_reload_conf()")
        yield primary, standby
    finally:
        standby.stop("immediate")
        primary.stop("immediate")
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def config(servers: tuple[RealPostgres, RealPostgres], make_config: Callable[..., Config]) -> Config:
    standby = servers[1]
    return make_config(postgresql={**standby.settings, "passfile": "/dev/null"})


def until(what: Callable[[], Any], seconds: float = 30.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)
    return found


def session(server: RealPostgres, name: str, isolation: str = "READ COMMITTED") -> Any:
    connection = psycopg2.connect(
        host="127.0.0.1", port=server.port, user="postgres", dbname="sky_pg_cluster", application_name=name
    )
    cursor = connection.cursor()
    cursor.execute(f"BEGIN ISOLATION LEVEL {isolation}")
    cursor.execute("SELECT count(*) FROM pages")
    return connection


@pytest.mark.parametrize(
    ("isolation", "conflict"),
    [
        ("READ COMMITTED", "ALTER TABLE pages ADD COLUMN more int"),
        ("REPEATABLE READ", "DELETE FROM pages; VACUUM pages"),
    ],
)
def test_reader_in_the_way_is_named_and_ended(
    servers: tuple[RealPostgres, RealPostgres], config: Config, isolation: str, conflict: str
) -> None:
    primary, standby = servers
    primary.sql("DROP TABLE IF EXISTS pages")
    primary.sql("CREATE TABLE pages AS SELECT generate_series(1, 1000) AS n")
    end = primary.sql("SELECT pg_current_wal_flush_lsn()")
    until(lambda: standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == "t")
    reader = session(standby, "report", isolation)
    eyes = ProbeEyes(config)

    def seen() -> Local:
        return eyes.local(3.0)

    try:
        assert seen().readers == seen().readers == ()
        for statement in conflict.split("; "):
            primary.sql(statement)
        found = until(lambda: seen().readers)
        assert [(one.user, one.application) for one in found] == [("postgres", "report")]
        assert found[0].pid == reader.info.backend_pid
        assert found[0].since.startswith("20")
        HostHands(config).end_readers([1])
        assert seen().readers == found
        HostHands(config).end_readers([one.pid for one in found])
        until(lambda: seen().receive_lsn == seen().replay_lsn)
        assert seen().readers == ()
    finally:
        eyes.close()
        reader.close()

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""'Rewound' is said of data that follows the new primary, and never at the price of the last good copy: with real servers."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world import rewind as module
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world import source
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.rewind import rewind, run
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.source import Source, ask_source
from real_postgres import RealPostgres, make_root

GRANTS = "; ".join(
    f"GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO sky_pg_cluster"
    for function in (
        "pg_ls_dir(text, boolean, boolean)",
        "pg_stat_file(text, boolean)",
        "pg_read_binary_file(text)",
        "pg_read_binary_file(text, bigint, bigint, boolean)",
    )
)


class Pair:
    """node1, that was primary and wrote on alone; node2, that was promoted; a tablespace on each."""

    def __init__(self, root: Path) -> None:
        self.old, self.new = RealPostgres(root, "node1"), RealPostgres(root, "node2")
        self.state = root / "state"
        self.disks = {name: root / f"disk-{name}" for name in ("node1", "node2")}
        for directory in (self.state, *self.disks.values()):
            directory.mkdir()
            shutil.chown(directory, root.owner(), root.group())

    def part(self) -> None:
        """Both have 1000 rows in `kept`; then each goes its own way, and node1 is stopped."""
        old, new = self.old, self.new
        old.initdb()
        old.sql(f"CREATE TABLESPACE archive LOCATION '{self.disks['node1']}'")
        old.sql(
            "CREATE TABLE kept TABLESPACE archive AS SELECT g, repeat('x', 2000) AS t FROM generate_series(1, 1000) g"
        )
        new.clone(old, {self.disks["node1"]: self.disks["node2"]})
        new.sql("ALTER SYSTEM SET checkpoint_timeout = '1h'")
        old.sql("CREATE TABLE dirty AS SELECT g, repeat('x', 500) FROM generate_series(1, 3000) g")
        until = time.monotonic() + 30
        while new.sql("SELECT pg_last_wal_replay_lsn()") != old.sql("SELECT pg_current_wal_lsn()"):
            assert time.monotonic() < until, "never: node2 has it all"
            time.sleep(0.1)
        new.sql("SELECT pg_reload_conf()")
        new.run(["pg_ctl", "-D", str(new.data_dir), "-w", "promote"])
        old.sql("CREATE TABLE lost AS SELECT g, repeat('x', 2000) FROM generate_series(1, 3000) g")
        old.stop("immediate")
        old.follow(new)

    def request(self) -> dict[str, Any]:
        return {
            "peer": "node2",
            "dsn": {
                "hostaddr": "127.0.0.1",
                "port": self.new.port,
                "dbname": "sky_pg_cluster",
                "user": "sky_pg_cluster",
                "passfile": "/nonexistent",
                "sslmode": "disable",
            },
            "bin_dir": str(self.old.bin_dir),
            "data_dir": str(self.old.data_dir),
            "state_dir": str(self.state),
        }

    def follows(self) -> None:
        """node1 streams from node2, and has what node2 has."""
        self.new.sql("INSERT INTO kept VALUES (1001)")
        self.old.start()
        until = time.monotonic() + 30
        while self.old.sql("SELECT count(*), to_regclass('lost') IS NULL FROM kept") != "1001|t":
            assert time.monotonic() < until, "never: node1 follows node2"
            time.sleep(0.1)


@pytest.fixture
def pair() -> Iterator[Pair]:
    root = make_root()
    both = Pair(root)
    try:
        both.part()
        yield both
    finally:
        both.old.stop("immediate")
        both.new.stop("immediate")
        shutil.rmtree(root, ignore_errors=True)


def test_role_without_superuser_waits_for_the_new_primarys_checkpoint(pair: Pair) -> None:
    pair.new.sql("ALTER ROLE sky_pg_cluster NOSUPERUSER")
    pair.new.sql(GRANTS)
    with pytest.raises(WorldError, match="still of timeline 1, 1 s after"):
        rewind(pair.request(), ask=lambda request: ask_source(request, 1.0))
    assert not (pair.old.data_dir / "standby.signal").exists()
    pair.new.sql("CHECKPOINT")
    assert "rewound to timeline 2" in rewind(pair.request())["detail"]
    pair.follows()


def test_superuser_need_not_wait_whatever_its_own_time_limit(pair: Pair) -> None:
    pair.new.sql("ALTER ROLE sky_pg_cluster SET statement_timeout = 1")
    assert "rewound to timeline 2" in rewind(pair.request())["detail"]
    pair.follows()


def test_pg_rewind_that_did_nothing_is_not_called_a_rewind(pair: Pair) -> None:
    def does_nothing(
        command: Sequence[str], deadline: float, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        if command[0].endswith("/pg_rewind") and "--dry-run" not in command:
            return subprocess.CompletedProcess(list(command), 0, "no rewind required\n")
        return run(command, deadline, environment)

    with pytest.raises(WorldError, match="it was not rewound"):
        rewind(pair.request(), does_nothing)
    assert not (pair.old.data_dir / "standby.signal").exists()
    rewind(pair.request())
    pair.follows()


@pytest.mark.parametrize("started_over_it", [False, True])
def test_source_that_lost_a_tablespace_does_not_empty_the_last_good_copy(pair: Pair, started_over_it: bool) -> None:
    (version,) = pair.disks["node2"].iterdir()
    away = pair.state / "away"
    pair.new.stop("fast")
    shutil.move(version, away)
    pair.new.start()
    if started_over_it:  # replaying WAL makes the directories that are missing
        version.mkdir()
        shutil.chown(version, version.parent.owner(), version.parent.group())
    else:
        with pytest.raises(WorldError, match="lacks the files of tablespace archive"):
            rewind(pair.request())
        version.mkdir()
    with pytest.raises(WorldError, match=r"would remove \d+ of \d+ bytes in pg_tblspc/\d+ \(.*disk-node1\)"):
        rewind(pair.request())
    assert not (pair.old.data_dir / "standby.signal").exists()
    assert sum(file.stat().st_size for file in pair.disks["node1"].rglob("*")) > 2_000_000
    pair.new.stop("immediate")
    shutil.rmtree(version)
    shutil.move(away, version)
    pair.new.start()
    rewind(pair.request())
    pair.follows()


def test_data_of_another_cluster_is_refused_before_anything_is_done(pair: Pair) -> None:
    with pytest.raises(WorldError, match="belongs to another cluster"):
        rewind(pair.request(), ask=lambda _request: Source(2, "", "7300000000000000099"))
    assert not list(pair.state.iterdir())


def test_a_peer_that_falls_silent_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "ANSWER", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_greets_and_falls_silent, args=(listening,), daemon=True).start()
        dsn = dict.fromkeys(("dbname", "user", "passfile"), "x")
        dsn |= {"hostaddr": "127.0.0.1", "port": listening.getsockname()[1], "sslmode": "disable"}
        began = time.monotonic()
        with pytest.raises(WorldError, match="gives no answer within"):
            ask_source({"peer": "x", "dsn": dsn})
        assert time.monotonic() - began < 20


def test_pg_rewinds_own_connection_finds_out_that_its_host_is_dead() -> None:
    request = {"dsn": dict.fromkeys(("hostaddr", "port", "dbname", "user", "passfile", "sslmode"), "x")}
    told = dict(word.split("=") for word in module._conninfo(request).replace("'", "").split())
    idle, interval, count = (int(told[f"keepalives_{name}"]) for name in ("idle", "interval", "count"))
    assert told["keepalives"] == "1"
    assert idle + interval * count <= 30
    assert int(told["tcp_user_timeout"]) <= 30000


def _greets_and_falls_silent(listening: socket.socket) -> None:
    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!I", len(body) + 4) + body

    peer, _address = listening.accept()
    peer.recv(struct.unpack("!I", peer.recv(4))[0] - 4)
    settings = {b"server_version": b"15.18", b"client_encoding": b"UTF8", b"DateStyle": b"ISO, MDY"}
    settings |= {b"integer_datetimes": b"on", b"standard_conforming_strings": b"on"}
    told = b"".join(message(b"S", name + b"\0" + value + b"\0") for name, value in settings.items())
    peer.sendall(message(b"R", struct.pack("!I", 0)) + told + message(b"Z", b"I"))
    threading.Event().wait(60)

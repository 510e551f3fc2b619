# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who streams from a real primary, and what keeps WAL on it: its slots, its last checkpoint."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.eyes import ProbeEyes
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local, Slot
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.postgres import HostHands
from node_samples import configured
from real_postgres import RealPostgres, make_root

SMALL = """
wal_level = logical
wal_keep_size = 0
max_slot_wal_keep_size = 32MB
max_wal_size = 32MB
min_wal_size = 32MB
"""
SEGMENT = "SELECT pg_logical_emit_message(true, 'test', 'x'); SELECT pg_switch_wal()"


@pytest.fixture(scope="module")
def primary() -> Iterator[RealPostgres]:
    server = RealPostgres(make_root(), "node1")
    try:
        server.initdb(SMALL)
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(server.root, ignore_errors=True)


@pytest.fixture
def config(primary: RealPostgres, make_config: Callable[..., Config]) -> Config:
    return make_config(postgresql=primary.settings)


def seen(config: Config) -> Local:
    eyes = ProbeEyes(config)
    try:
        return eyes.local(3.0)
    finally:
        eyes.close()


def slot(config: Config, name: str) -> Slot | None:
    wal = seen(config).wal
    assert wal is not None
    return next((one for one in wal.slots if one.name == name), None)


@contextmanager
def reader(primary: RealPostgres, *command: str) -> Iterator[None]:
    """A program that reads the primary's WAL from the peer's address (all of these tests are on loopback)."""
    target = ["-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres", "-w"]
    process = subprocess.Popen(
        [str(primary.bin_dir / command[0]), *target, *command[1:]], cwd="/", stderr=subprocess.DEVNULL
    )
    try:
        _wait(lambda: primary.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1")
        yield
    finally:
        process.terminate()
        process.wait(20)
        _wait(lambda: primary.sql("SELECT count(*) FROM pg_stat_replication") == "0")


def _wait(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


class TestWhoIsTheStandby:
    def test_pg_receivewal_from_the_peers_address_is_none(self, primary: RealPostgres, config: Config) -> None:
        with reader(primary, "pg_receivewal", "-D", str(_folder(primary)), "--no-sync"):
            assert seen(config).peer_streaming is False

    def test_logical_reader_that_bears_the_peers_name_is_none(self, primary: RealPostgres, config: Config) -> None:
        primary.sql("SELECT pg_create_logical_replication_slot('feed', 'test_decoding')")
        dsn = "dbname=sky_pg_cluster application_name=node2"
        try:
            with reader(primary, "pg_recvlogical", "-d", dsn, "-S", "feed", "--start", "-f", "-"):
                assert seen(config).peer_streaming is False
        finally:
            _wait(lambda: primary.sql("SELECT active FROM pg_replication_slots WHERE slot_name = 'feed'") == "f")
            primary.sql("SELECT pg_drop_replication_slot('feed')")

    @pytest.mark.parametrize("by", ["its name", "its slot", "the address, and PostgreSQL's own name for a standby"])
    def test_standby_is_known_by(self, primary: RealPostgres, config: Config, by: str) -> None:
        standby = RealPostgres(primary.root, "node2")
        standby.clone(primary)
        name = {"its name": "node2", "its slot": "another"}.get(by, "walreceiver")
        settings = f"primary_conninfo = 'host=127.0.0.1 port={primary.port} user=postgres application_name={name}'\n"
        if by == "its slot":
            HostHands(config).ensure_slot("node2")
            settings += "primary_slot_name = 'node2'\n"
        try:
            with (standby.data_dir / "postgresql.conf").open("a") as file:
                file.write(settings)
            standby.stop()
            standby.start()
            _wait(lambda: seen(config).peer_streaming is True)
        finally:
            standby.stop("immediate")
            shutil.rmtree(standby.data_dir)
            _wait(lambda: primary.sql("SELECT count(*) FROM pg_stat_replication") == "0")
            HostHands(config).drop_slots(["node2"])


class TestSlots:
    def test_slot_that_has_lost_its_wal_is_seen_and_made_anew(self, primary: RealPostgres, config: Config) -> None:
        hands = HostHands(config)
        hands.ensure_slot("node2")
        found = slot(config, "node2")
        assert found is not None
        assert (found.lost, found.active, found.kept is not None) == (False, False, True)
        for _ in range(6):
            primary.sql(SEGMENT)
        primary.sql("CHECKPOINT")
        assert slot(config, "node2") == Slot("node2", logical=False, active=False, lost=True, kept=None)
        hands.ensure_slot("node2")
        found = slot(config, "node2")
        assert found is not None
        assert not found.lost
        assert found.kept is None, "nothing is kept for a reader that must be made again"
        hands.drop_slots(["node2"])

    def test_slots_of_others_are_seen_with_what_they_keep(self, primary: RealPostgres, config: Config) -> None:
        primary.sql("SELECT pg_create_physical_replication_slot('barman', true)")
        primary.sql("SELECT pg_create_logical_replication_slot('feed', 'test_decoding')")
        try:
            primary.sql(SEGMENT)
            wal = seen(config).wal
            assert wal is not None
            assert [(one.name, one.logical) for one in wal.slots] == [("barman", False), ("feed", True)]
            assert all(one.kept is not None and one.kept > 0 for one in wal.slots), wal
            assert (wal.slot_limit, wal.kept_anyway) == (32 * 1024 * 1024, 32 * 1024 * 1024)
        finally:
            primary.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


class TestCopiesOnTheStandby:
    """Of slots that are not skyha's: they are there after a failover, never ahead of their reader."""

    @pytest.fixture
    def standby(self, primary: RealPostgres) -> Iterator[RealPostgres]:
        """It listens at another address, since both nodes of a cluster have one port."""
        server = RealPostgres(primary.root, "node2")
        server.port = primary.port
        sockets = primary.root / "node2-sockets"
        sockets.mkdir()
        sockets.chmod(0o777)
        server.run(
            ["pg_basebackup", "-D", str(server.data_dir), "-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres"]
        )
        with (server.data_dir / "postgresql.conf").open("a") as file:
            file.write(
                f"listen_addresses = '127.0.0.2'\nunix_socket_directories = '{sockets}'\n"
                f"primary_conninfo = 'host=127.0.0.1 port={primary.port} user=postgres application_name=node2'\n"
            )
        (server.data_dir / "standby.signal").touch()
        server.start()
        yield server
        server.stop("immediate")
        shutil.rmtree(server.data_dir)
        sockets.rmdir()

    def test_they_are_made_moved_on_and_dropped_as_on_the_primary(
        self, primary: RealPostgres, standby: RealPostgres, config: Config
    ) -> None:
        here = configured(
            config,
            node={"name": "node2"},
            peer={"name": "node1"},
            postgresql={"socket_dir": str(primary.root / "node2-sockets")},
        )
        hands = HostHands(here)
        primary.sql("SELECT pg_create_physical_replication_slot('barman', true)")
        where = "SELECT restart_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = 'barman'"
        hands.copy_slots(["barman"])
        first = _kept_from(here)
        assert first is not None
        primary.sql("SELECT pg_logical_emit_message(true, 'test', repeat('x', 1000000))")
        primary.sql("SELECT pg_replication_slot_advance('barman', pg_current_wal_lsn())")
        reached = int(primary.sql(where))
        # The standby's replay may be behind for a moment.
        _wait(lambda: (hands.copy_slots(["barman"]), _kept_from(here))[1] == reached)
        assert reached > first
        primary.sql("SELECT pg_drop_replication_slot('barman')")
        hands.copy_slots(["barman"])
        assert _kept_from(here) is None


def _kept_from(config: Config) -> int | None:
    """Where the copy of barman's slot begins, in a standby's own words."""
    local = seen(config)
    assert local.wal is not None
    kept = next((one.kept for one in local.wal.slots if one.name == "barman"), None)
    return None if kept is None or local.replay_lsn is None else local.replay_lsn - kept


def test_wal_since_the_last_checkpoint_is_counted(primary: RealPostgres, config: Config) -> None:
    primary.sql("CHECKPOINT")
    primary.sql("SELECT pg_logical_emit_message(true, 'test', repeat('x', 1000000))")
    wal = seen(config).wal
    assert wal is not None
    assert wal.since_checkpoint is not None
    assert 1_000_000 <= wal.since_checkpoint < 2_000_000
    assert wal.checkpoint_timeout == 300
    primary.sql("CHECKPOINT")
    later = seen(config).wal
    assert later is not None
    assert (later.redo_lsn or 0) > (wal.redo_lsn or 0)


def _folder(primary: RealPostgres) -> object:
    folder = primary.root / "received"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    return folder

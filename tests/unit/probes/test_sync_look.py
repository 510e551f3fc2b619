# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Zero loss on a real PostgreSQL and its standby: skyha's file, what a look tells of it, and what commits do meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config, sync_names
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes import queries
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.eyes import ProbeEyes
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Sync
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.postgres import HostHands
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.sync import NAME, SyncFile
from node_samples import configured
from real_postgres import RealPostgres, make_root

COMMIT = "UPDATE sky_pg_cluster.cluster_status SET last_alive = now()"


class Node:
    """node1 as skyha has it: its file, its hands, its eyes."""

    def __init__(self, primary: RealPostgres, config: Config) -> None:
        self.primary, self.config = primary, config
        self.file = SyncFile(config)
        self.hands = HostHands(config, sync=self.file)
        self.eyes = ProbeEyes(config, governed=lambda: self.file.name)

    def look(self) -> Sync:
        """At its own server."""
        found = self.eyes.local(3.0).sync
        assert found is not None
        return found

    def comes_to(self, **expected: object) -> Sync:
        """The look that finds it so."""
        until = time.monotonic() + 20
        while True:
            found = self.look()
            if all(getattr(found, name) == value for name, value in expected.items()):
                return found
            assert time.monotonic() < until, f"{expected}: {found}"
            time.sleep(0.05)

    @contextmanager
    def committing(self, options: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """A client that commits once."""
        command = ["psql", "-XAtq", "-h", "127.0.0.1", "-p", str(self.primary.port), "-U", "postgres", "-c", COMMIT]
        client = subprocess.Popen([*command, "sky_pg_cluster"], env={**os.environ, "PGOPTIONS": options})
        try:
            yield client
        finally:
            client.kill()
            client.wait()


@pytest.fixture(scope="module")
def primary() -> Iterator[RealPostgres]:
    """It includes skyha's file; that is in a directory whose files belong to its group."""
    server = RealPostgres(make_root(), "node1")
    state = server.root / "state"
    state.mkdir()
    shutil.chown(state, group=server.root.stat().st_gid)
    state.chmod(0o2755)
    try:
        server.initdb(f"include_if_exists = '{state / NAME}'\n")
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(server.root, ignore_errors=True)


@pytest.fixture(scope="module")
def clone(primary: RealPostgres) -> Iterator[RealPostgres]:
    server = RealPostgres(primary.root, "node2")
    try:
        server.clone(primary)
        yield server
    finally:
        server.stop("immediate")


@pytest.fixture
def config(primary: RealPostgres, make_config: Callable[..., Config]) -> Config:
    state = {"state_dir": str(primary.root / "state")}
    return make_config(postgresql=primary.settings, paths=state, replication={"mode": "zero_loss"})


@pytest.fixture
def node(primary: RealPostgres, config: Config) -> Iterator[Node]:
    """Nobody is waited for, before and after it."""
    with as_node(primary, config) as made:
        yield made


@contextmanager
def as_node(primary: RealPostgres, config: Config) -> Iterator[Node]:
    made = Node(primary, config)
    try:
        made.comes_to(file="", names="")
        yield made
    finally:
        made.hands.set_sync("")
        made.comes_to(names="")
        made.eyes.close()


@pytest.fixture
def standby(clone: RealPostgres, node: Node) -> RealPostgres:
    """It streams."""
    until = time.monotonic() + 20
    while node.look().flush_lsn is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    return clone


def receiver(standby: RealPostgres) -> int:
    """The process that writes the standby's WAL."""
    return int(standby.sql("SELECT pid FROM pg_stat_wal_receiver"))


class TestAlone:
    """No standby streams. (First of all: the module's standby comes later and stays.)"""

    def test_the_look_tells_of_nobody_by_default(self, node: Node) -> None:
        assert node.look() == Sync("", "", "on", False, True, True, None)

    def test_commits_wait_until_the_file_names_nobody(self, node: Node) -> None:
        node.hands.set_sync("node2")
        node.comes_to(names=sync_names("node2"), loaded=True)
        with node.committing() as client:
            with pytest.raises(subprocess.TimeoutExpired):
                client.wait(1.0)
            found = node.look()
            assert (found.file, found.taken, found.loaded, found.flush_lsn) == ("node2", False, True, None)
            node.hands.set_sync("")
            assert client.wait(10) == 0

    def test_skyhas_own_notes_wait_for_nobody(self, node: Node) -> None:
        node.hands.set_sync("node2")
        node.comes_to(names=sync_names("node2"), loaded=True)
        node.hands.record_standby(True)
        node.hands.record_standby(False)

    def test_a_kept_session_shows_what_the_server_has_now(self, node: Node) -> None:
        node.look()
        node.primary.sql("ALTER SYSTEM SET synchronous_commit = 'local'")
        node.primary.sql("SELECT pg_reload_conf()")
        try:
            node.comes_to(commit="local")
        finally:
            node.primary.sql("ALTER SYSTEM RESET synchronous_commit")
            node.primary.sql("SELECT pg_reload_conf()")
        node.comes_to(commit="on")

    def test_a_setting_of_alter_system_is_seen_past_the_file(self, node: Node) -> None:
        node.primary.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
        try:
            node.hands.set_sync("node2")
            time.sleep(0.3)
            assert node.look() == Sync("node2", "", "on", False, True, True, None)
        finally:
            node.primary.sql("ALTER SYSTEM RESET synchronous_standby_names")
            node.primary.sql("SELECT pg_reload_conf()")
        node.comes_to(names=sync_names("node2"))

    def test_without_zero_loss_nothing_of_the_server_is_asked(self, primary: RealPostgres, config: Config) -> None:
        eyes = ProbeEyes(configured(config, replication={"mode": "async"}), governed=lambda: "")
        found = eyes.local(3.0)
        eyes.close()
        assert found.sync == Sync("")

    def test_only_the_look_shows_the_servers_setting_and_writes_nothing(self, config: Config) -> None:
        assert "synchronous_commit=local" in queries.local_dsn(config)["options"]
        assert "synchronous_commit" not in queries.local_dsn(config, looks_only=True)["options"]


class TestLowered:
    """Who commits without waiting, by a setting of his own."""

    @pytest.mark.parametrize(
        ("scope", "told"),
        [
            ("ROLE batch", "role batch"),
            ("DATABASE sky_pg_cluster", "database sky_pg_cluster"),
            ("ROLE batch IN DATABASE sky_pg_cluster", "role batch in database sky_pg_cluster"),
            ("ROLE ALL", "every role"),
        ],
    )
    def test_roles_and_databases_are_named(self, node: Node, config: Config, scope: str, told: str) -> None:
        node.primary.sql("CREATE ROLE batch")
        try:
            node.primary.sql(f"ALTER {scope} SET synchronous_commit = off")
            assert lowered(config) == (told,)
        finally:
            node.primary.sql(f"ALTER {scope} RESET synchronous_commit")
            node.primary.sql("DROP ROLE batch")
        assert lowered(config) == ()

    @pytest.mark.parametrize("value", ["local", "remote_write", "OFF", "False", "0", "no"])
    def test_each_value_that_does_not_wait(self, node: Node, config: Config, value: str) -> None:
        assert of_a_role(node, config, value) == ("role batch",)

    @pytest.mark.parametrize("value", ["on", "remote_apply", "true"])
    def test_and_none_that_does(self, node: Node, config: Config, value: str) -> None:
        assert of_a_role(node, config, value) == ()


def of_a_role(node: Node, config: Config, value: str) -> tuple[str, ...]:
    node.primary.sql("CREATE ROLE batch")
    try:
        node.primary.sql(f"ALTER ROLE batch SET synchronous_commit = '{value}'")
        return lowered(config)
    finally:
        node.primary.sql("DROP ROLE batch")


def lowered(config: Config) -> tuple[str, ...]:
    """As a skyha that has just started sees it: it is asked once a minute."""
    eyes = ProbeEyes(config, governed=lambda: "")
    try:
        found = eyes.local(3.0).sync
    finally:
        eyes.close()
    assert found is not None
    return found.lowered


class TestWithAStandby:
    def test_it_is_taken_for_the_synchronous_one_and_commits_go_through(
        self, node: Node, standby: RealPostgres
    ) -> None:
        assert not node.look().taken
        node.hands.set_sync("node2")
        node.comes_to(names=sync_names("node2"), taken=True, loaded=True)
        written = node.eyes.local(3.0).write_lsn
        with node.committing() as client:
            assert client.wait(10) == 0
        found = node.look()
        assert found.flush_lsn is not None
        assert written is not None
        assert found.flush_lsn > written

    def test_one_that_hangs_holds_them_up_and_its_flush_stands(self, node: Node, standby: RealPostgres) -> None:
        node.hands.set_sync("node2")
        node.comes_to(taken=True, loaded=True)
        pid = receiver(standby)
        os.kill(pid, signal.SIGSTOP)
        try:
            flushed = node.look().flush_lsn
            with node.committing() as client:
                with pytest.raises(subprocess.TimeoutExpired):
                    client.wait(1.0)
                local = node.eyes.local(3.0)
                assert local.sync is not None
                assert (local.sync.flush_lsn, local.sync.loaded, local.sync.taken) == (flushed, True, True)
                assert local.write_lsn is not None
                assert flushed is not None
                assert local.write_lsn > flushed
                os.kill(pid, signal.SIGCONT)
                assert client.wait(10) == 0
        finally:
            os.kill(pid, signal.SIGCONT)

    def test_who_lowers_it_does_not_wait(self, node: Node, standby: RealPostgres) -> None:
        node.hands.set_sync("node2")
        node.comes_to(taken=True, loaded=True)
        pid = receiver(standby)
        os.kill(pid, signal.SIGSTOP)
        try:
            with node.committing("-c synchronous_commit=local") as client:
                assert client.wait(10) == 0
        finally:
            os.kill(pid, signal.SIGCONT)

    def test_by_remote_apply_what_was_replayed_counts(
        self, primary: RealPostgres, config: Config, standby: RealPostgres
    ) -> None:
        with as_node(primary, configured(config, replication={"sync_commit": "remote_apply"})) as node:
            node.hands.set_sync("node2")
            node.comes_to(commit="remote_apply", taken=True, loaded=True)
            standby.sql("SELECT pg_wal_replay_pause()")
            try:
                with node.committing() as client:
                    with pytest.raises(subprocess.TimeoutExpired):
                        client.wait(1.0)
                    replayed = node.look().flush_lsn
                    flushed = int(primary.sql("SELECT flush_lsn - '0/0' FROM pg_stat_replication"))
                    assert replayed is not None
                    assert replayed < flushed
                    standby.sql("SELECT pg_wal_replay_resume()")
                    assert client.wait(10) == 0
            finally:
                standby.sql("SELECT pg_wal_replay_resume()")

    def test_another_reader_of_the_wal_is_not_the_standby(self, node: Node, standby: RealPostgres) -> None:
        """It calls itself so, and it would hold nothing that can be promoted."""
        folder = node.primary.root / "received"
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)
        standby.stop()
        target = ["-h", "127.0.0.1", "-p", str(node.primary.port), "-U", "postgres", "-w", "-D", str(folder)]
        program = subprocess.Popen(
            [str(node.primary.bin_dir / "pg_receivewal"), *target, "--synchronous"], cwd="/", stderr=subprocess.DEVNULL
        )
        try:
            until = time.monotonic() + 20
            while node.primary.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") != "1":
                assert time.monotonic() < until
                time.sleep(0.05)
            assert node.look().flush_lsn is None
        finally:
            program.terminate()
            program.wait(20)
            shutil.rmtree(folder, ignore_errors=True)
            standby.start()

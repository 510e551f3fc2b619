# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hands on a real PostgreSQL."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order, Request
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.postgres import HostHands, make_standby
from real_postgres import RealPostgres
from rights import rights_of_nobody

NOTES = "SELECT standby_recorded, recorded_timeline, switching, paused, paused_until > now() FROM sky_pg_cluster.cluster_control"


@pytest.fixture
def hands(real_config: Config) -> HostHands:
    return HostHands(real_config)


def test_slot_is_made_once_and_dropped(hands: HostHands, postgres: RealPostgres) -> None:
    for _again in range(2):
        hands.ensure_slot("node2")
    assert postgres.sql("SELECT slot_name, restart_lsn IS NOT NULL FROM pg_replication_slots") == "node2|t"
    for _again in range(2):
        hands.drop_slots(["node2", "never_there"])
    assert postgres.sql("SELECT count(*) FROM pg_replication_slots") == "0"


def test_notes_are_written(hands: HostHands, postgres: RealPostgres) -> None:
    hands.record_standby(True)
    hands.set_switching(True)
    assert postgres.sql(NOTES) == "t|1|t|f|"
    hands.record_standby(False)
    hands.set_switching(False)
    hands.set_pause(Request(Order.PAUSE))
    assert postgres.sql(NOTES) == "f|1|f|t|"
    hands.set_pause(Request(Order.PAUSE, seconds=60))
    assert postgres.sql(NOTES) == "f|1|f|t|t"
    hands.set_pause(Request(Order.RESUME))
    assert postgres.sql(NOTES) == "f|1|f|f|"


def test_checkpoint_is_begun(hands: HostHands, postgres: RealPostgres) -> None:
    postgres.sql("SELECT pg_switch_wal()")
    hands.checkpoint()


def test_missing_row_is_named(hands: HostHands, postgres: RealPostgres) -> None:
    postgres.sql("UPDATE sky_pg_cluster.cluster_control SET id = 2")
    try:
        with pytest.raises(WorldError, match="cluster_control has no row"):
            hands.set_switching(True)
    finally:
        postgres.sql("UPDATE sky_pg_cluster.cluster_control SET id = 1")


def test_server_that_is_gone_is_an_error_that_names_it(make_config: Callable[..., Config], tmp_path: Path) -> None:
    hands = HostHands(make_config(postgresql={"port": 1, "data_dir": str(tmp_path), "socket_dir": str(tmp_path)}))
    with pytest.raises(WorldError, match=r"the replication slot node2: PostgreSQL at .* port 1"):
        hands.ensure_slot("node2")
    with pytest.raises(WorldError):
        hands.promote_peer()
    hands.stop_postgres(True)  # nothing runs: nothing to do


def test_running_server_is_not_made_a_standby(hands: HostHands) -> None:
    with pytest.raises(WorldError, match="stop it first"):
        hands.make_standby()


def test_directory_without_data_is_not_made_a_standby(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="is no data directory"):
        make_standby(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "PG_VERSION").write_text("15")
    make_standby(str(tmp_path))
    assert (tmp_path / "standby.signal").exists()


def test_start_is_asked_for_by_a_file(make_config: Callable[..., Config], tmp_path: Path) -> None:
    HostHands(make_config()).start_postgres()
    assert (tmp_path / "start-postgresql").read_text()
    with pytest.raises(WorldError, match=r"sky-postgresql\.path"):
        HostHands(make_config(paths={"run_dir": "/nonexistent"})).start_postgres()


class TestLockFileLeftByAPowerCut:
    """postmaster.pid names a number that something else has by now; PostgreSQL would not start."""

    @pytest.fixture
    def hands(self, make_config: Callable[..., Config], tmp_path: Path) -> HostHands:
        (tmp_path / "run").mkdir()
        (tmp_path / "data").mkdir()
        return HostHands(
            make_config(paths={"run_dir": str(tmp_path / "run")}, postgresql={"data_dir": str(tmp_path / "data")})
        )

    @pytest.fixture
    def lock(self, tmp_path: Path) -> Path:
        return tmp_path / "data/postmaster.pid"

    @pytest.mark.parametrize("sign", [1, -1])
    def test_of_another_process_is_removed(self, hands: HostHands, lock: Path, sign: int) -> None:
        with subprocess.Popen(["sleep", "60"], cwd="/") as other:
            lock.write_text(f"{sign * other.pid}\n{lock.parent}\n")
            hands.start_postgres()
            other.kill()
        assert not lock.exists()

    def test_of_a_thread_is_removed(self, hands: HostHands, lock: Path) -> None:
        done = threading.Event()
        thread = threading.Thread(target=done.wait, args=(60,))
        thread.start()
        lock.write_text(f"{thread.native_id}\n")
        hands.start_postgres()
        done.set()
        thread.join()
        assert not lock.exists()

    def test_of_a_living_postmaster_stays(self, hands: HostHands, lock: Path) -> None:
        with subprocess.Popen(["sleep", "60"], cwd=lock.parent) as server:
            lock.write_text(f"{server.pid}\n")
            hands.start_postgres()
            server.kill()
        assert lock.exists()

    def test_stays_while_a_backend_lives(self, hands: HostHands, lock: Path) -> None:
        with (
            subprocess.Popen(["sleep", "60"], cwd="/") as other,
            subprocess.Popen(["sleep", "60"], cwd=lock.parent) as backend,
        ):
            lock.write_text(f"{other.pid}\n")
            hands.start_postgres()
            other.kill()
            backend.kill()
        assert lock.exists()

    @pytest.mark.parametrize("text", ["", "no number\n", "99999999999999999999\n", "4194304\n", "0\n", "1\n"])
    def test_that_stops_nobody_stays(self, hands: HostHands, lock: Path, text: str) -> None:
        lock.write_text(text)
        hands.start_postgres()
        assert lock.exists()

    def test_that_cannot_be_removed_is_named(self, make_config: Callable[..., Config], open_directory: Path) -> None:
        hands = HostHands(
            make_config(paths={"run_dir": str(open_directory)}, postgresql={"data_dir": str(open_directory)})
        )
        with subprocess.Popen(["sleep", "60"], cwd="/", user="nobody") as other:
            (open_directory / "postmaster.pid").write_text(f"{other.pid}\n")
            with rights_of_nobody(), pytest.raises(WorldError, match="another process's by now"):
                hands.start_postgres()
            other.kill()


def test_checkpoint_that_cannot_be_begun_is_an_error(make_config: Callable[..., Config], tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="no checkpoint can be started"):
        HostHands(make_config(postgresql={"port": 1, "socket_dir": str(tmp_path)})).checkpoint()


def test_another_checkpoint_takes_the_place_of_the_first(hands: HostHands, postgres: RealPostgres) -> None:
    for _ in range(5):
        hands.checkpoint()
    assert int(postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE query = 'CHECKPOINT'")) <= 2


class TestPostmaster:
    """A process in a data directory that says it is the postmaster."""

    @pytest.fixture
    def data(self, open_directory: Path) -> Iterator[Path]:
        program = open_directory / "postgres"  # by its name it is known to who may not see where it works
        shutil.copy("/bin/sleep", program)
        with subprocess.Popen([program, "60"], cwd=open_directory) as self.process:
            (open_directory / "postmaster.pid").write_text(f"{self.process.pid}\n")
            (open_directory / "PG_VERSION").write_text("15")
            yield open_directory
            self.process.kill()

    @pytest.mark.parametrize(("immediate", "number"), [(True, signal.SIGQUIT), (False, signal.SIGINT)])
    def test_stop_is_fast_or_immediate(
        self, make_config: Callable[..., Config], data: Path, immediate: bool, number: signal.Signals
    ) -> None:
        HostHands(make_config(postgresql={"data_dir": str(data)})).stop_postgres(immediate)
        assert self.process.wait(10.0) == -number

    def test_stop_without_the_right_to_names_what_is_needed(
        self, make_config: Callable[..., Config], data: Path
    ) -> None:
        with rights_of_nobody(), pytest.raises(WorldError, match="skyhad must run as its user"):
            HostHands(make_config(postgresql={"data_dir": str(data)})).stop_postgres(True)
        assert self.process.poll() is None

    def test_one_that_has_ended_meanwhile_becomes_a_standby(
        self, make_config: Callable[..., Config], data: Path
    ) -> None:
        hands = HostHands(make_config(postgresql={"data_dir": str(data)}))
        self.process.kill()
        self.process.wait()
        hands.stop_postgres(True)
        hands.make_standby()
        assert (data / "standby.signal").exists()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (
            "#!/bin/sh\necho 'pg_ctl: cannot promote server;'; echo 'server is not in standby mode' >&2; exit 1\n",
            "exit code 1: pg_ctl: cannot promote server; server is not in standby mode",
        ),
        (None, "No such file or directory"),
    ],
)
def test_promotion_that_fails_is_told_with_its_words(
    make_config: Callable[..., Config], tmp_path: Path, program: str | None, said: str
) -> None:
    if program is not None:
        (tmp_path / "pg_ctl").write_text(program)
        (tmp_path / "pg_ctl").chmod(0o755)
    with pytest.raises(WorldError, match=said):
        HostHands(make_config(postgresql={"bin_dir": str(tmp_path)})).promote()


def test_standby_signal_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("15")
    (tmp_path / "standby.signal").mkdir()
    with pytest.raises(WorldError, match=r"standby\.signal cannot be written"):
        make_standby(str(tmp_path))

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An old primary is stopped, promoted away from, and made to follow: with real servers."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.eyes import ProbeEyes
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Role, Server, Task
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.diverged import (
    as_text,
    end_and_commits,
    fork_point,
    keep,
    parse_lsn,
    segment_name,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.postgres import HostHands
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.rewind import Source, rewind, run
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.tasks import ProcessTasks
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.unfinished import NAME, Unfinished
from real_postgres import RealPostgres, make_root


@pytest.fixture
def pair() -> Iterator[tuple[RealPostgres, RealPostgres]]:
    """A primary and its standby."""
    root = make_root()
    old, new = RealPostgres(root, "node1"), RealPostgres(root, "node2")
    try:
        old.initdb()
        new.clone(old)
        yield old, new
    finally:
        old.stop("immediate")
        new.stop("immediate")
        shutil.rmtree(root, ignore_errors=True)


def config_of(make_config: Callable[..., Config], here: RealPostgres, there: RealPostgres, state: Path) -> Config:
    return make_config(
        node={"name": here.name},
        peer={"name": there.name},
        postgresql={**here.settings, "port": there.port},
        paths={"state_dir": str(state)},
    )


def wait_until(holds: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.1)


def test_failover_and_rejoin_keep_what_the_old_primary_wrote_alone(
    pair: tuple[RealPostgres, RealPostgres], make_config: Callable[..., Config], tmp_path: Path
) -> None:
    old, new = pair
    state = old.root / "state"
    state.mkdir()
    # the standby, its eyes and its hands
    eyes = ProbeEyes(
        make_config(
            node={"name": "node2"},
            peer={"name": "node1"},
            postgresql=new.settings,
        )
    )
    wait_until(lambda: eyes.local(2.0).streaming, "node2 streams")
    standby = eyes.local(2.0)
    assert (standby.role, standby.timeline) == (Role.STANDBY, 1)
    assert standby.receive_lsn > 0
    primary = ProbeEyes(make_config(postgresql=old.settings))
    assert primary.local(2.0).peer_streaming
    primary.close()
    hands = HostHands(
        make_config(
            node={"name": "node2"},
            peer={"name": "node1"},
            postgresql=new.settings,
        )
    )
    hands.promote()
    wait_until(lambda: eyes.local(2.0).role is Role.PRIMARY, "node2 is promoted")
    assert eyes.local(2.0).timeline == 2
    eyes.close()
    # the old primary goes on alone, and dies
    old.sql("CREATE TABLE lost (id int)")
    old.sql("INSERT INTO lost VALUES (1)")
    HostHands(make_config(postgresql={"data_dir": str(old.data_dir)})).stop_postgres(immediate=True)
    wait_until(lambda: not (old.data_dir / "postmaster.pid").exists(), "node1 is down")
    old.follow(new)
    with open(old.data_dir / "postgresql.conf", "a", encoding="utf-8") as file:
        file.write("max_stack_depth = 4MB\n")
    own = (old.data_dir / "postgresql.conf").read_text()
    # it is rewound in a process of its own, although skyha's own stack limit is too low for the server's configuration
    tasks = ProcessTasks(config_of(make_config, old, new, state))
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (2 << 20, hard))
    try:
        tasks.start(Task.REWIND)
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))
    outcomes: list = []
    wait_until(lambda: bool(outcomes.extend(tasks.finished()) or outcomes), "the rewind ends")
    assert outcomes[0].ok, outcomes[0].detail
    assert outcomes[0].numbers["commits_past_fork"] == 2
    assert outcomes[0].numbers["bytes_past_fork"] > 0
    kept = list(state.glob("diverged-*"))
    assert len(kept) == 1
    assert "2 commits" in (kept[0] / "README").read_text()
    assert len(list(kept[0].iterdir())) >= 2
    assert (old.data_dir / "postgresql.conf").read_text() == own, "the node's own configuration is kept"
    assert (old.data_dir / "standby.signal").exists()
    old.start()
    wait_until(
        lambda: new.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1", "node1 streams"
    )
    assert old.sql("SELECT to_regclass('lost') IS NULL") == "t"


def request_of(here: RealPostgres, there: RealPostgres, state: Path) -> dict[str, Any]:
    return {
        "peer": there.name,
        "dsn": {
            "hostaddr": "127.0.0.1",
            "port": there.port,
            "dbname": "sky_pg_cluster",
            "user": "sky_pg_cluster",
            "passfile": "/nonexistent",
            "sslmode": "disable",
        },
        "bin_dir": str(here.bin_dir),
        "data_dir": str(here.data_dir),
        "state_dir": str(state),
    }


def test_crash_recovery_keeps_the_wal_that_pg_rewind_reads_and_an_attempt_that_broke_off_is_done_again(
    pair: tuple[RealPostgres, RealPostgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = pair
    state = old.root / "state"
    state.mkdir()
    # No slot and no wal_keep_size hold WAL back, and the last common checkpoint is segments before the fork.
    old.sql("ALTER SYSTEM SET wal_keep_size = 0")
    old.sql("SELECT pg_reload_conf()")
    old.sql("CHECKPOINT")
    old.sql("CREATE TABLE kept AS SELECT 1 AS id")
    switch = "SELECT pg_logical_emit_message(false, 'test', 'x'), pg_switch_wal()"
    for _segment in range(3):
        old.sql(switch)
    wait_until(lambda: new.sql("SELECT pg_last_wal_replay_lsn()") == old.sql("SELECT pg_current_wal_lsn()"), "replay")
    new.run(["pg_ctl", "-D", str(new.data_dir), "-w", "promote"])
    old.sql("CREATE TABLE lost AS SELECT generate_series(1, 10000)")
    for _segment in range(2):
        old.sql(switch)
    old.stop("immediate")
    old.follow(new)
    wal, settings = old.data_dir / "pg_wal", old.data_dir / "postgresql.conf"
    own = settings.read_text()

    def loses_power(
        command: Sequence[str], deadline: float, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """The real pg_rewind's first steps (15.20): what it will copy is emptied, what the source lacks removed."""
        if not command[0].endswith("/pg_rewind") or "--dry-run" in command:
            return run(command, deadline, environment)
        for file in [settings, *(path for path in wal.iterdir() if path.is_file())]:
            if (new.data_dir / file.relative_to(old.data_dir)).exists():
                os.truncate(file, 0)
            else:
                file.unlink()
        raise KeyboardInterrupt

    def as_owner(
        command: Sequence[str], deadline: float, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """As the server's user skyha makes its files; these tests may run as root."""
        owner = old.data_dir.stat()
        for file in wal.iterdir():
            os.chown(file, owner.st_uid, owner.st_gid)
        return run(command, deadline, environment)

    with monkeypatch.context() as power:
        power.setattr(Unfinished, "put_back_own", lambda _self: None)
        with pytest.raises(KeyboardInterrupt):
            rewind(request_of(old, new, state), loses_power)
    assert Unfinished(str(state), str(old.data_dir)).exists
    assert settings.read_text() == ""
    answer = rewind(request_of(old, new, state), as_owner)
    assert answer["numbers"]["commits_past_fork"] == 1
    assert [path.name[:8] for path in state.iterdir()] == ["diverged"], "the mark is gone"
    assert settings.read_text() == own
    old.start()
    wait_until(
        lambda: new.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1", "node1 streams"
    )
    assert old.sql("SELECT to_regclass('lost') IS NULL, (SELECT id FROM kept)") == "t|1"


def test_clean_stop_tells_where_its_wal_ends_and_the_standby_has_all_of_it(
    pair: tuple[RealPostgres, RealPostgres], make_config: Callable[..., Config]
) -> None:
    old, new = pair
    eyes = ProbeEyes(make_config(postgresql=old.settings))
    peer = ProbeEyes(make_config(postgresql=new.settings))
    wait_until(lambda: eyes.local(2.0).peer_streaming, "node2 streams")
    system = old.sql("SELECT system_identifier FROM pg_control_system()")
    assert eyes.local(2.0).system_identifier == system
    for turn in range(3):
        old.sql(f"CREATE TABLE t{turn} AS SELECT generate_series(1, {turn * 1000 + 1})")
        wait_until(lambda: eyes.local(2.0).peer_streaming, "node2 streams")
        old.stop("fast")
        local = eyes.local(2.0)
        assert (local.server, local.clean_shutdown) == (Server.DOWN, True)
        assert local.system_identifier == peer.local(2.0).system_identifier == system
        assert local.write_lsn == peer.local(2.0).receive_lsn
        for node in (local, peer.local(2.0)):
            assert [(place.name, place.whole) for place in node.places or ()] == [("pg_wal", True)]
        old.start()
    eyes.close()
    peer.close()


def test_refusals_leave_the_data_alone(
    pair: tuple[RealPostgres, RealPostgres], make_config: Callable[..., Config]
) -> None:
    old, new = pair
    request = request_of(old, new, old.root)
    with pytest.raises(WorldError, match="stop it first"):
        rewind(request)
    old.stop()
    with pytest.raises(WorldError, match="is not a primary"):
        rewind(request)
    with pytest.raises(WorldError, match="cannot be asked"):
        rewind({**request, "dsn": {**request["dsn"], "port": 1}})
    with pytest.raises(WorldError, match="never was on this node's timeline 1"):
        rewind(request, ask=lambda _request: Source(4, "2\t0/3000000\tno recovery target specified\n"))
    (old.root / NAME).mkdir()
    with pytest.raises(WorldError, match="broke off at its very end"):
        rewind(request, ask=lambda _request: Source(1, ""))
    assert not (old.data_dir / "standby.signal").exists()
    eyes = ProbeEyes(make_config(postgresql=old.settings))
    local = eyes.local(1.0)
    eyes.close()
    assert (local.server, local.role, local.clean_shutdown) == (Server.DOWN, Role.PRIMARY, True)


class TestDiverged:
    """Where the fork is, and what is past it."""

    def test_fork_point_of_the_own_timeline(self) -> None:
        history = "1\t0/3000060\tno recovery target specified\n\n2\t1/50\tsomething else\n"
        assert fork_point(history, 1) == 0x3000060
        assert fork_point(history, 2) == 0x100000050

    def test_positions_are_read_and_written(self) -> None:
        assert parse_lsn("16/B374D848") == 0x16B374D848
        assert as_text(0x16B374D848) == "16/B374D848"

    def test_name_of_a_segment(self) -> None:
        assert segment_name(2, parse_lsn("1/50"), 16 * 1024 * 1024) == "000000020000000100000000"
        assert segment_name(1, parse_lsn("0/FF000028"), 16 * 1024 * 1024) == "0000000100000000000000FF"
        assert segment_name(1, parse_lsn("3/40000000"), 1024 * 1024 * 1024) == "000000010000000300000001"

    def test_second_attempt_finds_what_the_first_has_kept(self, tmp_path: Path) -> None:
        kept = tmp_path / "diverged-20261122T100000Z"
        kept.mkdir()
        (kept / "000000010000000000000003").touch()
        torn = tmp_path / "diverged-20261122T090000Z"
        torn.mkdir()
        (kept / "README").write_text(
            "WAL that this node wrote alone as primary on timeline 1, from 0/3000060 to 0/3000160: 256 bytes, 2 commits.\n"
        )
        found = keep("/nonexistent", "/nonexistent", str(tmp_path), 1, 0x3000060, 1 << 24, time.time)
        assert (found.bytes, found.commits, found.segments) == (256, 2, 1)
        assert str(kept) in found.text

    def test_only_records_past_the_fork_count(self) -> None:
        line = (
            "rmgr: {0:<11} len (rec/tot):     46/    {1}, tx:        737, lsn: 0/{2}, prev 0/03000028, desc: {3} "
            "2026-11-22 18:00:00 UTC"
        )
        lines = [
            line.format("Transaction", 46, "03000000", "COMMIT"),
            line.format("Heap", 54, "03000060", "INSERT"),
            line.format("Transaction", 46, "03000098", "COMMIT"),
            line.format("Transaction", 46, "030000C8", "ABORT"),
            "pg_waldump: error: invalid record length",
        ]
        assert end_and_commits(iter(lines), 0x3000060) == (0x30000C8 + 46, 1)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a rewind and what each failure leaves behind, with PostgreSQL's programs played."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world import diverged
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.rewind import Source, rewind, run
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.unfinished import NAME, Unfinished

HISTORY = "1\t0/3000060\tno recovery target specified\n"
SEGMENT = "000000010000000000000003"
RECORD = "rmgr: Transaction len (rec/tot):     46/    46, tx: 737, lsn: 0/03000098, prev 0/03000060, desc: COMMIT now\n"


class Node:
    """A stopped old primary in a directory. `fails`: program -> what it says when it fails."""

    def __init__(self, directory: Path) -> None:
        self.data, self.state, self.tools = directory / "data", directory / "state", directory / "bin"
        for path in (self.data / "pg_wal", self.state, self.tools):
            path.mkdir(parents=True)
        (self.data / "postgresql.conf").write_text("port = 1\n")
        (self.data / "PG_VERSION").write_text("15\n")
        (self.data / "pg_wal" / SEGMENT).write_bytes(b"wal")
        (self.tools / "pg_waldump").write_text(f"#!/bin/sh\ncat <<'END'\n{RECORD}END\nexit 1\n")
        (self.tools / "pg_waldump").chmod(0o755)
        self.timeline, self.clean = 1, "shut down"
        self.end = "0/3000100"
        self.fails: dict[str, str] = {}
        self.ran: list[str] = []

    def run(
        self, command: Sequence[str], _deadline: float, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        name = Path(command[0]).name + (" --dry-run" if "--dry-run" in command else "")
        self.ran.append(name)
        assert "secret" not in " ".join(command)
        text = ""
        if name == "pg_controldata":
            text = (
                f"Database cluster state:               {self.clean}\nLatest checkpoint's TimeLineID:       {self.timeline}\n"
                f"Bytes per WAL segment:                16777216\nLatest checkpoint location:           {self.end}\n"
            )
        if name == "pg_rewind":
            assert environment["PGPASSFILE"] == "/home/postgres/.pgpass"
            (self.data / "postgresql.conf").write_text("the peer's\n")
        if name in self.fails:
            return subprocess.CompletedProcess(command, 1, stdout=self.fails[name])
        if name == "pg_rewind":
            self.timeline = 2
        return subprocess.CompletedProcess(command, 0, stdout=text)

    def rewind(self, source: Source | None = None) -> Mapping[str, Any]:
        request = {
            "bin_dir": str(self.tools),
            "data_dir": str(self.data),
            "state_dir": str(self.state),
            "peer": "node2",
            "dsn": {
                "hostaddr": "198.51.100.111",
                "port": 1921,
                "dbname": "sky",
                "user": "o'dd",
                "passfile": "/home/postgres/.pgpass",
                "sslmode": "disable",
            },
        }
        return rewind(request, self.run, lambda _request: source or Source(2, HISTORY), lambda: 0.0)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_rewound_node_keeps_its_own_settings_and_what_it_wrote_alone(node: Node) -> None:
    answer = node.rewind()
    assert node.ran == ["pg_controldata", "pg_rewind --dry-run", "pg_rewind", "pg_controldata"]
    assert answer["numbers"]["commits_past_fork"] == 1
    assert (node.data / "postgresql.conf").read_text() == "port = 1\n"
    assert (node.data / "standby.signal").exists()
    kept = node.state / "diverged-19700101T000000Z"
    assert (kept / SEGMENT).read_bytes() == b"wal"
    assert "1 commits" in (kept / "README").read_text()


def test_crashed_node_recovers_first(node: Node) -> None:
    node.clean = "in production"
    (node.data / "standby.signal").touch()
    node.rewind()
    assert node.ran == [
        "pg_controldata",
        "postgres",
        "pg_controldata",
        "pg_rewind --dry-run",
        "pg_rewind",
        "pg_controldata",
    ]


def test_dry_run_that_fails_leaves_the_data_alone_and_says_why(node: Node) -> None:
    node.fails["pg_rewind --dry-run"] = (
        "noise\npg_rewind: error: source and target clusters are from different systems\n"
    )
    with pytest.raises(WorldError, match=r"different systems; nothing was changed; .*failover_rebuild"):
        node.rewind()
    assert "pg_rewind" not in node.ran
    assert not (node.data / "standby.signal").exists()


def test_rewind_that_breaks_off_keeps_the_nodes_settings_and_warns(node: Node) -> None:
    node.fails["pg_rewind"] = "pg_rewind: fatal: could not write file\n"
    with pytest.raises(WorldError, match="could not write file"):
        node.rewind()
    assert (node.data / "postgresql.conf").read_text() == "port = 1\n"
    assert not (node.data / "standby.signal").exists()


def lose_power(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of pg_rewind, which has emptied what it will copy."""

    def emptied(*_arguments: object) -> None:
        (node.data / "postgresql.conf").write_text("")
        (node.data / "pg_wal" / SEGMENT).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as power:
        power.setattr(Unfinished, "put_back_own", emptied)
        with pytest.raises(KeyboardInterrupt):
            node.rewind()
    node.timeline = 1  # the control file comes last
    node.ran.clear()


def test_power_lost_in_a_rewind_costs_neither_the_settings_nor_the_wal_for_the_next(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    (node.data / "conf.d").mkdir()
    (node.data / "conf.d" / "own.conf").write_text("work_mem = 1MB\n")
    (node.data / "server.key").write_text("key")
    (node.data / "server.key").chmod(0o600)
    lose_power(node, monkeypatch)
    (node.data / "conf.d" / "own.conf").unlink()
    (node.data / "server.key").write_text("")
    node.rewind()
    assert (node.data / "postgresql.conf").read_text() == "port = 1\n"
    assert (node.data / "conf.d" / "own.conf").read_text() == "work_mem = 1MB\n"
    assert (node.data / "server.key").read_text() == "key"
    assert (node.data / "server.key").stat().st_mode & 0o777 == 0o600
    assert (node.data / "pg_wal" / SEGMENT).read_bytes() == b"wal"
    assert [path.name for path in node.state.iterdir()] == ["diverged-19700101T000000Z"]


def test_what_an_operator_changes_after_a_failed_rewind_lasts(node: Node) -> None:
    node.fails["pg_rewind"] = "pg_rewind: error: the network is gone\n"
    with pytest.raises(WorldError, match="the network is gone"):
        node.rewind()
    (node.data / "postgresql.conf").write_text("port = 2\n")
    del node.fails["pg_rewind"]
    node.rewind()
    assert (node.data / "postgresql.conf").read_text() == "port = 2\n"


def test_what_was_kept_of_other_data_is_not_put_back(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_power(node, monkeypatch)
    # Built again by hand, and used.
    node.end = "0/9000100"
    (node.data / "postgresql.conf").write_text("port = 2\n")
    node.rewind()
    assert (node.data / "postgresql.conf").read_text() == "port = 2\n"
    assert not (node.data / "pg_wal" / SEGMENT).exists()


def test_without_room_for_its_wal_it_is_rewound_and_says_so(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    (node.tools / "pg_waldump").write_text("#!/bin/sh\nexit 1\n")  # nothing past the fork to keep
    monkeypatch.setattr(diverged.shutil, "disk_usage", lambda _path: diverged.shutil._ntuple_diskusage(10, 10, 0))
    assert "without its WAL kept for another attempt" in node.rewind()["detail"]
    assert not list(node.state.iterdir())


def test_state_directory_that_takes_nothing_stops_the_rewind(node: Node) -> None:
    (node.tools / "pg_waldump").write_text("#!/bin/sh\nexit 1\n")
    (node.state / f"{NAME}.new").write_text("not a directory")
    with pytest.raises(WorldError, match="nothing was rewound"):
        node.rewind()
    assert "pg_rewind" not in node.ran


def test_recovery_that_fails_changes_nothing_else(node: Node) -> None:
    node.clean, node.fails["postgres"] = "in production", "PANIC:  could not locate a valid checkpoint record\n"
    with pytest.raises(WorldError, match=r"PANIC: .*crash recovery of the old data failed"):
        node.rewind()
    assert "pg_rewind --dry-run" not in node.ran


def test_same_timeline_needs_no_rewind(node: Node) -> None:
    assert "nothing to rewind" in node.rewind(Source(1, ""))["detail"]
    assert node.ran == ["pg_controldata"]
    assert (node.data / "standby.signal").exists()


def test_newer_timeline_here_is_for_an_operator(node: Node) -> None:
    node.timeline = 5
    with pytest.raises(WorldError, match="its timeline 5 is newer than the new primary's 2"):
        node.rewind()
    assert not (node.data / "standby.signal").exists()


def test_control_file_that_cannot_be_read_is_named(node: Node) -> None:
    node.fails["pg_controldata"] = "pg_controldata: error: could not open file"
    with pytest.raises(WorldError, match="pg_controldata says nothing of use"):
        node.rewind()


def test_wal_that_cannot_be_kept_stops_the_rewind(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diverged.shutil, "disk_usage", lambda _path: diverged.shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(WorldError, match=r"0 bytes are free.*nothing was rewound"):
        node.rewind()
    assert node.ran == ["pg_controldata"]


def test_program_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="nosuch"):
        run([str(tmp_path / "nosuch")], 1.0, {})
    with pytest.raises(WorldError, match="nosuch"):
        list(diverged.lines_of([str(tmp_path / "nosuch")]))

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The data directory and /proc."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.datadir import (
    Bounded,
    DataDir,
    parse_control,
    postmaster,
    role,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Role
from rights import rights_of_nobody

CONTROL = """\
Database cluster state:               shut down in recovery
Latest checkpoint's TimeLineID:       2
Min recovery ending loc's timeline:   3
Bytes per WAL segment:                16777216
"""


def test_control_file_tells_the_newest_timeline_and_a_clean_end() -> None:
    control = parse_control(CONTROL)
    assert (control.timeline, control.clean) == (3, True)
    assert not parse_control(CONTROL.replace("shut down in recovery", "in production")).clean


@pytest.mark.parametrize(
    ("location", "end"),
    [
        ("0/3000028", 0x30000A0),  # 114 bytes, to a multiple of 8
        ("0/3001F90", 0x3002020),  # 112 of them, the next page's header of 24, and the rest
        ("0/3FFFFF8", 0x4000098),  # the next page begins a segment: its header has 40
        ("2/3001F80", 0x203001FF8),
    ],
)
def test_control_file_tells_where_the_wal_of_a_clean_stop_ends(location: str, end: int) -> None:
    text = CONTROL.replace("shut down in recovery", "shut down")
    text += f"Latest checkpoint location:           {location}\nWAL block size:                       8192\n"
    assert parse_control(text).end_lsn == end
    assert parse_control(text.replace("shut down", "shut down in recovery")).end_lsn is None
    assert parse_control(text.replace("shut down", "in production")).end_lsn is None


def test_control_file_in_another_language_is_refused() -> None:
    with pytest.raises(ValueError, match="no timeline"):
        parse_control("Datenbank-Cluster-Status: heruntergefahren")


@pytest.mark.parametrize(
    ("names", "expected"),
    [((), Role.NONE), (("PG_VERSION",), Role.PRIMARY), (("PG_VERSION", "standby.signal"), Role.STANDBY)],
)
def test_role_from_the_files(tmp_path: Path, names: tuple[str, ...], expected: Role) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert role(str(tmp_path)) is expected


def test_directory_that_is_missing_has_no_role(tmp_path: Path) -> None:
    assert role(str(tmp_path / "none")) is Role.NONE


class TestPostmaster:
    """A pid file alone proves nothing."""

    def test_process_in_the_directory_is_the_postmaster(self, tmp_path: Path) -> None:
        with subprocess.Popen(["sleep", "30"], cwd=tmp_path) as process:
            _pid_file(tmp_path, process.pid, "ready")
            found = postmaster(str(tmp_path))
            process.kill()
        assert found is not None
        assert (found.pid, found.status, found.stopped) == (process.pid, "ready", False)

    def test_pid_that_another_program_has_by_now_is_none(self, tmp_path: Path) -> None:
        with subprocess.Popen(["sleep", "30"], cwd="/") as process:
            _pid_file(tmp_path, process.pid, "ready")
            found = postmaster(str(tmp_path))
            process.kill()
        assert found is None

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can start another user's process")
    @pytest.mark.parametrize("other", [True, False])
    def test_unreadable_process_is_the_postmaster_unless_another_users(
        self, other: bool, tmp_path: Path, open_directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After a power cut a daemon of root may have the pid that the dead postmaster left behind."""

        def unreadable(one: str, two: str) -> bool:
            raise PermissionError(13, "Permission denied", one)

        monkeypatch.setattr(os.path, "samefile", unreadable)
        program = open_directory / "postgres"
        shutil.copy("/bin/sleep", program)
        with subprocess.Popen([program, "60"], cwd="/", user=65534 if other else None) as process:
            (tmp_path / "postmaster.pid").write_text(f"{process.pid}\n")
            try:
                found = postmaster(str(tmp_path))
                assert (found is None) is other
            finally:
                process.kill()

    def test_dead_process_is_none(self, tmp_path: Path) -> None:
        process = subprocess.Popen(["true"], cwd=tmp_path)
        process.wait()
        _pid_file(tmp_path, process.pid, "ready")
        assert postmaster(str(tmp_path)) is None

    def test_torn_file_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "postmaster.pid").write_text("")
        assert postmaster(str(tmp_path)) is None


class TestBounded:
    """A call that hangs is left behind."""

    def test_result_in_time(self) -> None:
        assert Bounded[int]().call(lambda: 7, 5.0) == 7

    def test_hanging_call_is_given_up_and_not_begun_twice(self) -> None:
        gate, calls, bounded = threading.Event(), [], Bounded[int]()

        def hang() -> int:
            calls.append(1)
            gate.wait(10)
            return 7

        began = time.monotonic()
        assert bounded.call(hang, 0.05) is None
        assert bounded.call(hang, 0.05) is None
        assert time.monotonic() - began < 5
        assert len(calls) == 1
        gate.set()
        assert bounded.call(hang, 5.0) == 7


def test_unreadable_control_file_is_a_problem_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").touch()
    disk = DataDir(str(tmp_path), "/nonexistent").look(2.0)
    assert (disk.role, disk.control) == (Role.PRIMARY, None)
    assert "control file" in disk.problem


def _pid_file(path: Path, pid: int, status: str) -> None:
    (path / "postmaster.pid").write_text(f"{pid}\n{path}\n1\n5432\n/tmp\n*\n  1 2\n{status}   \n")
    os.sync()


class TestDamaged:
    """What cannot be read has no answer, and least of all one that lets this node serve."""

    def test_pid_file_without_a_number_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "postmaster.pid").write_text("not a pid\n")
        assert postmaster(str(tmp_path)) is None

    def test_process_that_has_died_and_was_not_reaped_is_none(self, tmp_path: Path) -> None:
        with subprocess.Popen(["true"], cwd=tmp_path) as process:
            _pid_file(tmp_path, process.pid, "ready")
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            assert postmaster(str(tmp_path)) is None

    def test_process_that_is_stopped_is_told_as_that(self, tmp_path: Path) -> None:
        with subprocess.Popen(["sleep", "30"], cwd=tmp_path) as process:
            _pid_file(tmp_path, process.pid, "ready")
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            found = postmaster(str(tmp_path))
            process.kill()
        assert found is not None
        assert found.stopped

    def test_directory_that_may_not_be_read_has_an_unknown_role(self, open_directory: Path) -> None:
        data = open_directory / "data"
        data.mkdir(mode=0o700)
        (data / "PG_VERSION").touch()
        with rights_of_nobody():
            disk = DataDir(str(data), "/nonexistent").look(2.0)
        assert (disk.role, disk.problem) == (Role.UNKNOWN, f"{data} cannot be read")

    def test_pg_controldata_that_fails_or_says_nothing_is_a_problem(self, tmp_path: Path) -> None:
        program = tmp_path / "pg_controldata"
        (tmp_path / "PG_VERSION").touch()
        (tmp_path / "global").mkdir()
        (tmp_path / "global" / "pg_control").touch()
        for text in ("exit 1", "echo nothing"):
            program.write_text(f"#!/bin/sh\n{text}\n")
            program.chmod(0o755)
            disk = DataDir(str(tmp_path), str(tmp_path)).look(10.0)
            assert disk.control is None
            assert "the control file cannot be read: " in disk.problem

    def test_control_file_without_its_wal_layout_tells_no_end(self) -> None:
        """Then a switchover is given up: it cannot see that the peer has all."""
        control = parse_control(CONTROL.replace("shut down in recovery", "shut down"))
        assert (control.clean, control.end_lsn) == (True, None)

    def test_control_file_is_read_again_only_when_it_changed(self, tmp_path: Path) -> None:
        program = tmp_path / "pg_controldata"
        (tmp_path / "PG_VERSION").touch()
        (tmp_path / "global").mkdir()
        control = tmp_path / "global" / "pg_control"
        control.touch()
        program.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\ncat <<'E'\n{CONTROL}E\n")
        program.chmod(0o755)
        data = DataDir(str(tmp_path), str(tmp_path))
        for _ in range(3):
            assert data.look(10.0).control is not None
        assert (tmp_path / "runs").read_text() == "run\n"
        os.utime(control, (1, 1))
        data.look(10.0)
        assert (tmp_path / "runs").read_text() == "run\nrun\n"
        (tmp_path / "PG_VERSION").unlink()
        gone = data.look(10.0)
        assert (gone.role, gone.control) == (Role.NONE, None), (
            "what was read of a directory says nothing once it is gone"
        )

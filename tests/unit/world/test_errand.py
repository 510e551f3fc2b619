# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where skyhad is not the owner of the data directory: what it asks that user for, what it does with answers, and what comes of each errand."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes import datadir
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Task
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world import errand, errand_child, rewind
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.child import command
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.postgres import HostHands
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.sync import NAME, SyncFile
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.tasks import ProcessTasks
from rights import NOBODY, rights_of_nobody

Make = Callable[..., Config]


class Servant:
    """Stands for sky-errand.socket: notes what it is asked for, and says `answer` (None: nothing, and it keeps the line open)."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "errand.sock")
        self.asked: list[object] = []
        self.answer: bytes | None = b'{"ok": true}\n'
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(8)
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self.asked.append(json.loads(connection.makefile().readline()))
            if self.answer is None:
                self._open.append(connection)
                continue
            connection.sendall(self.answer)
            connection.close()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def servant(tmp_path: Path) -> Iterator[Servant]:
    found = Servant(tmp_path)
    yield found
    found.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / "PG_VERSION").write_text("17")
    return directory


@pytest.fixture
def config(make_config: Make, servant: Servant, data: Path, tmp_path: Path) -> Config:
    run = tmp_path / "run"
    run.mkdir()
    return make_config(
        postgresql={"errands": servant.path, "data_dir": str(data), "port": 1, "socket_dir": str(tmp_path)},
        paths={"run_dir": str(run), "state_dir": str(tmp_path), "rewind_dir": str(tmp_path / "kept")},
    )


class TestWhatIsAsked:
    """skyhad writes nothing into the data directory itself."""

    def test_standby_signal(self, config: Config, servant: Servant, data: Path) -> None:
        HostHands(config).make_standby()
        assert servant.asked == [{"errand": "standby"}]
        assert not (data / "standby.signal").exists()

    def test_promotion_that_sql_does_not_bring(self, config: Config, servant: Servant) -> None:
        HostHands(config).promote()
        assert servant.asked == [{"errand": "promote"}]

    @pytest.mark.parametrize("lock", [None, "99999999\n"])
    def test_start_after_a_stop_or_a_crash_needs_nobody(
        self, config: Config, servant: Servant, data: Path, lock: str | None
    ) -> None:
        if lock is not None:
            (data / "postmaster.pid").write_text(lock)
        HostHands(config).start_postgres()
        assert servant.asked == []
        assert (Path(config.paths.run_dir) / "start-postgresql").read_text() == "start\n"

    def test_lock_that_was_left_is_looked_at_before_a_start(self, config: Config, servant: Servant, data: Path) -> None:
        (data / "postmaster.pid").write_text(f"{os.getpid()}\n")
        HostHands(config).start_postgres()
        assert servant.asked == [{"errand": "unlock"}]

    def test_start_is_asked_for_even_where_nobody_does_errands(
        self, config: Config, servant: Servant, data: Path
    ) -> None:
        servant.answer = b'{"error": "WorldError: no"}\n'
        (data / "postmaster.pid").write_text(f"{os.getpid()}\n")
        HostHands(config).start_postgres()
        assert (Path(config.paths.run_dir) / "start-postgresql").exists()

    def test_rewind_is_a_task_that_waits_for_the_answer(self, config: Config, servant: Servant) -> None:
        servant.answer = b'{"ok": true, "detail": "rewound", "numbers": {"seconds": 2.0}}\n'
        tasks = ProcessTasks(config)
        tasks.start(Task.REWIND)
        over, until = tasks.finished(), time.monotonic() + 20
        while not over and time.monotonic() < until:
            time.sleep(0.05)
            over = tasks.finished()
        tasks.close()
        assert [(one.task, one.ok, one.detail, one.numbers) for one in over] == [
            (Task.REWIND, True, "rewound", {"seconds": 2.0})
        ]
        assert servant.asked == [{"errand": "rewind"}]


class TestAnswers:
    """They are another user's word."""

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (b'{"error": "WorldError: no such directory"}\n', "no such directory"),
            (b"", "ended without an answer"),
            (b"[1]\n", "ended without an answer"),
            (b"[" * 100000 + b"\n", "ended without an answer"),
            (b"\xff\n", "ended without an answer"),
        ],
    )
    def test_what_is_no_yes_is_a_no(self, servant: Servant, answer: bytes, said: str) -> None:
        servant.answer = answer
        with pytest.raises(WorldError, match=said):
            errand.ask(servant.path, "standby", 5.0)

    def test_none_is_not_waited_for(self, servant: Servant) -> None:
        servant.answer = None
        began = time.monotonic()
        with pytest.raises(WorldError, match=r"was not done within 0\.3 s"):
            errand.ask(servant.path, "standby", 0.3)
        assert time.monotonic() - began < 3

    def test_nobody_there_is_told_with_the_next_step(self, tmp_path: Path) -> None:
        with pytest.raises(WorldError, match=r"systemctl status sky-errand\.socket"):
            errand.ask(str(tmp_path / "none"), "standby", 1.0)


class TestErrands:
    """The process that does them."""

    def test_only_known_ones(self, config: Config) -> None:
        for name in ("rm", None, ["standby"]):
            with pytest.raises(WorldError, match="is none of standby, unlock, promote, rewind"):
                errand_child.handle({"errand": name}, config)

    def test_standby(self, config: Config, data: Path) -> None:
        assert errand_child.handle({"errand": "standby"}, config) == {"ok": True}
        assert (data / "standby.signal").exists()

    def test_no_standby_while_a_server_runs(self, config: Config, data: Path) -> None:
        with subprocess.Popen(["sleep", "60"], cwd=data) as process:
            (data / "postmaster.pid").write_text(f"{process.pid}\n")
            with pytest.raises(WorldError, match="stop it first"):
                errand_child.handle({"errand": "standby"}, config)
            process.kill()
        assert not (data / "standby.signal").exists()

    def test_lock_of_another_process_goes(self, config: Config, data: Path) -> None:
        (data / "postmaster.pid").write_text(f"{os.getpid()}\n")
        assert errand_child.handle({"errand": "unlock"}, config) == {"ok": True}
        assert not (data / "postmaster.pid").exists()

    def test_one_rewind_at_a_time_with_the_paths_of_the_configuration(
        self, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "kept").mkdir()
        seen = []

        def done(request: dict[str, object]) -> dict[str, bool]:
            seen.append(request)
            with pytest.raises(WorldError, match="still being ended"):
                errand_child.handle({"errand": "rewind"}, config)
            return {"ok": True}

        monkeypatch.setattr(rewind, "rewind", done)
        monkeypatch.setattr(rewind, "allow_deep_stack", lambda: None)
        assert errand_child.handle({"errand": "rewind", "data_dir": "/etc"}, config) == {"ok": True}
        assert [(one["data_dir"], one["state_dir"]) for one in seen] == [
            (config.postgresql.data_dir, str(tmp_path / "kept"))
        ]

    def test_who_hangs_up_ends_it(self) -> None:
        here, there = socket.socketpair()
        argv, environment = command("world.errand_child")
        module = argv[-1]
        script = (
            f"import time, {module} as child\n"
            "child.read = lambda path: None\nchild.handle = lambda *given: time.sleep(60)\nchild.main()\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script], stdin=there, stdout=there, env=dict(environment)
        ) as process:
            there.close()
            here.sendall(b'{"errand": "rewind"}\n')
            time.sleep(1.0)
            assert process.poll() is None, "it works on"
            here.close()
            assert process.wait(10) == 0


class TestSignals:
    """With CAP_KILL a number in a file of PostgreSQL's user must not end other processes."""

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's directory")
    def test_none_to_a_process_that_is_not_the_owners(self, config: Config, data: Path) -> None:
        with subprocess.Popen(["sleep", "60"], cwd=data) as process:
            (data / "postmaster.pid").write_text(f"{process.pid}\n")
            os.chown(data, NOBODY, NOBODY)
            with pytest.raises(WorldError, match="is not known to be of the directory's owner"):
                HostHands(config).stop_postgres(immediate=True)
            assert process.poll() is None
            os.chown(data, 0, 0)
            HostHands(config).stop_postgres(immediate=True)
            assert process.wait(10) < 0

    def test_another_program_of_that_user_is_no_server(self, open_directory: Path) -> None:
        with subprocess.Popen(["sleep", "60"], cwd=open_directory) as process:
            (open_directory / "postmaster.pid").write_text(f"{process.pid}\n")
            with rights_of_nobody():
                assert datadir.postmaster(str(open_directory)) is None
            process.kill()

    def test_server_is_known_by_its_program_where_its_directory_is_not_told(self, open_directory: Path) -> None:
        program = open_directory / "postgres"
        program.write_bytes(Path("/bin/sleep").read_bytes())
        program.chmod(0o755)
        with subprocess.Popen([str(program), "60"], cwd=open_directory) as process:
            (open_directory / "postmaster.pid").write_text(f"{process.pid}\n")
            with rights_of_nobody():
                found = datadir.postmaster(str(open_directory))
            assert found is not None
            assert found.pid == process.pid
            process.kill()


def test_postgresql_may_read_for_whom_commits_wait(config: Config) -> None:
    SyncFile(config).write("")
    assert (Path(config.paths.state_dir) / NAME).stat().st_mode & 0o777 == 0o644

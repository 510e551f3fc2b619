# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyhad as systemd runs it: a process that shows its status, refuses a second one, and leaves when told."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli import sources
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import StateError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.child import command
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.store import FileStore

CONF = """[cluster]
name = sky
[node]
name = node1
address = 127.0.0.1
[peer]
name = node2
address = 127.0.0.2
[vip]
address = 127.0.0.3
interface = lo
[vote]
address = 127.0.0.4
[postgresql]
data_dir = {directory}/data
socket_dir = {directory}
passfile = {directory}/none
[agent bmc]
kind = command
off = /bin/false
status = /bin/false
[http]
listen =
[paths]
run_dir = {directory}
state_dir = {directory}
"""


def start(directory: Path, state: str | None = None, conf: str = CONF) -> subprocess.Popen[str]:
    (directory / "skyha.conf").write_text(conf.format(directory=directory))
    if state is not None:
        (directory / "state.json").write_text(state)
    argv, environment = command("daemon.main")
    return subprocess.Popen(
        [*argv, "--config", str(directory / "skyha.conf")], env=environment, stderr=subprocess.PIPE, text=True
    )


def test_it_runs_waits_for_data_and_leaves_when_told(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").mkdir()  # a history that cannot be read costs nothing but itself
    daemon = start(tmp_path)
    try:
        until = time.monotonic() + 60
        while sources.here(str(tmp_path)).status is None or "waiting" in sources.here(str(tmp_path)).problem:
            assert time.monotonic() < until, "it never answered"
            assert daemon.poll() is None
            time.sleep(0.1)
        status = sources.ask(str(tmp_path), {"order": "status"})["status"]
        assert (status["node"], status["peer"]) == ("node1", "node2")
        second = start(tmp_path)
        _out, said = second.communicate(timeout=60)
        assert (second.returncode, "another skyhad runs on this node" in said) == (1, True)
        told = json.loads((tmp_path / "status.json").read_text())
        assert (told["state"], told["pid"]) == ("running", daemon.pid), (
            "the status of the one that runs was overwritten"
        )
        daemon.send_signal(signal.SIGTERM)
        _out, said = daemon.communicate(timeout=60)
        assert daemon.returncode == 0, said
        assert "Traceback" not in said
        assert "the history cannot be read" in said
    finally:
        daemon.kill()
        daemon.wait()
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "stopped"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start it as somebody else")
def test_another_user_than_the_states_owner_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    owner = pwd.getpwnam("nobody")
    os.chown(tmp_path, owner.pw_uid, owner.pw_gid)
    daemon = start(tmp_path)
    _out, said = daemon.communicate(timeout=60)
    assert daemon.returncode == 78
    assert "skyhad was started as root, and" in said
    assert "belongs to nobody: start it with 'systemctl start skyha'" in said
    assert [file.name for file in tmp_path.iterdir()] == ["skyha.conf"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read it all")
def test_record_of_another_user_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}")
    (tmp_path / "state.json").chmod(0)
    with pytest.raises(StateError, match="chown --reference="):
        FileStore(str(tmp_path)).load()


@pytest.mark.parametrize("state", ["", '{"version": 1', '{"version": 99, "record": {}}', "[" * 100_000])
def test_damaged_record_is_refused_with_a_sentence(tmp_path: Path, state: str) -> None:
    daemon = start(tmp_path, state)
    _out, said = daemon.communicate(timeout=120)
    assert daemon.returncode == 78
    assert "state.json" in said
    assert "Traceback" not in said
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "misconfigured"


def test_run_directory_that_is_missing_is_an_error_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "skyha.conf").write_text(
        CONF.format(directory=tmp_path).replace("run_dir = ", "run_dir = /nonexistent")
    )
    argv, environment = command("daemon.main")
    done = subprocess.run(
        [*argv, f"--config={tmp_path}/skyha.conf"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1, "systemd starts it again"
    assert "'systemd-tmpfiles --create' makes the directory" in done.stderr
    assert "the status cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_listen_address_that_is_none_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    daemon = start(tmp_path, conf=CONF.replace("listen =", "listen = localhost"))
    _out, said = daemon.communicate(timeout=120)
    assert daemon.returncode == 78
    assert "[http] listen = 'localhost': ADDRESS:PORT is needed" in said


class TestErrorThatMayPass:
    """systemd starts it again (exit code 1): after a full /run or one EIO nobody need come. 78 would be for good."""

    def left(self, daemon: subprocess.Popen[str]) -> str:
        _out, said = daemon.communicate(timeout=120)
        assert daemon.returncode == 1, said
        assert "Traceback" not in said
        return said

    def test_record_that_cannot_be_read_now(self, tmp_path: Path) -> None:
        (tmp_path / "state.json").symlink_to("/proc/self/mem")  # reads with EIO
        assert "state.json: cannot be read: [Errno 5]" in self.left(start(tmp_path))
        assert json.loads((tmp_path / "status.json").read_text())["state"] == "failed"

    def test_configuration_that_cannot_be_read_now(self, tmp_path: Path) -> None:
        argv, environment = command("daemon.main")
        assert "[Errno 5]" in self.left(
            subprocess.Popen([*argv, "--config=/proc/self/mem"], env=environment, stderr=subprocess.PIPE, text=True)
        )

    def test_run_directory_without_space(self, tmp_path: Path) -> None:
        (tmp_path / "skyha.conf").write_text(CONF.format(directory=tmp_path))
        argv, environment = command("daemon.main")
        # No file may grow: what a full file system does to those who write.
        limited = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *argv, f"--config={tmp_path}/skyha.conf"]
        # From another directory it is not measured (tests/measure), which would write as well.
        said = self.left(subprocess.Popen(limited, env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path))
        assert "boot: cannot be written" in said

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What skyctl shows to whom: by HTTP where the socket is closed to one, again and again, and without a configuration."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli import main as module
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Server
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.child import command
from daemon_samples import PRIMARY, STANDBY
from live_node import CONF, Node, free_port, wait_for
from rights import rights_of_nobody

Make = Callable[..., Node]


def copied(one: Node, directory: Path, change: Callable[[str], str] = lambda text: text) -> Node:
    """The node with its configuration file where everybody may read it."""
    file = directory / "skyha.conf"
    file.write_text(change(one.file.read_text()))
    one.file = file
    return one


class TestHttp:
    """The status is for everybody who may reach HTTP."""

    def test_user_without_rights_is_shown_the_status_by_http(self, node: Make, open_directory: Path) -> None:
        one = copied(node(STANDBY, f"127.0.0.1:{free_port()}"), open_directory)
        with rights_of_nobody():
            code, text = one.skyctl("status")
        assert code == 4  # the peer was not asked
        assert "node2 (this node)" in text

    def test_user_without_rights_is_told_so_where_http_is_off(self, node: Make, open_directory: Path) -> None:
        one = copied(node(STANDBY), open_directory)
        with rights_of_nobody():
            code, text = one.skyctl("status")
        assert code == 5
        assert " ".join(text.split()).endswith("run it as root")

    def test_user_without_rights_is_told_so_where_nobody_serves_http(self, node: Make, open_directory: Path) -> None:
        one = copied(
            node(STANDBY), open_directory, lambda text: text.replace("listen =", f"listen = 127.0.0.1:{free_port()}")
        )
        with rights_of_nobody():
            code, text = one.skyctl("explain")
        assert code == 5
        assert " ".join(text.split()).endswith("run it as root"), "it is not said that skyha does not run"

    def test_stranger_at_the_control_socket_may_look_and_not_order(
        self, node: Make, open_directory: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """By the kernel's word on who it is; the group of the socket may hold others."""
        one = node(STANDBY)
        before = one.file.parent
        socket = open_directory / "skyha.sock"
        os.link(before / "skyha.sock", socket)
        socket.chmod(0o666)
        copied(one, open_directory, lambda text: text.replace(str(before), str(open_directory)))
        with rights_of_nobody():
            assert one.skyctl("status")[0] == 4
            assert one.skyctl("pause")[0] == 5
        assert "taken from root" in capsys.readouterr().err

    def test_peer_that_answers_and_is_well_makes_all_well(self, node: Make) -> None:
        """It serves on all addresses, and so plays its own peer as well."""
        one = node(STANDBY, f"0.0.0.0:{free_port()}")
        wait_for(lambda: one.skyctl("status")[0], 0)
        text = one.skyctl("status")[1]
        assert "No alarms." in text
        assert json.loads(one.skyctl("status", "--json")[1])["peer"]["live"] is True


class TestWatch:
    """status --watch, as it runs at a prompt."""

    def start(self, one: Node, *arguments: str, **options: object) -> subprocess.Popen[bytes]:
        argv, environment = command("cli.main")
        return subprocess.Popen(
            [*argv, "--config", str(one.file), "status", *arguments],
            env={**environment, "TERM": "xterm"},
            **options,  # type: ignore[call-overload]
        )

    def test_json_comes_again_and_again_one_line_each_until_interrupted(self, node: Make) -> None:
        with self.start(node(STANDBY), "--watch", "0.1", "--json", stdout=subprocess.PIPE) as watching:
            assert watching.stdout is not None
            lines = [watching.stdout.readline() for _ in range(3)]
            watching.send_signal(signal.SIGINT)
            assert watching.wait(30.0) == 130
        assert {json.loads(line)["here"]["status"]["node"] for line in lines} == {"node2"}

    def test_reader_that_has_gone_is_no_error_with_a_traceback(self, node: Make) -> None:
        with self.start(
            node(STANDBY), "--watch", "0.05", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as watching:
            assert watching.stdout is not None
            assert watching.stderr is not None
            watching.stdout.readline()
            watching.stdout.close()
            assert watching.wait(30.0) == 1
            assert watching.stderr.read() == b""

    def test_on_a_terminal_it_clears_the_screen_and_has_colour(self, node: Make) -> None:
        ours, theirs = pty.openpty()
        with self.start(node(STANDBY), "--watch", "0.1", stdout=theirs) as watching:
            os.close(theirs)
            seen = b""
            until = time.monotonic() + 30.0
            while seen.count(b"\033[H\033[2J") < 2 and time.monotonic() < until:
                seen += os.read(ours, 4096)
            watching.send_signal(signal.SIGINT)
            os.close(ours)  # else it might wait for a reader, and this test for it
            watching.wait(30.0)
        assert b"\033[32m" in seen
        assert b"node2" in seen


class TestConfiguration:
    """One that cannot be used hides the peer only, and stops every order."""

    @pytest.fixture
    def broken(self, node: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
        """A daemon that runs on, while its file was broken meanwhile."""
        one = node(STANDBY)
        monkeypatch.setattr(module, "RUN_DIR", str(tmp_path))
        one.file.write_text(one.file.read_text().replace("name = node2", "name = node1"))
        return one

    def test_status_shows_this_node_and_the_problem(self, broken: Node) -> None:
        code, text = broken.skyctl("status")
        assert code == 4
        assert "node2 (this node)" in text
        assert text.count("both node1") == 2  # for the peer, and below

    @pytest.mark.parametrize("verb", ["pause", "history", "switchover"])
    def test_orders_and_history_want_a_sound_one(
        self, broken: Node, verb: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert broken.skyctl(verb)[0] == 78
        assert "both node1" in capsys.readouterr().err

    def check(self, file: Path) -> tuple[int, str]:
        out = io.StringIO()
        return module.main(["check-config", str(file)], out), " ".join(out.getvalue().split())

    def test_check_warns_of_what_this_host_lacks(self, tmp_path: Path) -> None:
        open_secret = tmp_path / "bmc.password"
        open_secret.write_text("x")
        open_secret.chmod(0o644)
        file = tmp_path / "x.conf"
        text = CONF.format(node="node1", peer="node2", run=tmp_path, listen="")
        text = text.replace("/nonexistent/bmc.password", str(open_secret)).replace(
            "interface = lo", "interface = eth77"
        )
        file.write_text(text + "[postgresql]\nbin_dir = /nonexistent\ndata_dir = /nonexistent/data\n")
        code, text = self.check(file)
        assert code == 0
        for warning in (
            f"{open_secret}: others may read it; chmod 0400 it",
            "bin_dir = /nonexistent: pg_ctl is not there",
            "data_dir = /nonexistent/data: there is no such directory",
            "interface = eth77: this host has no such interface",
        ):
            assert warning in text

    def test_check_of_a_host_that_has_all_warns_of_nothing(self, tmp_path: Path) -> None:
        for name in ("pg_ctl", "pg_rewind", "pg_controldata", "secret"):
            (tmp_path / name).write_text("")
            (tmp_path / name).chmod(0o400)
        (tmp_path / "on").write_text("")
        file = tmp_path / "x.conf"
        text = CONF.format(node="node1", peer="node2", run=tmp_path, listen="")
        text = text.replace("/nonexistent/bmc.password", f"{tmp_path}/secret")
        text += f"[agent pdu]\nkind = command\noff = {tmp_path}/on\nstatus = {tmp_path}/on\n"
        file.write_text(
            text + f"[postgresql]\nbin_dir = {tmp_path}\ndata_dir = {tmp_path}\npassfile = {tmp_path}/secret\n"
        )
        assert self.check(file) == (0, f"{file} can be used: node1 of sky, peer node2, profile fast")


class TestHistory:
    """What is not there, and what cannot be read."""

    def ask(self, directory: Path, *arguments: str) -> tuple[int, str]:
        file = directory / "skyha.conf"
        file.write_text(CONF.format(node="node1", peer="node2", run=directory, listen=""))
        out = io.StringIO()
        return module.main(["--config", str(file), "history", *arguments], out), out.getvalue()

    def test_no_event_is_told_as_such(self, tmp_path: Path) -> None:
        assert self.ask(tmp_path) == (0, "No events are on record.\n")

    def test_events_without_a_failover_have_no_list_of_them(self, tmp_path: Path) -> None:
        (tmp_path / "history.jsonl").write_text('{"wall": 1700000000, "kind": "started", "text": "skyha runs"}\n[1]\n')
        code, text = self.ask(tmp_path)
        assert code == 0
        assert "skyha runs" in text
        assert "Failovers" not in text

    def test_what_cannot_be_read_is_named(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "history.jsonl").mkdir()
        assert self.ask(tmp_path)[0] == 1
        assert "the history cannot be read: [Errno 21]" in capsys.readouterr().err

    def test_failover_that_was_called_off_has_no_bars(self, tmp_path: Path) -> None:
        lines = [
            {"wall": 1700000000 + at, "monotonic": at, "kind": kind, "level": "warning", "text": f"it was {kind}"}
            for at, kind in ((10.0, "trouble"), (12.0, "fencing"), (13.0, "called_off"))
        ]
        (tmp_path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        code, text = self.ask(tmp_path, "1")
        assert code == 0
        assert "called off" in text.splitlines()[0]
        assert "+3.000 s  called_off" in text


def test_file_of_a_daemon_that_was_stopped_tells_why(tmp_path: Path) -> None:
    """Nobody answers any more, and its last word stands in its file."""
    status = {"state": "failed", "sentence": "skyha is failed: why", "problems": ["why"], "written_monotonic": 0.0}
    (tmp_path / "status.json").write_text(json.dumps(status))
    file = tmp_path / "skyha.conf"
    file.write_text(CONF.format(node="node1", peer="node2", run=tmp_path, listen=""))
    out = io.StringIO()
    assert module.main(["--config", str(file), "explain"], out) == 3
    assert out.getvalue().startswith("skyha is failed:\n  - why\n")


def test_node_that_is_down_is_explained_without_a_promise(node: Make) -> None:
    one = node(dataclasses.replace(PRIMARY, server=Server.DOWN, vip_held=False))
    code, text = one.skyctl("explain")
    assert code == 4
    assert "starts it again in place" not in text


def test_nothing_is_left_open(node: Make) -> None:
    """A hundred questions cost no descriptor."""
    one = node(STANDBY, f"127.0.0.1:{free_port()}")
    one.skyctl("status")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        one.skyctl("status")
    assert len(os.listdir("/proc/self/fd")) <= before + 2

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl against a running daemon's sockets, with the world behind it faked."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli import main as module
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli import sources
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import from_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local, Server
from daemon_samples import PRIMARY, STANDBY
from live_node import CONF, Node, wait_for

VERBS = (
    "status",
    "explain",
    "backup",
    "backup-report",
    "history",
    "switchover",
    "rejoin",
    "pause",
    "resume",
    "takeover",
    "confirm-off",
    "acknowledge",
    "fence-test",
    "forget-rewind",
    "check-config",
    "completion",
)
Make = Callable[[Local], Node]


class TestStatus:
    def test_fits_80_columns_and_has_no_colour(self, node: Make) -> None:
        _code, text = node(STANDBY).skyctl("status")
        assert max(map(len, text.splitlines())) <= 80
        assert "\033" not in text
        for word in ("Cluster sky", "node2 (this node)", "armed", "standby", "vote path", "peer's BMC"):
            assert word in text

    def test_peer_that_is_silent_is_told_and_is_no_all_well(self, node: Make) -> None:
        code, text = node(STANDBY).skyctl("status")
        assert "node1: not asked" in text
        assert code == 4

    def test_json_holds_both_sides(self, node: Make) -> None:
        _code, text = node(STANDBY).skyctl("status", "--json")
        data = json.loads(text)
        assert data["here"]["live"] is True
        assert data["here"]["status"]["node"] == "node2"
        assert data["peer"]["live"] is False

    def test_what_does_not_fit_its_column_stands_whole_below(self, node: Make) -> None:
        detail = "the database system is not yet accepting connections: consistent recovery state is not yet reached"
        _code, text = node(dataclasses.replace(STANDBY, server=Server.STARTING, detail=detail)).skyctl("status")
        assert max(map(len, text.splitlines())) <= 80
        assert f"node2, PostgreSQL: starting: {detail}" in " ".join(text.split())

    def test_what_does_not_run_only_was_primary(self, node: Make) -> None:
        _code, text = node(dataclasses.replace(PRIMARY, server=Server.DOWN, vip_held=False)).skyctl("status")
        assert "was primary" in text

    def test_daemon_that_is_down_leaves_its_last_word(self, node: Make) -> None:
        one = node(STANDBY)
        one.stop()
        one.world.daemon._end("stopped", ())
        os.unlink(one.file.parent / "skyha.sock")
        code, text = one.skyctl("status")
        assert code == 3
        assert "skyha is stopped" in text
        assert "systemctl start skyha" in " ".join(text.split())
        assert "No alarms" not in text
        assert "Below is how node2 saw it" in text

    def test_misconfigured_daemon_names_the_problems(self, tmp_path: Path, monkeypatch: Any) -> None:
        from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon import main as daemon_main

        monkeypatch.setattr(daemon_main, "RUN_DIR", str(tmp_path))
        monkeypatch.setattr(module, "RUN_DIR", str(tmp_path))
        file = tmp_path / "skyha.conf"
        file.write_text("[cluster]\nname = x\n")
        assert daemon_main.main(["--config", str(file)]) == 78
        out = io.StringIO()
        assert module.main(["--config", str(file), "status"], out) == 3
        assert "[vip] address is missing" in " ".join(out.getvalue().split())


class TestExplain:
    def test_armed_standby_tells_how_long_it_would_wait(self, node: Make) -> None:
        one = node(STANDBY)
        text = wait_for(lambda: one.skyctl("explain")[1], "Nothing would stop node2")
        assert "PostgreSQL hangs: 6 s" in text

    def test_reason_comes_with_its_next_step(self, node: Make) -> None:
        text = node(dataclasses.replace(STANDBY, replay_paused=True)).skyctl("explain")[1]
        assert "would NOT take over" in text
        assert "pg_wal_replay_resume()" in text


class TestOrders:
    def test_pause_and_resume(self, node: Make) -> None:
        one = node(PRIMARY)
        assert one.skyctl("pause", "--for", "30m")[0] == 0
        wait_for(lambda: json.loads(one.skyctl("status", "--json")[1])["here"]["status"]["paused"]["on"], True)
        assert one.skyctl("resume") == (0, "Resumed.\n")

    def test_resume_without_a_server_names_the_other_node(self, node: Make) -> None:
        """After both were rebooted while paused no database tells the one what was ordered at the other."""
        code, text = node(dataclasses.replace(PRIMARY, server=Server.DOWN)).skyctl("resume")
        assert code == 0
        assert "node2 may not hear of it" in " ".join(text.split())

    def test_switchover_on_the_standby_is_refused_with_the_next_step(self, node: Make, capsys: Any) -> None:
        assert node(STANDBY).skyctl("switchover")[0] == 1
        assert "run 'skyctl switchover' on node1" in " ".join(capsys.readouterr().err.split())

    def test_switchover_is_taken(self, node: Make, monkeypatch: Any) -> None:
        standby = {"state": "running", "role": "standby", "not_armed": {"flap_guard": "too recent"}}
        monkeypatch.setattr(sources, "peer", lambda *_: sources.View(from_json(standby)))
        one = node(PRIMARY)
        code, text = one.skyctl("switchover")
        assert code == 0
        assert "switchover to node2 begins" in text

    @pytest.mark.parametrize(
        ("view", "reason"),
        [
            (sources.View(None, "connection refused"), "connection refused"),
            (sources.View(from_json({"role": "unknown", "sentence": "down: why"})), "down: why"),
            (sources.View(from_json({"role": "standby", "not_armed": {"lag": "it was 99 s behind"}})), "99 s behind"),
            (sources.View(from_json({"role": "standby", "not_armed": {"paused": "the cluster is paused"}})), "paused"),
        ],
    )
    def test_switchover_to_a_standby_that_is_not_armed_is_refused_unless_forced(
        self, node: Make, monkeypatch: Any, view: sources.View, reason: str
    ) -> None:
        monkeypatch.setattr(sources, "peer", lambda *_: view)
        one = node(PRIMARY)
        code, text = one.skyctl("switchover")
        assert code == 1
        assert "refused" in text
        assert reason in text
        assert one.skyctl("switchover", "--force")[0] == 0

    def test_confirm_off_wants_the_peers_name(self, node: Make, capsys: Any, monkeypatch: Any) -> None:
        one = node(STANDBY)
        monkeypatch.setattr(sys, "stdin", io.StringIO("node2\n"))
        code, text = one.skyctl("confirm-off")
        assert code == 1
        assert "data WILL be lost" in " ".join(text.split())
        assert "nothing was done" in text
        # The right name is taken, and then refused: the primary answers.
        assert one.skyctl("confirm-off", "--yes", "node1")[0] == 1
        assert "nothing to confirm" in " ".join(capsys.readouterr().err.split())

    def test_fence_test(self, node: Make) -> None:
        code, text = node(STANDBY).skyctl("fence-test")
        assert code == 0
        assert "power is on. Nothing was switched." in text

    @pytest.mark.parametrize(
        "verb", ["pause", "resume", "acknowledge", "switchover", "takeover", "confirm-off", "fence-test"]
    )
    def test_without_a_daemon_orders_say_so(self, verb: str, tmp_path: Path, capsys: Any) -> None:
        file = tmp_path / "skyha.conf"
        file.write_text(CONF.format(node="node1", peer="node2", run=tmp_path, listen=""))
        assert module.main(["--config", str(file), verb], io.StringIO()) == 3
        assert "systemctl status skyha" in capsys.readouterr().err


class TestHistory:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        kinds = [(10.0, "trouble"), (12.0, "fencing"), (13.0, "fenced"), (13.5, "promoted"), (13.6, "vip_taken")]
        lines = [
            json.dumps(
                {
                    "wall": 1_700_000_000 + at,
                    "monotonic": at,
                    "kind": kind,
                    "level": "alarm",
                    "text": f"it was {kind}",
                    "facts": {"vip": "unreachable", "receive_lsn": 0x1_0352FC78},
                }
            )
            for at, kind in kinds
        ]
        (tmp_path / "history.jsonl").write_text("\n".join(lines) + "\n{torn")
        file = tmp_path / "skyha.conf"
        file.write_text(CONF.format(node="node1", peer="node2", run=tmp_path, listen=""))
        return file

    def ask(self, file: Path, *arguments: str) -> tuple[int, str]:
        out = io.StringIO()
        return module.main(["--config", str(file), "history", *arguments], out), out.getvalue()

    def test_events_and_the_list_of_failovers(self, file: Path) -> None:
        code, text = self.ask(file)
        assert code == 0
        assert "it was trouble" in text
        assert "failover, done, 3.60 s (detect 2.00, fence 1.00, promote 0.50, vip 0.10)" in " ".join(text.split())

    def test_one_failover_with_evidence_and_phases(self, file: Path) -> None:
        code, text = self.ask(file, "1")
        assert code == 0
        assert "+2.000 s  fencing" in text
        assert "vip: unreachable; receive_lsn: 1/352FC78" in text
        assert "detect       2.000  ####" in text

    def test_as_json(self, file: Path) -> None:
        assert json.loads(self.ask(file, "1", "--json")[1])["phases"]["fence"] == 1.0
        assert len(json.loads(self.ask(file, "-n", "2", "--json")[1])) == 2

    def test_number_that_is_not_there(self, file: Path, capsys: Any) -> None:
        assert self.ask(file, "2")[0] == 1
        assert "not so many" in capsys.readouterr().err


class TestCommandLine:
    @pytest.mark.parametrize("verb", [None, *VERBS])
    def test_help_is_whole_and_fits(self, verb: str | None, capsys: Any, monkeypatch: Any) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit) as end:
            module.main(["--help"] if verb is None else [verb, "--help"])
        assert end.value.code == 0
        text = capsys.readouterr().out
        assert "exit codes:" in text
        assert max(map(len, text.splitlines())) <= 80
        if verb is None:
            assert all(f"\n    {name}" in text for name in VERBS)

    @pytest.mark.parametrize(
        "arguments", [[], ["nonsense"], ["pause", "--for", "never"], ["history", "0"], ["history", "x"]]
    )
    def test_wrong_usage_is_2(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit) as end:
            module.main(arguments)
        assert end.value.code == 2

    @pytest.mark.parametrize(("text", "value"), [("90", 90), ("90s", 90), ("30m", 1800), ("1.5h", 5400), ("1d", 86400)])
    def test_durations(self, text: str, value: float) -> None:
        assert module.seconds(text) == value

    def test_check_config(self, tmp_path: Path) -> None:
        file = tmp_path / "x.conf"
        file.write_text(CONF.format(node="node1", peer="node2", run=tmp_path, listen="127.0.0.1:8008"))
        out = io.StringIO()
        assert module.main(["check-config", str(file)], out) == 0
        assert "can be used" in out.getvalue()
        assert "warning: [agent bmc] password_file" in out.getvalue()
        file.write_text(CONF.format(node="node1", peer="node1", run=tmp_path, listen="here"))
        out = io.StringIO()
        assert module.main(["check-config", str(file)], out) == 78
        assert "both node1" in out.getvalue()

    def test_completion_offers_verbs_and_options(self, tmp_path: Path) -> None:
        out = io.StringIO()
        assert module.main(["completion", "bash"], out) == 0
        script = tmp_path / "c"
        script.write_text(out.getvalue())
        for words, expected in (
            (["skyctl", "sw"], "switchover"),
            (["skyctl", "status", "--w"], "--watch"),
            (["skyctl", "completion", ""], "bash"),
            (["skyctl", "--config", "x", "hist"], "history"),
        ):
            line = " ".join(f"'{word}'" for word in words)
            command = f". {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _skyctl; echo ${{COMPREPLY[*]}}"
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
            assert expected in done.stdout.split()

    def test_terminal_controls_are_taken_out(self, node: Make) -> None:
        text = node(dataclasses.replace(STANDBY, detail="\033[2Jgone\x07")).skyctl("status")[1]
        assert "\033" not in text
        assert "\x07" not in text

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The daemon around the loop: orders, events, the way it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon import main as main_module
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Look,
    Order,
    Peer,
    Request,
    Server,
    Sight,
    Task,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Path as Way
from daemon_samples import CONFIG, DROPPED, PRIMARY, STANDBY, World
from node_samples import configured


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is listened on here: serve.py has tests of its own."""
    monkeypatch.setattr(
        "ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.daemon.Daemon.doors", lambda self: []
    )


def run_until(world: World, cycles: int, code: int) -> None:
    turns = 0
    plain = world.daemon.turn

    def turn() -> None:
        nonlocal turns
        turns += 1
        if turns >= cycles:
            world.daemon.leave()
        plain()

    world.daemon.turn = turn  # type: ignore[method-assign]
    assert world.daemon.run() == code


def test_leaving_touches_neither_postgresql_nor_vip(tmp_path: Path) -> None:
    world = World(PRIMARY, str(tmp_path))
    run_until(world, 3, 0)
    assert not {"stop_postgres", "drop_vip"} & set(world.hands.done)
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "stopped"
    assert status["role"] == "primary"
    assert world.history.kinds()[-1] == "stopped"


def test_error_in_a_cycle_is_told_and_ends_the_daemon(tmp_path: Path) -> None:
    world = World(STANDBY, str(tmp_path))
    world.turn(1)
    world.eyes.error = RuntimeError("a bug")
    assert world.daemon.run() == 1
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "failed"
    assert "RuntimeError: a bug" in status["problems"][0]
    assert world.history.kinds()[-1] == "crashed"


def test_leaving_waits_for_a_rewind(tmp_path: Path) -> None:
    world = World(PRIMARY, str(tmp_path))
    world.turn(1)
    world.tasks.busy = (Task.REWIND,)
    world.daemon.leave()
    before = world.clock.now
    assert world.daemon.run() == 0
    assert 90.0 <= world.clock.now - before < 100.0


def test_order_wakes_the_loop_is_on_record_and_carried_out(tmp_path: Path) -> None:
    world = World(PRIMARY, str(tmp_path))
    world.turn(2)
    world.daemon.submit(Request(Order.PAUSE, "root", 60.0))
    assert world.pause.woken == 1
    status = world.turn(1)
    assert "set_pause" in world.hands.done
    assert status["paused"]["on"]
    assert status["paused"]["left"] == pytest.approx(60.0, abs=1.0)
    order = next(event for event in world.history.events if event.kind == "order")
    assert order.text == "an operator orders: pause for 60 s"
    assert order.facts == {"by": "root"}


def test_fence_test_asks_the_bmc_at_once(tmp_path: Path) -> None:
    world = World(STANDBY, str(tmp_path))
    world.turn(5)
    assert world.tasks.started.count(Task.CHECK_BMC) == 1
    world.daemon.ask_bmc()
    status = world.turn(1)
    assert world.tasks.started.count(Task.CHECK_BMC) == 2
    assert status["bmc"]["checks"] == 2


def test_vip_that_goes_is_an_event(tmp_path: Path) -> None:
    world = World(PRIMARY, str(tmp_path))
    world.turn(1)
    world.eyes.here = STANDBY
    world.turn(1)
    assert "vip_down" in world.history.kinds()


def test_trouble_is_told_once_though_it_is_an_alarm_too(tmp_path: Path) -> None:
    world = World(STANDBY, str(tmp_path))
    world.turn(3)
    world.eyes.looks = {Way.VIP: DROPPED, Way.VOTE: DROPPED}
    world.eyes.there = Peer(Server.DOWN)
    status = world.turn(2)
    assert "trouble" in status["alarms"]
    assert world.history.kinds().count("trouble") == 1
    assert not [event for event in world.history.events if event.facts.get("code") == "trouble"]


class TestNews:
    """They end a look along the paths, or the wait before it; the next look runs whole."""

    def test_a_look_that_they_ended_has_seen_nothing_and_the_next_one_runs_whole(self, tmp_path: Path) -> None:
        world = World(STANDBY, str(tmp_path))
        world.turn(2)
        assert world.published["state"] == "running"
        world.eyes.has_news = True
        world.eyes.looks = {Way.VIP: DROPPED, Way.VOTE: DROPPED}
        world.eyes.looked.clear()
        world.turn()
        assert world.daemon.loop.memory.watch.trouble is None, "it was ended, so it says nothing"
        world.turn(5)
        assert world.eyes.looked == [True, False] * 3
        assert world.daemon.loop.memory.watch.trouble is not None

    def test_after_a_wait_that_they_ended_one_cycle_decides_without_a_look(self, tmp_path: Path) -> None:
        world = World(STANDBY, str(tmp_path))
        world.turn(2)
        world.pause.has_news = True
        world.turn()
        world.eyes.looked.clear()
        world.turn()
        assert world.eyes.looked == []
        world.turn()
        assert world.eyes.looked == [False]

    def test_a_primary_looks_all_the_same(self, tmp_path: Path) -> None:
        world = World(PRIMARY, str(tmp_path))
        world.eyes.has_news = world.pause.has_news = True
        world.turn(30)
        assert world.eyes.looked
        assert not any(world.eyes.looked)


def test_alarm_that_flickers_is_told_once(tmp_path: Path) -> None:
    world = World(STANDBY, str(tmp_path))
    world.turn(3)
    refused = Look(Sight.ALIVE, "no password supplied", 0.1, True)
    good = world.eyes.looks

    def told(kind: str) -> int:
        return sum(event.kind == kind and event.facts["code"] == "path_vote" for event in world.history.events)

    for _ in range(20):
        world.eyes.looks = {**good, Way.VOTE: refused}
        world.turn(1)
        world.eyes.looks = good
        world.turn(3)
    assert (told("alarm"), told("alarm_over")) == (1, 0)
    world.turn(40)
    assert (told("alarm"), told("alarm_over")) == (1, 1)


def test_status_directory_that_is_gone_does_not_end_the_daemon(tmp_path: Path) -> None:
    world = World(STANDBY, str(tmp_path / "gone"))
    assert world.turn(3)["armed"] is True


class TestMain:
    """skyhad's own beginning."""

    def test_misconfiguration_is_named_and_ends_with_78(self, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
        monkeypatch.setattr(main_module, "RUN_DIR", str(tmp_path))
        file = tmp_path / "skyha.conf"
        file.write_text("[cluster]\nname = x\nwrong = 1\n")
        assert main_module.main(["--config", str(file)]) == 78
        status = json.loads((tmp_path / "status.json").read_text())
        assert status["state"] == "misconfigured"
        assert any("wrong is unknown" in problem for problem in status["problems"])
        assert len(status["problems"]) > 3
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) >= len(status["problems"])

    def test_missing_file_is_named(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.setattr(main_module, "RUN_DIR", str(tmp_path))
        assert main_module.main([f"--config={tmp_path}/none.conf"]) == 78
        assert "none.conf" in json.loads((tmp_path / "status.json").read_text())["sentence"]

    def test_usage(self, capsys: Any) -> None:
        assert main_module.main(["--help"]) == 0
        assert main_module.main(["--version"]) == 0
        assert main_module.main(["nonsense"]) == 2
        assert "exit codes" in capsys.readouterr().out

    def test_second_daemon_is_refused(self, tmp_path: Path, monkeypatch: Any) -> None:
        config = configured(CONFIG, paths={"run_dir": str(tmp_path)})
        lock = main_module._only_one(config)
        with pytest.raises(main_module.SkyhaError, match="another skyhad runs"):
            main_module._only_one(config)
        # One whose configuration is broken does not get so far; the status is not its own either.
        monkeypatch.setattr(main_module, "RUN_DIR", str(tmp_path))
        assert main_module.main([f"--config={tmp_path}/none.conf"]) == 78
        assert not (tmp_path / "status.json").exists()
        os.close(lock)
        assert main_module.main([f"--config={tmp_path}/none.conf"]) == 78
        assert (tmp_path / "status.json").exists()

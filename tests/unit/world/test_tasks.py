# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Work beside the loop: answers, deadlines, and nothing taken for a proof that is none."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Agent, Config, Fence, Timing
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Outcome, Power, Task
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.pause import PollPause
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.tasks import ProcessTasks

ANSWER = "import sys; sys.stdin.readline(); print({answer!r})"
OFF = Agent("switch", "command", off="true", on="true", status="echo Status: OFF")


def scripted(script: str) -> Callable[[str], subprocess.Popen[bytes]]:
    return lambda _module: subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )


def wait_for(tasks: ProcessTasks) -> Outcome:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        outcomes = tasks.finished()
        if outcomes:
            assert len(outcomes) == 1
            return outcomes[0]
        time.sleep(0.02)
    raise AssertionError("the task did not end")


def is_alive(group: int) -> bool:
    """Does a process of this group run?"""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(its_group) == group and state not in ("Z", "X"):
            return True
    return False


@pytest.fixture
def config(make_config: Callable[..., Config]) -> Config:
    return make_config(agents=(OFF,), timing=Timing(fence_deadline=5.0))


def made_of(config: Config, *names: str, levels: str) -> Config:
    agents = tuple(dataclasses.replace(OFF, name=name) for name in names)
    return dataclasses.replace(config, agents=agents, fence=Fence(levels=tuple(levels.split())))


class TestRealChild:
    """The real fence process."""

    @pytest.mark.parametrize(("levels", "proof"), [("left+right", False), ("left right", True)])
    def test_agents_of_one_level_prove_together_or_not_at_all(self, config: Config, levels: str, proof: bool) -> None:
        config = made_of(config, "left", "right", levels=levels)
        left, right = config.agents
        tasks = ProcessTasks(dataclasses.replace(config, agents=(left, dataclasses.replace(right, status="false"))))
        tasks.start(Task.FENCE)
        assert wait_for(tasks).proof is proof

    def test_fence_is_proved_by_the_power_read_back(self, config: Config) -> None:
        tasks = ProcessTasks(config)
        tasks.start(Task.FENCE)
        tasks.start(Task.FENCE)
        assert tasks.running() == (Task.FENCE,)
        outcome = wait_for(tasks)
        assert (outcome.task, outcome.ok, outcome.proof, outcome.power) == (Task.FENCE, True, True, Power.OFF)
        assert tasks.running() == ()

    def test_warmed_process_answers_as_well_and_sooner(self, config: Config) -> None:
        tasks = ProcessTasks(config)
        tasks.prepare(Task.FENCE)
        tasks.prepare(Task.FENCE)
        time.sleep(0.5)
        tasks.start(Task.FENCE)
        assert wait_for(tasks).proof

    def test_bmc_check_proves_nothing(self, config: Config) -> None:
        tasks = ProcessTasks(config)
        tasks.start(Task.CHECK_BMC)
        outcome = wait_for(tasks)
        assert (outcome.ok, outcome.proof, outcome.power) == (True, False, Power.OFF)

    def test_failure_comes_with_its_reason(self, make_config: Callable[..., Config]) -> None:
        tasks = ProcessTasks(make_config(agents=(Agent("switch", "command", off="true", status="false"),)))
        tasks.start(Task.FENCE)
        outcome = wait_for(tasks)
        assert (outcome.ok, outcome.proof, outcome.power) == (False, False, Power.UNKNOWN)
        assert "fence agent switch" in outcome.detail

    def test_answer_wakes_the_loop(self, config: Config) -> None:
        tasks = ProcessTasks(config)
        pause = PollPause([tasks])
        tasks.start(Task.CHECK_BMC)
        until = time.monotonic() + 20
        while not tasks.finished():
            assert time.monotonic() < until
            pause.wait(20)
        began = time.monotonic()
        pause.wait(0.1)
        assert time.monotonic() - began >= 0.09, "the ended child does not wake the loop again"


class TestStrangeChildren:
    """Children that fail in every way."""

    def test_no_answer_by_the_deadline(self, make_config: Callable[..., Config]) -> None:
        tasks = ProcessTasks(
            make_config(agents=(OFF,), timing=Timing(fence_deadline=0.2)), scripted("import time; time.sleep(60)")
        )
        tasks.start(Task.FENCE)
        outcome = wait_for(tasks)
        assert (outcome.ok, outcome.proof) == (False, False)
        assert "no answer within 0.2 s" in outcome.detail

    @pytest.mark.parametrize("script", ["raise SystemExit(3)", "print('no json')", "print('[1]')", "print('')"])
    def test_end_without_an_answer(self, config: Config, script: str) -> None:
        tasks = ProcessTasks(config, scripted("import sys; sys.stdin.readline(); " + script))
        tasks.start(Task.FENCE)
        outcome = wait_for(tasks)
        assert (outcome.ok, outcome.proof) == (False, False)
        assert "without an answer" in outcome.detail

    @pytest.mark.parametrize(
        "answer",
        [
            '{"ok": true, "power": "off"}',
            '{"ok": true, "proof": false, "power": "on"}',
            '{"error": "x", "proof": true}',
            "{}",
        ],
    )
    def test_only_a_stated_proof_is_one(self, config: Config, answer: str) -> None:
        tasks = ProcessTasks(config, scripted(ANSWER.format(answer=answer)))
        tasks.start(Task.FENCE)
        outcome = wait_for(tasks)
        assert (outcome.ok, outcome.proof) == (False, False)

    def test_proof_of_anything_but_a_fence_is_none(self, config: Config) -> None:
        tasks = ProcessTasks(config, scripted(ANSWER.format(answer='{"ok": true, "proof": true, "power": "off"}')))
        tasks.start(Task.CHECK_BMC)
        assert not wait_for(tasks).proof

    def test_end_of_the_daemon_leaves_no_child_behind(self, config: Config) -> None:
        """Neither one at work nor one that waits, nor what they have started themselves."""
        made: list[subprocess.Popen[bytes]] = []

        def launch(module: str) -> subprocess.Popen[bytes]:
            script = "import subprocess, sys; subprocess.Popen(['sleep', '60']); print('{}'); sys.stdin.read()"
            made.append(scripted(script)(module))
            return made[-1]

        tasks = ProcessTasks(config, launch)
        tasks.start(Task.CHECK_BMC)
        tasks.prepare(Task.REWIND)  # only the fence is worth it
        tasks.prepare(Task.FENCE)
        assert len(made) == 2
        tasks.close()
        assert [process.returncode for process in made] == [-9, -9]
        until = time.monotonic() + 10.0
        while any(map(is_alive, (process.pid for process in made))):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert tasks.running() == ()

    def test_warmed_child_that_died_is_made_anew(self, config: Config) -> None:
        first = [True]

        def launch(module: str) -> subprocess.Popen[bytes]:
            script = "raise SystemExit(1)" if first.pop() else ANSWER.format(answer='{"proof": true, "power": "off"}')
            first.append(False)
            return scripted(script)(module)

        tasks = ProcessTasks(config, launch)
        tasks.prepare(Task.FENCE)
        warm = tasks._warm
        assert warm is not None
        os.waitid(os.P_PID, warm.pid, os.WEXITED | os.WNOWAIT)
        tasks.start(Task.FENCE)
        assert wait_for(tasks).proof

    def test_process_that_cannot_be_started(self, config: Config) -> None:
        def launch(_module: str) -> subprocess.Popen[bytes]:
            raise OSError(11, "Resource temporarily unavailable")

        tasks = ProcessTasks(config, launch)
        tasks.prepare(Task.FENCE)
        tasks.start(Task.FENCE)
        assert "Resource temporarily unavailable" in wait_for(tasks).detail

    def test_child_that_died_before_it_was_asked(self, config: Config) -> None:
        tasks = ProcessTasks(config, scripted("raise SystemExit(1)"))
        tasks.prepare(Task.FENCE)
        time.sleep(0.3)
        tasks.start(Task.FENCE)
        assert not wait_for(tasks).ok


def test_warmed_process_ends_when_it_is_not_wanted_any_more(config: Config) -> None:
    now, made = [0.0], []

    def launch(module: str) -> subprocess.Popen[bytes]:
        made.append(scripted("import sys; sys.stdin.readline()")(module))
        return made[-1]

    tasks = ProcessTasks(config, launch, lambda: now[0])
    tasks.prepare(Task.FENCE)
    tasks.finished()
    assert made[0].poll() is None
    now[0] = 1000.0
    tasks.finished()
    assert made[0].poll() is not None
    tasks.close()

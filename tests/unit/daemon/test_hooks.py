# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operator's own commands: when they run, what they are told, and that they cannot hold anything up."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.hooks import Hooks, start
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Event
from daemon_samples import CONFIG
from node_samples import configured


def finish(hooks: Hooks) -> None:
    until = time.monotonic() + 5.0
    while hooks._running and time.monotonic() < until:
        hooks.after((), "primary", time.monotonic())
        time.sleep(0.01)
    assert not hooks._running


def test_role_change_runs_the_command_with_what_happened(tmp_path: Path) -> None:
    line = f"sh -c 'echo \"$SKYHA_EVENT $SKYHA_NODE $SKYHA_ROLE: $SKYHA_TEXT\" > {tmp_path}/said'"
    hooks = Hooks(configured(CONFIG, hooks={"role_change": line}))
    hooks.after((Event("alarm", "x"), Event("promoted", "now; $(primary)")), "primary", time.monotonic())
    finish(hooks)
    assert (tmp_path / "said").read_text() == "promoted node2 primary: now; $(primary)\n"


def test_failover_runs_both_commands(tmp_path: Path) -> None:
    config = configured(
        CONFIG, hooks={"role_change": f"touch {tmp_path}/role", "failover": f"touch {tmp_path}/failover"}
    )
    hooks = Hooks(config)
    hooks.after((Event("rewound", "x"),), "standby", time.monotonic())
    finish(hooks)
    assert [path.name for path in tmp_path.iterdir()] == ["role"]
    hooks.after((Event("promoted", "x"),), "primary", time.monotonic())
    finish(hooks)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["failover", "role"]


def test_program_on_a_dead_file_system_holds_nothing_up() -> None:
    """Popen returns when the program was loaded: so a shell, which is there at once, does the loading."""
    process = start(["/somewhere/that/hangs", "two words"], {})
    assert process.wait(5.0) == 127
    assert isinstance(process.args, list)
    assert process.args[0] == "/bin/sh"
    assert process.args[-2:] == ["/somewhere/that/hangs", "two words"]


def test_other_events_run_nothing() -> None:
    hooks = Hooks(configured(CONFIG, hooks={"role_change": "/bin/false"}))
    hooks.after((Event("alarm", "x"), Event("fence_failed", "y")), "primary", 0.0)
    assert not hooks._running


def test_command_that_hangs_is_killed() -> None:
    hooks = Hooks(configured(CONFIG, hooks={"fence_failed": "sleep 60", "deadline": 0.05}))
    hooks.after((Event("fence_failed", "y"),), "standby", time.monotonic())
    process = hooks._running["fence_failed"][0]
    time.sleep(0.1)
    hooks.after((), "standby", time.monotonic())
    assert process.wait(5.0) == -9


def test_second_event_while_the_first_command_runs_starts_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line = f"sh -c 'echo run >> {tmp_path}/runs; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done'"
    hooks = Hooks(configured(CONFIG, hooks={"fence_failed": line}))
    for attempt in ("attempt 1", "attempt 2"):
        hooks.after((Event("fence_failed", attempt),), "standby", time.monotonic())
    assert "hook fence_failed still runs: it is not started again for: attempt 2" in caplog.text
    (tmp_path / "go").touch()
    finish(hooks)
    assert (tmp_path / "runs").read_text() == "run\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/nonexistent/program", "ended with exit code 127: it was not found"),
        ("/etc/passwd", "ended with exit code 126: it is not executable"),
        ("false", "ended with exit code 1"),
        ("un'balanced", "cannot be started: No closing quotation"),
    ],
)
def test_command_that_fails_is_only_told(line: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    hooks = Hooks(configured(CONFIG, hooks={"fence_failed": line}))
    hooks.after((Event("fence_failed", "y"),), "standby", time.monotonic())
    finish(hooks)
    assert said in caplog.text

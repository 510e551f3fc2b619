# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the operator's playbooks as an operator would, and reads what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.lab import lab
from tests.lab.watch import Watch

KEPT = lab.ROOT / ".cache/plays"


def play(name: str, *arguments: str, **variables: Any) -> str:
    """Run sky.pg_cluster.NAME with these extra variables; its output, which is kept in .cache/plays, too. Raises RuntimeError
    with the output when it fails."""
    output = lab.playbook(f"sky.pg_cluster.{name}", *arguments, "-e", json.dumps(variables))
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{name}-{time.strftime('%H%M%S')}.log").write_text(output)
    return output


@contextmanager
def no_commit_lost(what: str) -> Iterator[Watch]:
    """A writer through the VIP and all oracles; prints the outage, the longest pause."""
    with Watch() as watch:
        yield watch
        watch.wait_for_commits(60)
    report = watch.report
    report.check()
    # A planned step waits for the standby: not even the last moments' commits may be missing.
    assert not report.lost, f"O1: acknowledged commits are lost: {report.lost[:5]}"
    holes = sorted(later[0] - earlier[0] for earlier, later in zip(report.acknowledged, report.acknowledged[1:]))
    longest = ", ".join(f"{hole:.2f}" for hole in holes[-3:][::-1])
    print(f"\n{what}: {len(report.acknowledged)} commits, none lost, longest pauses between two of them {longest} s")
    for node, events in report.history.items():
        for event in events:
            print(f"  {node}: {event['kind']}: {event['text']}")


@contextmanager
def writing_to(vip: str, port: int) -> Iterator[list[tuple[float, int]]]:
    """A writer that tries another address than the lab's all the time; (monotonic time, number) of each commit acknowledged there."""
    acknowledged: list[tuple[float, int]] = []
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.lab.writer"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=lab.ROOT,
        env={**os.environ, "PYTHONPATH": str(lab.ROOT), "LAB_VIP": vip, "LAB_PORT": str(port)},
    )

    def read() -> None:
        assert writer.stdout is not None
        for line in writer.stdout:
            at, seq = line.split()
            acknowledged.append((float(at), int(seq)))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield acknowledged
    finally:
        writer.terminate()
        reader.join(15)


def kinds(watch: Watch) -> list[str]:
    """The kinds of skyha's events on both nodes."""
    return [event["kind"] for events in watch.report.history.values() for event in events]


def setting(node: str, name: str) -> str:
    """The value that the running server has."""
    return lab.sql(node, f"SHOW {name}")


def with_settings(**more: Any) -> dict[str, Any]:
    """The lab's own settings and these, as the role wants them."""
    return {**lab.SETTINGS["streaming_replication_settings_extra"], **more}

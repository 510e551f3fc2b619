# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures the ways back: how long a switchover keeps clients from writing, a rejoin after a failover, a rebuild."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

from tests.lab import faults, lab
from tests.lab.watch import Watch, history

PAD_MB = 512
PAD = f"""DROP TABLE IF EXISTS bench_pad;
CREATE TABLE bench_pad AS SELECT n, repeat(md5(n::text), 31) AS text FROM generate_series(1, {PAD_MB} * 1000) n;
CHECKPOINT"""


def switchover() -> dict[str, Any]:
    """One planned change of the primary under a writing client; the oracles are held."""
    faults.make_whole()
    old = lab.primary()
    with Watch() as watch:
        time.sleep(1.0)
        lab.on(old, "skyctl", "switchover", "--wait", timeout=120)
        watch.wait_for_commits(20)
        time.sleep(1.0)
    watch.report.check()
    assert lab.primary() == lab.other(old)
    return {"seconds": round(watch.report.outage, 3), "lost": len(watch.report.lost)}


def rejoin() -> dict[str, Any]:
    """After a failover: from the old primary's power on until it streams again, and the parts of that."""
    faults.make_whole()
    old = lab.primary()
    new = lab.other(old)
    with Watch() as watch:
        faults.network_cut(old)  # so that there is something to rewind
        lab.wait_for("the fence", lambda: not lab.pid_of(old), 60, every=0.02)
        lab.lab("heal", old)
        lab.wait_for("its power", lambda: lab.pid_of(old), 120, every=0.02)
        began = time.monotonic()
        lab.wait_for("its stream", lambda: lab.sql(new, lab.STANDBYS) == "1", 300, every=0.05)
        ended = time.monotonic()
    watch.report.check()
    at = {event["kind"]: event["monotonic"] for event in history(old) if event["monotonic"] >= began}
    marks = [began, at["started"], at["rejoining"], at["rewound"], ended]
    parts = [round(later - earlier, 3) for earlier, later in zip(marks, marks[1:])]
    return {"seconds": round(ended - began, 3), "parts": parts}


def rebuild() -> dict[str, Any]:
    """failover_rebuild.yml with about half a GB to copy: the whole play, and its copy alone."""
    faults.make_whole()
    standby = lab.other(lab.primary())
    lab.sql(lab.primary(), PAD)
    size = float(lab.sql(lab.primary(), "SELECT sum(pg_database_size(oid)) FROM pg_database")) / 1e9
    lab.wait_for("the standby", lab.is_whole, 300, every=1.0)
    lab.on(standby, "systemctl", "stop", "skyha", "sky-postgresql")
    began = time.monotonic()
    play = subprocess.Popen(
        [str(lab.ROOT / ".venv/bin/ansible-playbook"), "-i", "inventory/lab", "failover_rebuild.yml"],
        cwd=lab.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def state() -> str:
        return lab.on(standby, "systemctl", "is-active", "sky-rebuild.service", check=False).strip()

    lab.wait_for("the copy", lambda: state() == "active", 300, every=0.05)
    copying = time.monotonic()
    lab.wait_for("its end", lambda: state() != "active", 3600, every=0.05)
    copied = time.monotonic() - copying
    told, _ = play.communicate(timeout=900)
    assert play.returncode == 0, told[-3000:]
    took = time.monotonic() - began
    lab.sql(lab.primary(), "DROP TABLE bench_pad")
    return {"seconds": round(took, 3), "gb": round(size, 3), "per_gb": round(copied / size, 2)}


ALL: dict[str, Callable[[], dict[str, Any]]] = {"switchover": switchover, "rejoin": rejoin, "rebuild": rebuild}
NAMES = {
    "switchover": "switchover: a client's pause between two commits",
    "rejoin": "rejoin: from power on to streaming",
    "rebuild": "failover_rebuild.yml, the whole play",
}


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """The results as Markdown, in seconds."""
    lines = ["| what | runs | median | min | max | notes |", "| --- | --- | --- | --- | --- | --- |"]
    for kind, runs in results.items():
        times = [run["seconds"] for run in runs]
        values = " | ".join(f"{value:.2f}" for value in (statistics.median(times), min(times), max(times)))
        lines.append(f"| {NAMES[kind]} | {len(runs)} | {values} | {_notes(kind, runs)} |")
    return "\n".join(lines) + "\n"


def _notes(kind: str, runs: list[dict[str, Any]]) -> str:
    if kind == "switchover":
        return f"commits lost: {sum(run['lost'] for run in runs)}"
    if kind == "rejoin":
        parts = [statistics.median(values) for values in zip(*(run["parts"] for run in runs))]
        words = ("until skyha runs", "until the peer is seen", "pg_rewind", "until it streams")
        return ", ".join(f"{word} {value:.2f}" for word, value in zip(words, parts))
    per_gb = statistics.median(run["per_gb"] for run in runs)
    return f"{runs[-1]['gb']:.2f} GB; the copy alone {per_gb:.1f} s per GB"

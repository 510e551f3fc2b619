# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What zero loss costs a writer: the latency of pgbench's transactions through the VIP, on one cluster with `pg_cluster_replication: zero_loss`.

A session that asks for no more than `synchronous_commit = local` commits as on an asynchronous cluster. So all kinds alternate on the same servers,
run by run, and the machine's noise hits them alike.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.lab import faults, lab

# synchronous_commit of the writer's sessions, and what that is.
KINDS = {
    "local": "asynchronous",
    "on": "zero loss: flushed by the standby",
    "remote_apply": "zero loss, sync_commit remote_apply: to be read there",
}
SECONDS, CLIENTS, SCALE = 10, 4, 10
SHARES = (50.0, 95.0, 99.0, 99.9)


def measure(results: Path, runs: int) -> None:
    """So many runs of each kind, kept as they come."""
    faults.make_whole()
    primary = lab.primary()
    shown = lab.sql(primary, "SHOW synchronous_standby_names")
    if not shown:
        raise AssertionError("commits wait for nobody here: run LAB_REPLICATION=zero_loss site.yml first")
    lab.on(primary, *lab.AS_POSTGRES, f"pgbench -q -i -s {SCALE} postgres", timeout=300)
    results.mkdir(parents=True, exist_ok=True)
    for run in range(runs):
        for kind in KINDS:
            result = {"kind": kind, **_run(primary, kind)}
            with (results / "latency.jsonl").open("a") as out:
                out.write(json.dumps(result) + "\n")
            print(f"run {run + 1}: {kind:<13} {result}", flush=True)
    lab.sql(primary, "DROP TABLE pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history")


def _run(primary: str, kind: str) -> dict[str, Any]:
    folder = "/var/tmp/lab-latency"
    bench = f"pgbench -n -c {CLIENTS} -j 2 -T {SECONDS} -l --log-prefix={folder}/log -h {lab.VIP} postgres"
    asks = f"PGOPTIONS='-c synchronous_commit={kind}' PGPASSWORD='{lab.SETTINGS['pg_cluster_superuser_password']}'"
    lab.on(primary, *lab.AS_POSTGRES, f"rm -rf {folder}; mkdir {folder}; {asks} {bench}", timeout=120)
    told = lab.on(primary, "sh", "-c", f"cut -d' ' -f3 {folder}/log*; rm -rf {folder}")
    times = sorted(int(line) / 1000 for line in told.split())  # the log has microseconds
    return {"transactions": len(times), **{str(share): at(times, share) for share in SHARES}}


def at(times: list[float], share: float) -> float:
    """So many percent of the sorted times are not longer than this."""
    return times[min(len(times) - 1, int(len(times) * share / 100))]


def table(results: Iterable[dict[str, Any]]) -> str:
    """The median run of each kind as Markdown."""
    found = list(results)
    heads = ["writer", "runs", "transactions/s", *(f"{share:g} %, ms" for share in SHARES)]
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for kind, words in KINDS.items():
        mine = [one for one in found if one["kind"] == kind]
        if mine:
            rate = statistics.median(one["transactions"] for one in mine) / SECONDS
            cells = [words, str(len(mine)), f"{rate:.0f}"]
            cells += [f"{statistics.median(one[str(share)] for one in mine):.1f}" for share in SHARES]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"

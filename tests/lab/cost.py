# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What skyha costs while nothing happens: memory, processor, and what it takes from a busy database.

Runs of pgbench alternate with skyha at work on both nodes and with it standing still (its cgroups frozen, helpers
included), many times, so that the machine's noise hits both alike. The lab's Nagios, which shares the machine's two cores, stands still.
"""

from __future__ import annotations

import json
import math
import re
import statistics
import time
from pathlib import Path
from typing import Any

from tests.lab import faults, lab

IDLE = 60.0
PGBENCH_SECONDS = 10  # two of skyha's rounds: new connections and the write to the storage come every 5 s
CLOCK_TICKS = 100.0
AS_POSTGRES = ("runuser", "-u", "postgres", "--", "bash", "-lc")


def idle(node: str) -> dict[str, float]:
    """skyha on a quiet node over a minute: resident MB, % of a core (its own, and of its short-lived children)."""
    pid = lab.on(node, "systemctl", "show", "-p", "MainPID", "--value", "skyha").strip()
    before, began = _ticks(node, pid), time.monotonic()
    time.sleep(IDLE)
    after, elapsed = _ticks(node, pid), time.monotonic() - began
    resident = int(re.search(r"VmRSS:\s+(\d+)", lab.on(node, "cat", f"/proc/{pid}/status")).group(1))  # type: ignore[union-attr]
    own, children = ((late - early) / CLOCK_TICKS / elapsed * 100 for early, late in zip(before, after))
    return {"mb": round(resident / 1024, 1), "own": round(own, 2), "children": round(children, 2)}


def _ticks(node: str, pid: str) -> tuple[int, int]:
    fields = lab.on(node, "cat", f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])


def pgbench(node: str) -> float:
    """Transactions per second of one short pgbench run on the primary."""
    command = f"pgbench -n -c 2 -j 1 -T {PGBENCH_SECONDS} postgres"
    out = lab.on(node, *AS_POSTGRES, command, timeout=PGBENCH_SECONDS + 60)
    return float(re.search(r"tps = ([0-9.]+)", out).group(1))  # type: ignore[union-attr]


def measure(results: Path, runs: int) -> None:
    """All of it; `runs` pairs of pgbench."""
    faults.make_whole()
    primary = lab.primary()
    found: dict[str, Any] = {"idle": {}, "tps": {"on": [], "off": []}}
    for role, node in (("primary", primary), ("standby", lab.other(primary))):
        found["idle"][role] = idle(node)
    results.mkdir(parents=True, exist_ok=True)
    lab.on("monitor", "systemctl", "freeze", "nagios4")
    lab.on(primary, *AS_POSTGRES, "pgbench -q -i -s 5 postgres")
    pgbench(primary)
    for run in range(runs):
        for state in ("on", "off") if run % 2 else ("off", "on"):
            for node in lab.NODES:
                lab.on(node, "systemctl", "thaw" if state == "on" else "freeze", "skyha")
            found["tps"][state].append(pgbench(primary))
        (results / "cost.json").write_text(json.dumps(found))
        print(f"pair {run + 1}: on {found['tps']['on'][-1]:.0f}, off {found['tps']['off'][-1]:.0f}", flush=True)
    for node in lab.NODES:
        lab.on(node, "systemctl", "thaw", "skyha")
    lab.on("monitor", "systemctl", "thaw", "nagios4")
    faults.heal()


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    ratios = [on / off for on, off in zip(found["tps"]["on"], found["tps"]["off"])]
    error = statistics.stdev(ratios) / math.sqrt(len(ratios))
    lines = ["| skyha, idle | resident MB | % of a core | % of a core, children |", "| --- | --- | --- | --- |"]
    lines += [f"| {role} | {told['mb']} | {told['own']} | {told['children']} |" for role, told in found["idle"].items()]
    lines += [
        "",
        f"pgbench with skyha on / off, {len(ratios)} pairs of {PGBENCH_SECONDS} s: mean ratio {statistics.mean(ratios):.4f} "
        f"(standard error {error:.4f}, median {statistics.median(ratios):.4f}); median "
        f"{statistics.median(found['tps']['on']):.0f} / {statistics.median(found['tps']['off']):.0f} transactions per second",
    ]
    return "\n".join(lines) + "\n"

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What skyha costs while nothing happens: memory, processor, and what it takes from a busy database.

While pgbench runs, skyha stands still on both nodes (its cgroups frozen, helpers included) and works again, in the order
off on on off or on off off on, so that the machine's noise hits both alike. The lab's Nagios, which shares the machine's two
cores, stands still all the time. Of each stretch the time that the machine's own host took away (steal) is told, too.

One percent drowns in a shared machine's noise for hours of such runs. So they are made with skyha FASTER times as busy as
well: that costs so much more, is seen as well as anything, and is divided by how much more processor time it took.
"""

from __future__ import annotations

import json
import math
import os
import re
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.lab import faults, lab

IDLE = 60.0
STRETCH = 10.0  # seconds: two of skyha's rounds (new connections and the write to the storage come every 5 s)
SWITCHES = 12  # seconds that four stretches need besides, at most
STILL = 15.0  # seconds that skyha is frozen at once
FASTER = 10
SHIPPED = {"interval": 1.0, "fresh_every": 5.0, "bmc_check_interval": 60.0}  # seconds, config.Timing
STORAGE_INTERVAL = 4500.0  # ms, ha_schema's default
CLOCK_TICKS = 100.0
SERVICES = {"vote": ("sky-vote-proxy",), **dict.fromkeys(lab.NODES, ("skyha", "sky-postgresql"))}


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


def everywhere() -> float:
    """% of one core that skyha takes with all it causes on all hosts (PostgreSQL's answers, the vote proxy): at work less frozen."""
    working = _percent(IDLE)
    still = []
    for _ in range(4):
        _switch("off")
        still.append(_percent(STILL))
        _switch("on")
        time.sleep(1)
    return round(working - statistics.mean(still), 2)


def _percent(seconds: float) -> float:
    before, began = _used(), time.monotonic()
    time.sleep(seconds)
    return (_used() - before) / (time.monotonic() - began) * 100


def _used() -> float:
    """Processor seconds of SERVICES so far (cgroups v2, cpu.stat)."""
    told = ""
    for host, services in SERVICES.items():
        told += lab.on(host, "cat", *(f"/sys/fs/cgroup/system.slice/{name}.service/cpu.stat" for name in services))
    return sum(map(int, re.findall(r"usage_usec (\d+)", told))) / 1e6


def pace(faster: int) -> None:
    """Have skyha do what it does all the time `faster` times as often."""
    often = {name: seconds / faster for name, seconds in SHIPPED.items()}
    settings = {
        "skyha_daemon_timing": {**lab.SETTINGS["skyha_daemon_timing"], **(often if faster > 1 else {})},
        "ha_schema_storage_interval": f"{STORAGE_INTERVAL / faster:.0f}ms",
    }
    lab.playbook("site.yml", "--tags", "ha_schema,skyha_daemon", "-e", json.dumps(settings))
    faults.make_whole()


def four(primary: str, states: tuple[str, ...]) -> dict[str, list[float]]:
    """One pgbench with skyha "on" or "off" for a STRETCH each: transactions per second, and the share of the processors stolen."""
    command = f"pgbench -n -c 2 -j 1 -T {len(states) * STRETCH + SWITCHES:.0f} -P 1 --progress-timestamp postgres 2>&1"
    full = [str(lab.ROOT / "lab/podman"), "exec", f"sky-{primary}", *lab.AS_POSTGRES, command]
    stretches = []
    with subprocess.Popen(full, stdout=subprocess.PIPE, text=True) as pgbench:
        for state in states:
            _switch(state)
            began, before = time.time(), _stolen()
            time.sleep(STRETCH)
            stretches.append((state, began, time.time(), _stolen() - before))
        _switch("on")
        out = pgbench.communicate(timeout=SWITCHES + 60)[0]
    # The wall clock: pgbench tells nothing else, and nobody sets it meanwhile. Each line is about the second before it.
    told = [(float(when), float(tps)) for when, tps in re.findall(r"progress: ([0-9.]+) s, ([0-9.]+) tps", out)]
    found: dict[str, list[float]] = {"on": [], "off": [], "on stolen": [], "off stolen": []}
    for state, began, ended, stolen in stretches:
        found[state].append(statistics.mean(tps for when, tps in told if began + 1 <= when <= ended))
        found[f"{state} stolen"].append(stolen / CLOCK_TICKS / (ended - began) / (os.cpu_count() or 1))
    return found


def _switch(state: str) -> None:
    for node in lab.NODES:
        lab.on(node, "systemctl", "thaw" if state == "on" else "freeze", "skyha")


def _watchdogs(answer: str) -> None:
    """Whether systemd acts on watchdogs that were not fed (systemctl(1), service-watchdogs)."""
    for node in lab.NODES:
        lab.on(node, "systemctl", "service-watchdogs", answer)


def _stolen() -> int:
    """Clock ticks that the machine's host took away so far, all processors together (proc(5), /proc/stat)."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8])


def measure(results: Path, runs: int) -> None:
    """All of it; `runs` times pgbench as shipped and as often faster, about a minute each."""
    faults.make_whole()
    primary = lab.primary()
    found: dict[str, Any] = {"idle": {}, "paces": {}}
    for role, node in (("primary", primary), ("standby", lab.other(primary))):
        found["idle"][role] = idle(node)
    results.mkdir(parents=True, exist_ok=True)
    lab.on(primary, *lab.AS_POSTGRES, "pgbench -q -i -s 5 postgres && pgbench -n -c 2 -T 10 postgres")
    lab.on("monitor", "systemctl", "freeze", "nagios4")
    _watchdogs("no")  # one that stands still feeds none
    try:
        for faster in (FASTER, 1):
            pace(faster)
            one: dict[str, Any] = {"percent": everywhere(), "runs": []}
            found["paces"][str(faster)] = one
            for run in range(runs):
                states = ("on", "off", "off", "on") if run % 2 else ("off", "on", "on", "off")
                one["runs"].append(four(primary, states))
                (results / "cost.json").write_text(json.dumps(found))
                print(f"{faster} x, run {run + 1}: {_ratio(one['runs'][-1]):.3f} {one['runs'][-1]}", flush=True)
    finally:
        _switch("on")
        lab.on("monitor", "systemctl", "thaw", "nagios4")
        pace(1)
        _watchdogs("yes")
    faults.heal()


def _ratio(run: dict[str, list[float]], corrected: bool = False) -> float:
    """On / off of one run; corrected: of transactions per second of the processors that were not stolen."""
    mean = {}
    for state in ("on", "off"):
        granted = [1 - share if corrected else 1.0 for share in run[f"{state} stolen"]]
        mean[state] = statistics.geometric_mean(tps / share for tps, share in zip(run[state], granted))
    return mean["on"] / mean["off"]


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["| skyha, idle | resident MB | % of a core | % of a core, children |", "| --- | --- | --- | --- |"]
    lines += [f"| {role} | {told['mb']} | {told['own']} | {told['children']} |" for role, told in found["idle"].items()]
    lines += [
        "",
        "| skyha | % of a core, all hosts | pgbench runs | on / off | standard error | without stolen time | standard error |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for faster, name in ((1, "as shipped"), (FASTER, f"{FASTER} times as busy")):
        one = found["paces"][str(faster)]
        cells: list[str] = []
        for corrected in (False, True):
            mean, error = _told([_ratio(run, corrected) for run in one["runs"]])
            cells += [f"{mean:.4f}", f"{error:.4f}"]
        lines.append(f"| {name} | {one['percent']} | {len(one['runs'])} | {' | '.join(cells)} |")
    share = found["paces"]["1"]["percent"] / found["paces"][str(FASTER)]["percent"]
    mean, error = _told([_ratio(run, True) for run in found["paces"][str(FASTER)]["runs"]])
    lines += ["", f"So as shipped: {1 - (1 - mean) * share:.4f} of skyha off (standard error {error * share:.4f})."]
    return "\n".join(lines) + "\n"


def _told(ratios: list[float]) -> tuple[float, float]:
    return statistics.mean(ratios), statistics.stdev(ratios) / math.sqrt(len(ratios))

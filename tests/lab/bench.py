# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures outages: faults on the primary under a writing client, N runs each; a table and a plot into docs/.

python -m tests.lab.bench outages [--runs 10] [--fault 'power loss']
python -m tests.lab.bench register [--runs 10] [--fault 'host and BMC gone']     (on a lab whose clusters have a register: not with LAB_REGISTER=none)
LAB_REPLICATION=zero_loss python -m tests.lab.bench latency [--runs 10]       (with zero loss on)
python -m tests.lab.bench switchover|rejoin|rebuild [--runs 10]
python -m tests.lab.bench cost|archiving [--runs 12]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from tests.lab import archiving, comeback, cost, faults, lab, latency, register
from tests.lab.watch import Watch

RESULTS = lab.ROOT / ".cache/bench"
BY_ENGINE = {"vote_host": "register", "etcd": "register_etcd"}  # where its figures are kept, and the page's mark
PHASES = ("detect", "fence", "promote", "VIP", "client")


def phases(events: list[dict[str, Any]], began: float, end: float) -> dict[str, float]:
    """Seconds of each phase of a failover, from the new primary's history; empty for a repair in place."""
    at = {event["kind"]: event["monotonic"] for event in reversed(events)}
    if "promoted" not in at:
        return {}
    # Nobody is fenced where the old primary hands over.
    marks = [
        began,
        at.get("fencing", at["fenced"]),
        at["fenced"],
        at["promoted"],
        at.get("vip_taken", at["promoted"]),
        end,
    ]
    return {name: round(later - earlier, 3) for name, earlier, later in zip(PHASES, marks, marks[1:])}


def measure(fault: str, timeout: float = 90.0) -> dict[str, Any]:
    """One run of one fault on a whole cluster; the oracles are held."""
    faults.make_whole()
    old = lab.primary()
    new = lab.other(old)
    with Watch() as watch:
        time.sleep(1.0)
        began = time.monotonic()
        {**faults.ALL, **faults.BY_REGISTER}[fault](old)
        done = time.monotonic()
        lab.wait_for(f"commits after {fault}", lambda: watch.resumed(max(done, began + 0.3)), timeout, every=0.02)
        time.sleep(1.0)
        lab.wait_for("the VIP", lambda: lab.holds_vip(old) != lab.holds_vip(new), 20)
    report = watch.report
    report.check()
    before, after = report.hole
    events = report.history.get(new, [])
    return {
        "fault": fault,
        "outage": round(report.outage, 3),
        "failed_over": any(event["kind"] == "promoted" for event in events),
        "phases": phases(events, before, after),
        "commits": len(report.acknowledged),
        "lost": len(report.lost),
    }


def outages(runs: int, chosen: list[str], kept: str) -> None:
    """All faults, interleaved so that the machine's noise hits all alike; each result is kept as it comes, in a file of that name."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / f"{kept}.jsonl"
    for run in range(runs):
        for fault in chosen:
            result = measure(fault)
            with file.open("a") as out:
                out.write(json.dumps(result) + "\n")
            print(f"run {run + 1}: {fault:<18} {result['outage']:6.2f} s  {result['phases']}", flush=True)
    faults.make_whole()


def ways_back(kind: str, runs: int) -> None:
    """Runs of a switchover, rejoin or rebuild; each result is kept as it comes."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for run in range(runs):
        result = comeback.ALL[kind]()
        with (RESULTS / f"{kind}.jsonl").open("a") as out:
            out.write(json.dumps(result) + "\n")
        print(f"run {run + 1}: {kind:<12} {result}", flush=True)
    faults.make_whole()


def load(kept: str) -> dict[str, list[dict[str, Any]]]:
    """The kept results by fault."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in (RESULTS / f"{kept}.jsonl").read_text().splitlines():
        result = json.loads(line)
        found.setdefault(result["fault"], []).append(result)
    return found


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """The results as a Markdown table, in seconds."""
    lines = ["| fault | runs | median | min | max | " + " | ".join(PHASES) + " | commits lost |", "| --- " * 11 + "|"]
    for fault, runs in results.items():
        times = [run["outage"] for run in runs]
        cells = [
            fault,
            str(len(runs)),
            *(f"{value:.2f}" for value in (statistics.median(times), min(times), max(times))),
        ]
        for phase in PHASES:
            values = [run["phases"][phase] for run in runs if run["phases"]]
            cells.append(f"{statistics.median(values):.2f}" if values else "-")
        lines.append("| " + " | ".join([*cells, str(sum(run["lost"] for run in runs))]) + " |")
    return "\n".join(lines) + "\n"


def plot(results: dict[str, list[dict[str, Any]]], target: Path) -> None:
    """Stacked median phases per fault, with every run's outage as a dot."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "sky"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 0.7 * len(results) + 1.4))
    colours = ("#b0b7c3", "#d1495b", "#edae49", "#30638e", "#7aa874")
    for row, runs in enumerate(results.values()):
        left = 0.0
        with_phases = [run["phases"] for run in runs if run["phases"]]
        for phase, colour in zip(PHASES, colours):
            width = statistics.median(found[phase] for found in with_phases) if with_phases else 0.0
            axes.barh(row, width, left=left, color=colour, height=0.55, label=phase if row == 0 else None)
            left += width
        axes.plot([run["outage"] for run in runs], [row] * len(runs), "k.", markersize=4, alpha=0.6)
    axes.set_yticks(range(len(results)), list(results))
    axes.invert_yaxis()
    axes.set_xlabel("seconds without an acknowledged commit (dots: single runs, bars: median phases)")
    # Above the bars: beside or below it would hide some.
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncol=len(PHASES), fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None}, facecolor="white")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what", choices=["outages", "register", "latency", "cost", "archiving", "report", *comeback.ALL]
    )
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--fault", choices=[*faults.ALL, *faults.BY_REGISTER], action="append")
    options = parser.parse_args()
    if options.what == "outages":
        outages(options.runs, options.fault or list(faults.ALL), "outages")
    if options.what == "register":
        outages(options.runs, options.fault or list(faults.BY_REGISTER), BY_ENGINE.get(register.ENGINE, "register"))
    if options.what == "latency":
        latency.measure(RESULTS, options.runs)
    if options.what == "cost":
        cost.measure(RESULTS, options.runs)
    if options.what == "archiving":
        archiving.measure(RESULTS, options.runs)
    if options.what in comeback.ALL:
        ways_back(options.what, options.runs)
    report()
    return 0


def report() -> None:
    """The kept results into docs/performance.md, between their marks, and the plot beside it."""
    target = lab.ROOT / "docs/performance.md"
    text = target.read_text()
    if (RESULTS / "outages.jsonl").exists():
        results = load("outages")
        plot(results, lab.ROOT / "docs/outages.svg")
        text = between(text, "outages", table(results))
    for kept in BY_ENGINE.values():
        if not (RESULTS / f"{kept}.jsonl").exists():
            continue
        if f"<!-- {kept}: begin -->" in text:
            text = between(text, kept, table(load(kept)))
        else:  # the page has no place for it yet
            print(f"{kept}\n{table(load(kept))}")
    if (RESULTS / "latency.jsonl").exists():
        found = map(json.loads, (RESULTS / "latency.jsonl").read_text().splitlines())
        text = between(text, "latency", latency.table(found))
    files = {kind: RESULTS / f"{kind}.jsonl" for kind in comeback.ALL}
    back = {kind: list(map(json.loads, file.read_text().splitlines())) for kind, file in files.items() if file.exists()}
    if back:
        text = between(text, "comeback", comeback.table(back))
    if (RESULTS / "cost.json").exists():
        text = between(text, "cost", cost.table(json.loads((RESULTS / "cost.json").read_text())))
    if (RESULTS / "archiving.jsonl").exists():
        body = archiving.table(list(map(json.loads, (RESULTS / "archiving.jsonl").read_text().splitlines())))
        if "<!-- archiving: begin -->" in text:
            text = between(text, "archiving", body)
        else:  # the page has no place for it yet
            print(f"archiving\n{body}")
    target.write_text(text)
    print(text)


def between(text: str, name: str, body: str) -> str:
    """`text` with `body` between the marks of that name."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    return text[: text.index(begin) + len(begin)] + body + text[text.index(end) :]


if __name__ == "__main__":
    sys.exit(main())

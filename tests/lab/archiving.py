# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What archiving to the repository takes from a busy database.

pgbench runs with it on and off, in the order off on on off or on off off on, so that the machine's noise hits both alike. Off: PostgreSQL
runs /bin/true for a segment, as the document has it; that leaves a gap in the archive, which a full backup ends afterwards. What waits for
the archive at the end of a stretch is awaited before the next begins, and told: where it grows, archiving cannot keep up. The repository's
host shares the machine's processors, which real ones do not.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from pathlib import Path
from typing import Any

from tests.lab import faults, lab

STRETCH = 20  # seconds
DRAIN = 300.0
WAITING = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"


def _switch(primary: str, state: str) -> None:
    what = "RESET archive_command" if state == "on" else "SET archive_command = '/bin/true'"
    lab.sql(primary, f"ALTER SYSTEM {what};\nSELECT pg_reload_conf();")


def _drained(primary: str) -> None:
    lab.wait_for("the archive to have all", lambda: lab.sql(primary, WAITING) == "0", DRAIN, every=0.5)


def stretch(primary: str, state: str) -> dict[str, Any]:
    """Transactions per second of one pgbench, and how many segments waited at its end."""
    _switch(primary, state)
    told = lab.on(primary, *lab.AS_POSTGRES, f"pgbench -n -c 2 -j 1 -T {STRETCH} postgres", timeout=STRETCH + 60)
    found = re.search(r"tps = ([0-9.]+) \(without", told)
    assert found, told
    waiting = int(lab.sql(primary, WAITING))
    _drained(primary)
    return {"state": state, "tps": float(found.group(1)), "waiting": waiting}


def measure(results: Path, runs: int) -> None:
    """`runs` times four stretches; each run is kept as it comes."""
    faults.make_whole()
    primary = lab.primary()
    assert "pgbackrest" in lab.sql(primary, "SHOW archive_command"), "this lab has no backups (LAB_BACKUP)"
    results.mkdir(parents=True, exist_ok=True)
    lab.on(primary, *lab.AS_POSTGRES, "pgbench -q -i -s 5 postgres && pgbench -n -c 2 -T 10 postgres", timeout=180)
    lab.on("monitor", "systemctl", "freeze", "nagios4")
    try:
        for run in range(runs):
            states = ("on", "off", "off", "on") if run % 2 else ("off", "on", "on", "off")
            found = [stretch(primary, state) for state in states]
            with (results / "archiving.jsonl").open("a") as out:
                out.write(json.dumps(found) + "\n")
            print(f"archiving, run {run + 1}: {ratio(found):.3f} {found}", flush=True)
    finally:
        _switch(primary, "on")
        lab.on("monitor", "systemctl", "thaw", "nagios4")
        lab.playbook("playbooks/backup.yml", "-e", "pg_backup_type=full")
    faults.heal()


def ratio(run: list[dict[str, Any]]) -> float:
    """On / off of one run."""
    on, off = (statistics.geometric_mean(one["tps"] for one in run if one["state"] == state) for state in ("on", "off"))
    return on / off


def table(found: list[list[dict[str, Any]]]) -> str:
    """The figures as Markdown."""
    ratios = [ratio(run) for run in found]
    error = f"{statistics.stdev(ratios) / math.sqrt(len(ratios)):.4f}" if len(ratios) > 1 else "-"
    waiting = max(one["waiting"] for run in found for one in run if one["state"] == "on")
    return (
        "| pgbench runs | archiving on / off | standard error | segments that waited at most |\n| --- | --- | --- | --- |\n"
        f"| {len(ratios)} | {statistics.mean(ratios):.4f} | {error} | {waiting} |\n"
    )

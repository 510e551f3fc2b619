# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each cluster costs the vote host: the proxy's memory, processor time and connections, quiet, over a minute.

`python -m tests.lab.vote_cost` on a lab with two clusters (`lab/lab up --clusters 2`, site.yml with both inventories)
measures it with none, one and two of them at work: a cluster is left out by stopping skyha on its nodes.
"""

from __future__ import annotations

import json
import sys
import time

from tests.lab import lab

MINUTE = 60.0
CLOCK_TICKS = 100.0
CLUSTERS = (("node1", "node2"), ("node3", "node4"))
# The proxy's processes: haproxy is a master and a worker.
LOOK = """
for pid in $(cat /sys/fs/cgroup/system.slice/sky-vote-proxy.service/cgroup.procs); do
  echo "$(cut -d' ' -f14,15 /proc/$pid/stat) $(awk '/^Pss:/ {print $2}' /proc/$pid/smaps_rollup)"
done
echo connections $(ss -Htn state established | grep -cE ':1192[12] ')
"""


def look() -> tuple[float, float, int]:
    """Processor seconds so far, megabytes (shared pages counted once), client connections of the proxy."""
    lines = lab.on("vote", "sh", "-c", LOOK).splitlines()
    figures = [[int(word) for word in line.split()] for line in lines if not line.startswith("connections")]
    ticks = sum(user + system for user, system, _ in figures)
    return ticks / CLOCK_TICKS, sum(pss for *_, pss in figures) / 1024, int(lines[-1].split()[1])


def measure(working: int) -> dict[str, float]:
    """The proxy with so many clusters at work."""
    for number, nodes in enumerate(CLUSTERS):
        for node in nodes:
            lab.on(node, "systemctl", "start" if number < working else "stop", "skyha")
    time.sleep(15)  # they connect, and the others' connections end
    before, began = look()[0], time.monotonic()
    time.sleep(MINUTE)
    after, megabytes, connections = look()
    percent = (after - before) / (time.monotonic() - began) * 100
    return {"clusters": working, "mb": round(megabytes, 1), "percent": round(percent, 2), "connections": connections}


def main() -> int:
    """Measure and print a Markdown table."""
    try:
        found = [measure(working) for working in range(len(CLUSTERS) + 1)]
    finally:
        for nodes in CLUSTERS:
            for node in nodes:
                lab.on(node, "systemctl", "start", "skyha")
    print(json.dumps(found), file=sys.stderr)
    print("| clusters at work | proxy, MB | % of a core | connections |\n| --- | --- | --- | --- |")
    for row in found:
        print(f"| {row['clusters']} | {row['mb']} | {row['percent']} | {row['connections']} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

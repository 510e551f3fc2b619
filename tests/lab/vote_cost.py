# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What clusters cost the vote host, quiet, over a minute.

python -m tests.lab.vote_cost                                       the proxy: memory, processor time and connections with none, one and two clusters
python -m tests.lab.vote_cost --clusters 1 10        the register, with so many clusters' rows, logins and questions

The first wants a lab with two clusters (`lab/lab up --clusters 2`, site.yml with both inventories); one is left out by stopping skyha on its nodes.
The second wants the lab's one cluster with its register. The other clusters are made up for the time of the measuring: a row and a login each, and on
the nodes a small program that asks, by the runtime's own client, what their holders and their standbys would ask (register_load.py).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab import lab, register_sql

MINUTE = 60.0
SETTLES = 15.0  # they connect, and the others' connections end
CLOCK_TICKS = 100.0
CLUSTERS = (("node1", "node2"), ("node3", "node4"))
# The proxy's processes: haproxy is a master and a worker.
LOOK = """
for pid in $(cat /sys/fs/cgroup/system.slice/sky-vote-proxy.service/cgroup.procs); do
  echo "$(cut -d' ' -f14,15 /proc/$pid/stat) $(awk '/^Pss:/ {print $2}' /proc/$pid/smaps_rollup)"
done
echo connections $(ss -Htn state established | grep -cE ':1192[12] ')
"""
UNIT = "/sys/fs/cgroup/system.slice/sky-register.service"
LOOK_AT_REGISTER = f"""
awk '/^usage_usec/ {{print "usec", $2}}' {UNIT}/cpu.stat
for pid in $(cat {UNIT}/cgroup.procs); do awk '/^Pss:/ {{print "kb", $2}}' /proc/$pid/smaps_rollup 2>/dev/null; done
echo connections $(ss -Htn state established "( sport = :{register_sql.PORT} )" | wc -l)
"""
# Must reach, for ten clusters.
MOST_MB, MOST_PERCENT = 40.0, 0.5
HBA = "/etc/sky-register/pg_hba.conf"
SCRIPTS = lab.ROOT / "roles/vote_host_register/files"
RENEWS, READS = 1.0, 5.0  # seconds: Timing.interval, and READ_EVERY in policy/holding.py


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
    time.sleep(SETTLES)
    before, began = look()[0], time.monotonic()
    time.sleep(MINUTE)
    after, megabytes, connections = look()
    percent = (after - before) / (time.monotonic() - began) * 100
    return {"clusters": working, "mb": round(megabytes, 1), "percent": round(percent, 2), "connections": connections}


# --- the register ----------------------------------------------------------------------------------------------------------


def look_at_register() -> tuple[float, float, int]:
    """Processor seconds so far of its unit's cgroup, megabytes (shared pages counted once), connections."""
    told = [line.split() for line in lab.on("vote", "sh", "-c", LOOK_AT_REGISTER).splitlines()]
    total = {word: sum(int(value) for name, value in told if name == word) for word in ("usec", "kb", "connections")}
    return total["usec"] / 1e6, total["kb"] / 1024, total["connections"]


@contextmanager
def made_up(number: int) -> Iterator[dict[str, str]]:
    """So many clusters more in the register; their logins with passwords."""
    passwords = {f"register_load{one}": f"load {one}" for one in range(number)}
    nodes = [lab.HOSTS[node]["pg_cluster_address"] for node in lab.NODES]
    lines = "".join(f'host sky_register "{one}" {node}/32 scram-sha-256\n' for one in passwords for node in nodes)
    _order(passwords=passwords)
    lab.on("vote", "sh", "-c", f"cp -p {HBA} {HBA}.kept && cat >> {HBA} && systemctl reload sky-register", stdin=lines)
    try:
        yield passwords
    finally:
        lab.on("vote", "sh", "-c", f"mv {HBA}.kept {HBA} && systemctl reload sky-register")
        _order(remove=list(passwords))


def _order(**what: Any) -> None:
    """As role vote_host_register makes logins, and takes them away."""
    order = {"psql": "psql", "socket": "/run/sky-register", "port": register_sql.PORT, "check": False, **what}
    script = (SCRIPTS / "clusters.py").read_text()
    lab.on("vote", "runuser", "-u", "postgres", "--", "python3", "-c", script, stdin=json.dumps(order))


def ask(node: str, passwords: dict[str, str], holds: bool, seconds: float) -> dict[str, int]:
    """That node stands for these clusters' holders, or for their standbys."""
    dsn = {
        "hostaddr": lab.VOTE,
        "port": register_sql.PORT,
        "dbname": "sky_register",
        "sslmode": "disable",
        "gssencmode": "disable",
    }
    order = {"dsn": {**dsn, "application_name": "load"}, "passwords": passwords, "node": "node1", "holds": holds}
    order |= {"every": RENEWS if holds else READS, "seconds": seconds}
    program = (Path(__file__).parent / "register_load.py").read_text()
    command = ("env", "PYTHONPATH=/opt/skyha/current", "/usr/bin/python3", "-c", program)
    return json.loads(lab.on(node, *command, stdin=json.dumps(order), timeout=seconds + 30))


def measure_register(clusters: int) -> dict[str, float]:
    """The register with so many clusters, the lab's own among them."""
    number, lasts = clusters - 1, SETTLES + MINUTE + 5
    with made_up(number) as passwords, ThreadPoolExecutor() as pool:
        asking = []
        if passwords:
            asking = [pool.submit(ask, node, passwords, holds, lasts) for node, holds in zip(lab.NODES, (True, False))]
        time.sleep(SETTLES)
        before, began = look_at_register()[0], time.monotonic()
        time.sleep(MINUTE)
        after, megabytes, connections = look_at_register()
        percent = (after - before) / (time.monotonic() - began) * 100
        for one in asking:
            told = one.result()
            # The last question may be cut off by the end.
            assert told["asked"] > 0, told
            assert told["asked"] - told["answered"] <= clusters, told
    return {"clusters": clusters, "mb": round(megabytes, 1), "percent": round(percent, 2), "connections": connections}


def register_table(found: list[dict[str, float]]) -> str:
    """The figures as Markdown."""
    lines = ["| clusters | register, MB | % of a core | connections |", "| --- | --- | --- | --- |"]
    lines += [f"| {row['clusters']} | {row['mb']} | {row['percent']} | {row['connections']} |" for row in found]
    return "\n".join(lines)


def main() -> int:
    """Measure and print a Markdown table; 1 where the register costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--clusters", type=int, nargs="+", metavar="N", help="measure the register, with N clusters each"
    )
    options = parser.parse_args()
    if options.clusters:
        found = [measure_register(clusters) for clusters in options.clusters]
        print(json.dumps(found), file=sys.stderr)
        print(register_table(found))
        return int(any(row["mb"] > MOST_MB or row["percent"] > MOST_PERCENT for row in found))
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

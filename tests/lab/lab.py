# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's hosts, seen from the machine that carries them.

All hosts share the machine's kernel, so time.monotonic() is the same clock everywhere in the lab. LAB_CLUSTER in the
environment says which cluster is meant: sky (inventory/lab), or moon (the second one, of inventory/lab-two).
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psycopg2
import yaml

ROOT = Path(__file__).parents[2]
CLUSTER = os.environ.get("LAB_CLUSTER", "sky")
NODES = {"sky": ("node1", "node2"), "moon": ("node3", "node4")}[CLUSTER]
INVENTORIES = ("inventory/lab",) if CLUSTER == "sky" else ("inventory/lab", "inventory/lab-two")
Seen = TypeVar("Seen")


def _inventory() -> tuple[dict[str, Any], dict[str, Any]]:
    """The cluster's settings, and its hosts: both nodes, the vote host and the monitoring host."""
    settings: dict[str, Any] = {}
    hosts: dict[str, Any] = {}
    for folder in (ROOT / name for name in INVENTORIES):
        for file in sorted((folder / "group_vars/all").glob("*.yml")) + [folder / f"group_vars/{CLUSTER}.yml"]:
            settings.update((yaml.safe_load(file.read_text()) or {}) if file.exists() else {})
        groups = yaml.safe_load((folder / "hosts.yml").read_text())["all"]["children"]
        for group in groups.values():
            for holder in [group, *group.get("children", {}).values()]:
                hosts.update({name: values for name, values in holder.get("hosts", {}).items() if values})
    return settings, {name: hosts[name] for name in (*NODES, *(name for name in hosts if "node" not in name))}


SETTINGS, HOSTS = _inventory()
# (While a test has them changed.)
VIP: str = os.environ.get("LAB_VIP", SETTINGS["pg_cluster_vip"])
PORT = int(os.environ.get("LAB_PORT", "1921"))
VOTE: str = HOSTS["vote"]["pg_cluster_address"]
VOTE_PORT: int = SETTINGS.get("pg_cluster_vote_port", 11921)
SOCKET = "/run/sky-postgresql"
AS_POSTGRES = ("runuser", "-u", "postgres", "--", "bash", "-lc")  # and a shell command


def other(node: str) -> str:
    """The peer of `node`."""
    return NODES[1 - NODES.index(node)]


def lab(*arguments: str, timeout: float = 120.0) -> str:
    """Run lab/lab with these arguments; its output. Raises RuntimeError with what it said when it fails."""
    done = subprocess.run([ROOT / "lab/lab", *arguments], capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"lab/lab {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def on(host: str, *command: str, stdin: str | None = None, check: bool = True, timeout: float = 60.0) -> str:
    """Run a command in a lab host as root; its output."""
    full = [str(ROOT / "lab/podman"), "exec", *(["-i"] if stdin is not None else []), f"sky-{host}", *command]
    done = subprocess.run(full, input=stdin, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise RuntimeError(f"{host}: {' '.join(command)}: exit {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def sql(host: str, query: str, database: str = "postgres", timeout: float = 60.0) -> str:
    """Run `query` as the superuser over the node's own socket; the rows without decoration."""
    return on(host, *AS_POSTGRES, f"psql -X -w -At -d {database} -f -", stdin=query, timeout=timeout).strip()


def logged(host: str, unit: str, since: float, words: str) -> str:
    """The lines with these words that a unit has logged since then (seconds since 1970)."""
    told = on(host, "journalctl", "-u", unit, "--no-pager", "-o", "cat", "--since", f"@{int(since)}")
    return "\n".join(line for line in told.splitlines() if words in line)


def connect(host: str = VIP, port: int = PORT, timeout: int = 3, dbname: str = "postgres") -> Any:
    """A superuser's autocommit connection over the network."""
    connection = psycopg2.connect(
        host=host,
        port=port,
        user="postgres",
        dbname=dbname,
        password=SETTINGS["pg_cluster_superuser_password"],
        connect_timeout=timeout,
        application_name="lab",
    )
    connection.autocommit = True
    return connection


def pid_of(host: str) -> int:
    """The init process of a running host, as the machine sees it; 0 when the host is off."""
    try:
        pid = int(Path(f"/run/sky-lab/hosts/{host}.pid").read_text())
        container = Path(f"/run/sky-lab/hosts/{host}.cid").read_text().strip()
        # The number may be another process's by now.
        return pid if container in Path(f"/proc/{pid}/cgroup").read_text() else 0
    except (OSError, ValueError):
        return 0


def holds_vip(host: str) -> bool:
    """Does the host's kernel hold the VIP? Read from its network namespace: no process is started in it."""
    try:
        return f"|-- {VIP}\n" in Path(f"/proc/{pid_of(host)}/net/fib_trie").read_text()
    except OSError:
        return False


def is_writable(host: str) -> bool:
    """Does PostgreSQL run there as a primary?"""
    try:
        return sql(host, "SELECT pg_is_in_recovery()") == "f"
    except (RuntimeError, subprocess.TimeoutExpired):
        return False


def primary() -> str:
    """The node that takes writes; raises AssertionError when that is not exactly one."""
    found = [node for node in NODES if is_writable(node)]
    assert len(found) == 1, f"there must be exactly one primary, found {found}"
    return found[0]


def status(node: str) -> dict[str, Any]:
    """What skyha on that node last wrote about itself; empty when it has not."""
    return yaml.safe_load(on(node, "sh", "-c", "cat /run/skyha/status.json 2>/dev/null || true")) or {}


def wait_for(what: str, look: Callable[[], Seen], timeout: float, every: float = 0.1) -> Seen:
    """Call `look` until it returns something true, and return that; AssertionError with `what` at the deadline."""
    deadline = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            seen = look()
            if seen:
                return seen
            last = seen
        except (RuntimeError, AssertionError, KeyError, OSError, psycopg2.Error, subprocess.TimeoutExpired) as error:
            last = error
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what} (last seen: {last})"
        time.sleep(every)


# A base backup streams as well, and is no standby.
STANDBYS = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name NOT IN ('pg_basebackup', 'pg_receivewal')"


def is_whole() -> bool:
    """One primary with the VIP, its peer streaming, skyha armed on the standby; where a register is, the primary names that as its heir."""
    node = primary()
    if sql(node, STANDBYS) != "1" or not holds_vip(node) or not status(other(node)).get("armed"):
        return False
    told = status(node).get("register")
    return told is None or told.get("heir") == other(node)


def playbook(name: str, *arguments: str, timeout: float = 900.0) -> str:
    """Run a playbook on the lab; its output. Raises RuntimeError when it fails."""
    inventories = [word for inventory in INVENTORIES for word in ("-i", inventory)]
    done = subprocess.run(
        [str(ROOT / ".venv/bin/ansible-playbook"), *inventories, name, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        # molecule asks for colours, and they would stand between the words that tests look for.
        env={**os.environ, "ANSIBLE_FORCE_COLOR": "0"},
    )
    if done.returncode:
        raise RuntimeError(f"{name}: exit {done.returncode}\n{done.stdout[-6000:]}{done.stderr[-2000:]}")
    return done.stdout


def changed(output: str) -> int:
    """How many tasks a playbook's run, whose output this is, has changed on all hosts together."""
    counts = re.findall(r"changed=(\d+)", output)
    assert counts, output[-2000:]
    return sum(map(int, counts))

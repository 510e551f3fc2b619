# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes a step of a comeback last, so that something can be done to the node in the very middle of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import lab

BIN = "$(sed -n 's/^bin_dir = //p' /etc/skyha/skyha.conf)"
HALF = "/var/lib/lab/half"
_STOPS = """#!/bin/sh
case " $* " in *" --dry-run "*) exec "$0.real" "$@" ;; esac
[ -e {half} ] && exec "$0.real" "$@"
data=$2
{before}
"$0.real" "$@" &
until {sign}; do kill -0 $! || exit 1; done
kill -STOP $!
touch {half}
wait
"""
# They stop the real pg_rewind once, the second time it runs through: at its first write ...
STOPS_HALFWAY = _STOPS.format(
    half=HALF, before="touch /tmp/begin", sign='[ -n "$(find "$data" -newer /tmp/begin -type f -print -quit)" ]'
)
# ... and when it has removed the last of the old primary's own WAL, which the next attempt wants to read.
STOPS_LATE = _STOPS.format(
    half=HALF,
    before='last=$("${0%/*}/pg_controldata" -D "$data" | sed -n "s/^Latest checkpoint\'s REDO WAL file: *//p")',
    sign='[ ! -e "$data/pg_wal/$last" ]',
)
FAILS = """#!/bin/sh
echo "pg_rewind: error: could not find common ancestor of the source and target cluster's timelines" >&2
exit 1
"""


@contextmanager
def rewind_that(script: str, node: str) -> Iterator[None]:
    """pg_rewind on `node` is this script meanwhile; the real one is beside it, with .real behind its name."""
    put = f"install -d -m 777 /var/lib/lab; rm -f {HALF}; cd {BIN} && mv pg_rewind pg_rewind.real && cat > pg_rewind && chmod 755 pg_rewind"
    lab.on(node, "sh", "-c", put, stdin=script)
    try:
        yield
    finally:
        lab.lab("power", node, "on")
        lab.on(node, "sh", "-c", f"cd {BIN} && mv pg_rewind.real pg_rewind")


def exists(node: str, path: str) -> bool:
    """Is there such a file?"""
    return lab.on(node, "sh", "-c", f"test -e {path} && echo yes || true").strip() == "yes"


@contextmanager
def held(node: str, process: str) -> Iterator[None]:
    """PostgreSQL's process of that type (checkpointer, startup, walreceiver) is stopped by SIGSTOP meanwhile."""
    pid = lab.sql(node, f"SELECT pid FROM pg_stat_activity WHERE backend_type = '{process}'")
    lab.on(node, "kill", "-STOP", pid)
    boot = lab.pid_of(node)
    try:
        yield
    finally:
        if boot and lab.pid_of(node) == boot:  # else it ended with its host
            lab.on(node, "kill", "-CONT", pid, check=False)


@contextmanager
def switchover_that_stops(primary: str) -> Iterator[None]:
    """A switchover whose clean stop does not end meanwhile: the checkpointer is held once its checkpoint is made and it is announced."""
    lab.on(primary, "skyctl", "switchover")
    announced = "SELECT switching FROM sky_pg_cluster.cluster_control"
    lab.wait_for("the announcement", lambda: lab.sql(primary, announced, "sky_pg_cluster") == "t", 60, every=0.02)
    with held(primary, "checkpointer"):
        lab.wait_for("the stop", lambda: not lab.holds_vip(primary) and not lab.is_writable(primary), 30)
        yield


def stage(node: str) -> str:
    """What is under way there, as its skyha says; empty for nothing."""
    return ((lab.status(node) or {}).get("intent") or {}).get("stage", "")

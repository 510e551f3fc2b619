# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster's life after a failover: it comes back to two legs, and the primary goes where the operator wants it."""

from __future__ import annotations

import re
import signal
import subprocess
import time

import pytest

from tests.lab import faults, lab
from tests.lab.watch import Watch, history

COPY_STREAMS = (
    "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'pg_basebackup' AND state = 'streaming'"
)
CHANGED = re.compile(r"^(node\d|vote|monitor) .*changed=(\d+)", re.M)


def changes(output: str) -> dict[str, int]:
    """What a play's recap counts as changed."""
    return {host: int(number) for host, number in CHANGED.findall(output)}


def test_failover_rejoin_site_switchover_back(primary: str, standby: str) -> None:
    """Boot: primary, a standby may have been promoted / primary, newer timeline."""
    with Watch() as watch:
        began = time.monotonic()
        # Cut off, it goes on committing for itself until it is fenced: so there is something past the fork.
        faults.network_cut(primary)
        lab.wait_for("the new primary", lambda: lab.is_writable(standby) and lab.holds_vip(standby), 60)
        lab.wait_for("the client's next commit", lambda: watch.resumed(began + 1), 30)
        faults.make_whole()
        assert lab.primary() == standby
        rewound = [event for event in history(primary) if event["kind"] == "rewound"][-1]
        kept = re.search(r"(\d+) bytes and (\d+) commits past the fork are kept in (\S+)", rewound["text"])
        assert kept, rewound["text"]
        assert int(kept.group(2)) > 0
        assert "pg_waldump" in lab.on(primary, "cat", f"{kept.group(3)}/README")

        # The roles that the failover left are kept.
        told = lab.playbook("site.yml", timeout=1800)
        assert set(changes(told).values()) == {0}, told[-3000:]
        assert lab.primary() == standby

        fences = fence_count()
        lab.playbook("playbooks/switchover.yml")
        assert lab.primary() == primary
        lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)
        assert fence_count() == fences

        # On a healthy cluster a rebuild changes nothing, and says so.
        told = lab.playbook("failover_rebuild.yml")
        assert changes(told) == {"node1": 0, "node2": 0}
        assert "nothing to rebuild" in told
        watch.wait_for_commits(20)
    watch.report.check()


def fence_count() -> int:
    return sum(event["kind"] == "fencing" for node in lab.NODES for event in history(node))


def damage(node: str) -> None:
    """Its data is beyond pg_rewind."""
    lab.on(node, "systemctl", "stop", "skyha", "sky-postgresql")
    # A start that skyha asked for in between would come right after.
    said = lab.on(node, "sh", "-c", "sleep 1; systemctl is-active skyha sky-postgresql || :").split()
    assert said == ["inactive", "inactive"]
    lab.on(node, "sh", "-c", "rm /data/pgdata/pg_root/global/pg_control")


def start_rebuild(*arguments: str) -> subprocess.Popen[str]:
    """failover_rebuild.yml beside the test."""
    return subprocess.Popen(
        [str(lab.ROOT / ".venv/bin/ansible-playbook"), "-i", "inventory/lab", "failover_rebuild.yml", *arguments],
        cwd=lab.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def is_copying(node: str) -> bool:
    """Has its base backup begun to write?"""
    return (
        lab.on(node, "sh", "-c", "test -s /data/pgdata/pg_root.new/backup_label && echo yes || true").strip() == "yes"
    )


def test_rebuild_that_was_interrupted_is_run_again(primary: str, standby: str) -> None:
    with Watch() as watch:
        damage(standby)
        run = start_rebuild("-e", "streaming_replication_copy_max_rate=1M")
        try:
            lab.wait_for("the copy", lambda: is_copying(standby), 600)
            lab.wait_for("its stream of WAL", lambda: lab.sql(primary, COPY_STREAMS) == "1", 30)
            time.sleep(3)  # skyha looks every second: what it thinks of that stream, it says by now
            assert "standby" in lab.status(primary)["alarms"], "a copy is no standby"
            assert is_copying(standby)
        finally:
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=60)
        told = lab.playbook("failover_rebuild.yml")
        assert changes(told)[standby] > 0
        assert changes(told)[primary] == 0
        lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)
        assert lab.primary() == primary
        left = lab.on(standby, "sh", "-c", "ls -d /data/pgdata/pg_root?* 2>/dev/null || true").split()
        assert left == [], "the old data is given up once the new standby streams"
    watch.report.check()


@pytest.mark.long
def test_power_lost_in_the_middle_of_a_rebuild(primary: str, standby: str) -> None:
    with Watch() as watch:
        damage(standby)
        run = start_rebuild("-e", "streaming_replication_copy_max_rate=1M")
        try:
            lab.wait_for("the copy", lambda: is_copying(standby), 600)
            lab.lab("power", standby, "off")
        finally:
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=120)
        lab.lab("power", standby, "on")
        lab.wait_for("skyha's word", lambda: lab.status(standby).get("alarms", {}).get("down"), 60)
        assert not lab.is_writable(standby)
        lab.playbook("failover_rebuild.yml")
        lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)
        assert lab.primary() == primary
    watch.report.check()

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""stop_cluster.yml and start_cluster.yml: no commit is lost, nobody fails over meanwhile, the same primary serves again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import lab
from tests.lab.watch import Watch

STOP, START = "playbooks/stop_cluster.yml", "playbooks/start_cluster.yml"


def is_running(node: str) -> bool:
    return lab.on(node, "systemctl", "is-active", "sky-postgresql", check=False).strip() == "active"


def last_checkpoint(node: str) -> str:
    """Where the node's WAL ends, of a server that was shut down."""
    told = lab.on(node, *lab.AS_POSTGRES, "pg_controldata /data/pgdata/pg_root")
    assert "shut down" in told, told[:400]
    return next(
        line.split(":")[1].strip() for line in told.splitlines() if line.startswith("Latest checkpoint location")
    )


def test_stopped_cluster_stays_down_and_comes_back_with_the_same_primary(primary: str, standby: str) -> None:
    with Watch() as watch:
        assert lab.changed(lab.playbook(STOP, "--check")) > 0
        assert lab.is_whole()
        assert lab.changed(lab.playbook(STOP)) > 0
        assert not any(is_running(node) for node in lab.NODES)
        assert not any(lab.holds_vip(node) for node in lab.NODES)
        assert all(lab.status(node)["paused"]["on"] for node in lab.NODES)
        # The primary's very last record is the standby's, too: no WAL is missing there.
        assert last_checkpoint(standby) == last_checkpoint(primary)
        assert lab.changed(lab.playbook(STOP)) == 0
        # A host that boots meanwhile does not start it either.
        lab.lab("power", primary, "off")
        lab.lab("power", primary, "on")
        lab.wait_for("skyha after the boot", lambda: lab.status(primary).get("state") == "running", 60)
        assert not any(is_running(node) for node in lab.NODES)
        lab.playbook(START, "--check")
        assert not any(is_running(node) for node in lab.NODES)
        assert lab.changed(lab.playbook(START)) > 0
        assert lab.primary() == primary
        watch.wait_for_commits(30)
        assert lab.changed(lab.playbook(START)) == 0
    watch.report.check()
    assert not watch.report.lost, "O1: a planned stop waits for the last commit"
    kinds = {event["kind"] for events in watch.report.history.values() for event in events}
    assert not kinds & {"fencing", "promoted", "found_primary"}, kinds
    print(
        f"stopped and started: {len(watch.report.acknowledged)} commits, none lost, outage {watch.report.outage:.1f} s"
    )


def test_pause_of_an_operator_survives_start_cluster(primary: str) -> None:
    lab.on(primary, "skyctl", "pause")
    try:
        assert lab.changed(lab.playbook(START)) == 0
        assert lab.status(primary)["paused"]["on"]
    finally:
        lab.on(primary, "skyctl", "resume")


@pytest.fixture
def resumed() -> Iterator[None]:
    """No pause is left behind."""
    yield
    for node in lab.NODES:
        lab.on(node, "skyctl", "resume", check=False)


@pytest.mark.usefixtures("resumed")
def test_both_rebooted_while_paused_are_resumed_one_by_one(primary: str, standby: str) -> None:
    """No database runs that could tell the one node what was ordered at the other, and skyctl says so."""
    with Watch() as watch:
        lab.on(primary, "skyctl", "pause")
        lab.wait_for("the pause on both", lambda: all(lab.status(node)["paused"]["on"] for node in lab.NODES), 30)
        for node in lab.NODES:
            lab.lab("power", node, "off")
        for node in lab.NODES:
            lab.lab("power", node, "on")
        for node in lab.NODES:
            lab.wait_for(f"skyha on {node}", lambda node=node: lab.status(node).get("state") == "running", 90)
            assert lab.status(node)["paused"]["on"]
        assert not any(is_running(node) for node in lab.NODES)
        told = " ".join(lab.on(primary, "skyctl", "resume").split())
        assert f"{standby} may not hear of it" in told
        lab.on(standby, "skyctl", "resume")
        lab.wait_for("the whole cluster", lab.is_whole, 240, every=0.5)
        assert lab.primary() == primary
        watch.wait_for_commits(30)
    watch.report.check()

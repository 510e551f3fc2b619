# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nodes do when they start: the boot table of docs/failover.md on real hosts."""

from __future__ import annotations

import time

import pytest

from tests.lab import faults, lab, pause_points, register
from tests.lab.watch import Watch, history

QUIET = 10.0


def promotions() -> int:
    return sum(event["kind"] == "promoted" for node in lab.NODES for event in history(node))


def test_both_rebooted_together_the_former_primary_serves_again(primary: str, standby: str) -> None:
    """Boot: primary, a standby may have been promoted / standby, not promoted."""
    before = promotions()
    with Watch() as watch:
        for node in (standby, primary):
            lab.lab("power", node, "off")
        for node in (standby, primary):
            lab.lab("power", node, "on")
        lab.wait_for("the whole cluster", lab.is_whole, 180, every=0.5)
        assert lab.primary() == primary
        watch.wait_for_commits(20)
    watch.report.check()
    assert promotions() == before


@pytest.mark.long
def test_only_the_former_standby_comes_back(primary: str, standby: str) -> None:
    """Boot: standby / unreachable."""
    before = promotions()
    with Watch() as watch:
        lab.lab("bmc", primary, "stop")  # nobody could switch it on, or prove that it is off
        lab.lab("power", standby, "off")
        faults.power_loss(primary)
        lab.lab("power", standby, "on")
        lab.wait_for("the alarm", lambda: "no_failover" in lab.status(standby).get("alarms", {}), 90)
        time.sleep(QUIET)
        assert not lab.is_writable(standby)
        faults.make_whole()
        assert lab.primary() == primary
        watch.wait_for_commits(20)
    watch.report.check()
    assert promotions() == before


@pytest.mark.skipif(register.ENGINE != "none", reason="who holds in the register serves: a row of the fault suite")
def test_only_the_former_primary_comes_back_and_waits_for_the_operators_word(primary: str, standby: str) -> None:
    """Boot: primary, a standby may have been promoted / unreachable."""
    with Watch() as watch:
        lab.lab("power", standby, "off")
        lab.lab("power", primary, "off")
        lab.lab("power", primary, "on")
        why = lab.wait_for("its reason", lambda: lab.status(primary).get("alarms", {}).get("down"), 90)
        assert "its peer may have been promoted" in why
        time.sleep(QUIET)
        assert not lab.is_writable(primary)
        assert not lab.holds_vip(primary)
        said = lab.on(primary, "skyctl", "confirm-off", stdin="yes\n", check=False)
        assert "nothing was done" in said
        assert not lab.is_writable(primary)
        lab.on(primary, "skyctl", "confirm-off", stdin=f"{standby}\n")
        lab.wait_for("the primary", lambda: lab.is_writable(primary) and lab.holds_vip(primary), 30)
        faults.make_whole()
        assert lab.primary() == primary
        watch.wait_for_commits(20)
    watch.report.check()


def test_without_auto_rejoin_and_with_a_pg_rewind_that_fails_the_old_data_is_kept(primary: str, standby: str) -> None:
    """Boot: primary, a standby may have been promoted / primary, newer timeline."""
    set_auto_rejoin(primary, "no")
    try:
        lab.wait_for("the whole cluster", lab.is_whole, 60, every=0.5)
        with pause_points.rewind_that(pause_points.FAILS, primary), Watch() as watch:
            faults.power_loss(primary)
            lab.wait_for("the new primary", lambda: lab.is_writable(standby), 60)
            lab.wait_for("its reason", lambda: "auto_rejoin is off" in down(primary), 120)
            said = lab.on(primary, "skyctl", "status", check=False)
            assert "auto_rejoin is off" in " ".join(said.split())
            lab.on(primary, "skyctl", "rejoin")
            lab.wait_for("the failure", lambda: "attempt 2 of 3" in down(primary), 60)
            assert "could not find common ancestor" in down(primary)
            assert lab.on(primary, "cat", "/data/pgdata/pg_root/PG_VERSION").strip()
            assert not lab.is_writable(primary)
        # pg_rewind is the real one again: the next attempt mends it.
        lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)
        assert lab.primary() == standby
    finally:
        set_auto_rejoin(primary, "yes")
    watch.report.check()


def down(node: str) -> str:
    """Why PostgreSQL is down there, as its skyha says."""
    return str((lab.status(node).get("alarms") or {}).get("down", ""))


def set_auto_rejoin(node: str, value: str) -> None:
    lab.lab("power", node, "on")
    command = f"sed -i 's/^auto_rejoin = .*/auto_rejoin = {value}/' /etc/skyha/skyha.conf && systemctl restart skyha"
    lab.on(node, "sh", "-c", command)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of the primary and of the fence, done for real."""

from __future__ import annotations

import time

import pytest

from tests.failover.test_document import QUIET, assert_nobody_was_fenced, assert_took_over
from tests.lab import faults, lab
from tests.lab.watch import Watch


@pytest.mark.parametrize("fault", ["power loss", "network cut", "frozen host", "postgres stopped"])
def test_lost_primary_is_replaced_and_comes_back_as_standby(primary: str, standby: str, fault: str) -> None:
    with Watch() as watch:
        began = time.monotonic()
        faults.ALL[fault](primary)
        assert_took_over(watch, standby, began + 1)
        faults.make_whole()
        assert lab.primary() == standby
    watch.report.check()


def test_killed_postmaster_is_restarted_in_place(primary: str, standby: str) -> None:
    with Watch() as watch:
        began = time.monotonic()
        faults.postmaster_killed(primary)
        lab.wait_for("commits again", lambda: watch.resumed(began + 0.3), 15)
        time.sleep(1)
        assert lab.is_writable(primary)
    watch.report.check()
    assert_nobody_was_fenced(watch)


def test_nothing_is_promoted_while_the_bmc_cannot_be_reached(primary: str, standby: str) -> None:
    """Host and BMC gone together: an alarm; when the BMC is back the failover goes on."""
    with Watch() as watch:
        lab.lab("bmc", primary, "stop")
        began = time.monotonic()
        faults.power_loss(primary)
        lab.wait_for("the alarm", lambda: "fence_failed" in lab.status(standby)["alarms"], 40)
        time.sleep(QUIET)
        assert not lab.is_writable(standby)
        lab.lab("bmc", primary, "start")
        assert_took_over(watch, standby, began + QUIET)
    watch.report.check()


def test_operators_word_replaces_the_proof_when_host_and_bmc_died(primary: str, standby: str) -> None:
    with Watch() as watch:
        lab.lab("bmc", primary, "stop")
        began = time.monotonic()
        faults.power_loss(primary)
        lab.wait_for("the alarm", lambda: "fence_failed" in lab.status(standby)["alarms"], 40)
        lab.on(standby, "skyctl", "confirm-off", "--yes", primary)
        assert_took_over(watch, standby, began + 5)
        lab.lab("bmc", primary, "start")
    assert not watch.report.lost


def test_bmc_that_says_done_but_does_nothing_is_seen_through(primary: str, standby: str) -> None:
    with Watch() as watch:
        lab.lab("bmc", primary, "lie", "on")
        lab.on(primary, "systemctl", "stop", "skyha")
        lab.on(primary, "ip", "address", "del", f"{lab.VIP}/24", "dev", "eth0")
        lab.wait_for("the alarm", lambda: "fence_failed" in lab.status(standby)["alarms"], 40)
        time.sleep(3)
        assert not lab.is_writable(standby)
        lab.on(primary, "systemctl", "start", "skyha")
        lab.lab("bmc", primary, "lie", "off")
        watch.wait_for_commits(20)
    watch.report.check()


def test_wrong_bmc_password_disarms_and_is_named(primary: str, standby: str) -> None:
    lab.lab("bmc", primary, "password", "another")
    lab.on(standby, "systemctl", "restart", "skyha")
    lab.wait_for("the reason", lambda: "assword" in lab.status(standby).get("not_armed", {}).get("bmc", ""), 40)
    lab.lab("bmc", primary, "heal")


def test_missing_vote_host_disarms_and_is_named(primary: str, standby: str) -> None:
    lab.on("vote", "systemctl", "stop", "sky-vote-proxy")
    try:
        lab.wait_for("the reason", lambda: "vote_path" in lab.status(standby).get("not_armed", {}), 40)
    finally:
        lab.on("vote", "systemctl", "start", "sky-vote-proxy")


def test_half_filled_configuration_is_named_and_does_not_spin(standby: str) -> None:
    lab.on(
        standby,
        "sh",
        "-c",
        "cp -p /etc/skyha/skyha.conf /etc/skyha/skyha.conf.good; sed -i '/^\\[vip\\]/,/^\\[/ s/^address.*//' /etc/skyha/skyha.conf",
    )
    try:
        lab.on(standby, "systemctl", "restart", "skyha", check=False)
        told = lab.wait_for("the status", lambda: lab.status(standby).get("problems"), 15)
        assert "[vip] address is missing" in " ".join(told)
        time.sleep(3)
        assert lab.on(standby, "systemctl", "show", "-p", "NRestarts", "--value", "skyha").strip() == "0"
    finally:
        lab.on(
            standby,
            "sh",
            "-c",
            "mv /etc/skyha/skyha.conf.good /etc/skyha/skyha.conf; systemctl reset-failed skyha; systemctl restart skyha",
        )

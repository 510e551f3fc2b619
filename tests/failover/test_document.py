# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The document's four tests, each with skyha's repair in place and, where it applies, without it."""

from __future__ import annotations

import time

from tests.lab import faults, lab
from tests.lab.watch import Watch

QUIET = 12.0  # longer than every patience of the profile `fast`


def drop_vip(node: str) -> None:
    lab.on(node, "ip", "address", "del", f"{lab.VIP}/24", "dev", "eth0")


def assert_took_over(watch: Watch, new: str, since: float) -> None:
    lab.wait_for(f"{new} as primary with the VIP", lambda: lab.holds_vip(new) and lab.is_writable(new), 40)
    lab.wait_for("the client's next commit", lambda: watch.resumed(since), 20)


def assert_nobody_was_fenced(watch: Watch) -> None:
    kinds = {event["kind"] for events in watch.report.history.values() for event in events}
    assert not kinds & {"fencing", "fenced", "promoted"}, kinds


def test_1_vip_lost_on_the_primary_is_put_back_by_its_skyha(primary: str, standby: str) -> None:
    with Watch() as watch:
        drop_vip(primary)
        lab.wait_for("the VIP back", lambda: lab.holds_vip(primary), 5)
        watch.wait_for_commits(10)
        time.sleep(2)
    watch.report.check()
    assert_nobody_was_fenced(watch)


def test_1_vip_lost_while_the_primarys_skyha_is_stopped_fails_over(primary: str, standby: str) -> None:
    with Watch() as watch:
        lab.on(primary, "systemctl", "stop", "skyha")
        began = time.monotonic()
        drop_vip(primary)
        assert_took_over(watch, standby, began + 1)
    watch.report.check()


def test_2_vip_and_vote_port_both_down_fences_nobody(primary: str, standby: str) -> None:
    with Watch() as watch:
        lab.on("vote", "systemctl", "stop", "sky-vote-proxy")
        lab.on(primary, "systemctl", "stop", "skyha")
        drop_vip(primary)
        lab.wait_for("the alarm", lambda: "cut_off" in lab.status(standby)["alarms"], 10)
        time.sleep(QUIET)
        assert lab.is_writable(primary)
        lab.on(primary, "systemctl", "start", "skyha")
        lab.on("vote", "systemctl", "start", "sky-vote-proxy")
        watch.wait_for_commits(20)
    watch.report.check()
    assert_nobody_was_fenced(watch)


def test_3_database_shut_down_on_the_primary_is_started_again(primary: str, standby: str) -> None:
    with Watch() as watch:
        began = time.monotonic()
        lab.on(primary, "runuser", "-u", "postgres", "--", "bash", "-lc", "pg_ctl stop -m fast")
        lab.wait_for("commits again", lambda: watch.resumed(began + 0.5) and lab.is_writable(primary), 20)
        time.sleep(2)
    watch.report.check()
    assert_nobody_was_fenced(watch)


def test_3_database_that_does_not_come_back_fails_over(primary: str, standby: str) -> None:
    with Watch() as watch:
        lab.on(primary, "systemctl", "stop", "skyha")
        began = time.monotonic()
        lab.on(primary, "runuser", "-u", "postgres", "--", "bash", "-lc", "pg_ctl stop -m fast")
        assert_took_over(watch, standby, began + 1)
    watch.report.check()


def test_4_network_of_the_standby_down_fences_nobody(primary: str, standby: str) -> None:
    with Watch() as watch:
        faults.network_cut(standby)
        time.sleep(QUIET)
        assert lab.is_writable(primary)
        lab.lab("heal", standby)
        lab.wait_for("the whole cluster", lab.is_whole, 60, every=0.5)
    watch.report.check()
    assert_nobody_was_fenced(watch)
    assert watch.report.outage < QUIET / 2

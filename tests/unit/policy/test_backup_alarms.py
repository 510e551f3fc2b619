# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the backups is an alarm, what is unknown is one too, and neither touches a failover."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.alarms import ALARMS, Severity
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.backup_report import (
    Archiver,
    Check,
    Gap,
    Pushed,
    Report,
    Told,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.kinds import part
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.backup import PATIENCE, backup_alarms
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local, Role, Server
from backup_samples import DAY, GOOD, HOUR, OF_NODE1, OF_NODE2, ONLY_DISK, SEGMENT, WALL, as_json, told
from hypothesis import given, settings
from hypothesis import strategies as st
from node_samples import NODE1

PRIMARY = Local(Server.UP, Role.PRIMARY)
STANDBY = Local(Server.UP, Role.STANDBY)
CODES = {code for code, alarm in ALARMS.items() if alarm.check == "check_sky_backup"}
GB = 1_000_000_000


def judged(of: Told | None, local: Local = PRIMARY, config: Config = OF_NODE1, wall: float = WALL) -> dict[str, str]:
    return dict(backup_alarms(config, of, local, wall))


def lasting(**more: Any) -> dict[str, Any]:
    """A part that could not be looked at for longer than is waited."""
    return {"error": "no route to host", "error_for": PATIENCE, **more}


@pytest.mark.parametrize(
    "local", [PRIMARY, STANDBY, Local(Server.DOWN, Role.PRIMARY), Local(Server.UNKNOWN, Role.UNKNOWN)]
)
def test_backups_in_good_order_raise_no_alarm(local: Local) -> None:
    assert judged(told(), local) == {}


def test_nothing_configured_and_no_report_is_no_alarm() -> None:
    assert judged(None, config=NODE1) == {}


# What changes in a good report -> the one alarm of the primary, and a part of its sentence.
WRONG: list[tuple[dict[str, Any], str, str]] = [
    (
        {"repository": {"newest": None, "oldest_stop": None, "backups": 0, "wal_to": SEGMENT}},
        "backup_old",
        "no backup of",
    ),
    (
        {"repository": {"newest": dataclasses.replace(GOOD.repository.newest, stop=WALL - 31 * HOUR)}},
        "backup_old",
        "31 hours ago, and 30 hours are allowed",
    ),  # type: ignore[union-attr,type-var]
    (
        {"repository": {"newest": dataclasses.replace(GOOD.repository.newest, stop=WALL + 2 * HOUR)}},
        "backup_old",
        "a clock is wrong",
    ),  # type: ignore[union-attr,type-var]
    (
        {"repository": {"newest": dataclasses.replace(GOOD.repository.newest, damaged=True)}},
        "backup_damaged",
        "wrong checksums",
    ),  # type: ignore[union-attr,type-var]
    ({"repository": lasting()}, "backup_repository", "no route to host"),
    (
        {"repository": {"server": "74"}, "archiver": {"server": "75"}},
        "backup_repository",
        "is of another server (system identifier 74)",
    ),
    (
        {"repository": {"verified_at": None, "oldest_stop": WALL - 10 * DAY}},
        "backup_unverified",
        "ever tried by a restore",
    ),
    ({"repository": {"verified_at": None, "oldest_stop": None}}, "backup_unverified", "ever tried by a restore"),
    (
        {"repository": {"failed_at": WALL - 1, "failed_label": "L"}},
        "backup_unverified",
        "backup L could not be restored, or is not good",
    ),
    ({"repository": {"verified_at": WALL - 10 * DAY}}, "backup_unverified", "10 days ago, and 9 days are allowed"),
    (
        {"check": Check(at=WALL - HOUR, label="L", ok=False, detail="1 row is lost")},
        "backup_unverified",
        "1 row is lost",
    ),
    ({"check": Check(**lasting())}, "backup_unverified", "cannot be read: no route"),
    ({"archiver": {"waiting": 7, "waiting_for": 595.0}}, "archive", "7 files of WAL wait"),
    (
        {"archiver": {"waiting": 1, "waiting_for": 700.0, "failed": Pushed(9, SEGMENT, WALL - 5)}},
        "archive",
        "failed 9 times",
    ),
    ({"gap": Gap(SEGMENT, "", WALL - 60)}, "archive", "newest in the repository was none"),
    ({"archiver": lasting()}, "archive", "is not known: no route to host"),
    ({"spool": lasting()}, "archive", "is not known: no route to host"),
    ({"archiver": {"mode": "off"}}, "archive_off", "archive_mode is off"),
    ({"archiver": {"pushes": False}}, "archive_off", "archive_command does not call"),
    ({"archiver": {"pushes": None}}, "archive_off", "archive_command does not call"),
    ({"wal_disk": {"free": 9 * GB}}, "wal_disk", "9%"),
    ({"wal_disk": {"free": 2 * GB}}, "wal_disk_full", "2%"),
    ({"wal_disk": {"fills": 3e6}}, "wal_disk", "in 6 hours it is full"),
    ({"wal_disk": {"fills": 2e7}}, "wal_disk_full", "in 50 minutes it is full"),
    ({"wal_disk": lasting()}, "wal_disk", "cannot be told: no route to host"),
    ({"stanza": "other"}, "backup_report", "about stanza other"),
    ({"archiver": None}, "backup_report", "says nothing of archiver"),
]


@pytest.mark.parametrize(("changes", "code", "said"), WRONG)
def test_each_wrong_thing_is_one_alarm(changes: dict[str, Any], code: str, said: str) -> None:
    found = judged(told(**changes))
    assert set(found) == {code}
    assert said in found[code]


def test_new_repository_has_time_to_be_tried() -> None:
    assert judged(told(repository={"verified_at": None, "oldest_stop": WALL - 8 * DAY})) == {}


def test_failure_of_before_the_last_good_trial_is_over() -> None:
    assert GOOD.repository is not None
    assert GOOD.repository.verified_at is not None
    assert judged(told(repository={"failed_at": GOOD.repository.verified_at - 1, "failed_label": "L"})) == {}


def test_first_backup_that_is_under_way_is_waited_for() -> None:
    nothing = {"newest": None, "oldest_stop": None, "backups": 0, "wal_to": SEGMENT}
    assert judged(told(repository={**nothing, "is_busy": True})) == {}
    assert set(judged(told(repository={**nothing, "is_busy": False}))) == {"backup_old"}


def test_every_code_is_tried() -> None:
    assert {code for _changes, code, _said in WRONG} == CODES


@pytest.mark.parametrize(("changes", "code", "said"), WRONG)
def test_standby_tells_only_what_is_its_own(changes: dict[str, Any], code: str, said: str) -> None:
    found = set(judged(told(**changes), STANDBY, OF_NODE2))
    of_node = {"backup_repository", "wal_disk", "wal_disk_full", "backup_report"}
    assert found == ({code} if code in of_node or {"check", "gap"} & set(changes) else set())


def test_what_cannot_be_read_once_or_twice_is_no_alarm_yet() -> None:
    for name in ("repository", "archiver", "spool", "wal_disk"):
        assert judged(told(**{name: {"error": "timeout", "error_for": PATIENCE - 1}})) == {}, name


def test_what_was_known_counts_on_while_the_repository_does_not_answer() -> None:
    assert GOOD.repository is not None
    old = dataclasses.replace(GOOD.repository.newest, stop=WALL - 40 * HOUR)  # type: ignore[type-var]
    assert set(judged(told(repository=lasting(newest=old)))) == {"backup_repository", "backup_old"}


def test_report_from_before_the_promotion_says_nothing_of_the_archive() -> None:
    assert judged(told(archiver=Archiver(in_recovery=True, mode="on", pushes=True))) == {}


def test_primary_that_is_down_has_other_alarms() -> None:
    of = told(archiver={"waiting_for": 9000.0})
    assert judged(of, Local(Server.DOWN, Role.PRIMARY)) == {}


def test_trial_that_failed_before_the_last_good_one_is_over() -> None:
    assert judged(told(check=Check(at=WALL - 3 * DAY, ok=False))) == {}


def test_trial_on_this_node_counts_where_its_annotation_has_expired() -> None:
    of = told(repository={"verified_at": None}, check=Check(at=WALL - DAY, ok=True))
    assert judged(of) == {}


def test_report_that_is_old_is_the_alarm_and_hides_no_other_node() -> None:
    for local in (PRIMARY, STANDBY):
        assert judged(Told(GOOD, 999.0, "the report is 999 s old"), local) == {
            "backup_report": "the report is 999 s old"
        }


def test_skyha_that_has_just_started_waits_for_the_first_report() -> None:
    assert judged(Told()) == {}


def test_disk_is_judged_where_no_backups_are_configured() -> None:
    assert judged(Told(ONLY_DISK, 1.0), config=NODE1) == {}
    full = dataclasses.replace(ONLY_DISK, wal_disk=dataclasses.replace(ONLY_DISK.wal_disk, free=1 * GB))
    assert set(judged(Told(full, 1.0), config=NODE1)) == {"wal_disk_full"}


def test_no_alarm_of_the_backups_stops_a_failover() -> None:
    assert CODES
    for code in CODES:
        assert not ALARMS[code].disarms
        assert ALARMS[code].rule.startswith("Sky")
    critical = {code for code in CODES if ALARMS[code].severity is Severity.CRITICAL}
    assert critical == {"wal_disk_full", "backup_damaged"}


@settings(max_examples=300, deadline=None)
@given(
    st.data(),
    st.sampled_from([Role.PRIMARY, Role.STANDBY, Role.UNKNOWN]),
    st.floats(allow_nan=False, min_value=-1e12, max_value=1e12),
)
def test_no_report_whatever_stands_in_it_ends_a_cycle(data: Any, role: Role, wall: float) -> None:
    """A judge that raises would end the daemon."""
    text = json.loads(as_json(GOOD))
    for name in ("repository", "archiver", "spool", "check", "wal_disk"):
        inner = text[name]
        for key in data.draw(st.lists(st.sampled_from(sorted(inner)), max_size=3)):
            inner[key] = data.draw(st.sampled_from([None, 0, -1, 1, 1.5, -1e299, 1e299, "", "x", True, [], {}]))
    try:
        report = part(Report, text)
    except ValueError:
        return
    found = judged(Told(report, 1.0), Local(Server.UP, role), wall=wall)
    assert set(found) <= CODES

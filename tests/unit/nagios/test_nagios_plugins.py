# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each plugin says of a sound snapshot: OK, WARNING, CRITICAL and UNKNOWN, each with its reason on the line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from nagios_samples import PLUGINS, PRIMARY, STANDBY, altered

OK, WARNING, CRITICAL, UNKNOWN = range(4)
WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
Ask = Callable[..., "tuple[int, str]"]

ALIVE = [
    (OK, PRIMARY, {}, (), "node1 is primary"),
    (OK, STANDBY, {}, (), "node2 is standby, last cycle 0.5 s ago"),
    (OK, STANDBY, {"alarms.lag": "far behind", "not_armed.lag": "far behind"}, (), "standby"),
    (OK, PRIMARY, {"alarms.standby": "none streams", "alarms.bmc": "silent"}, (), "alarms=2"),
    (WARNING, STANDBY, {"written_monotonic": 4985.0}, (), "heartbeat_age=15s;10;30;0"),
    (WARNING, PRIMARY, {"failover.noted": False, "alarms.failover": "x"}, (), "skyctl acknowledge"),
    (
        WARNING,
        PRIMARY,
        {"failover.noted": False, "failover.last": {"wall": 1.7e9, "seconds": 4.0, "phases": {}}},
        (),
        "at 2023-11-",
    ),
    (
        WARNING,
        PRIMARY,
        {"failover.noted": False, "failover.last": {"wall": 1e300, "seconds": 4.0, "phases": {}}},
        (),
        "a failover took",
    ),
    (
        CRITICAL,
        STANDBY,
        {"alarms.fence_failed": "x", "not_armed.fence_failed": "node1 is not fenced"},
        (),
        "SKYHA CRITICAL",
    ),
    (CRITICAL, STANDBY, {"alarms.cut_off": "node2 may be cut off"}, (), "node2 may be cut off"),
    (CRITICAL, STANDBY, {"alarms.novel": "nobody knows"}, (), "nobody knows"),
    (OK, PRIMARY, {"alarms.wal_disk_full": "check_sky_backup shows it"}, (), "node1 is primary"),
    (OK, PRIMARY, {"alarms.vip_conflict": "check_vip shows it", "vip.taken": True}, (), "node1 is primary"),
    (CRITICAL, PRIMARY, {"alarms.fence_distrusted": "no reason of a standby"}, (), "no reason of a standby"),
    (WARNING, PRIMARY, {"alarms.power_on": "node2 could not be switched on again"}, (), "could not be switched on"),
    (WARNING, STANDBY, {"server": "starting", "sentence": "PostgreSQL is starting"}, (), "PostgreSQL is starting"),
    (CRITICAL, STANDBY, {"written_monotonic": 4900.0}, (), "has not completed a cycle for 100 s"),
    (CRITICAL, STANDBY, {"written_monotonic": 4985.0}, ("-c", "12"), "15 s"),
    (CRITICAL, STANDBY, {"written_monotonic": 9000.0}, (), "before the last boot"),
    (CRITICAL, STANDBY, {"state": "stopped", "sentence": "skyha is stopped"}, (), "skyha is stopped"),
    (CRITICAL, STANDBY, {"state": "misconfigured", "sentence": 1}, (), "skyha is misconfigured"),
    (CRITICAL, PRIMARY, {"alarms.two_primaries": "node2 runs as a primary too"}, (), "node2 runs as a primary too"),
    (
        CRITICAL,
        PRIMARY,
        {"alarms.down": "PostgreSQL is down", "server": "down", "failover.noted": False},
        (),
        "PostgreSQL is down",
    ),
    (UNKNOWN, STANDBY, {"failover.noted": "yes"}, (), "'failover.noted'"),
]
LAG = [
    (OK, PRIMARY, {}, (), "its standby streams"),
    (OK, STANDBY, {}, (), "lag=0.2s;15;30;0 lag_bytes=0B;;;0"),
    (OK, STANDBY, {"lag.seconds": 20.0}, ("-w", "25"), "lag=20s;25;30;0"),
    (WARNING, STANDBY, {"lag.seconds": 16.0}, (), "16.0 s behind"),
    (WARNING, STANDBY, {"lag.seconds": None, "lag.bytes": None}, (), "not caught up"),
    (WARNING, STANDBY, {"replay_paused": True}, (), "replay is paused"),
    (WARNING, STANDBY, {"lag.bytes": 5000}, ("--warning-bytes", "4096"), "lag_bytes=5000B;4096;;0"),
    (CRITICAL, STANDBY, {"lag.seconds": 31.5}, (), "31.5 s behind, skyha's limit is 30 s"),
    (CRITICAL, STANDBY, {"lag.bytes": 5000, "limits.lag_bytes": 4999}, (), "5000 bytes"),
    (CRITICAL, STANDBY, {"streaming": False}, (), "does not stream"),
    (CRITICAL, STANDBY, {"server": "down"}, (), "PostgreSQL of this standby is down"),
    (CRITICAL, PRIMARY, {"streaming": False}, (), "no standby streams"),
    (CRITICAL, STANDBY, {"role": "none", "sentence": "no data directory"}, (), "no data directory"),
    (UNKNOWN, STANDBY, {"written_monotonic": 4900.0}, (), "100 s"),
]
# What a primary was told by its standby.
KNOWING = {"peer_http": "198.51.100.111:8008", "peer_status": {"status": STANDBY, "age": 1.0, "problem": ""}}
ARMED = [
    (OK, PRIMARY, {}, (), "ask its standby node2"),
    (OK, PRIMARY, KNOWING, (), "its standby node2 says: armed: a failover to this standby would work now"),
    (OK, PRIMARY, {**KNOWING, "peer_http": ""}, (), "ask its standby node2"),
    (
        CRITICAL,
        PRIMARY,
        {**KNOWING, "peer_status.status.armed": False, "peer_status.status.not_armed": {"bmc": "BMC silent"}},
        (),
        "its standby node2 says: not armed: BMC silent",
    ),
    (WARNING, PRIMARY, {**KNOWING, "peer_status.problem": "node2 does not answer"}, (), "not known: node2 does not"),
    (WARNING, PRIMARY, {**KNOWING, "peer_status.status": None}, (), "not known: it told nothing"),
    (
        CRITICAL,
        PRIMARY,
        {**KNOWING, "peer_status.status.armed": None, "peer_status.status.role": "none"},
        (),
        "no standby (role none)",
    ),
    (OK, STANDBY, {}, (), "reasons=0;0;0;0"),
    (
        WARNING,
        STANDBY,
        {"armed": False, "not_armed": {"paused": "the cluster is paused"}},
        (),
        "not armed: the cluster is paused",
    ),
    (OK, STANDBY, {"armed": False, "not_armed": {"flap_guard": "too recent"}}, (), "not armed for the moment"),
    (CRITICAL, STANDBY, {"armed": False, "not_armed": {"flap_guard": "too recent", "lag": "late"}}, (), "armed: late"),
    (
        WARNING,
        STANDBY,
        {"intent": {"stage": "fencing"}, "sentence": "fencing node1"},
        (),
        "under way: fencing, fencing node1",
    ),
    (
        CRITICAL,
        STANDBY,
        {"intent": {"stage": "fencing"}, "armed": False, "not_armed": {"fence_failed": "2 attempts failed"}},
        (),
        "under way: fencing",
    ),
    (
        CRITICAL,
        STANDBY,
        {"armed": False, "not_armed": {"bmc": "BMC silent", "paused": "paused"}},
        (),
        "BMC silent, paused",
    ),
    (CRITICAL, STANDBY, {"armed": False, "sentence": "why not"}, (), "not armed: why not"),
    (CRITICAL, STANDBY, {"armed": None, "role": "unknown"}, (), "role unknown"),
    (CRITICAL, STANDBY, {"written_monotonic": 4900.0}, (), "nothing would fail over to this node"),
    (CRITICAL, STANDBY, {"state": "failed", "problems": ["an error in skyha"]}, (), "an error in skyha"),
    (UNKNOWN, STANDBY, {"not_armed": ["bmc"]}, (), "'not_armed'"),
]
VIP = [
    (OK, PRIMARY, {}, (), "up on this primary | held=1;;;0"),
    (OK, STANDBY, {}, (), "answers elsewhere"),
    (WARNING, STANDBY, {"paths.vip.ok_age": 20.0, "paths.vip.sight": "unreachable"}, (), "for 20 s (unreachable)"),
    (WARNING, STANDBY, {"paths.vip.ok_age": None}, (), "no heartbeat came"),
    (CRITICAL, STANDBY, {"paths.vip.ok_age": 70.0, "paths.vip.sight": "refused"}, ("-c", "60"), "70 s (refused)"),
    (CRITICAL, PRIMARY, {"vip.held": False}, (), "not up on this primary"),
    (CRITICAL, PRIMARY, {"server": "down"}, (), "PostgreSQL of this primary is down"),
    (CRITICAL, PRIMARY, {"vip.taken": True}, (), "another host answers"),
    (CRITICAL, STANDBY, {"vip.held": True}, (), "which is no primary"),
    (UNKNOWN, STANDBY, {"vip.held": None}, (), "could not be asked"),
    (UNKNOWN, STANDBY, {"vip.held": "no"}, (), "'vip.held'"),
]
FENCE = [
    (OK, PRIMARY, {}, (), "answered 20 s ago, power on | last_answer=20s;90;150;0"),
    (OK, STANDBY, {"bmc.interval": 5.0, "bmc.ok_age": 7.0}, (), "last_answer=7s;7.5;12.5;0"),
    (WARNING, STANDBY, {"bmc.ok_age": 100.0}, (), "100 s ago"),
    (WARNING, STANDBY, {"bmc.ok_age": None}, (), "was not asked yet"),
    (WARNING, STANDBY, {"bmc.power": "off"}, (), "node1 is switched off"),
    (OK, STANDBY, {"bmc.power": "none", "bmc.ok_age": None}, (), "node1 has no BMC"),
    (WARNING, STANDBY, {"bmc.power": "unknown"}, (), "not known"),
    (CRITICAL, STANDBY, {"bmc.ok_age": 151.0}, (), "151 s ago"),
    (CRITICAL, STANDBY, {"bmc.error": "Incorrect password provided"}, (), "Incorrect password provided"),
    (CRITICAL, STANDBY, {"bmc.error": "timeout", "bmc.ok_age": None}, (), "no good answer since"),
    (CRITICAL, STANDBY, {"bmc.interval": 1.0}, (), "last_answer=20s;1.5;2.5;0"),
    (UNKNOWN, STANDBY, {"bmc.ok_age": "20"}, (), "'bmc.ok_age'"),
]

REPOSITORY = {"error": "", "error_for": 0.0, "newest": {"kind": "diff", "stop": 1.7e9 + 60 - 7200}}
BACKUP_TOLD = {
    "problem": "",
    "age": 10.0,
    "report": {"stanza": "sky", "repository": REPOSITORY, "wal_disk": {"free": 6000}},
}
WITH = {"backup": BACKUP_TOLD}
BACKUP = [
    (OK, PRIMARY, {}, (), "no backups are configured"),
    (OK, PRIMARY, WITH, (), "newest backup diff, 2.0 h ago | wal_disk_free=6000B;;;0 newest_backup=7200s;;;0"),
    (OK, STANDBY, WITH, (), "newest backup diff, 2.0 h ago"),
    (OK, PRIMARY, {**WITH, "backup.report.stanza": ""}, (), "no backups are configured | wal_disk_free=6000B"),
    (OK, STANDBY, {**WITH, "alarms.down": "PostgreSQL is down"}, (), "newest backup"),
    (WARNING, PRIMARY, {**WITH, "alarms.backup_old": "it ended 31 hours ago"}, (), "it ended 31 hours ago, newest"),
    (WARNING, PRIMARY, {**WITH, "alarms.archive": "7 files wait"}, (), "7 files wait"),
    (WARNING, PRIMARY, WITH, ("-w", "3600"), "newest_backup=7200s;3600;;0"),
    (WARNING, STANDBY, {"alarms.wal_disk": "9% are free"}, (), "9% are free"),
    (CRITICAL, PRIMARY, WITH, ("-c", "3600"), "2.0 h ago"),
    (CRITICAL, STANDBY, {**WITH, "alarms.wal_disk": "x", "alarms.wal_disk_full": "2% are free"}, (), "- 2% are free"),
    (CRITICAL, PRIMARY, {**WITH, "alarms.backup_damaged": "wrong checksums"}, (), "wrong checksums"),
    (UNKNOWN, PRIMARY, {**WITH, "alarms.backup_report": "it says nothing of archiver"}, (), "nothing of archiver"),
    (UNKNOWN, PRIMARY, {"backup": {**BACKUP_TOLD, "problem": "it is 200 s old"}}, (), "it is 200 s old"),
    (UNKNOWN, PRIMARY, {"backup": {**BACKUP_TOLD, "report": None}}, (), "no report of the backups yet"),
    (UNKNOWN, PRIMARY, {**WITH, "backup.report.repository.newest": None}, (), "no backup is known"),
    (UNKNOWN, PRIMARY, {**WITH, "backup.report.stanza": 1}, (), "'backup.report.stanza'"),
    (UNKNOWN, PRIMARY, {"backup": "fine"}, (), "'backup'"),
    (UNKNOWN, PRIMARY, {**WITH, "written_monotonic": 4900.0}, (), "100 s"),
]


def expect(ask: Ask, name: str, case: tuple[int, dict[str, Any], dict[str, Any], tuple[str, ...], str]) -> None:
    state, base, changes, argv, part = case
    code, line = ask(name, altered(base, changes), *argv)
    assert part in line
    assert (code, line.split()[1]) == (state, WORDS[state]), line
    assert "\n" not in line


@pytest.mark.parametrize("case", ALIVE)
def test_alive(ask: Ask, case: Any) -> None:
    expect(ask, "check_sky_pg_clusterd_alive", case)


@pytest.mark.parametrize("case", LAG)
def test_lag(ask: Ask, case: Any) -> None:
    expect(ask, "check_standby_lag", case)


@pytest.mark.parametrize("case", ARMED)
def test_armed(ask: Ask, case: Any) -> None:
    expect(ask, "check_skyha_armed", case)


@pytest.mark.parametrize("case", VIP)
def test_vip(ask: Ask, case: Any) -> None:
    expect(ask, "check_vip", case)


@pytest.mark.parametrize("case", FENCE)
def test_fence(ask: Ask, case: Any) -> None:
    expect(ask, "check_fence", case)


@pytest.mark.parametrize("case", BACKUP)
def test_backup(ask: Ask, case: Any) -> None:
    expect(ask, "check_sky_backup", case)


def test_every_plugin_is_tried_in_every_state() -> None:
    for cases in (ALIVE, LAG, ARMED, VIP, FENCE, BACKUP):
        assert {case[0] for case in cases} == {OK, WARNING, CRITICAL, UNKNOWN}


@pytest.mark.parametrize("name", PLUGINS)
def test_a_bar_in_a_sentence_does_not_begin_performance_data(ask: Ask, name: str) -> None:
    _code, line = ask(
        name,
        altered(
            STANDBY,
            {
                "role": "none",
                "sentence": "a|b\nc",
                "bmc.error": "a|b\nc",
                "vip.held": True,
                "alarms": {"down": "a|b\nc"},
            },
        ),
    )
    assert line.count("|") <= 1
    assert "\n" not in line

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyha.service gives the watchdog to the user that skyhad runs as, before it starts; skyha.conf says where the register is."""

from __future__ import annotations

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config_file
from render import template, value, variables


def test_register_gives_skyha_a_watchdog_and_none_does_not() -> None:
    known = variables("skyha_daemon", pg_cluster_register="vote_host", pg_cluster_register_password=r"a:b\c")
    assert value("__skyha_daemon_watchdog_device", known) == "/dev/watchdog0"
    assert r"*:*:*:register_sky:a\:b\\c" in template("skyha_daemon", "register.pgpass.j2", known).splitlines()
    assert value("__skyha_daemon_watchdog_device", variables("skyha_daemon")) == ""


def test_skyha_reads_where_the_register_is() -> None:
    known = variables("skyha_daemon", pg_cluster_register="vote_host", pg_cluster_register_password="reg")
    config = config_file.parse(template("skyha_daemon", "skyha.conf.j2", known))
    assert (config.register.engine, config.register.address, config.register.port) == (
        "vote_host",
        "198.51.100.35",
        11920,
    )
    assert config.register_user == "register_sky"
    assert (config.watchdog.device, config.watchdog.timeout) == ("/dev/watchdog0", 4)
    without = config_file.parse(template("skyha_daemon", "skyha.conf.j2", {**known, "pg_cluster_watchdog_device": ""}))
    assert (without.watchdog.device, without.has_register, without.has_lease) == ("", True, False)
    none = template("skyha_daemon", "skyha.conf.j2", variables("skyha_daemon"))
    assert not config_file.parse(none).has_register


def test_device_is_given_before_the_start() -> None:
    known = {**variables("skyha_daemon"), "__skyha_daemon_watchdog_device": "/dev/watchdog0"}
    unit = template("skyha_daemon", "skyha.service.j2", known)
    given, started = unit.index("ExecStartPre=-+/bin/chown skyha /dev/watchdog0\n"), unit.index("ExecStart=")
    assert given < started
    assert "DeviceAllow=/dev/watchdog0 rw\n" in unit, "ProtectClock may bring a list of its own"


def test_no_device_no_rights() -> None:
    unit = template("skyha_daemon", "skyha.service.j2", variables("skyha_daemon"))
    assert "ExecStartPre" not in unit
    assert "DeviceAllow" not in unit

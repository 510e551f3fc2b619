# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyha.service gives the watchdog to the user that skyhad runs as, before it starts."""

from __future__ import annotations

from render import template, variables


def test_device_is_given_before_the_start() -> None:
    known = {**variables("skyha_daemon"), "__skyha_daemon_watchdog_device": "/dev/watchdog0"}
    unit = template("skyha_daemon", "skyha.service.j2", known)
    given, started = unit.index("ExecStartPre=-+/bin/chown postgres /dev/watchdog0\n"), unit.index("ExecStart=")
    assert given < started
    assert "DeviceAllow=/dev/watchdog0 rw\n" in unit, "ProtectClock may bring a list of its own"


def test_no_device_no_rights() -> None:
    unit = template("skyha_daemon", "skyha.service.j2", variables("skyha_daemon"))
    assert "ExecStartPre" not in unit
    assert "DeviceAllow" not in unit

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alarms of PostgreSQL's certificate, long before it ends."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.certificate import certificate_alarms
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Certificate, Local, Role, Server, Shown

NOW = 1_800_000_000.0
DAY = 86400.0
UP, DOWN = Local(Server.UP, Role.PRIMARY), Local(Server.DOWN, Role.PRIMARY)


def good(days: float, ca_days: float = 3650.0) -> Certificate:
    return Certificate(Shown.GOOD, "", NOW + days * DAY, NOW + ca_days * DAY)


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (None, {}),
        (good(31), {}),
        (good(29.9), {"certificate": "PostgreSQL's certificate ends in 30 days"}),
        (good(3650, 12), {"certificate": "the certificate of PostgreSQL's CA ends in 12 days"}),
        (good(6.9), {"certificate_bad": "PostgreSQL's certificate ends in 7 days"}),
        (good(-2), {"certificate_bad": "PostgreSQL's certificate ended 2 days ago"}),
    ],
)
def test_alarm_a_month_before_and_a_worse_one_a_week_before(seen: Certificate | None, found: dict[str, str]) -> None:
    assert certificate_alarms(seen, UP, NOW) == found
    assert certificate_alarms(seen, DOWN, NOW) == found, "a server that is down ends no certificate's time"


@pytest.mark.parametrize("shown", [Shown.WRONG, Shown.PLAIN])
def test_what_others_would_not_believe_is_told_at_once(shown: Shown) -> None:
    found = certificate_alarms(Certificate(shown, "certificate has expired"), UP, NOW)
    assert list(found) == ["certificate_bad"]
    assert "certificate has expired" in found["certificate_bad"]


@pytest.mark.parametrize("shown", [Shown.NOTHING, Shown.ERROR])
def test_unknown_is_an_alarm_where_the_server_is_up(shown: Shown) -> None:
    seen = Certificate(shown, "why", NOW + 100 * DAY)
    assert certificate_alarms(seen, UP, NOW) == {
        "certificate": "until when PostgreSQL's certificate lasts is not known: why"
    }
    assert certificate_alarms(seen, DOWN, NOW) == {}

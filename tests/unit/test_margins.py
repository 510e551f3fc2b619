# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The times that safety stands on hold for each other, however the two nodes' clocks run within what is promised."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import margins
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import (
    DOCUMENT,
    PROFILES,
    Register,
    Timing,
    Watchdog,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config_file import parse
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.talk import EVERY
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.tasks import RECORD_DEADLINE
from config_samples import GOOD, problems

ROOT = Path(__file__).parents[2]
TIMINGS = [
    Timing(),
    DOCUMENT,
    Timing(fence_attempts=1),
    Timing(failures_before_failover=30, retry_interval=2.0, fence_attempts=3),
    dataclasses.replace(DOCUMENT, fence_attempts=1),
    dataclasses.replace(DOCUMENT, arming_window=300.0, switchover_deadline=120.0),
]
# (of the node that waits, of the node it waits for): no clock runs more than 10 % faster than the other.
RATES = [(1.0, 1.0), (1.1, 1.0), (1.0, 1 / 1.1), (1.05, 1.05 / 1.1), (1.0, 1.1)]


@pytest.mark.parametrize(("timing", "rates"), list(itertools.product(TIMINGS, RATES)))
class TestOneNodeWaitsForTheOther:
    def test_primary_notes_that_it_is_alone_after_every_failover_is_over(
        self, timing: Timing, rates: tuple[float, float]
    ) -> None:
        """The stream lingers at the standby, its evidence is as old as it may be, and skyha there is restarted once."""
        primary, standby = rates
        trouble = margins.STREAM_LINGERS + 2 * timing.arming_window + timing.switchover_deadline
        last_attempt = trouble + timing.failover_limit
        promoted = last_attempt + timing.fence_deadline + margins.PROOF_LATE + margins.PROOF_FRESH + margins.STALE
        assert timing.alone_after / primary > promoted / standby

    def test_fenced_node_serves_after_every_promotion_by_that_fence(
        self, timing: Timing, rates: tuple[float, float]
    ) -> None:
        back, fences = rates
        ordered = timing.fence_deadline + margins.PROOF_LATE + margins.PROOF_FRESH + margins.STALE
        assert timing.fence_forgotten_after / back > ordered / fences

    def test_patience_leaves_time_to_fence(self, timing: Timing, rates: tuple[float, float]) -> None:
        """Else the failover would come 'too late' before it may begin, and the standby says 'armed' all the time."""
        unreachable = timing.failures_before_failover * (timing.retry_interval + 2 * timing.look_deadline)
        longest = margins.STOP_LIMIT + max(timing.hang_timeout, timing.restart_grace, unreachable)
        assert timing.failover_limit >= longest + timing.fence_attempts * timing.fence_deadline


class TestTheLease:
    """Host and BMC lose power together, just after a renewal was answered."""

    def test_costs_at_most_ten_seconds(self) -> None:
        """1.1 x (3 + 4) s waits the heir, then it looks once more, and promotes."""
        heir_waits = margins.by_any_clock(Register().lease + Watchdog().timeout)
        assert round(heir_waits + Timing().troubled_cycle + margins.ORDER_TAKES, 6) <= 10.0

    def test_outlasts_a_renewal_that_is_lost(self) -> None:
        """Sent, a cycle later lost, and sent again, answered at its deadline."""
        timing = Timing()
        assert Register().lease >= timing.interval + 3 * timing.look_deadline + timing.retry_interval

    def test_the_watchdog_is_fed_before_it_bites_and_skyha_is_back_before_it_does(self) -> None:
        assert Watchdog().timeout > Timing().interval + 2 * Timing().look_deadline
        assert Watchdog().timeout > margins.RESTART + Timing().look_deadline


@pytest.mark.parametrize("profile", PROFILES)
class TestWithinASettingsTimes:
    """The times that stand for themselves, and those of the two profiles."""

    def test_skyha_that_hangs_is_back_while_the_evidence_of_its_failover_counts(self, profile: str) -> None:
        watchdog = 7 if profile == "fast" else 15
        defaults = (ROOT / "roles/skyha_daemon/defaults/main.yml").read_text()
        assert """skyha_daemon_watchdog: "{{ 7 if skyha_daemon_profile == 'fast' else 15 }}\"""" in defaults
        assert watchdog > margins.LONGEST_STEP
        assert watchdog + margins.RESTART < PROFILES[profile].arming_window

    def test_two_looks_are_closer_than_what_a_primary_calls_a_gap(self, profile: str) -> None:
        timing = PROFILES[profile]
        cycle = min(timing.interval, margins.MAX_WAIT) + 3 * timing.look_deadline + timing.dad_wait
        assert cycle < margins.ALONE_GAP

    def test_a_standby_counts_the_vip_as_free_no_longer_than_its_primary(self, profile: str) -> None:
        assert 2 * PROFILES[profile].dad_wait + margins.FREE_TRUSTED >= margins.FREE_HOLDS

    def test_evidence_outlasts_all_restarts_in_place(self, profile: str) -> None:
        assert PROFILES[profile].restart_attempts * PROFILES[profile].start_deadline < margins.START_HOLDS

    def test_the_shortest_look_outlasts_the_proxys_patience_and_none_that_is_set(self, profile: str) -> None:
        """With room for a round trip and the proxy's own scheduling."""
        defaults = (ROOT / "roles/vote_host_balance/defaults/main.yml").read_text()
        told = re.search(r"^vote_host_balance_connect_timeout: (\d+)ms$", defaults, re.MULTILINE)
        assert told is not None
        assert int(told[1]) / 1000 + 0.1 <= margins.LEAST_LOOK <= PROFILES[profile].look_deadline

    def test_late_answer_is_over_when_a_pause_has_settled(self, profile: str) -> None:
        assert PROFILES[profile].look_deadline < margins.PAUSE_SETTLES

    def test_wal_says_nothing_any_more_when_the_patience_with_a_hanging_server_ends(self, profile: str) -> None:
        assert PROFILES[profile].hang_timeout > margins.WAL_FRESH

    def test_off_settles_within_an_attempt_to_fence(self, profile: str) -> None:
        assert PROFILES[profile].fence_deadline > 2 * margins.SETTLES


def test_a_peer_that_has_booted_is_believed_in_time_for_its_promises() -> None:
    """Though some datagrams are lost. And no longer than a promise grants anything."""
    assert margins.ECHO_FRESH > 10 * EVERY
    assert Register().lease >= margins.ECHO_FRESH


def test_operators_word_is_checked_more_often_than_a_proof_expires_and_is_not_lost_between_two_cycles() -> None:
    assert margins.WORD_EVERY < margins.PROOF_FRESH
    assert margins.MAX_WAIT < margins.WORD_HOLDS


def test_bmc_is_asked_again_before_its_proof_expires_and_distrusted_for_an_answer_within_it() -> None:
    assert margins.LISTEN_LIMIT < margins.PROOF_FRESH < margins.SOON


def test_record_that_cannot_be_written_is_alarmed_within_a_minute() -> None:
    assert margins.RECORD_EVERY + RECORD_DEADLINE < 60


def test_back_after_a_bite_as_the_unit_says() -> None:
    unit = (ROOT / "roles/skyha_daemon/templates/skyha.service.j2").read_text()
    assert sum(float(re.findall(rf"^{name}=(\d+)$", unit, re.M)[0]) for name in ("TimeoutAbortSec", "RestartSec")) == (
        margins.RESTART
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_the_profiles_can_fail_over(profile: str) -> None:
    parse(GOOD + f"[timing]\nprofile = {profile}\n")


@pytest.mark.parametrize(
    ("timing", "named"),
    [
        ("arming_window = 2", "arming_window = 2 is too short"),
        ("retry_interval = 10", "arming_window = 15 is too short"),
        ("interval = 4\narming_window = 10", "arming_window = 10 is too short"),
        ("look_deadline = 5", "arming_window = 15 is too short"),
        ("silence_deadline = 3", "silence_deadline = 3 and look_deadline = 0.6 are too long"),
        ("look_deadline = 2.5", "and look_deadline = 2.5 are too long"),
    ],
)
def test_times_that_say_armed_and_never_fail_over_are_refused(timing: str, named: str) -> None:
    assert named in problems(GOOD + f"[timing]\n{timing}\n")


@pytest.mark.parametrize("timing", PROFILES.values(), ids=PROFILES)
def test_a_holder_that_cannot_start_its_server_has_resigned_before_its_peer_would_fence_it(timing):
    """The peer's look finds the server down at about the time at which this node does."""
    assert margins.START_SETTLES < margins.RESIGNS_AFTER
    assert margins.RESIGNS_AFTER + margins.START_SETTLES + timing.look_deadline < timing.restart_grace

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The times that safety stands on hold for each other, however the two nodes' clocks run within what is promised."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import margins
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import DOCUMENT, Timing
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config_file import parse
from config_samples import GOOD, problems

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


@pytest.mark.parametrize("profile", ["fast", "document"])
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

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The classes of a failure, and how long each must last."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import DOCUMENT, Timing
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Trouble
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.patience import (
    blind,
    cut_off,
    living,
    not_counted,
    renewing,
    stands_still,
    used_up,
    worsened,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Local,
    Look,
    Path,
    Role,
    Seen,
    Server,
    Sight,
    Signs,
)

DEAD = (Sight.STALLED, Sight.REFUSED, Sight.DROPPED, Sight.UNREACHABLE)
ALIVE = (Sight.OK, Sight.ALIVE, Sight.SICK)


def looks(vip, vote, reached=True):
    return {Path.VIP: Look(vip), Path.VOTE: Look(vote, reached=reached)}


@pytest.mark.parametrize(("vip", "vote"), list(itertools.product(Sight, Sight)))
def test_one_sign_of_life_on_one_path_is_enough(vip, vote):
    assert (living(looks(vip, vote)) is not None) == (vip in ALIVE or vote in ALIVE)


@pytest.mark.parametrize(("vip", "vote"), list(itertools.product(Sight, Sight)))
def test_a_look_that_failed_here_is_told(vip, vote):
    assert (blind(looks(vip, vote)) is not None) == (Sight.UNKNOWN in (vip, vote))


def test_seconds_in_which_this_node_could_not_look_use_up_no_patience():
    trouble = worsened(Trouble(100.0), looks(Sight.REFUSED, Sight.DROPPED), 100.0)
    for now in (101.0, 103.0, 104.0):
        trouble = not_counted(trouble, now)
    trouble = worsened(trouble, looks(Sight.REFUSED, Sight.DROPPED), 105.0)
    grace = Timing().restart_grace
    assert not used_up(Timing(), trouble, looks(Sight.REFUSED, Sight.DROPPED), 100.0 + grace + 3.9)[0]
    assert used_up(Timing(), trouble, looks(Sight.REFUSED, Sight.DROPPED), 100.0 + grace + 4.0)[0]


def test_failing_storage_is_life_unless_the_policy_says_otherwise():
    assert living(looks(Sight.SICK, Sight.SICK), "alarm")
    assert not living(looks(Sight.SICK, Sight.SICK), "failover")
    assert living(looks(Sight.SICK, Sight.OK), "failover")


def test_a_vote_port_that_does_not_accept_proves_nothing():
    assert cut_off(looks(Sight.UNREACHABLE, Sight.UNREACHABLE, reached=False))
    assert cut_off({Path.VIP: Look(Sight.UNREACHABLE)})
    assert not cut_off(looks(Sight.UNREACHABLE, Sight.DROPPED))


@pytest.mark.parametrize("timing", [Timing(), DOCUMENT])
@pytest.mark.parametrize(("vip", "vote"), list(itertools.product(DEAD, DEAD)))
def test_patience_is_that_of_the_class(timing, vip, vote):
    if Sight.STALLED in (vip, vote):
        needed = timing.hang_timeout
    elif vip in (Sight.REFUSED, Sight.DROPPED):
        needed = timing.restart_grace
    else:
        many, few = Trouble(0.0, timing.failures_before_failover), Trouble(0.0, timing.failures_before_failover - 1)
        assert used_up(timing, many, looks(vip, vote), 1e-9)[0]
        assert not used_up(timing, few, looks(vip, vote), 1e9)[0]
        return
    trouble = Trouble(100.0, 1000)
    assert not used_up(timing, trouble, looks(vip, vote), 100.0 + needed - 0.01)[0]
    assert used_up(timing, trouble, looks(vip, vote), 100.0 + needed)[0]


def test_a_holder_that_renews_gets_the_time_of_a_start_and_no_more():
    seen, grace = looks(Sight.UNREACHABLE, Sight.DROPPED), Timing().restart_grace
    trouble = renewing(Trouble(100.0, 99), seen, 101.0, 101.0)
    assert not used_up(Timing(), trouble, seen, 102.9)[0]
    assert used_up(Timing(), trouble, seen, 103.1)[0], "it has gone silent"
    trouble = renewing(trouble, seen, 100.0 + grace - 0.1, 100.0 + grace)
    assert used_up(Timing(), trouble, seen, 100.0 + grace)[0], "it renews on and on, and serves nobody"


def test_shorter_looks_make_no_shorter_patience():
    seen, timing = looks(Sight.UNREACHABLE, Sight.DROPPED), Timing()
    trouble = Trouble(100.0)
    for now in (100.0, 100.5, 101.0):  # each look ended after 0.4 s
        trouble = worsened(trouble, seen, now)
    assert trouble.unreachable == timing.failures_before_failover
    assert not used_up(timing, trouble, seen, 101.0)[0]
    assert used_up(timing, trouble, seen, 101.4)[0]
    assert used_up(timing, trouble, seen, 101.0, is_off=True)[0]


def test_patience_with_one_that_is_unreachable_begins_when_it_became_so():
    seen, timing = looks(Sight.UNREACHABLE, Sight.DROPPED), Timing()
    trouble = worsened(Trouble(100.0), looks(Sight.REFUSED, Sight.DROPPED), 100.0)
    for now in (103.0, 103.5, 104.0):
        trouble = worsened(trouble, seen, now)
    assert not used_up(timing, trouble, seen, 104.0)[0]
    assert used_up(timing, trouble, seen, 104.4)[0]


def test_seconds_in_which_this_node_could_not_look_make_no_shorter_patience_with_one_that_is_unreachable():
    seen, timing = looks(Sight.UNREACHABLE, Sight.DROPPED), Timing()
    trouble = not_counted(worsened(Trouble(100.0), seen, 100.0), 100.1)
    for now in (102.6, 103.1):  # the first of them ends 2.5 s in which nothing was seen
        trouble = worsened(trouble, seen, now)
    assert trouble.unreachable == timing.failures_before_failover
    assert not used_up(timing, trouble, seen, 103.1)[0]
    assert used_up(timing, trouble, seen, 103.9)[0]


class TestStandstill:
    """Stalled, and nothing of the primary moves: that needs less patience than a slow one."""

    STALLED = looks(Sight.STALLED, Sight.STALLED)

    @pytest.mark.parametrize(
        ("signs", "is_still"),
        [
            (Signs(heard_at=99.2), True),  # it fell silent right before
            (Signs(heard_at=100.3), False),  # it lives
            (
                Signs(heard_at=90.0),
                False,
            ),  # it has been silent for long: its skyha was stopped, or a firewall drops them
            (Signs(), False),
            (Signs(heard_at=101.9, stopped_at=101.9), True),  # it lives, and says so
            (Signs(heard_at=101.9, stopped_at=100.5), False),  # not any more
        ],
    )
    def test_by_what_its_skyha_says_or_does_not(self, signs, is_still):
        seen = Seen(Local(Server.UP, Role.STANDBY), self.STALLED, signs=signs)
        assert stands_still(seen, Trouble(100.0), 102.0) is is_still

    def test_its_patience_is_shorter_and_never_longer_than_that_of_one_that_hangs(self):
        timing = Timing()
        assert not used_up(timing, Trouble(100.0), self.STALLED, 101.9, is_still=True)[0]
        assert used_up(timing, Trouble(100.0), self.STALLED, 102.0, is_still=True)[0]
        assert not used_up(timing, Trouble(100.0), self.STALLED, 102.0)[0]
        assert used_up(replace(timing, hang_timeout=1.0), Trouble(100.0), self.STALLED, 101.0, is_still=True)[0]
        document = (DOCUMENT.hang_timeout, DOCUMENT.standstill_timeout)
        assert document[0] == document[1], "the document knows of no such thing"


def test_a_beat_from_before_the_trouble_is_no_life():
    seen = looks(Sight.UNREACHABLE, Sight.DROPPED)
    assert used_up(Timing(), renewing(Trouble(100.0, 99), seen, 100.0, 100.5), seen, 100.5)[0]


@pytest.mark.parametrize("timing", [Timing(), DOCUMENT])
def test_a_link_that_was_just_back_gets_more_patience(timing):
    seen = looks(Sight.UNREACHABLE, Sight.DROPPED)
    many = Trouble(100.0, timing.failures_before_failover, flapping=True)
    few = Trouble(100.0, timing.failures_before_failover - 1, flapping=True)
    assert not used_up(timing, many, seen, 100.0 + timing.hang_timeout - 0.01)[0]
    assert used_up(timing, many, seen, 100.0 + timing.hang_timeout)[0]
    assert not used_up(timing, few, seen, 1e9)[0]


def test_only_looks_in_a_row_count():
    trouble = Trouble(0.0)
    for sight, count in ((Sight.UNREACHABLE, 1), (Sight.UNREACHABLE, 2), (Sight.REFUSED, 0), (Sight.UNREACHABLE, 1)):
        trouble = worsened(trouble, looks(sight, Sight.DROPPED), 1.0)
        assert trouble.unreachable == count

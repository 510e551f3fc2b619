# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record says of an earlier boot only what still holds."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import (
    Intent,
    Record,
    Stage,
    adopt,
    is_paused,
)


@pytest.mark.parametrize("stage", Stage)
def test_in_the_same_boot_everything_goes_on(stage):
    record = Record("boot", intent=Intent(stage, 1.0, 1.0, "why"))
    assert adopt(record, "boot", 50.0, 1.7e9) == record


@pytest.mark.parametrize(
    ("stage", "kept"),
    [
        (Stage.FENCING, False),
        (Stage.LISTENING, False),
        (Stage.PROMOTING, False),
        (Stage.SWITCHING, False),
        (Stage.REWINDING, True),
        (Stage.HANDED_OVER, True),
    ],
)
def test_a_new_boot_fences_nobody_and_forgets_no_damage(stage, kept):
    record = adopt(Record("old", intent=Intent(stage, 1.0, 1.0, "why")), "new", 5.0, 1.7e9)
    assert (record.intent is not None) == kept
    assert record.boot == "new"


def test_a_pause_goes_on_after_a_reboot():
    record = adopt(Record("old", paused=True, paused_until=9000.0, paused_until_wall=1.7e9 + 60), "new", 5.0, 1.7e9)
    assert is_paused(record, 64.0)
    assert not is_paused(record, 66.0)


def test_an_endless_pause_stays_endless():
    assert is_paused(adopt(Record("old", paused=True), "new", 5.0, 1.7e9), 1e9)


def test_the_flap_guard_begins_anew_after_a_reboot():
    assert adopt(Record("old", failover_at=99999.0), "new", 5.0, 1.7e9).failover_at == 5.0


def test_times_of_this_boot_do_not_lie_ahead():
    record = adopt(Record("boot", failover_at=1.7e9, trouble_at=51.0), "boot", 50.0, 1.7e9)
    assert (record.failover_at, record.trouble_at) == (50.0, 50.0)

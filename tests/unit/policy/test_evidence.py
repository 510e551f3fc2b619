# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a skyha leaves to the next one in the same boot; tests/simulation kills it at every moment."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon import evidence_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.armed import evidence_missing, lag_seconds
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision, Readiness, Wants
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.evidence import Evidence, evidence, resume
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory, Trouble
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Path, Role
from node_samples import NODE1, NODE2, changed, remembered
from policy_samples import FOLLOWS, NOW

NOTED = Evidence(NOW, NOW - 1, NOW - 2, NOW - 3, NOW - 4, NOW - 5, NOW - 6, NOW - 7)
NEW = Memory(NOW, FOLLOWS)
WINDOW = NODE2.timing.arming_window


def armed() -> Memory:
    return remembered(
        FOLLOWS,
        heard={"at": {Path.VOTE: NOW - 1}, "recorded_at": NOW - 2, "covered_at": NOW - 3, "sampled_at": NOW},
        stream={"at": NOW - 4},
        upkeep={"bmc_ok_at": NOW - 5, "bmc_on_at": NOW - 6, "record_ok_at": NOW - 7},
    )


def decided(memory: Memory, **reasons: str) -> Decision:
    return Decision(memory, "", Wants(1.0), readiness=Readiness(reasons))


def test_an_armed_standby_leaves_what_it_leans_on() -> None:
    assert evidence(decided(armed()), NOW) == NOTED


def test_nothing_is_left_by_one_that_is_not_armed_or_no_standby() -> None:
    assert evidence(decided(armed(), bmc="is belied"), NOW) is None
    assert evidence(replace(decided(armed()), readiness=None), NOW) is None
    assert evidence(decided(changed(armed(), watch={"trouble": Trouble(NOW)})), NOW) is None


def test_the_next_one_is_as_armed_and_each_sign_ages_on() -> None:
    memory = resume(NODE2, NEW, NOTED, NOW + 2)
    assert not evidence_missing(NODE2, memory, NOW + 2)
    assert set(evidence_missing(NODE2, memory, NOW - 4 + WINDOW + 0.1)) == {"replication"}


def test_time_without_a_daemon_counts_as_lag() -> None:
    """The primary may have written all the while, and nobody here would know."""
    assert lag_seconds(resume(NODE2, NEW, NOTED, NOW + 8)) == 11.0


def test_a_primary_that_was_silent_then_wrote_nothing_more() -> None:
    silent = replace(NEW, record=replace(FOLLOWS, trouble_at=NOW + 1))
    assert lag_seconds(resume(NODE2, silent, NOTED, NOW + 8)) == 4.0


@pytest.mark.parametrize(
    ("noted", "record"),
    [
        (replace(NOTED, at=NOW + 2 - WINDOW - 0.1), FOLLOWS),
        (replace(NOTED, stream_at=NOW + 3), FOLLOWS),
        (NOTED, replace(FOLLOWS, role=Role.PRIMARY)),
    ],
    ids=["too old", "of the future", "of a primary"],
)
def test_what_does_not_fit_is_left_alone(noted: Evidence, record: object) -> None:
    memory = replace(NEW, record=record)
    assert resume(NODE2, memory, noted, NOW + 2) is memory


def test_it_is_for_the_same_boot_and_configuration_only() -> None:
    text = evidence_json.to_text(NOTED, "boot", NODE2)
    assert evidence_json.from_text(text, "boot", NODE2) == NOTED
    assert evidence_json.from_text(text, "next", NODE2) is None
    assert evidence_json.from_text(text, "boot", NODE1) is None


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"at": 1}', "NaN", "[" * 100000])
def test_a_damaged_text_is_no_evidence(damage: str) -> None:
    assert evidence_json.from_text(damage, "boot", NODE2) is None


def test_a_field_too_many_or_no_number_is_no_evidence() -> None:
    text = evidence_json.to_text(NOTED, "boot", NODE2)
    assert evidence_json.from_text(text.replace('"stream_at": 996.0', '"stream_at": "soon"'), "boot", NODE2) is None
    assert evidence_json.from_text(text.replace('"stream_at": 996.0', '"stream_at": NaN'), "boot", NODE2) is None
    huge = f'"stream_at": 1{"0" * 400}'
    assert evidence_json.from_text(text.replace('"stream_at": 996.0', huge), "boot", NODE2) is None
    assert evidence_json.from_text(text.replace('"stream_at"', '"other": 1.0, "stream_at"'), "boot", NODE2) is None

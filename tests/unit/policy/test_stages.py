# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is on record goes on by one table."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import stages
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision, Wants
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Intent, Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.stages import STAGES, Found, at_stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Seen
from node_samples import NODE1, remembered
from policy_samples import FOLLOWS, STANDBY

CELLS = [(stage, found) for stage in Stage for found in Found]


@pytest.mark.parametrize(("stage", "found"), CELLS)
def test_its_row_decides_with_the_intent_at_hand(monkeypatch: pytest.MonkeyPatch, stage: Stage, found: Found) -> None:
    intent = Intent(stage, 1.0, 1.0, "why")
    memory = remembered(dataclasses.replace(FOLLOWS, intent=intent))
    decision = Decision(memory, "by the table", Wants(1.0))
    monkeypatch.setattr(stages, "STAGES", dict.fromkeys(STAGES, lambda *given: decision if intent in given else None))
    expected = decision if (stage, found) in STAGES else memory
    assert at_stage(found, NODE1, memory, Seen(STANDBY), 2.0) is expected


@pytest.mark.parametrize("found", Found)
def test_where_nothing_is_on_record_nothing_is_decided(found: Found) -> None:
    memory = remembered(FOLLOWS)
    assert at_stage(found, NODE1, memory, Seen(STANDBY), 2.0) is memory

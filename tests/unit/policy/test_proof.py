# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a proof is, and how long it holds."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import PROOF_FRESH, PROOF_LATE
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.proof import (
    Kind,
    Proof,
    in_time,
    is_fresh,
    of_fence,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Outcome, Power, Task
from node_samples import NODE1

READ_OFF = Outcome(Task.FENCE, True, "read back: off", Power.OFF, proof=True)
RESET = Outcome(Task.FENCE, True, "reset", Power.ON, proof=True)


@pytest.mark.parametrize(("outcome", "kind"), [(READ_OFF, Kind.OFF), (RESET, Kind.RESET)])
def test_the_kind_is_what_the_bmc_did(outcome: Outcome, kind: Kind) -> None:
    assert of_fence(outcome, 5.0) == Proof(kind, 5.0, outcome.detail)


@pytest.mark.parametrize(
    ("kind", "holds"),
    [(Kind.OFF, PROOF_FRESH), (Kind.RESET, PROOF_FRESH), (Kind.OPERATOR, NODE1.timing.arming_window)],
)
def test_it_holds_as_long_as_its_kind(kind: Kind, holds: float) -> None:
    proof = Proof(kind, 100.0, "")
    assert is_fresh(NODE1, proof, 100.0 + holds)
    assert not is_fresh(NODE1, proof, 100.1 + holds)


def test_another_daemons_proof_is_none() -> None:
    assert not is_fresh(NODE1, None, 0.0)


def test_it_comes_in_time_or_is_none() -> None:
    limit = NODE1.timing.fence_deadline + PROOF_LATE
    assert in_time(NODE1, READ_OFF, limit) == READ_OFF
    assert not in_time(NODE1, READ_OFF, limit + 0.1).proof
    assert not in_time(NODE1, READ_OFF, float("inf")).proof

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record comes back from the disk as it was, between versions of skyha too; what is not understood is refused."""

from __future__ import annotations

import dataclasses
import json

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.record_json import from_json, to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import StateError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.proof import Kind
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Intent, Record, Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Role

FULL = Record(
    "boot",
    Role.PRIMARY,
    7,
    "boot",
    False,
    Intent(Stage.PROMOTING, 1.5, 1.0, "why", 3, proven_by=Kind.OPERATOR, takeover=True, lsn=99),
    trouble_at=11.0,
    failover_at=12.0,
    failover_noted=False,
    power_on_due=True,
    order_out_at=95.0,
    fence_distrusted="distrusted",
    paused=True,
    paused_until=100.0,
    paused_until_wall=1700000100.0,
    epoch=3,
    beat=600,
    overruled=3,
)
# What version 1 had written in the middle of a failover, before a proof was a value.
OLD_INTENT = {
    "stage": "promoting",
    "at": 2.0,
    "since": 1.0,
    "why": "vip unreachable",
    "attempts": 1,
    "by_operator": True,
    "proven_at": None,
    "takeover": False,
    "lsn": 0,
}


@pytest.mark.parametrize("record", [Record("boot"), FULL])
def test_it_comes_back_from_the_disk_as_it_was(record):
    assert from_json(json.loads(json.dumps(to_json(record)))) == record


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"role": "king"},
        {"intent": {"stage": "dreaming"}},
        {"paused": "no"},
        {"failover_at": float("inf")},
        {"failover_at": float("nan")},
        {"unheard": 1},
        {"intent": {"stage": "fencing", "who": "me"}},
    ],
)
def test_what_is_not_understood_is_refused(change):
    with pytest.raises(StateError):
        from_json({**to_json(FULL), **change})


@pytest.mark.parametrize("said", [True, False])
def test_record_of_an_older_skyha_is_understood(said: bool) -> None:
    data = {**to_json(Record("boot")), "intent": {**OLD_INTENT, "by_operator": said}}
    intent = from_json(data).intent
    assert intent is not None
    assert intent.by_operator is said


@pytest.mark.parametrize("kind", [None, *Kind])
def test_an_older_skyha_understands_the_record(kind: Kind | None) -> None:
    """It refuses a key that it does not know."""
    record = Record("boot", intent=dataclasses.replace(Intent(Stage.LISTENING, 2.0, 1.0, "why"), proven_by=kind))
    written = to_json(record)["intent"]
    assert written.keys() == OLD_INTENT.keys()
    assert written["by_operator"] is (kind is Kind.OPERATOR)

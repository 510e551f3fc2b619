# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is what is acknowledged on this primary protected, since when, and how long do commits wait? (policy/sync.py)"""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import book, sync
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory, Pace, Shield
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Seen, Sync
from node_samples import NODE1, changed, configured, remembered
from policy_samples import NOW, PRIMARY, SERVES

ONE = configured(
    NODE1,
    register={"engine": "vote_host", "address": "198.51.100.35"},
    replication={"mode": "zero_loss"},
)
NAMES = 'FIRST 1 ("node2")'
LOOK = Sync("node2", NAMES, "on", True, True, True, 100)
LOCAL = dataclasses.replace(PRIMARY, system_identifier="73", standby_recorded=True, sync=LOOK)
NAMED = book.Hold(book.Row("node1", 3, 17, "node2"))
ALONE = book.Hold(book.Row("node1", 3, 18, ""), has_heir=False)
COVERED = {"pace": Pace(looked_at=NOW - 1, written=100), "is_covered": True, "is_loaded": True, "floor": 90}
IN_EFFECT = {**COVERED, "in_effect_at": NOW - 60}


def primary(hold: book.Hold | None, **of_sync: object) -> Memory:
    record = dataclasses.replace(SERVES, system_identifier="73", epoch=3)
    memory = remembered(record, register={"hold": hold, "row": None if hold is None else hold.row, "answered_at": NOW})
    return changed(memory, sync=of_sync or IN_EFFECT)


def cycles(memory: Memory, times: list[float], look: Sync = LOOK) -> tuple[Memory, dict[str, str]]:
    """The memory and the alarms after the last of these."""
    for at in times:
        decision = decide(ONE, memory, Seen(dataclasses.replace(LOCAL, sync=look)), at)
        memory = decision.memory
    return memory, dict(decision.alarms)


@pytest.mark.parametrize(
    ("hold", "covered", "protected"),
    [(NAMED, True, True), (NAMED, False, False), (ALONE, True, False), (None, True, False)],
)
def test_protected_is_who_has_everything_and_is_named(hold: book.Hold | None, covered: bool, protected: bool) -> None:
    assert sync.is_protected(ONE, primary(hold, **{**IN_EFFECT, "is_covered": covered})) is protected


def test_since_when_stays_while_it_is_so() -> None:
    memory, _ = cycles(primary(NAMED), [NOW, NOW + 1, NOW + 60])
    assert memory.sync.shield == Shield(True, NOW)


def test_since_when_begins_again_with_each_change() -> None:
    memory, _ = cycles(primary(NAMED), [NOW, NOW + 1])
    memory = changed(memory, register={"hold": ALONE, "row": ALONE.row})
    memory, _ = cycles(memory, [NOW + 2, NOW + 3])
    assert memory.sync.shield == Shield(False, NOW + 2)


def test_alarm_waits_a_moment_and_says_what_is_missing() -> None:
    memory, alarms = cycles(primary(ALONE), [NOW, NOW + 5])
    assert "not_protected" not in alarms
    _, alarms = cycles(memory, [NOW + 5.1])
    assert alarms["not_protected"] == (
        "no failover comes by itself: node2 has everything, and the register does not name it yet"
    )


@pytest.mark.parametrize(
    ("look", "why"),
    [
        ({"alone": False}, "more than one standby bears the name node2"),
        ({"commit": "local"}, "synchronous_commit is local for a new session, and skyha set on: remove that setting"),
        ({"flush_lsn": None}, "node2 does not stream"),
    ],
)
def test_what_is_in_the_way_is_named(look: dict[str, object], why: str) -> None:
    memory = primary(ALONE, pace=Pace(looked_at=NOW - 1, written=100), shield=Shield(False, NOW - 60))
    _, alarms = cycles(memory, [NOW], dataclasses.replace(LOOK, **look))  # type: ignore[arg-type]  # the test knows them
    assert alarms["not_protected"] == f"what is committed now is on this node only: {why}"


def test_commits_wait_since_the_first_that_the_standby_did_not_have() -> None:
    late = {**IN_EFFECT, "pace": Pace(looked_at=NOW - 1, written=100, owed=100, owed_since=NOW - 2.5, is_late=True)}
    memory = primary(NAMED, **late)
    assert sync.waiting(ONE, memory, LOCAL, NOW) == 2.5
    on_time = changed(memory, sync={"pace": dataclasses.replace(memory.sync.pace, is_late=False)})
    assert sync.waiting(ONE, on_time, LOCAL, NOW) == 0.0
    nobody = dataclasses.replace(LOCAL, sync=dataclasses.replace(LOOK, file=""))
    assert sync.waiting(ONE, memory, nobody, NOW) == 0.0


def test_one_that_is_given_up_is_tried_again_later_each_time() -> None:
    assert sync.tried_in(primary(ALONE), NOW) is None
    waits = [sync.tried_in(primary(ALONE, given_up_at=NOW - 1, given_up=times), NOW) for times in (1, 2, 9)]
    assert waits == [4.0, 9.0, 299.0]
    assert sync.tried_in(primary(ALONE, given_up_at=NOW - 60, given_up=1), NOW) == 0.0

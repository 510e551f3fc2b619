# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One member of the register's etcd is lost: nothing else would tell."""

from __future__ import annotations

import dataclasses

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import verbs
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Action,
    Do,
    Done,
    Failure,
    Lost,
    Outcome,
    Row,
    Seen,
    Sight,
    Task,
    Told,
)
from node_samples import NODE1, configured, remembered
from policy_samples import NOW, PRIMARY, SERVES

ID = "7301234567890123456"
MEMBERS = ("198.51.100.11:11923", "198.51.100.12:11923", "198.51.100.35:11923")
ETCD = configured(NODE1, register={"engine": "etcd", "endpoints": MEMBERS, "cafile": "/etc/sky-etcd/ca.crt"})
VOTE_HOST = configured(NODE1, register={"engine": "vote_host", "address": "198.51.100.35"})
ANSWERS = Done(Row(ID, "node1", 3, 17, "node2"), NOW - 0.1)
SILENT = Lost(Failure(Sight.UNREACHABLE, "no route"), False, False)
GONE = Outcome(Task.CHECK_MEMBERS, False, f"{MEMBERS[0]}: connection refused")


def after(
    outcome: Outcome | None = None, memory: Memory | None = None, at: float = NOW, config=ETCD, answer=ANSWERS
) -> Decision:
    known = remembered(dataclasses.replace(SERVES, system_identifier=ID)) if memory is None else memory
    local = dataclasses.replace(PRIMARY, system_identifier=ID)
    outcomes = () if outcome is None else (outcome,)
    return decide(config, known, Seen(local, outcomes=outcomes, register=Told(verbs.read(), answer)), at)


def asks(decision: Decision) -> bool:
    return Action(Do.RUN, Task.CHECK_MEMBERS) in decision.actions


def test_they_are_asked_now_and_then() -> None:
    assert asks(after())
    told = after(Outcome(Task.CHECK_MEMBERS, True))
    assert not asks(told)
    assert asks(after(memory=told.memory, at=NOW + 31))


def test_the_other_engine_has_none() -> None:
    assert not asks(after(config=VOTE_HOST))
    assert "register_member" not in after(config=VOTE_HOST, at=NOW + 1000).alarms


def test_one_that_is_lost_is_told_until_it_is_back() -> None:
    told = after(GONE)
    assert MEMBERS[0] in told.alarms["register_member"]
    still = after(memory=told.memory, at=NOW + 1)
    assert "register_member" in still.alarms
    assert "register_member" not in after(Outcome(Task.CHECK_MEMBERS, True), still.memory, NOW + 31).alarms


def test_that_nobody_could_be_asked_is_no_good_news() -> None:
    just_started = dataclasses.replace(after().memory, started_at=NOW)
    assert "register_member" not in after(memory=just_started).alarms
    assert "not asked lately" in after(at=NOW + 1000).alarms["register_member"]


def test_where_the_register_is_silent_that_is_what_is_told() -> None:
    told = after(GONE)
    silent = after(memory=told.memory, at=NOW + 20, answer=SILENT)
    assert "register" in silent.alarms
    assert "register_member" not in silent.alarms

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model has teeth: each rule of the runtime that is broken on purpose is found, by the rule that it breaks, with a short story."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import (
    armed,
    boot,
    decide,
    failover,
    primary,
    proof,
    standby,
    switchover,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.proof import Kind, Proof
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Task

from tests.model.cluster import Cluster, Way
from tests.model.events import events
from tests.model.run import explored


def after(*stories, **start):
    """Beginnings: an armed cluster, and these events since, one a step ('': nothing happens)."""

    def worlds(cluster: Cluster):
        found = []
        for story in stories:
            world = cluster.start(**start)._replace(faults=9, heals=9)
            for name in story:
                world = next(one for event, one in events(world, cluster.stages(world)) if event == name)
                world = cluster.step(world, Way())
            found.append(world)
        return found

    return worlds


def caught(rule, faults, heals, depth, starts=None):
    result = explored(faults, heals, depth, starts)
    assert result.found.broken, f"not noticed: {result.counts()}"
    assert rule in result.found.broken, result.story()
    assert "BROKEN" in result.story()
    return result


def test_promoting_without_a_proof(monkeypatch):
    def at_once(config, memory, intent, now, events=()):
        return failover.proven(config, memory, intent, Proof(Kind.OFF, now, "it will be off soon"), events)

    for room in (standby, failover):
        monkeypatch.setattr(room, "fence_once", at_once)
    caught("S1", 1, 0, 6)


def test_a_fence_called_done_without_reading_it_back(monkeypatch):
    honest = decide.decide

    def trusting(config, memory, seen, now):
        done = [dataclasses.replace(o, proof=o.proof or o.task is Task.FENCE) for o in seen.outcomes]
        return honest(config, memory, dataclasses.replace(seen, outcomes=tuple(done)), now)

    monkeypatch.setattr(decide, "decide", trusting)
    bmc = "the BMC of node1 answers and does not do what it is told"
    caught("S1", 1, 0, 7, after([bmc]))


def test_a_proof_that_never_expires(monkeypatch):
    monkeypatch.setattr(proof, "PROOF_FRESH", float("inf"))
    hangs = ["a promotion on node2 would hang", "node1 freezes"]
    caught("S1", 0, 2, 30, after(hangs))


def test_not_noting_the_standby_on_disk(monkeypatch):
    honest = primary._keep_record

    def careless(config, memory, seen, now):
        memory, actions = honest(config, memory, seen, now)
        record = dataclasses.replace(memory.record, standby_recorded=False)
        return dataclasses.replace(memory, record=record), actions

    monkeypatch.setattr(primary, "_keep_record", careless)
    caught("S3", 1, 1, 12, after(["node1 loses power"]))


def test_a_hand_over_that_is_not_on_record(monkeypatch):
    honest = switchover._hand_over

    def forgetful(*arguments):
        decision = honest(*arguments)
        intent = decision.memory.record.intent
        if intent is None or intent.stage is not Stage.HANDED_OVER:
            return decision
        record = dataclasses.replace(decision.memory.record, intent=None)
        return dataclasses.replace(decision, memory=dataclasses.replace(decision.memory, record=record))

    monkeypatch.setattr(switchover, "_hand_over", forgetful)
    caught("S", 1, 0, 9, after(["an operator orders a switchover on node1"]))


def test_booting_as_primary_although_the_standby_may_have_been_promoted(monkeypatch):
    monkeypatch.setattr(boot, "next_step", lambda *_: (boot.Step.START, "why not"))
    caught("S", 0, 1, 12, after(["node1 loses power"]))


def test_not_asking_whether_this_node_is_cut_off(monkeypatch):
    for room in (standby, failover):
        monkeypatch.setattr(room, "cut_off", lambda looks: False)
    caught("S2", 1, 0, 4)


def test_ignoring_the_pause(monkeypatch):
    for room in (decide, standby, failover, armed, boot, primary):
        monkeypatch.setattr(room, "is_paused", lambda *_: False)
    caught("S6", 1, 0, 3, after(["an operator pauses the cluster on node1"]))


def test_a_foreign_bmc_that_arms_by_its_first_word(monkeypatch):
    honest = armed.evidence_missing
    monkeypatch.setattr(
        standby,
        "evidence_missing",
        lambda *a: {code: why for code, why in honest(*a).items() if "has not said that" not in why},
    )
    caught("S1", 1, 1, 8, after(["skyha on node2 is killed"], bmc="lies"))


def test_waiting_for_ever_without_a_word_to_the_operator(monkeypatch):
    monkeypatch.setattr(boot, "next_step", lambda *_: (boot.Step.WAIT, "no reason given"))
    caught("nobody serves", 1, 0, 3)


@pytest.mark.parametrize("bmc", ["ok", "lies"])
def test_the_cluster_comes_to_rest_armed(bmc):
    cluster = Cluster()
    assert cluster.is_whole(cluster.start(bmc))

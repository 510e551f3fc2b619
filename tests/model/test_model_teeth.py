# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model has teeth: each rule of the runtime that is broken on purpose is found, by the rule that it breaks, with a short story."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import row_change
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import (
    armed,
    book,
    boot,
    decide,
    failover,
    fencing,
    holding,
    listening,
    primary,
    promoting,
    proof,
    standby,
    switchover,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.proof import Kind, Proof
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Food, Task

from tests.model import lease
from tests.model.cluster import Cluster
from tests.model.run import after
from tests.model.verbs import QUIET, caught, caught_alone


def test_promoting_without_a_proof(monkeypatch):
    def at_once(config, memory, intent, now):
        return listening.proven(config, memory, intent, Proof(Kind.OFF, now, "it will be off soon"))

    for room in (standby, fencing):
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
    for room in (standby, fencing):
        monkeypatch.setattr(room, "cut_off", lambda looks: False)
    caught("S2", 1, 0, 4)


def test_ignoring_the_pause(monkeypatch):
    for room in (decide, standby, fencing, promoting, failover, armed, boot, primary):
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


# --- with a register and a lease -------------------------------------------------------------------------------------------


def by_time(*story, **start):
    """A cluster in which nothing proves that node1 does not write but its lease."""
    return after(story, register=True, bmc="dead", **start)


def test_r1_starting_without_a_renewal(monkeypatch):
    for room in (holding, boot):
        monkeypatch.setattr(room, "may_start", lambda *_: True)
    caught_alone(monkeypatch, "R1", 1, 0, 4, after(["node1 loses power"], register=True))


def test_r2_a_take_that_names_no_beat(monkeypatch):
    take = row_change.take
    monkeypatch.setattr(
        row_change, "take", lambda row, node, read: take(row, node, row) if row.epoch == read.epoch else None
    )
    back = ["node1 and its BMC lose power", *QUIET * 6, "node1 has power again", *QUIET]
    caught_alone(monkeypatch, "R1", 2, 0, 3, after(back, register=True))


def test_r3_a_take_without_a_proof(monkeypatch):
    def at_once(config, memory, intent, now):
        memory = fencing.reads_row(memory)
        return listening.proven(config, memory, intent, Proof(Kind.LEASE, now, "it will have run out soon"))

    for room in (standby, fencing):
        monkeypatch.setattr(room, "fence_once", at_once)
    caught_alone(monkeypatch, "S1", 1, 0, 3, after([], register=True))


def test_r4_an_heir_that_does_not_wait(monkeypatch):
    monkeypatch.setattr(book, "over_at", lambda watch: book.NEVER)
    caught_alone(monkeypatch, "S1", 1, 0, 5, by_time())


def fed_on(monkeypatch, when):
    """The watchdog gets its food, whatever the policy says, where it is not to rest."""
    honest = holding.food

    def food(config, memory, seen, heir, now):
        made = honest(config, memory, seen, heir, now)
        return Food(now + config.register.lease) if made is not None and when(memory) else made

    monkeypatch.setattr(holding, "food", food)


def test_r4_a_primary_whose_lease_is_over_writes_on(monkeypatch):
    monkeypatch.setattr(decide, "is_over", lambda *_: False)
    fed_on(monkeypatch, lambda memory: memory.register.hold is not None)
    caught_alone(monkeypatch, "S1", 1, 0, 12, by_time())


def test_r4_skyha_that_starts_opens_the_watchdog_before_it_holds(monkeypatch):
    fed_on(monkeypatch, lambda memory: memory.register.hold is None)
    caught_alone(monkeypatch, "S1", 1, 0, 12, by_time("skyha on node1 is killed"))


def test_r4_a_watchdog_that_does_not_bite(monkeypatch):
    monkeypatch.setattr(lease, "BITES_AFTER", float("inf"))
    caught_alone(monkeypatch, "S1", 1, 0, 12, by_time("skyha on node1 is killed"))


def test_r5_a_holder_that_counts_as_unbound_before_the_register_has_answered(monkeypatch):
    def at_once(hold, heir, term=0.0):
        return dataclasses.replace(hold, has_heir=bool(heir), is_bound=term > 0)

    monkeypatch.setattr(book, "orders", at_once)
    caught_alone(monkeypatch, "S1", 1, 0, 12, by_time("skyha on node1 is told to end"))


def test_r7_an_older_row_is_believed(monkeypatch):
    honest = holding._wrong

    def credulous(*arguments):
        wrong = honest(*arguments)
        return None if wrong is not None and wrong.code == "register_back" else wrong

    monkeypatch.setattr(holding, "_wrong", credulous)
    restored = ["node1 loses power", *QUIET * 6, "the register is restored from a backup"]
    caught_alone(monkeypatch, "S3", 0, 1, 6, after(restored, register=True, backup=True))


@pytest.mark.parametrize(
    "start", [{}, {"bmc": "lies"}, {"register": True}, {"register": True, "bmc": "dead"}, {"zero": True}]
)
def test_the_cluster_comes_to_rest_armed(start):
    cluster = Cluster()
    assert cluster.is_whole(cluster.start(**start))

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The simulation has teeth: a policy that was broken on purpose is caught, each by the rule that it breaks."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon import loop
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import (
    armed,
    boot,
    decide,
    failover,
    fencing,
    listening,
    primary,
    promoting,
    proof,
    remember,
    standby,
    switchover,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.proof import Kind, Proof
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Do, Order, Request, Role

from tests.simulation.schedules import run
from tests.simulation.story import story
from tests.simulation.verbs import frozen_before_the_fence
from tests.simulation.world import World

SEEDS = 400
pytestmark = pytest.mark.without_register("the register holds where a broken rule of the nodes does not")


def caught_by_chance(*rules):
    """The first of the random schedules that breaks one of the rules."""
    for seed in range(SEEDS):
        world = run(seed)
        if any(broken.split(":")[0] in rules for broken in world.broken):
            return
    pytest.fail(f"{SEEDS} schedules did not notice")


def armed_world(**settings):
    world = World(**settings)
    assert world.run_until(world.armed, 60) is not None
    world.run(20)
    return world


def caught(world, *rules):
    assert any(broken.split(":")[0] in rules for broken in world.broken), story(world)


def test_promoting_without_waiting_for_the_fence(monkeypatch):
    def at_once(config, memory, intent, now):
        return listening.proven(config, memory, intent, Proof(Kind.OFF, now, "it will be off soon"))

    for room in (standby, fencing):
        monkeypatch.setattr(room, "fence_once", at_once)
    caught_by_chance("S1", "O2", "S7")


def test_ignoring_that_this_node_is_cut_off(monkeypatch):
    for room in (standby, fencing):
        monkeypatch.setattr(room, "cut_off", lambda looks: False)
    caught_by_chance("S2")


def test_a_takeover_that_was_refused_excuses_no_later_fence(monkeypatch):
    world = armed_world()
    world.node2.daemon.order(Order.TAKEOVER)
    world.run(20)
    assert "order_refused" in world.events("node2")
    for room in (standby, fencing):
        monkeypatch.setattr(room, "cut_off", lambda looks: False)
    world.isolate("node2")
    world.run(60)
    caught(world, "S2")


def test_a_takeover_that_nobody_ordered(monkeypatch):
    world = armed_world()
    world.node1.switch_off("power cut")
    honest = remember.remember

    def ordered(config, memory, seen, now):
        return honest(config, memory, dataclasses.replace(seen, requests=(Request(Order.TAKEOVER),)), now)

    monkeypatch.setattr(decide, "remember", ordered)
    world.run(30)
    caught(world, "S7")


def test_not_looking_again_between_two_attempts(monkeypatch):
    world = armed_world()
    world.bmcs["node1"].password_ok = False
    world.node1.freeze()
    world.run(20)
    for room in (standby, failover):
        monkeypatch.setattr(room, "living", lambda looks, *_, **__: None)
    world.node1.thaw()
    world.run(5)
    world.bmcs["node1"].password_ok = True
    world.run(30)
    caught(world, "S2")


def test_impatience_is_seen_by_the_scenarios(monkeypatch):
    monkeypatch.setattr(standby, "used_up", lambda *_: (True, "at once"))
    world = armed_world()
    for _ in range(10):  # whether a look falls into the restart is a matter of milliseconds
        world.node1.pg.crash("is killed -9")
        world.run(3.33)
    assert world.oracles.fence_count


@pytest.mark.parametrize("room", [boot, primary])
def test_resurrecting(monkeypatch, room):
    monkeypatch.setattr(boot, "next_step", lambda *_: (boot.Step.START, "why not"))
    monkeypatch.setattr(primary, "next_step", boot.next_step)
    caught_by_chance("S3", "O2")


def test_starting_a_half_rewound_data_directory(monkeypatch):
    honest = boot.next_step

    def forgetful(record, role, *rest):
        return honest(dataclasses.replace(record, intent=None), Role.STANDBY if record.intent else role, *rest)

    monkeypatch.setattr(boot, "next_step", forgetful)
    caught_by_chance("S3")


def test_keeping_the_vip_after_a_demotion(monkeypatch):
    def keeps(*arguments):
        decision = decide.decide(*arguments)
        return dataclasses.replace(decision, actions=tuple(a for a in decision.actions if a.do is not Do.DROP_VIP))

    monkeypatch.setattr(loop, "decide", keeps)
    caught_by_chance("O3", "S5")


def test_believing_there_is_no_lag(monkeypatch):
    monkeypatch.setattr(armed, "lag_seconds", lambda memory: 0.0)
    world = armed_world()
    world.stream.delay = 60.0
    world.run(90)
    world.node1.switch_off("test")
    world.run(30)
    caught(world, "S4")


def test_failing_over_unarmed(monkeypatch):
    monkeypatch.setattr(standby, "evidence_missing", lambda *_: {})
    world = armed_world()
    world.isolate("node2")
    world.run(600)
    world.network.vote.proxy = "refused"
    world.heal(("node2", "vote"))
    world.run(20)
    caught(world, "S4")


def test_trusting_an_old_proof(monkeypatch):
    monkeypatch.setattr(proof, "PROOF_FRESH", float("inf"))
    world = armed_world()
    world.node2.pg.promotion_hangs = True
    world.node1.switch_off("test")
    world.run(6)
    world.node1.switch_on("test")
    world.run(40)
    world.node2.pg.promotion_hangs = False
    world.run(30)
    caught(world, "S1", "O2")


def test_acting_on_what_was_seen_before_the_host_froze(monkeypatch):
    monkeypatch.setattr(loop, "STALE", float("inf"))
    world = armed_world()
    frozen_before_the_fence(world)
    world.run(60)
    caught(world, "S2")


def test_not_noting_the_standby_on_disk(monkeypatch):
    honest = primary._keep_record

    def careless(config, memory, seen, now):
        memory, actions = honest(config, memory, seen, now)
        return dataclasses.replace(memory, record=dataclasses.replace(memory.record, standby_recorded=False)), actions

    monkeypatch.setattr(primary, "_keep_record", careless)
    world = armed_world()
    world.node1.switch_off("test")
    world.node1.mains = False
    world.run(10)
    world.node2.switch_off("test")
    world.node1.mains = True
    world.node1.switch_on("test")
    world.run(60)
    caught(world, "S3")


def test_ignoring_the_pause(monkeypatch):
    for room in (decide, standby, fencing, promoting, failover, armed, boot, primary):
        monkeypatch.setattr(room, "is_paused", lambda *_: False)
    world = armed_world()
    world.node2.daemon.order(Order.PAUSE)
    world.run(3)
    world.node1.switch_off("test")
    world.run(30)
    caught(world, "S6")


def test_handing_over_what_the_peer_has_not_received(monkeypatch):
    honest = switchover._hand_over

    def hasty(config, memory, intent, seen, now):
        peer = seen.peer and dataclasses.replace(seen.peer, receive_lsn=10**12)
        return honest(config, memory, intent, dataclasses.replace(seen, peer=peer), now)

    monkeypatch.setattr(switchover, "_hand_over", hasty)
    world = armed_world()
    world.node1.daemon.order(Order.SWITCHOVER)
    assert world.run_until(lambda: world.node1.pg.state == "stopping", 20) is not None
    world.stream.walsender_stopped = True
    world.run(30)
    caught(world, "O1")


def test_carrying_evidence_from_one_role_into_the_other(monkeypatch):
    monkeypatch.setattr(remember, "_remember_role", lambda memory, local: memory)
    world = armed_world()
    world.node1.daemon.order(Order.SWITCHOVER)
    assert world.run_until(lambda: not world.node2.pg.is_standby, 20) is not None
    world.stream.walsender_stopped = True
    world.run(3)
    world.node2.switch_off("test")
    world.run(30)
    caught(world, "S3")


def test_keeping_no_history(monkeypatch):
    def silent(*arguments):
        return dataclasses.replace(decide.decide(*arguments), events=())

    monkeypatch.setattr(loop, "decide", silent)
    caught_by_chance("S7")


def test_acting_before_the_record_is_written(monkeypatch):
    monkeypatch.setattr(loop.Loop, "_save", lambda self, record: True)
    caught_by_chance("S1", "S3", "O2", "liveness")


def test_spinning(monkeypatch):
    def restless(*arguments):
        decision = decide.decide(*arguments)
        return dataclasses.replace(decision, wants=dataclasses.replace(decision.wants, delay=0.0, paths=()))

    monkeypatch.setattr(loop, "decide", restless)
    caught_by_chance("spin")

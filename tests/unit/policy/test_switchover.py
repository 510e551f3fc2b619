# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a switchover is refused, and when it is given up: until the hand-over is written down the old primary serves again."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Intent, Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Action,
    Do,
    Local,
    Order,
    Outcome,
    Peer,
    Request,
    Role,
    Seen,
    Server,
    Task,
)
from node_samples import NODE1, remembered
from policy_samples import FOLLOWS, OFF, SERVES, done

RUNNING = Local(
    Server.UP,
    Role.PRIMARY,
    timeline=3,
    write_lsn=100,
    peer_streaming=True,
    standby_recorded=True,
    switching=True,
    vip_held=True,
    slots=("node2",),
)
STOPPED = Local(Server.DOWN, Role.PRIMARY, timeline=3, write_lsn=100, clean_shutdown=True)
READY = Peer(Server.UP, Role.STANDBY, timeline=3, receive_lsn=100, replay_lsn=100)
BEGAN = 10.0
LATE = BEGAN + NODE1.timing.switchover_deadline + 1.0


def decided(
    local: Local, peer: Peer | None = READY, stage: Stage | None = Stage.SWITCHING, lsn: int = 100, now: float = 11.0
) -> Decision:
    intent = None if stage is None else Intent(stage, BEGAN, BEGAN, "asked for", lsn=lsn)
    record = dataclasses.replace(SERVES, standby_recorded=True, intent=intent)
    requests = (Request(Order.SWITCHOVER, "anna"),) if stage is None else ()
    memory = remembered(record, switching={"stopped_at": BEGAN if local.server is Server.DOWN else None})
    return decide(NODE1, memory, Seen(local, peer=peer, requests=requests), now)


def events(decision: Decision) -> list[str]:
    return [event.kind for event in decision.events]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"peer_streaming": False}, "node2 does not stream"),
        ({"standby_recorded": False}, "node2 is not yet on this primary's record"),
        ({"vip_held": False}, "this primary does not hold the VIP"),
    ],
)
def test_it_is_refused_with_the_reason_and_nothing_is_begun(change: dict[str, bool], why: str) -> None:
    decision = decided(dataclasses.replace(RUNNING, switching=False, **change), stage=None)
    assert [event.text for event in decision.events] == [f"switchover refused: {why}"]
    assert decision.memory.record.intent is None
    assert not set(done(decision)) & {Do.DROP_VIP, Do.STOP_POSTGRES, Do.SET_SWITCHING}


def test_it_is_announced_before_anything_stops() -> None:
    decision = decided(dataclasses.replace(RUNNING, switching=False), stage=None)
    assert events(decision) == ["switchover"]
    assert decision.actions == (Action(Do.RUN, Task.CHECKPOINT),)
    ended = Outcome(Task.CHECKPOINT, True, "it took 12.0 s")
    announced = decide(
        NODE1, decision.memory, Seen(dataclasses.replace(RUNNING, switching=False), outcomes=(ended,)), 23.0
    )
    assert Action(Do.SET_SWITCHING, True) in announced.actions
    unseen = decide(NODE1, decision.memory, Seen(dataclasses.replace(RUNNING, switching=False)), 23.0)
    assert events(unseen) == ["switchover_failed"]
    failed = Outcome(Task.CHECKPOINT, False, "no answer")
    assert events(decide(NODE1, decision.memory, Seen(RUNNING, outcomes=(failed,)), 23.0)) == ["switchover_failed"]


@pytest.mark.parametrize(
    ("local", "peer", "now", "why"),
    [
        (RUNNING, READY, LATE, "it took too long to stop"),
        (dataclasses.replace(RUNNING, switching=False), READY, BEGAN + 11.0, "could not be announced"),
        (dataclasses.replace(RUNNING, peer_streaming=False), READY, 11.0, "node2 does not stream any more"),
        (RUNNING, dataclasses.replace(READY, replay_lsn=99), BEGAN + 11.0, "has not replayed its announcement"),
        (RUNNING, None, BEGAN + 11.0, "has not replayed its announcement"),
        (dataclasses.replace(STOPPED, clean_shutdown=False), READY, 11.0, "did not shut down cleanly"),
        (dataclasses.replace(STOPPED, write_lsn=None), READY, 11.0, "does not tell where the WAL ends"),
        (STOPPED, dataclasses.replace(READY, receive_lsn=99), LATE, "node2 did not receive all WAL in time"),
        (STOPPED, OFF, LATE, "node2 did not receive all WAL in time"),
    ],
)
def test_it_is_given_up_with_the_reason_and_this_node_serves_again(
    local: Local, peer: Peer | None, now: float, why: str
) -> None:
    decision = decided(local, peer, now=now)
    assert events(decision) == ["switchover_failed"]
    assert why in decision.events[0].text
    assert decision.memory.record.intent is None
    assert not set(done(decision)) & {Do.PROMOTE_PEER, Do.STOP_POSTGRES}


@pytest.mark.parametrize(
    ("local", "peer"),
    [
        (dataclasses.replace(RUNNING, switching=False), READY),
        (RUNNING, None),
        (STOPPED, None),
        (STOPPED, dataclasses.replace(READY, receive_lsn=99)),
        (STOPPED, Peer(Server.UP, Role.PRIMARY, 3, receive_lsn=100)),
    ],
)
def test_it_waits_for_what_is_not_known_yet_and_does_nothing(local: Local, peer: Peer | None) -> None:
    decision = decided(local, peer)
    assert done(decision) == []
    assert decision.memory.record.intent is not None
    assert decision.memory.record.intent.stage is Stage.SWITCHING


def test_peer_with_all_wal_is_promoted_after_that_was_written_down() -> None:
    decision = decided(STOPPED)
    assert decision.memory.record.intent is not None
    assert (decision.memory.record.intent.stage, decision.memory.record.intent.lsn) == (Stage.HANDED_OVER, 100)
    assert done(decision) == [Do.PROMOTE_PEER]


@pytest.mark.parametrize("now", [11.0, LATE, LATE + 1e6])
def test_after_the_hand_over_it_never_serves_again_by_itself(now: float) -> None:
    decision = decided(STOPPED, OFF, Stage.HANDED_OVER, now=now)
    assert done(decision) == []
    assert decision.memory.record.intent is not None
    assert decision.memory.record.intent.stage is Stage.HANDED_OVER
    assert ("handed_over" in decision.alarms) == (now > BEGAN + 5.0)


def test_only_the_standby_that_waits_listens_for_the_old_holder_of_the_vip() -> None:
    """The node that handed over still reads the note: probes of its own would keep the new primary from taking the VIP."""
    told = decide(NODE1, decided(RUNNING).memory, Seen(STOPPED, peer=READY), 11.1)
    assert done(told) == [Do.PROMOTE_PEER]
    gone = decide(
        NODE1, told.memory, Seen(STOPPED, peer=dataclasses.replace(READY, role=Role.PRIMARY, timeline=4)), 11.3
    )
    assert events(gone) == ["switched"]
    standby = Local(Server.UP, Role.STANDBY, timeline=3, receive_lsn=100, replay_lsn=100, switching=True)
    assert not decide(NODE1, gone.memory, Seen(standby), 11.6).wants.vip_conflict
    # It may have handed over itself not long ago.
    waiting = remembered(FOLLOWS, switching={"promote_at": 11.4})
    assert decide(NODE1, waiting, Seen(standby), 11.6).wants.vip_conflict

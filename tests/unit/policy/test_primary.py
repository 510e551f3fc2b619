# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a primary names of its own PostgreSQL, when it gives way, and what it writes down; who drops the VIP."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import (
    Decision,
    Intent,
    Memory,
    Record,
    Stage,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Do, Local, Peer, Role, Seen, Server

CONFIG = Config(
    cluster="sky",
    node="node1",
    address="198.51.100.110",
    peer="node2",
    peer_address="198.51.100.111",
    vip="198.51.100.116",
    vote_address="198.51.100.35",
)
HEALTHY = Local(Server.UP, Role.PRIMARY, timeline=3, peer_streaming=True, vip_held=True, clients_left=10)


def decided(local: Local, peer: Peer | None = None, conflict: bool | None = None, **record: object) -> Decision:
    before = Record("boot", role=Role.PRIMARY, timeline=3, served_boot="boot")
    memory = Memory(0.0, dataclasses.replace(before, **record))
    return decide(CONFIG, memory, Seen(local, peer=peer, vip_conflict=conflict), 10.0)


def done(decision: Decision) -> list[Do]:
    return [action.do for action in decision.actions]


def test_a_healthy_primary_names_nothing():
    assert not decided(HEALTHY).alarms.keys() & {"connections", "local"}


@pytest.mark.parametrize(("left", "named"), [(1, False), (0, True), (-5, True), (None, False)])
def test_connections_that_are_used_up_are_named(left, named):
    alarms = decided(dataclasses.replace(HEALTHY, clients_left=left)).alarms
    assert ("connections" in alarms) == named


def test_an_answer_that_is_an_error_is_named():
    silent = Local(Server.UP, Role.PRIMARY, "relation cluster_control does not exist", vip_held=True)
    assert "cluster_control" in decided(silent).alarms["local"]


def test_an_unknown_timeline_neither_overwrites_the_record_nor_gives_way():
    """A peer that was made primary by hand, on an older timeline, is no reason to stop this one."""
    silent = Local(Server.UP, Role.PRIMARY, "relation cluster_control does not exist", vip_held=True)
    decision = decided(silent, Peer(Server.UP, Role.PRIMARY, timeline=2))
    assert decision.memory.record.timeline == 3
    assert not {action.do for action in decision.actions} & {Do.KILL_POSTGRES, Do.DROP_VIP}


def test_a_peer_on_a_newer_timeline_is_given_way_to_and_the_vip_goes_first():
    assert done(decided(HEALTHY, Peer(Server.UP, Role.PRIMARY, timeline=4))) == [Do.DROP_VIP, Do.KILL_POSTGRES]


@pytest.mark.parametrize("timeline", [2, 3])
def test_a_peer_that_is_not_newer_is_no_reason_to_stop(timeline):
    assert Do.KILL_POSTGRES not in done(decided(HEALTHY, Peer(Server.UP, Role.PRIMARY, timeline=timeline)))


def test_a_standby_drops_a_vip_that_it_holds():
    standby = Local(Server.UP, Role.STANDBY, timeline=3, streaming=True, vip_held=True)
    assert done(decided(standby))[0] is Do.DROP_VIP


@pytest.mark.parametrize(("conflict", "taken"), [(False, True), (True, False), (None, False)])
def test_the_vip_is_taken_only_when_nobody_was_heard(conflict, taken):
    without = dataclasses.replace(HEALTHY, vip_held=False)
    assert (Do.ADD_VIP in done(decided(without, conflict=conflict))) == taken


def test_a_streaming_standby_is_on_disk_before_the_database_says_so():
    decision = decided(HEALTHY, standby_recorded=False)
    assert decision.memory.record.standby_recorded
    assert Do.RECORD_STANDBY in done(decision)


def test_a_switchover_drops_the_vip_before_it_stops():
    ready = dataclasses.replace(HEALTHY, switching=True)
    intent = Intent(Stage.SWITCHING, 9.0, 9.0, "asked for", lsn=100)
    peer = Peer(Server.UP, Role.STANDBY, timeline=3, receive_lsn=200, replay_lsn=200)
    assert done(decided(ready, peer, intent=intent)) == [Do.DROP_VIP, Do.STOP_POSTGRES]

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a primary names of its own PostgreSQL, and what it does not conclude from an answer that is none."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Decision, Memory, Record
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


def decided(local: Local, peer: Peer | None = None) -> Decision:
    record = Record("boot", role=Role.PRIMARY, timeline=3, served_boot="boot")
    return decide(CONFIG, Memory(0.0, record), Seen(local, peer=peer), 10.0)


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

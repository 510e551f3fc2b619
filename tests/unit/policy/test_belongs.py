# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Data of another cluster is never started, served, followed or given the VIP, and nothing of it goes on record."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Record
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Beat,
    Do,
    Local,
    Look,
    Path,
    Peer,
    Role,
    Seen,
    Server,
    Sight,
)
from node_samples import NODE1, remembered
from policy_samples import done

OURS, OTHER = "7300000000000000001", "7300000000000000099"
SERVED = Record("boot", Role.PRIMARY, 3, "boot", standby_recorded=False, system_identifier=OURS)
STOPPED = Local(Server.DOWN, Role.PRIMARY, timeline=3, clean_shutdown=True, system_identifier=OURS)
SERVING = Local(Server.UP, Role.PRIMARY, timeline=3, vip_held=True, peer_streaming=True, system_identifier=OURS)


def decided(local: Local, record: Record = SERVED, peer: Peer | None = None) -> Decision:
    return decide(NODE1, remembered(record), Seen(local, peer=peer), 100.0)


class TestDown:
    def test_own_data_starts(self):
        assert Do.START_POSTGRES in done(decided(STOPPED))

    @pytest.mark.parametrize("role", [Role.PRIMARY, Role.STANDBY])
    @pytest.mark.parametrize("peer", [None, Peer(Server.UP, Role.PRIMARY, 7, system_identifier=OURS)])
    @pytest.mark.parametrize("found", [OTHER, None])
    def test_data_of_another_cluster_or_of_an_unknown_one_is_left_alone(self, role, peer, found):
        local = dataclasses.replace(STOPPED, role=role, system_identifier=found, vip_held=True)
        decision = decided(local, peer=peer)
        assert done(decision) == [Do.DROP_VIP]
        assert "other_cluster" in decision.alarms
        assert decision.memory.record == SERVED

    def test_no_data_where_there_was_some_asks_for_the_disk(self):
        decision = decided(Local(Server.DOWN, Role.NONE))
        assert done(decision) == []
        assert "is its disk mounted?" in decision.alarms["no_data"]

    def test_a_node_that_never_had_data_is_not_asked_for_its_disk(self):
        assert "no_data" not in decided(Local(Server.DOWN, Role.NONE), Record("boot")).alarms


class TestUp:
    @pytest.mark.parametrize("role", [Role.PRIMARY, Role.STANDBY])
    def test_a_server_of_another_cluster_gets_no_vip_and_its_history_is_not_taken_for_ours(self, role):
        local = dataclasses.replace(SERVING, role=role, timeline=1, system_identifier=OTHER)
        decision = decided(local)
        assert done(decision) == [Do.DROP_VIP]
        assert "other_cluster" in decision.alarms
        assert decision.memory.record == SERVED

    def test_what_cannot_be_asked_of_a_running_server_changes_nothing(self):
        assert decided(dataclasses.replace(SERVING, system_identifier=None)).alarms == decided(SERVING).alarms


class TestPeer:
    NEWER = Peer(Server.UP, Role.PRIMARY, 9, system_identifier=OTHER, noted=True)

    def test_a_newer_primary_of_another_cluster_is_not_given_way_to(self):
        decision = decided(SERVING, peer=self.NEWER)
        assert Do.KILL_POSTGRES not in done(decision)
        assert Do.KILL_POSTGRES in done(decided(SERVING, peer=dataclasses.replace(self.NEWER, system_identifier=OURS)))

    def test_nor_followed(self):
        decision = decided(STOPPED, dataclasses.replace(SERVED, served_boot="", standby_recorded=True), self.NEWER)
        assert done(decision) == []
        assert "belongs to another cluster" in decision.alarms["other_cluster"]

    def test_its_standby_proves_nothing(self):
        record = dataclasses.replace(SERVED, served_boot="old", standby_recorded=True)
        peer = Peer(Server.UP, Role.STANDBY, 3, system_identifier=OTHER)
        memory = remembered(record, -1000.0)
        assert Do.START_POSTGRES not in done(decide(NODE1, memory, Seen(STOPPED, peer=peer), 100.0))
        ours = dataclasses.replace(peer, system_identifier=OURS)
        assert Do.START_POSTGRES in done(decide(NODE1, memory, Seen(STOPPED, peer=ours), 100.0))


class TestFirstSight:
    NEW = dataclasses.replace(SERVED, system_identifier="")

    @pytest.mark.parametrize(
        "local",
        [
            SERVING,
            dataclasses.replace(SERVING, peer_streaming=False),
            Local(Server.UP, Role.STANDBY, timeline=3, streaming=True, system_identifier=OURS),
        ],
    )
    def test_the_cluster_that_is_served_or_streamed_is_ours_from_then_on(self, local):
        assert decided(local, self.NEW).memory.record.system_identifier == OURS

    @pytest.mark.parametrize("local", [STOPPED, Local(Server.UP, Role.STANDBY, system_identifier=OTHER)])
    def test_data_that_neither_serves_nor_streams_is_not_yet(self, local):
        assert decided(local, self.NEW).memory.record.system_identifier == ""

    def test_nor_while_the_peer_says_otherwise(self):
        peer = Peer(Server.UP, Role.PRIMARY, 3, system_identifier=OTHER)
        local = dataclasses.replace(SERVING, peer_streaming=False)
        assert decided(local, self.NEW, peer).memory.record.system_identifier == ""


class TestPaths:
    """What answers along a path counts as the primary only if it is one, and of this cluster."""

    STANDBY = Record("boot", Role.STANDBY, 3, system_identifier=OURS)
    HERE = Local(
        Server.UP, Role.STANDBY, timeline=3, streaming=True, receive_lsn=9, replay_lsn=9, system_identifier=OURS
    )
    OWN = Look(Sight.OK, "", 0.001, True, Beat(9, 3, True, None, OURS))
    STRANGER = Look(Sight.OK, "", 0.001, True, Beat(9, 3, True, None, OTHER))
    ITSELF = Look(Sight.ALIVE, "in recovery: this path leads to a standby", 0.001, True, standby=True)
    SILENT = Look(Sight.UNREACHABLE, "no answer", 0.8)

    def seen(self, vip: Look, vote: Look, memory: Memory | None = None, now: float = 100.0) -> Decision:
        looks = {Path.VIP: vip, Path.VOTE: vote}
        memory = memory or remembered(self.STANDBY, upkeep={"bmc_ok_at": 99.0})
        return decide(NODE1, memory, Seen(self.HERE, looks), now)

    def test_primary_of_this_cluster_counts(self):
        decision = self.seen(self.OWN, self.OWN)
        assert set(decision.memory.heard.at) == {Path.VIP, Path.VOTE}
        assert "wrong_server" not in decision.alarms

    @pytest.mark.parametrize("vote", [STRANGER, ITSELF])
    def test_vote_path_that_leads_elsewhere_disarms_at_once(self, vote):
        healthy = self.seen(self.OWN, self.OWN).memory
        decision = self.seen(self.OWN, vote, healthy, 101.0)
        assert decision.memory.heard.at[Path.VOTE] == 100.0
        assert "does not lead to the primary" in decision.alarms["vote_path"]
        assert "the vote path does not lead to the primary" in decision.alarms["wrong_server"]

    @pytest.mark.parametrize("vote", [STRANGER, ITSELF])
    def test_it_is_no_sign_that_the_primary_lives(self, vote):
        healthy = self.seen(self.OWN, self.OWN).memory
        decision = self.seen(self.SILENT, vote, healthy, 101.0)
        assert "no_failover" in decision.alarms
        assert "primary answers, " not in decision.sentence.replace("no primary answers", "")

    @pytest.mark.parametrize("vip", [STRANGER, ITSELF])
    def test_nor_a_reason_to_fence_anybody(self, vip):
        memory, now = self.seen(self.OWN, self.OWN).memory, 100.0
        for _cycle in range(30):
            now += 1.0
            decision = self.seen(vip, vip, memory, now)
            memory = decision.memory
            assert memory.record.intent is None
            assert "the vip path does not lead to the primary" in decision.alarms["wrong_server"]

    def test_what_does_not_tell_its_cluster_is_believed_as_before(self):
        quiet = dataclasses.replace(self.OWN, beat=Beat(9, 3, True))
        assert "wrong_server" not in self.seen(quiet, quiet).alarms

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a primary names of its own PostgreSQL, when it gives way, and what it writes down; who drops the VIP."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import NOTICE
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Intent, Record, Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.upkeep import POWER_ON_EVERY, POWER_ON_TRIES
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Action,
    Do,
    Local,
    Order,
    Outcome,
    Peer,
    Power,
    Request,
    Role,
    Seen,
    Server,
    Task,
)
from node_samples import NODE1, remembered
from policy_samples import OFF, PRIMARY, SERVES, done


def decided(local: Local, peer: Peer | None = None, conflict: bool | None = None, **record: object) -> Decision:
    memory = remembered(dataclasses.replace(SERVES, **record))
    return decide(NODE1, memory, Seen(local, peer=peer, vip_conflict=conflict), 10.0)


def test_a_healthy_primary_names_nothing():
    assert not decided(PRIMARY).alarms.keys() & {"connections", "local"}


@pytest.mark.parametrize(("left", "named"), [(1, False), (0, True), (-5, True), (None, False)])
def test_connections_that_are_used_up_are_named(left, named):
    alarms = decided(dataclasses.replace(PRIMARY, clients_left=left)).alarms
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
    lawful = Peer(Server.UP, Role.PRIMARY, timeline=4, noted=True)
    assert done(decided(PRIMARY, lawful)) == [Do.DROP_VIP, Do.KILL_POSTGRES]


@pytest.mark.parametrize("noted", [False, None])
def test_a_peer_that_was_promoted_past_its_skyha_is_not_given_way_to(noted):
    decision = decided(PRIMARY, Peer(Server.UP, Role.PRIMARY, timeline=4, noted=noted))
    assert not {Do.DROP_VIP, Do.KILL_POSTGRES} & set(done(decision))
    assert "by hand past its skyha" in decision.alarms["two_primaries"]


def test_a_timeline_that_nobody_noted_is_noted_by_who_lawfully_serves_on_it():
    alone = dataclasses.replace(PRIMARY, noted=False, peer_streaming=False, standby_recorded=False)
    assert Action(Do.RECORD_STANDBY, False) in decided(alone).actions
    assert Action(Do.RECORD_STANDBY, True) in decided(dataclasses.replace(PRIMARY, noted=False)).actions
    assert Do.RECORD_STANDBY not in done(decided(dataclasses.replace(PRIMARY, noted=None, standby_recorded=True)))


@pytest.mark.parametrize("timeline", [2, 3])
def test_a_peer_that_is_not_newer_is_no_reason_to_stop(timeline):
    assert Do.KILL_POSTGRES not in done(decided(PRIMARY, Peer(Server.UP, Role.PRIMARY, timeline=timeline)))


def test_a_standby_drops_a_vip_that_it_holds():
    standby = Local(Server.UP, Role.STANDBY, timeline=3, streaming=True, vip_held=True)
    assert done(decided(standby))[0] is Do.DROP_VIP


@pytest.mark.parametrize(("conflict", "taken"), [(False, True), (True, False), (None, False)])
def test_the_vip_is_taken_only_when_nobody_was_heard(conflict, taken):
    without = dataclasses.replace(PRIMARY, vip_held=False)
    assert (Do.ADD_VIP in done(decided(without, conflict=conflict))) == taken


def test_a_streaming_standby_is_on_disk_before_the_database_says_so():
    decision = decided(PRIMARY, standby_recorded=False)
    assert decision.memory.record.standby_recorded
    assert Do.RECORD_STANDBY in done(decision)


def test_a_switchover_drops_the_vip_before_it_stops():
    ready = dataclasses.replace(PRIMARY, switching=True)
    intent = Intent(Stage.SWITCHING, 9.0, 9.0, "asked for", lsn=100)
    peer = Peer(Server.UP, Role.STANDBY, timeline=3, receive_lsn=200, replay_lsn=200)
    told = decided(ready, peer, intent=intent)
    assert done(told) == []  # the standby's skyha is to read it first: then it watches closely
    read = decide(NODE1, told.memory, Seen(ready, peer=peer), 10.1 + NODE1.timing.interval + NOTICE)
    assert done(read) == [Do.DROP_VIP, Do.STOP_POSTGRES]


def test_a_pause_stops_even_a_switchover_that_was_asked_for():
    paused = remembered(dataclasses.replace(SERVES, paused=True))
    requests = (Request(Order.SWITCHOVER, "anna"),)
    lonely = dataclasses.replace(PRIMARY, peer_streaming=False, vip_held=False, paused_for=float("inf"))
    decision = decide(NODE1, paused, Seen(lonely, requests=requests), 10.0)
    assert done(decision) == []
    assert decision.memory.record.intent is None
    assert decision.alarms.keys() >= {"paused", "standby"}


@pytest.mark.parametrize("held", [True, False])
def test_a_former_primary_started_by_hand_is_not_given_the_vip(held):
    """Its peer may have been promoted meanwhile, and cannot be asked."""
    record = dataclasses.replace(SERVES, served_boot="an earlier boot", standby_recorded=True)
    local = dataclasses.replace(PRIMARY, vip_held=held, peer_streaming=False)
    decision = decide(NODE1, remembered(record), Seen(local, peer=OFF, vip_conflict=False), 10.0)
    assert done(decision) == ([Do.DROP_VIP] if held else [])
    assert "skyha did not start it and will not give it the VIP" in decision.alarms["unlawful"]


class TestPromotedByHand:
    """A former standby that runs as primary, and no skyha has promoted it."""

    RECORD = Record("boot", role=Role.STANDBY, timeline=2)
    FOUND = dataclasses.replace(PRIMARY, vip_held=False, switching=False, noted=False)
    LAWFUL = Peer(Server.UP, Role.PRIMARY, timeline=2, noted=True)

    def decided(self, local=FOUND, **seen):
        return decide(NODE1, remembered(self.RECORD), Seen(local, **seen), 10.0)

    def test_is_stopped_at_once_beside_the_lawful_primary(self):
        decision = self.decided(peer=self.LAWFUL)
        assert done(decision) == [Do.KILL_POSTGRES]
        assert "unlawful" in decision.alarms
        assert decision.memory.record == self.RECORD

    @pytest.mark.parametrize("peer", [None, OFF, Peer(Server.DOWN), Peer(Server.UP)])
    def test_gets_no_vip_and_no_note_where_that_one_is_not_seen(self, peer):
        decision = self.decided(peer=peer)
        assert done(decision) == []
        assert "skyctl confirm-off" in decision.alarms["unlawful"]

    def test_is_left_alone_while_it_is_not_known_whether_a_switchover_is_under_way(self):
        assert done(self.decided(dataclasses.replace(self.FOUND, switching=None), peer=self.LAWFUL)) == []

    def test_is_lawful_by_the_peers_switchover(self):
        decision = self.decided(dataclasses.replace(self.FOUND, switching=True), peer=self.LAWFUL)
        assert [event.kind for event in decision.events] == ["found_primary"]
        assert Do.KILL_POSTGRES not in done(decision)


def test_an_operators_promotion_is_found_and_the_cautious_value_recorded():
    record = Record("boot", role=Role.STANDBY, timeline=2)
    decision = decide(NODE1, remembered(record, word={"confirmed_at": 9.0}), Seen(PRIMARY), 10.0)
    assert [event.kind for event in decision.events] == ["found_primary"]
    assert (decision.memory.record.role, decision.memory.record.timeline) == (Role.PRIMARY, 3)
    assert decision.memory.record.standby_recorded


def test_a_bmc_that_said_off_of_a_host_that_answered_is_named_until_acknowledged():
    assert decided(PRIMARY, fence_distrusted="the BMC lied").alarms["fence_distrusted"] == "the BMC lied"


def test_fence_device_without_answer_is_named_on_the_primary_too():
    checked = Outcome(Task.CHECK_BMC, True, power=Power.ON, warning="outlet right: no answer")
    decision = decide(NODE1, remembered(SERVES), Seen(PRIMARY, outcomes=(checked,)), 10.0)
    assert "outlet right: no answer" in decision.alarms["fence_device"]
    failed = Outcome(Task.CHECK_BMC, False, "no answer at all")
    decision = decide(NODE1, decision.memory, Seen(PRIMARY, outcomes=(failed,)), 11.0)
    assert set(decision.alarms) >= {"bmc"}
    assert "fence_device" not in decision.alarms


class TestPeerThatIsToBeSwitchedOn:
    """By the node that fenced it, once that holds the VIP."""

    LONELY = dataclasses.replace(PRIMARY, peer_streaming=False)

    def lived(self, *outcomes, tries=0, local=LONELY):
        """The decision after each outcome, POWER_ON_EVERY apart."""
        record = dataclasses.replace(SERVES, power_on_due=True)
        memory = remembered(record, upkeep={"power_on_tries": tries})
        decision = decide(NODE1, memory, Seen(local), 10.0)
        for number, ok in enumerate(outcomes, 1):
            seen = Seen(local, outcomes=(Outcome(Task.POWER_ON, ok),))
            decision = decide(NODE1, decision.memory, seen, 10.0 + number * (POWER_ON_EVERY + 1.0))
        return decision

    def test_it_is_tried_again_until_it_works(self):
        decision = self.lived(False, False)
        assert Action(Do.RUN, Task.POWER_ON) in decision.actions
        decision = self.lived(False, False, True)
        assert Action(Do.RUN, Task.POWER_ON) not in decision.actions
        assert not decision.memory.record.power_on_due

    def test_the_vip_comes_first(self):
        assert (
            Action(Do.RUN, Task.POWER_ON)
            not in self.lived(local=dataclasses.replace(self.LONELY, vip_held=False)).actions
        )

    def test_one_that_does_not_come_on_stays_named(self):
        """Only while it is tried no more: and then as long as it does not stream."""
        assert "power_on" not in self.lived(tries=POWER_ON_TRIES - 1).alarms
        for failures in ((False,), (False, False), (False, False, False)):
            decision = self.lived(*failures, tries=POWER_ON_TRIES - 1)
            assert "could not be switched on again" in decision.alarms["power_on"]
            assert not decision.memory.record.power_on_due
        back = decide(NODE1, decision.memory, Seen(PRIMARY), 100.0)
        assert "power_on" not in back.alarms

    def test_one_that_came_on_at_the_last_try_is_not_named(self):
        assert "power_on" not in self.lived(True, tries=POWER_ON_TRIES - 1).alarms


def test_the_vip_is_announced_again_and_no_conflict_is_named_once_it_is_held():
    memory = remembered(SERVES, vip={"announcements": 2, "taken": True})
    decision = decide(NODE1, memory, Seen(PRIMARY), 10.0)
    assert Do.ANNOUNCE_VIP in done(decision)
    assert decision.memory.vip.announcements == 1
    assert "vip_conflict" not in decision.alarms

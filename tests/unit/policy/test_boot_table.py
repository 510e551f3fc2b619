# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The boot table (S3), every combination: may a node whose PostgreSQL is down start it?"""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Timing
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.boot import Step, next_step
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Intent, Record, Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Do, Local, Peer, Role, Seen, Server
from node_samples import NODE1, changed, configured, remembered
from policy_samples import NOW, done

OLD, SAME, NEW = 4, 5, 6  # the peer's timeline; this node's is SAME
SILENT = [None] + [Peer(server) for server in Server if server is not Server.UP]
UNCLEAR = [*SILENT, Peer(Server.UP, Role.UNKNOWN, NEW), Peer(Server.UP, Role.NONE)]
PRIMARY = {"role": Role.PRIMARY, "timeline": SAME, "peer": None, "served_in_this_boot": False, "confirmed_off": False}
AT_RISK = Record("boot", Role.PRIMARY, SAME, "earlier", standby_recorded=True)
PROVEN = Record("boot", Role.PRIMARY, SAME, "earlier", standby_recorded=False)


def step(record, **changes):
    return next_step(record, **{**PRIMARY, **changes})[0]


@pytest.mark.parametrize("peer", [*UNCLEAR, Peer(Server.UP, Role.PRIMARY, NEW), Peer(Server.UP, Role.STANDBY, SAME)])
@pytest.mark.parametrize("role", Role)
def test_interrupted_rewind_is_finished_before_anything_else(peer, role):
    record = Record("boot", Role.PRIMARY, intent=Intent(Stage.REWINDING, 0, 0, ""))
    assert step(record, role=role, peer=peer, served_in_this_boot=True, confirmed_off=True) is Step.REJOIN


@pytest.mark.parametrize("role", [Role.NONE, Role.UNKNOWN])
def test_without_readable_data_it_waits(role):
    assert step(PROVEN, role=role, served_in_this_boot=True, confirmed_off=True) is Step.WAIT


@pytest.mark.parametrize("peer", [*UNCLEAR, Peer(Server.UP, Role.PRIMARY, NEW), Peer(Server.UP, Role.STANDBY, NEW)])
def test_a_standby_always_starts(peer):
    assert step(AT_RISK, role=Role.STANDBY, peer=peer) is Step.START


@pytest.mark.parametrize(
    ("record", "served", "confirmed"), list(itertools.product([AT_RISK, PROVEN], [True, False], [True, False]))
)
class TestWhatThePeerSaysCountsMost:
    def test_newer_primary_is_joined(self, record, served, confirmed):
        peer = Peer(Server.UP, Role.PRIMARY, NEW, noted=True)
        assert step(record, peer=peer, served_in_this_boot=served, confirmed_off=confirmed) is Step.REJOIN

    @pytest.mark.parametrize("timeline", [OLD, SAME])
    def test_primary_that_is_not_newer_is_for_the_operator(self, record, served, confirmed, timeline):
        peer = Peer(Server.UP, Role.PRIMARY, timeline)
        assert step(record, peer=peer, served_in_this_boot=served, confirmed_off=confirmed) is Step.WAIT

    @pytest.mark.parametrize("timeline", [OLD, SAME])
    def test_standby_that_was_not_promoted_lets_it_serve(self, record, served, confirmed, timeline):
        peer = Peer(Server.UP, Role.STANDBY, timeline)
        assert step(record, peer=peer, served_in_this_boot=served, confirmed_off=confirmed) is Step.START

    def test_standby_that_was_promoted_once_is_for_the_operator(self, record, served, confirmed):
        peer = Peer(Server.UP, Role.STANDBY, NEW)
        assert step(record, peer=peer, served_in_this_boot=served, confirmed_off=confirmed) is Step.WAIT


@pytest.mark.parametrize("peer", UNCLEAR)
class TestWithoutTheWordOfThePeer:
    def test_a_former_primary_waits(self, peer):
        assert step(AT_RISK, peer=peer) is Step.WAIT

    def test_a_crash_in_the_boot_it_served_in_is_repaired_in_place(self, peer):
        assert step(AT_RISK, peer=peer, served_in_this_boot=True) is Step.START

    def test_a_record_of_having_been_alone_lets_it_serve(self, peer):
        assert step(PROVEN, peer=peer) is Step.START

    def test_an_operator_who_knows_lets_it_serve(self, peer):
        assert step(AT_RISK, peer=peer, confirmed_off=True) is Step.START

    @pytest.mark.parametrize("role", [Role.STANDBY, Role.UNKNOWN, Role.NONE])
    def test_the_record_of_another_role_proves_nothing(self, peer, role):
        assert step(Record("boot", role, SAME, "", standby_recorded=False), peer=peer) is Step.WAIT


class TestFencedNodeThatIsBackSoon:
    """Its peer is a standby that was not promoted, and may be about to be."""

    STANDBY = Peer(Server.UP, Role.STANDBY, SAME)

    def test_waits(self):
        assert step(AT_RISK, peer=self.STANDBY, fence_forgotten=False) is Step.WAIT

    def test_waits_whatever_an_operator_says_of_a_peer_that_runs(self):
        assert step(AT_RISK, peer=self.STANDBY, fence_forgotten=False, confirmed_off=True) is Step.WAIT

    def test_serves_where_it_was_not_fenced_since(self):
        assert step(AT_RISK, peer=self.STANDBY, fence_forgotten=False, served_in_this_boot=True) is Step.START

    def test_serves_where_its_record_proves_that_nobody_could_fence_it(self):
        assert step(PROVEN, peer=self.STANDBY, fence_forgotten=False) is Step.START


@pytest.mark.parametrize(("later", "starts"), [(59.0, False), (60.5, True)])
def test_server_that_does_not_stay_up_is_started_once_a_minute_however_often_the_bmc_is_asked(later, starts):
    node = configured(NODE1, timing=Timing(bmc_check_interval=5.0))
    memory = changed(
        remembered(Record("boot", role=Role.STANDBY, timeline=3)),
        restarts={"count": 3, "at": NOW},
        own={"down_since": NOW},
    )
    here = Local(Server.DOWN, Role.STANDBY, timeline=3, clean_shutdown=True)
    decision = decide(node, memory, Seen(here, peer=Peer(Server.UP, Role.PRIMARY, timeline=3)), NOW + later)
    assert (Do.START_POSTGRES in done(decision)) == starts
    assert ("next try in a minute" in decision.sentence) != starts

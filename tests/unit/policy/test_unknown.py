# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a look did not tell is None, and every reader of it does nothing on its account."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import ALONE_GAP
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.armed import unfit
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.boot import Step, next_step
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Record, Stage, is_paused
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.remember import remember
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
from node_samples import NODE1, NODE2, changed, remembered
from policy_samples import FOLLOWS, GONE, PRIMARY, SERVES, STANDBY, done, failing_over, proven

PRIMARY_RECORD = dataclasses.replace(SERVES, standby_recorded=True)
ALONE = dataclasses.replace(PRIMARY, peer_streaming=False, standby_recorded=False)
MUTE = Local(Server.UP, Role.PRIMARY, "permission denied", vip_held=True)
LONG = int(NODE1.timing.alone_after) + 10


def record_after(*looks: Local, every: float = 1.0) -> Record:
    """The record after one look each `every` seconds."""
    memory = remembered(PRIMARY_RECORD)
    for number, local in enumerate(looks):
        memory = decide(NODE1, memory, Seen(local), number * every).memory
    return memory.record


class TestRecordOfThePrimary:
    """It says 'none could have been promoted' only when each look of a long time said so (S3)."""

    def test_alone_for_long_is_noted(self) -> None:
        assert not record_after(*[ALONE] * LONG).standby_recorded

    @pytest.mark.parametrize("when", [0, 1, LONG // 2, LONG - 20])
    def test_one_look_that_did_not_tell_begins_anew(self, when: int) -> None:
        looks = [ALONE] * LONG
        looks[when] = MUTE
        assert record_after(*looks).standby_recorded == (when > 1)

    def test_a_gap_between_two_looks_begins_anew(self) -> None:
        every = ALONE_GAP + 1
        assert record_after(*[ALONE] * LONG, every=every).standby_recorded

    def test_a_note_that_is_not_read_is_not_taken_back(self) -> None:
        assert record_after(*[dataclasses.replace(ALONE, standby_recorded=None)] * LONG).standby_recorded

    @pytest.mark.parametrize("field", ["standby_recorded", "slots", "switching", "vip_held"])
    def test_nothing_is_done_about_what_is_not_known(self, field: str) -> None:
        known = dataclasses.replace(PRIMARY, standby_recorded=True)
        decision = decide(NODE1, remembered(PRIMARY_RECORD), Seen(dataclasses.replace(known, **{field: None})), 1.0)
        assert set(done(decision)) <= {Do.RUN}


class TestPeerOnAnUnknownTimeline:
    def test_it_is_not_given_way_to(self) -> None:
        peer = Peer(Server.UP, Role.PRIMARY)
        decision = decide(NODE1, remembered(PRIMARY_RECORD), Seen(PRIMARY, peer=peer), 1.0)
        assert Do.KILL_POSTGRES not in done(decision)

    @pytest.mark.parametrize("role", [Role.PRIMARY, Role.STANDBY])
    @pytest.mark.parametrize(("own", "its"), [(None, 3), (3, None), (None, None)])
    def test_a_node_that_is_down_waits(self, role: Role, own: int | None, its: int | None) -> None:
        """It would rewind, or serve, on a guess."""
        step, why = next_step(PRIMARY_RECORD, Role.PRIMARY, own, Peer(Server.UP, role, its), True, True)
        assert step is Step.WAIT
        assert "timeline" in why


class TestStandby:
    CAUGHT_UP = remembered(FOLLOWS, own={"lived_as": Role.STANDBY}, heard={"sampled_at": 9.0, "covered_at": 9.0})

    @pytest.mark.parametrize("field", ["receive_lsn", "replay_paused"])
    def test_one_that_does_not_tell_is_not_fit(self, field: str) -> None:
        assert not unfit(NODE1, self.CAUGHT_UP, STANDBY, 10.0)
        assert unfit(NODE1, self.CAUGHT_UP, dataclasses.replace(STANDBY, **{field: None}), 10.0).keys() == {"local"}

    def test_listening_wants_two_equal_positions(self) -> None:
        mute = dataclasses.replace(STANDBY, receive_lsn=None, detail="too many clients")
        memory = failing_over(Stage.LISTENING, 1000.0, {}, fence=proven(1000.0)).memory
        for local, before in ((mute, None), (mute, 100), (STANDBY, None)):
            known = changed(memory, fence={"last_receive": before})
            decision = decide(NODE2, known, Seen(local, GONE), 1000.1)
            assert Do.PROMOTE not in done(decision)
            assert "listening" in decision.alarms
        decision = decide(NODE2, changed(memory, fence={"last_receive": 100}), Seen(STANDBY, GONE), 1000.1)
        assert Do.PROMOTE in done(decision)

    def test_unknown_role_forgets_nothing(self) -> None:
        unknown = Local(Server.UP, Role.UNKNOWN, "the data directory does not answer")
        assert remember(NODE1, self.CAUGHT_UP, Seen(unknown), 10.0).heard.covered_at == 9.0


class TestHeartbeatThatTellsLittle:
    """The row of cluster_control is missing: neither the pause nor the note about the standby can be read."""

    SEEN = Seen(STANDBY, {Path.VIP: Look(Sight.OK, reached=True, beat=Beat(100, 3, None))})

    def test_pause_stays_as_it_was(self) -> None:
        for paused in (True, False):
            memory = remembered(Record("boot", role=Role.STANDBY, paused=paused), own={"lived_as": Role.STANDBY})
            assert is_paused(remember(NODE1, memory, self.SEEN, 10.0).record, 10.0) == paused

    def test_note_about_the_standby_expires_but_is_not_denied(self) -> None:
        memory = remembered(Record("boot"), own={"lived_as": Role.STANDBY}, heard={"recorded_at": 5.0})
        assert remember(NODE1, memory, self.SEEN, 10.0).heard.recorded_at == 5.0


def test_own_error_is_named_as_what_it_keeps_from_being_known() -> None:
    alarms = decide(NODE1, remembered(SERVES), Seen(MUTE), 10.0).alarms
    assert "standby" not in alarms
    assert "permission denied" in alarms["local"]

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What holds a failover up once its fencing has begun, and what a standby lacks before; the simulation plays them through."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import FLAPPING, SOON, WORD_EVERY
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.armed import unfit
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.proof import Kind, Proof
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Record, Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Do,
    Look,
    Path,
    Peer,
    Seen,
    Server,
    Sight,
)
from node_samples import NODE2, changed, configured, remembered
from policy_samples import DROPPED, FAILED_HERE, GONE, NOW, OFF, OK, SILENT, STANDBY, done, failing_over, proven


class TestFencing:
    """Between two attempts."""

    def test_next_attempt_comes_when_it_is_due(self) -> None:
        assert done(failing_over(Stage.FENCING, NOW - NODE2.timing.fence_interval, GONE)) == [Do.RUN]
        assert done(failing_over(Stage.FENCING, NOW, GONE)) == []

    @pytest.mark.parametrize("confirmed", [False, True])
    def test_node_that_saw_nothing_for_long_fences_nobody_on_old_evidence(self, confirmed: bool) -> None:
        """It was frozen, or skyha dead: the primary may have come back meanwhile, and be cut off only since."""
        timing = NODE2.timing
        blind = timing.fence_deadline + timing.fence_interval + timing.arming_window + 1.0
        assert blind < timing.failover_limit
        decision = failing_over(Stage.FENCING, NOW - blind, GONE, word={"confirmed_at": NOW if confirmed else None})
        assert Do.RUN not in done(decision)
        assert decision.memory.record.intent is not None
        if confirmed:
            assert decision.memory.record.intent.stage is Stage.LISTENING
        else:
            assert "nothing was seen of node1 for" in decision.sentence
            assert "skyctl confirm-off" in decision.alarms["fence_failed"]

    def test_node_that_may_be_cut_off_itself_waits(self) -> None:
        decision = failing_over(Stage.FENCING, NOW - 5.0, {Path.VIP: SILENT, Path.VOTE: SILENT})
        assert done(decision) == []
        assert "cut_off" in decision.alarms

    @pytest.mark.parametrize("path", list(Path))
    def test_one_sign_of_life_calls_it_off(self, path: Path) -> None:
        decision = failing_over(Stage.FENCING, NOW - 5.0, {**GONE, path: OK})
        assert done(decision) == []
        assert decision.memory.record.intent is None

    def test_life_after_a_lease_that_had_run_out_says_nothing_of_a_bmc(self) -> None:
        """It was back, and had renewed, before this node could take."""
        doubted = {"proof": Proof(Kind.LEASE, NOW - 1.0, "its lease has run out")}
        decision = failing_over(Stage.FENCING, NOW - 5.0, {**GONE, Path.VIP: OK}, fence=doubted)
        assert decision.memory.record.intent is None
        assert not decision.memory.record.fence_distrusted

    @pytest.mark.parametrize(("since_off", "is_lie"), [(5.5, True), (SOON + 0.1, False)])
    def test_life_right_after_the_bmc_said_off_distrusts_it(self, since_off: float, is_lie: bool) -> None:
        """It was not silent, and when the BMC is to be asked again the primary answers."""
        silent = failing_over(
            Stage.LISTENING,
            NOW - 5.0,
            {**GONE, Path.VIP: Look(Sight.REFUSED)},
            fence=proven(NOW - since_off + 0.1),
        )
        assert silent.memory.record.intent is not None
        assert silent.memory.record.intent.stage is Stage.FENCING
        answers = decide(NODE2, silent.memory, Seen(STANDBY, {**GONE, Path.VIP: OK}), NOW + 0.1)
        assert answers.memory.record.intent is None
        assert bool(answers.memory.record.fence_distrusted) == is_lie

    @pytest.mark.parametrize(("later", "flapping"), [(2.0, True), (FLAPPING + 0.1, False)])
    def test_link_that_fails_again_soon_after_gets_the_patience_of_a_flapping_one(
        self, later: float, flapping: bool
    ) -> None:
        back = failing_over(Stage.FENCING, NOW - 5.0, {**GONE, Path.VIP: OK}).memory
        again = decide(NODE2, back, Seen(STANDBY, GONE), NOW + later).memory
        assert again.watch.trouble is not None
        assert again.watch.trouble.flapping == flapping


class TestListening:
    """The BMC says off: nothing may answer any more."""

    def test_silence_is_the_proof(self) -> None:
        decision = failing_over(Stage.LISTENING, NOW, GONE, fence=proven(NOW))
        assert done(decision) == [Do.PROMOTE]
        assert decision.memory.heard.vote_look is None, (
            "what the old primary's death looked like is no alarm of the new one"
        )

    def test_new_connections_are_tried_along_both_paths(self) -> None:
        """Silence on connections that were kept from before proves little."""
        assert set(failing_over(Stage.LISTENING, NOW, {}).wants.fresh) == set(Path)
        assert set(
            failing_over(Stage.LISTENING, NOW, {**GONE, Path.VOTE: FAILED_HERE}, fence=proven(NOW)).wants.fresh
        ) == set(Path)

    @pytest.mark.parametrize("path", list(Path))
    def test_look_that_failed_here_is_no_silence(self, path: Path) -> None:
        decision = failing_over(Stage.LISTENING, NOW, {**GONE, path: FAILED_HERE}, fence=proven(NOW))
        assert done(decision) == []
        assert "no file descriptor is left" in decision.alarms["listening"]
        assert decision.memory.record.intent is not None
        assert decision.memory.record.intent.stage is Stage.LISTENING

    def test_answer_distrusts_the_bmc(self) -> None:
        decision = failing_over(Stage.LISTENING, NOW, {**GONE, Path.VOTE: OK}, fence=proven(NOW))
        assert done(decision) == []
        assert decision.memory.record.intent is None
        assert "is it the right BMC?" in decision.memory.record.fence_distrusted

    @pytest.mark.parametrize("vip", [Look(Sight.REFUSED), Look(Sight.STALLED, reached=True), DROPPED])
    def test_somebody_at_the_vip_is_named_and_nothing_is_promoted(self, vip: Look) -> None:
        decision = failing_over(Stage.LISTENING, NOW, {**GONE, Path.VIP: vip}, fence=proven(NOW))
        assert done(decision) == []
        assert "another host answers for the VIP 198.51.100.116" in decision.alarms["listening"]

    def test_wal_that_still_comes_is_no_silence(self) -> None:
        decision = failing_over(Stage.LISTENING, NOW, GONE, fence={**proven(NOW), "last_receive": 99})
        assert done(decision) == []
        assert "another host" not in decision.alarms["listening"]


class TestWordOfAnOperator:
    """It holds as long as it is checked, and what belies it is no BMC's fault."""

    ON = Peer(Server.DOWN)

    @staticmethod
    def decided(
        stage: Stage, peer: Peer | None, looks: dict[Path, Look], checked: float, begun: float = 5.0
    ) -> Decision:
        """The decision in a stage entered `begun` seconds ago, when the word was last checked `checked` seconds ago."""
        memory = failing_over(stage, NOW - begun, {}, by_operator=True, fence=proven(NOW, by_operator=True)).memory
        return decide(
            NODE2, changed(memory, fence=proven(NOW - checked, by_operator=True)), Seen(STANDBY, looks, peer), NOW
        )

    def test_it_does_not_age_while_it_is_checked(self) -> None:
        decision = self.decided(Stage.LISTENING, OFF, GONE, checked=NODE2.timing.arming_window - 1)
        assert done(decision) == [Do.PROMOTE]

    def test_it_is_over_where_nobody_looked_for_long(self) -> None:
        decision = self.decided(Stage.LISTENING, OFF, GONE, checked=NODE2.timing.arming_window + 1)
        assert done(decision) == []
        assert decision.memory.record.intent is not None
        assert decision.memory.record.intent.stage is Stage.FENCING
        assert not decision.memory.record.intent.by_operator

    def test_the_peers_own_address_is_asked_before_it_counts(self) -> None:
        decision = self.decided(Stage.LISTENING, None, GONE, checked=0.1)
        assert done(decision) == []
        assert decision.wants.peer

    @pytest.mark.parametrize("stage", [Stage.LISTENING, Stage.PROMOTING])
    @pytest.mark.parametrize(("peer", "looks"), [(OFF, {**GONE, Path.VIP: OK}), (ON, GONE)])
    def test_an_answer_belies_it_and_not_the_bmc(self, stage: Stage, peer: Peer, looks: dict[Path, Look]) -> None:
        decision = self.decided(stage, peer, looks, checked=0.1)
        assert Do.PROMOTE not in done(decision)
        assert decision.memory.record.intent is None
        assert not decision.memory.record.fence_distrusted
        assert "an operator said that node1 is off" in decision.events[-1].text

    def test_somebody_else_at_the_vip_is_waited_for(self) -> None:
        decision = self.decided(Stage.LISTENING, OFF, {**GONE, Path.VIP: Look(Sight.REFUSED)}, checked=0.1, begun=600.0)
        assert decision.memory.record.intent is not None
        assert decision.memory.record.intent.by_operator
        assert "another host answers for the VIP" in decision.alarms["listening"]

    def test_it_is_checked_all_through_the_promotion(self) -> None:
        late = self.decided(Stage.PROMOTING, None, {}, checked=WORD_EVERY + 0.1, begun=300.0)
        assert late.wants.peer
        assert set(late.wants.paths) == set(Path)
        assert done(late) == []


class TestUnfit:
    """Limits of the lag (S4)."""

    CAUGHT_UP = remembered(Record("boot"), heard={"sampled_at": NOW, "covered_at": NOW, "samples": ((NOW, 5100),)})

    @pytest.mark.parametrize(("limit", "is_unfit"), [(0, False), (5000, False), (4999, True)])
    def test_limit_in_bytes_counts_where_it_is_set(self, limit: int, is_unfit: bool) -> None:
        found = unfit(configured(NODE2, failover={"max_lag_bytes": limit}), self.CAUGHT_UP, STANDBY, NOW)
        assert found == ({"lag": "this standby lacks 5000 bytes of WAL, the limit is 4999"} if is_unfit else {})

    def test_switchover_under_way_is_no_time_for_a_failover(self) -> None:
        memory = changed(self.CAUGHT_UP, own={"switching_since": NOW})
        assert unfit(NODE2, memory, STANDBY, NOW + 1.0).keys() == {"switchover"}
        assert not unfit(NODE2, memory, STANDBY, NOW + NODE2.timing.switchover_deadline)

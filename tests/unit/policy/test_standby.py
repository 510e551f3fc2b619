# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a standby asks of its next look; the simulation plays through what it makes of the answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision, Readiness
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory, Trouble
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Action,
    Do,
    Look,
    Outcome,
    Path,
    Power,
    Role,
    Seen,
    Sight,
    Task,
)
from node_samples import NODE2, changed, remembered
from policy_samples import CALM, FOLLOWS, GONE, NOW, OFF, STANDBY, done

FOLLOWER = remembered(FOLLOWS, own={"lived_as": Role.STANDBY})
BOTH = {Path.VIP, Path.VOTE}


def test_in_calm_the_paths_take_turns_with_new_connections() -> None:
    remembered, asked = FOLLOWER, []
    for second in range(20):
        decision = decide(NODE2, remembered, Seen(STANDBY, CALM), NOW + second)
        remembered = decision.memory
        assert set(decision.wants.paths) == BOTH
        asked.append(decision.wants.fresh)
    every = int(NODE2.timing.fresh_every / NODE2.timing.interval)
    assert [fresh for fresh in asked if fresh] == [(Path.VIP,), (Path.VOTE,)] * 2
    assert [second for second, fresh in enumerate(asked) if fresh] == list(range(0, 20, every))


@pytest.mark.parametrize("path", sorted(BOTH))
@pytest.mark.parametrize("sight", [Sight.STALLED, Sight.UNREACHABLE, Sight.ALIVE, Sight.UNKNOWN])
def test_once_one_path_fails_both_must_let_somebody_in(path: Path, sight: Sight) -> None:
    """A postmaster that lets nobody in any more still serves the kept connections."""
    just_tried = changed(FOLLOWER, watch={"fresh_at": NOW})
    decision = decide(NODE2, just_tried, Seen(STANDBY, {**CALM, path: Look(sight)}), NOW)
    assert set(decision.wants.fresh) == BOTH


@pytest.mark.parametrize(
    ("unreachable", "later", "flapping"), [(1, 2.0, True), (3, 10.0, True), (1, 10.1, False), (0, 2.0, False)]
)
def test_trouble_soon_after_an_unreachable_primary_was_back_is_a_flapping_link(
    unreachable: int, later: float, flapping: bool
) -> None:
    """A restart in place (never unreachable) is none."""
    troubled = changed(FOLLOWER, watch={"trouble": Trouble(NOW - 1, unreachable=unreachable)})
    back = decide(NODE2, troubled, Seen(STANDBY, CALM), NOW).memory
    assert back.watch.trouble is None
    again = decide(NODE2, back, Seen(STANDBY, GONE), NOW + later).memory
    assert again.watch.trouble is not None
    assert again.watch.trouble.flapping == flapping
    cut_off = decide(NODE2, again, Seen(STANDBY, {path: Look(Sight.UNREACHABLE) for path in BOTH}), NOW + later + 1)
    assert cut_off.memory.watch.trouble is not None
    assert cut_off.memory.watch.trouble.flapping == flapping


class TestTooLate:
    """A primary that lives on where nobody sees it may note after `failover_limit` that it is alone, and serve after a fence."""

    @staticmethod
    def troubled_for(seconds: float, confirmed_off: bool = False) -> Memory:
        """Of a standby that was fit when the trouble began."""
        return changed(
            FOLLOWER,
            watch={"trouble": Trouble(NOW - seconds, unreachable=99)},
            heard={"sampled_at": NOW - seconds, "covered_at": NOW - seconds},
            word={"confirmed_at": NOW - 1 if confirmed_off else None},
        )

    def test_nobody_is_fenced_any_more_and_the_alarm_says_what_to_do(self) -> None:
        limit = NODE2.timing.failover_limit
        in_time = decide(NODE2, self.troubled_for(limit - 1), Seen(STANDBY, GONE, OFF), NOW)
        assert done(in_time) == [Do.RUN]
        late = decide(NODE2, self.troubled_for(limit + 1), Seen(STANDBY, GONE), NOW)
        assert Action(Do.RUN, Task.FENCE) not in late.actions
        assert late.memory.record.intent is None
        assert "skyctl confirm-off" in late.alarms["no_failover"]

    def test_an_operators_word_makes_up_for_it(self) -> None:
        late = self.troubled_for(NODE2.timing.failover_limit + 1, confirmed_off=True)
        decision = decide(NODE2, late, Seen(STANDBY, GONE, OFF), NOW)
        assert decision.memory.record.intent is not None
        assert decision.memory.record.intent.stage in (Stage.FENCING, Stage.LISTENING)


class TestReadiness:
    """Whether a failover would work is judged once; the sentence and the alarms say the same."""

    @staticmethod
    def armed() -> Memory:
        return changed(
            FOLLOWER,
            heard={
                "at": {Path.VIP: NOW, Path.VOTE: NOW},
                "recorded_at": NOW,
                "sampled_at": NOW,
                "covered_at": NOW,
            },
            stream={"at": NOW},
            upkeep={"bmc_ok_at": NOW, "bmc_on_at": NOW, "record_ok_at": NOW},
        )

    @staticmethod
    def judged(remembered: Memory, looks: dict[Path, Look]) -> Decision:
        decision = decide(NODE2, remembered, Seen(STANDBY, looks), NOW)
        assert decision.readiness is not None
        return decision

    def test_standby_in_good_order_is_armed_and_says_so(self) -> None:
        decision = self.judged(self.armed(), CALM)
        assert decision.readiness == Readiness({})
        assert decision.sentence.endswith(", armed")

    @pytest.mark.parametrize("sight", [Sight.UNREACHABLE, Sight.REFUSED, Sight.STALLED])
    def test_vip_path_that_fails_beside_a_good_vote_path_disarms_nobody(self, sight: Sight) -> None:
        """The alarm is told beside the verdict, and is no reason against a failover."""
        decision = self.judged(self.armed(), {**CALM, Path.VIP: Look(sight)})
        assert decision.readiness == Readiness({})
        assert "path_vip" in decision.alarms
        assert ", armed; the heartbeat along the vip path fails" in decision.sentence

    def test_reason_is_an_alarm_and_stands_in_the_sentence(self) -> None:
        decision = self.judged(changed(self.armed(), upkeep={"bmc_error": "wrong password"}), CALM)
        assert decision.readiness == Readiness({"bmc": decision.alarms["bmc"]})
        assert f", NOT armed: {decision.alarms['bmc']}" in decision.sentence

    def test_fence_device_without_answer_beside_a_level_that_stands_disarms_nobody(self) -> None:
        checked = Outcome(Task.CHECK_BMC, True, power=Power.ON, warning="outlet right: no answer")
        decision = decide(NODE2, self.armed(), Seen(STANDBY, CALM, outcomes=(checked,)), NOW)
        assert decision.readiness == Readiness({})
        assert "outlet right: no answer" in decision.alarms["fence_device"]
        whole = replace(checked, warning="")
        later = decide(NODE2, decision.memory, Seen(STANDBY, CALM, outcomes=(whole,)), NOW + 0.1)
        assert "fence_device" not in later.alarms

    def test_in_trouble_the_evidence_from_before_counts(self) -> None:
        assert self.judged(self.armed(), GONE).readiness == Readiness({})
        lame = self.judged(changed(self.armed(), stream={"at": None}), GONE)
        assert lame.readiness is not None
        assert set(lame.readiness.reasons) == {"evidence"}

    def test_cut_off_is_a_reason_by_itself(self) -> None:
        decision = self.judged(self.armed(), {path: Look(Sight.UNREACHABLE) for path in Path})
        assert decision.readiness == Readiness({"cut_off": decision.alarms["cut_off"]})

    def test_primary_is_not_judged(self) -> None:
        serving = replace(STANDBY, role=Role.PRIMARY)
        assert decide(NODE2, self.armed(), Seen(serving), NOW).readiness is None


def test_a_look_that_was_ended_counts_for_nothing() -> None:
    """Neither as one more that failed, nor as the life that ends a trouble, nor as the silence that begins one."""
    troubled = decide(NODE2, FOLLOWER, Seen(STANDBY, GONE), NOW).memory
    ended = decide(NODE2, troubled, Seen(STANDBY), NOW + 0.3)
    assert ended.memory.watch.trouble == troubled.watch.trouble
    assert not ended.actions
    assert (set(ended.wants.paths), ended.wants.delay) == (BOTH, 0.0)
    calm = decide(NODE2, FOLLOWER, Seen(STANDBY, CALM), NOW).memory
    assert decide(NODE2, calm, Seen(STANDBY), NOW + 0.3).memory.watch.trouble is None

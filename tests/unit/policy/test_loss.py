# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A standby that is not the heir says since when, and what a takeover would lose: what is known of that, and what is not."""

from __future__ import annotations

import dataclasses
import time

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import verbs
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import loss
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.armed import unfit
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory, Naming
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Beat,
    Done,
    Failure,
    Local,
    Look,
    Lost,
    Path,
    Row,
    Seen,
    Sight,
    Told,
)
from node_samples import NODE2, changed, configured, remembered
from policy_samples import CALM, FOLLOWS, GONE, NOW, STANDBY

ID = "7301234567890123456"
HERE = {"register": {"engine": "vote_host", "address": "198.51.100.35"}}
LOSSY = configured(NODE2, **HERE)
TWO = configured(LOSSY, replication={"mode": "zero_loss"})
NAMED = Row(ID, "node1", 3, 17, "node2")
ALONE = dataclasses.replace(NAMED, beat=18, heir=None)
MB = 1024 * 1024
WALL = 1_700_000_000.0


@pytest.fixture(autouse=True)
def _utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def fresh() -> Memory:
    return remembered(dataclasses.replace(FOLLOWS, system_identifier=ID))


def told(memory: Memory, row: Row | None, now: float, **seen: object) -> Decision:
    """A cycle in which the register says this."""
    register = None if row is None else Told(verbs.read(), Done(row, now - 0.1))
    what = {"looks": CALM, "wall": WALL + now, **seen}
    return decide(TWO, memory, Seen(STANDBY, register=register, **what), now)


def heard(lsn: int) -> dict[Path, Look]:
    return {path: Look(Sight.OK, reached=True, beat=Beat(lsn, 3, True, 0.0)) for path in Path}


def sentence(memory: Memory, now: float, local: Local = STANDBY) -> str:
    text = loss.passed_by(TWO, memory, local, now)
    assert text is not None
    return text


class TestSinceWhen:
    def test_the_heir_is_not_passed_by(self):
        memory = told(fresh(), NAMED, NOW).memory
        assert loss.is_heir(memory) is True
        assert loss.passed_by(TWO, memory, STANDBY, NOW) is None

    def test_before_the_first_answer_it_is_not_known(self):
        memory = fresh()
        assert loss.is_heir(memory) is None
        assert loss.passed_by(TWO, memory, STANDBY, NOW) is None

    def test_both_times_are_kept_by_each_later_answer(self):
        memory = told(fresh(), NAMED, NOW).memory
        memory = told(memory, ALONE, NOW + 5).memory
        memory = told(memory, dataclasses.replace(ALONE, beat=40), NOW + 50).memory
        assert memory.register.naming == Naming(NOW - 0.1, NOW + 5, WALL)
        assert loss.is_heir(memory) is False

    def test_silence_of_the_register_changes_neither(self):
        memory = told(told(fresh(), NAMED, NOW).memory, ALONE, NOW + 5).memory
        lost = Told(verbs.read(), Lost(Failure(Sight.UNREACHABLE, "no route"), False, False))
        later = decide(TWO, memory, Seen(STANDBY, CALM, register=lost), NOW + 30).memory
        assert later.register.naming == memory.register.naming

    def test_named_again_it_is_over(self):
        memory = told(told(fresh(), ALONE, NOW).memory, dataclasses.replace(NAMED, beat=19), NOW + 5).memory
        assert loss.is_heir(memory) is True
        assert memory.register.naming == Naming(NOW + 4.9, None, WALL)

    def test_who_holds_itself_is_passed_by_of_nobody(self):
        memory = told(told(fresh(), ALONE, NOW).memory, Row(ID, "node2", 4, 19, None), NOW + 5).memory
        assert memory.register.naming == Naming()

    def test_a_jump_of_the_wall_clock_moves_no_time(self):
        memory = told(told(fresh(), NAMED, NOW).memory, ALONE, NOW + 5).memory
        before = sentence(memory, NOW + 60)
        jumped = told(memory, dataclasses.replace(ALONE, beat=40), NOW + 50, wall=5.0).memory
        assert sentence(jumped, NOW + 60) == before

    def test_times_are_those_of_the_wall_and_from_when_the_question_left(self):
        memory = told(told(fresh(), NAMED, NOW).memory, ALONE, NOW + 5).memory
        text = sentence(memory, NOW + 317)
        assert "since 22:30:05 (312 s) at least node1 commits without it" in text
        assert "has committed since 22:29:59 and this node has not received" in text  # 0.1 s before NOW

    def test_of_another_day_with_its_date(self):
        memory = told(told(fresh(), NAMED, NOW).memory, ALONE, NOW + 5).memory
        assert "since 2023-11-14 22:30:05 (86400 s) at least" in sentence(memory, NOW + 86405)

    def test_without_a_wall_clock_in_seconds(self):
        memory = told(told(fresh(), NAMED, NOW, wall=None).memory, ALONE, NOW + 5, wall=None).memory
        text = sentence(memory, NOW + 10)
        assert "for 5 s at least node1 commits without it" in text
        assert "has committed in the last 10 s and" in text

    def test_one_that_never_was_the_heir_claims_no_beginning(self):
        memory = told(fresh(), ALONE, NOW).memory
        assert "what node1 has committed and this node has not received" in sentence(memory, NOW + 1)


class TestHowMuch:
    def passed_by(self, lsn: int) -> Memory:
        memory = told(told(fresh(), NAMED, NOW, looks=heard(100)).memory, ALONE, NOW + 5, looks=heard(lsn)).memory
        return memory

    def test_what_it_lacked_when_the_primary_was_last_heard_and_no_word_of_later(self):
        memory = self.passed_by(100 + 5 * MB // 4)
        assert loss.lacks(memory, STANDBY) == 5 * MB // 4
        text = sentence(memory, NOW + 9)
        assert text.endswith(": 1.2 MB of WAL when it was last heard, 4 s ago, and all that it wrote after that")

    def test_what_is_received_since_then_is_not_lost(self):
        memory = self.passed_by(100 + MB)
        assert loss.lacks(memory, dataclasses.replace(STANDBY, receive_lsn=100 + MB)) == 0

    def test_nothing_known_to_lack_is_not_nothing_lost(self):
        memory = self.passed_by(100)
        text = sentence(memory, NOW + 9)
        assert text.endswith(": nothing when it was last heard, 4 s ago, and all that it wrote after that")

    def test_one_that_heard_nothing_says_so(self):
        memory = told(fresh(), ALONE, NOW).memory
        assert loss.lacks(memory, STANDBY) is None
        assert "how much that is is not known" in sentence(memory, NOW + 1)

    def test_what_an_earlier_daemon_heard_is_no_position(self):
        memory = changed(self.passed_by(100), heard={"samples": (), "sampled_at": NOW + 5, "covered_at": NOW})
        assert loss.lacks(memory, STANDBY) is None

    def test_one_whose_server_does_not_tell_says_so(self):
        local = dataclasses.replace(STANDBY, receive_lsn=None)
        assert "how much that is is not known" in sentence(self.passed_by(200), NOW + 9, local)


class TestWhereItIsTold:
    def test_as_reason_and_alarm_of_a_standby_in_quiet_times(self):
        decision = told(told(fresh(), NAMED, NOW).memory, ALONE, NOW + 5)
        assert decision.alarms["heir"].startswith("this node is not the heir: since 22:30:05 (0 s) at least")

    def test_after_the_primary_died_too(self):
        memory = told(told(fresh(), NAMED, NOW).memory, ALONE, NOW + 5).memory
        decision = told(memory, ALONE, NOW + 60, looks=GONE)
        assert decision.readiness is not None
        assert "(55 s) at least node1 commits without it" in decision.readiness.reasons["heir"]
        assert "(55 s) at least node1 commits without it" in decision.alarms["no_failover"]

    def test_while_the_register_is_silent_beside_that(self):
        memory = told(told(fresh(), NAMED, NOW).memory, ALONE, NOW + 5).memory
        memory = changed(memory, register={"code": "register", "problem": "it does not answer"})
        found = unfit(TWO, memory, STANDBY, NOW + 600)
        assert found["register"] == "it does not answer"
        assert "a takeover would lose" in found["heir"]

    def test_where_no_loss_is_promised_only_that_it_is_not_the_heir(self):
        memory = told(told(fresh(), NAMED, NOW).memory, ALONE, NOW + 5).memory
        found = unfit(LOSSY, memory, STANDBY, NOW + 6)
        assert found["heir"] == "this node is not the heir in the register (holder: node1)"


class TestHeldBack:
    def held(self, row: Row, seconds: int = 30) -> list[str]:
        """The events of a trouble that lasts so long."""
        memory = told(fresh(), NAMED, NOW).memory
        memory = changed(memory, heard={"recorded_at": NOW + 5, "at": {Path.VOTE: NOW + 5}}, stream={"at": NOW + 5})
        memory = told(memory, row, NOW + 5).memory
        texts = []
        for second in range(6, 6 + seconds):
            decision = told(memory, dataclasses.replace(row, beat=row.beat + 1), NOW + second, looks=GONE)
            texts += [event.text for event in decision.events if event.kind == "held_back"]
            memory = decision.memory
        return texts

    def test_it_is_in_the_history_once_with_what_would_be_lost(self):
        [text] = self.held(ALONE)
        assert text.startswith("no failover by itself: this node is not the heir: since 22:30:05 (")
        assert "a takeover would lose" in text

    def test_not_before_a_failover_would_have_begun(self):
        assert self.held(ALONE, seconds=1) == []

    def test_another_obstacle_is_no_word_of_the_heir(self):
        assert self.held(NAMED) == []

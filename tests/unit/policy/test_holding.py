# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node makes of the register's answers, and what it asks next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import verbs
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon import record_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import book, holding
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Record
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Answer,
    Done,
    Failure,
    Local,
    Look,
    Lost,
    Missing,
    Path,
    Peer,
    Refused,
    Role,
    Row,
    Seen,
    Server,
    Sight,
    Signs,
    Told,
    Verb,
)
from node_samples import NODE1, NODE2, changed, configured, remembered
from policy_samples import CALM, FOLLOWS, GONE, NOW, PRIMARY, SERVES, STANDBY

ID = "7301234567890123456"
HERE = {"register": {"engine": "vote_host", "address": "198.51.100.35"}}
ONE, TWO = configured(NODE1, **HERE), configured(NODE2, **HERE)
ROW = Row(ID, "node1", 3, 17, "node2")
LOST = Lost(Failure(Sight.UNREACHABLE, "no route"), False, False)


def own(record: Record, **changes: object) -> Record:
    return dataclasses.replace(record, system_identifier=ID, **changes)  # type: ignore[arg-type]  # the tests know the names


def on_primary(answer: Answer, verb: Verb | None = None, memory: Memory | None = None) -> Decision:
    known = remembered(own(SERVES)) if memory is None else memory
    local = dataclasses.replace(PRIMARY, system_identifier=ID)
    return decide(ONE, known, Seen(local, register=Told(verb or verbs.read(), answer)), NOW)


def on_standby(answer: Answer, memory: Memory | None = None) -> Decision:
    known = remembered(own(FOLLOWS)) if memory is None else memory
    return decide(TWO, known, Seen(STANDBY, CALM, register=Told(verbs.read(), answer)), NOW)


def test_without_one_nothing_is_asked_and_what_was_known_is_forgotten() -> None:
    decision = decide(NODE1, remembered(own(SERVES, epoch=3, beat=9)), Seen(PRIMARY), NOW)
    assert decision.wants.register is None
    assert (decision.memory.record.epoch, decision.memory.record.beat) == (0, 0)
    assert "epoch" not in record_json.to_json(decision.memory.record)


def test_alarm_names_the_register_or_the_member_that_was_asked() -> None:
    assert on_primary(LOST).memory.register.problem.startswith(
        "the register 198.51.100.35:11920 does not answer: unreachable"
    )
    etcd = {"register": {"engine": "etcd", "endpoints": ("198.51.100.110:11922", "198.51.100.35:11922")}}
    seen = Seen(PRIMARY, register=Told(verbs.read(), dataclasses.replace(LOST, at="198.51.100.35:11922")))
    told = decide(configured(NODE1, **etcd), remembered(own(SERVES)), seen, NOW).memory.register.problem
    assert told == "the register 198.51.100.35:11922 does not answer: unreachable no route"
    seen = dataclasses.replace(seen, register=Told(verbs.read(), Missing(NOW)))
    told = decide(configured(NODE1, **etcd), remembered(own(SERVES)), seen, NOW).memory.register.problem
    assert told == "the register 198.51.100.110:11922, 198.51.100.35:11922 has no row of this cluster"


class TestTheMajorityIsAWitness:
    """An etcd's answer of this cycle, asked since the trouble began, while the holder is silent; nothing else."""

    CONFIG = configured(NODE2, register={"engine": "etcd", "endpoints": ("198.51.100.110:11923",)})
    SINCE = NOW - 1.0

    def is_one(
        self, told: Told | None, row_at: float = NOW - 60.0, code: str = "", config: Config | None = None
    ) -> bool:
        watch = book.Watch(book.Row("node1", 3, 17, "node2"), row_at=row_at)
        memory = changed(remembered(own(FOLLOWS)), register={"watch": watch, "code": code})
        seen = Seen(STANDBY, GONE, register=told)
        return holding.majority_answers(self.CONFIG if config is None else config, memory, seen, self.SINCE, NOW)

    def test_it_is(self) -> None:
        for answer in (Done(ROW, NOW - 0.5), Refused(ROW, NOW - 0.5)):
            assert self.is_one(Told(verbs.read(), answer))

    def test_not_asked_lost_or_not_believed(self) -> None:
        assert not self.is_one(None)
        assert not self.is_one(Told(verbs.read(), LOST))
        assert not self.is_one(Told(verbs.read(), Done(ROW, NOW - 0.5)), code="register_back")

    def test_asked_before_the_trouble(self) -> None:
        assert not self.is_one(Told(verbs.read(), Done(ROW, self.SINCE)))

    def test_a_holder_that_may_have_renewed_a_moment_ago(self) -> None:
        living = self.CONFIG.timing.least_lease
        assert not self.is_one(Told(verbs.read(), Done(ROW, NOW - 0.5)), row_at=NOW - living)
        assert self.is_one(Told(verbs.read(), Done(ROW, NOW - 0.5)), row_at=NOW - 1.2 * living)

    def test_the_other_engine(self) -> None:
        assert not self.is_one(Told(verbs.read(), Done(ROW, NOW - 0.5)), config=TWO)


def test_the_holder_renews_and_is_one_by_the_answer_to_that() -> None:
    first = on_primary(Done(ROW, NOW - 0.1))
    assert first.memory.register.hold is None
    assert first.wants.register == verbs.renew(ID, "node1", 3)
    second = on_primary(Done(dataclasses.replace(ROW, beat=18), NOW - 0.1), first.wants.register, first.memory)
    assert second.memory.register.hold is not None
    assert second.memory.register.hold.renewed_at == NOW - 0.1


class TestThePeerTellsOfAnotherHolder:
    """By a datagram, which is quicker than the next question; what counts is the register's answer."""

    KNOWN = on_standby(Done(ROW, NOW - 0.1)).memory

    def look(self, memory: Memory, epoch: int, at: float, looks: Mapping[Path, Look] | None = None) -> Decision:
        return decide(TWO, memory, Seen(STANDBY, looks or {}, signs=Signs(beat=(epoch, 18), beat_at=at)), at)

    def test_it_is_asked_at_once_and_before_the_next_look(self) -> None:
        told = self.look(self.KNOWN, 4, NOW + 0.2)
        assert (told.wants.register, told.wants.paths, told.wants.delay) == (verbs.read(), (), 0.0)

    def test_once_and_then_the_primary_is_looked_at(self) -> None:
        """It may tell what is not so, and the register be silent."""
        told = self.look(self.look(self.KNOWN, 4, NOW + 0.2).memory, 4, NOW + 0.3)
        assert (set(told.wants.paths), told.wants.yields) == ({Path.VIP, Path.VOTE}, True)

    def test_the_same_holder_is_no_reason(self) -> None:
        told = self.look(self.KNOWN, 3, NOW + 0.2)
        assert (told.wants.register, set(told.wants.paths)) == (None, {Path.VIP, Path.VOTE})

    def test_one_that_sees_the_primary_asks_beside_its_look(self) -> None:
        told = self.look(self.KNOWN, 4, NOW + 0.2, CALM)
        assert (told.wants.register, set(told.wants.paths)) == (verbs.read(), {Path.VIP, Path.VOTE})


class TestTheHostIsShutDown:
    """Nobody serves from the end of PostgreSQL to the word in the register: nothing is waited for that could be known."""

    HELD = on_primary(Done(ROW, NOW), verbs.renew(ID, "node1", 3)).memory
    STOPS = Local(Server.STARTING, Role.PRIMARY, system_identifier=ID)
    ENDED = Local(Server.DOWN, Role.PRIMARY, timeline=3, write_lsn=100, clean_shutdown=True, system_identifier=ID)
    HEIR = Peer(Server.UP, Role.STANDBY, timeline=3, receive_lsn=100, system_identifier=ID)

    def test_what_the_heir_has_is_looked_at_while_postgresql_stops(self) -> None:
        assert decide(ONE, self.HELD, Seen(self.STOPS), NOW).wants.peer

    def test_a_holder_without_an_heir_need_not_know(self) -> None:
        alone = on_primary(Done(dataclasses.replace(ROW, heir=None), NOW), verbs.renew(ID, "node1", 3)).memory
        assert not decide(ONE, alone, Seen(self.STOPS), NOW).wants.peer

    def test_once_it_is_down_the_register_is_told_at_once(self) -> None:
        told = decide(ONE, self.HELD, Seen(self.ENDED, peer=self.HEIR, leaving=True), NOW).wants
        assert told.register is not None
        assert (told.register.name, told.delay) == ("hand_over", 0.0)

    @pytest.mark.parametrize("local", [STOPS, ENDED, dataclasses.replace(PRIMARY, system_identifier=ID)])
    def test_until_then_it_is_looked_at_often(self, local: Local) -> None:
        behind = dataclasses.replace(self.HEIR, receive_lsn=99)
        assert decide(ONE, self.HELD, Seen(local, peer=behind, leaving=True), NOW).wants.delay <= 0.05


def test_the_other_only_reads_and_rarely_while_it_sees_the_primary() -> None:
    decision = on_standby(Done(ROW, NOW - 0.1))
    assert decision.wants.register is None
    calm = Seen(STANDBY, CALM)
    assert decide(TWO, decision.memory, calm, NOW + holding.READ_EVERY - 0.1).wants.register is None
    assert decide(TWO, decision.memory, calm, NOW + holding.READ_EVERY).wants.register == verbs.read()
    assert decide(TWO, decision.memory, Seen(STANDBY, GONE), NOW + 1).wants.register == verbs.read()
    assert decision.memory.register.watch is not None
    assert decision.memory.register.watch.row_at == NOW


@pytest.mark.parametrize("row", [{"heir": None}, {"term": 0.0}])
def test_who_waits_for_its_right_reads_with_each_look(row: dict[str, object]) -> None:
    config = configured(
        NODE2, register={"engine": "vote_host"}, watchdog={"device": "/dev/watchdog0"}, signs={"port": 8009}
    )
    told = Seen(STANDBY, CALM, register=Told(verbs.read(), Done(dataclasses.replace(ROW, **row), NOW - 0.1)))
    decision = decide(config, remembered(FOLLOWS), told, NOW)
    assert decide(config, decision.memory, Seen(STANDBY, CALM), NOW + 1).wants.register == verbs.read()


def test_who_is_no_holder_any_more_knows_so() -> None:
    memory = on_primary(Done(ROW, NOW), verbs.renew(ID, "node1", 3)).memory
    other = Refused(Row(ID, "node2", 4, 20, None), NOW)
    assert on_primary(other, verbs.renew(ID, "node1", 3), memory).memory.register.hold is None


def test_the_record_notes_each_epoch_and_not_each_beat() -> None:
    memory = on_primary(Done(ROW, NOW)).memory
    assert (memory.record.epoch, memory.record.beat) == (3, 17)
    memory = on_primary(Done(dataclasses.replace(ROW, beat=99), NOW), None, memory).memory
    assert memory.record.beat == 17
    memory = on_primary(Done(dataclasses.replace(ROW, beat=1000), NOW), None, memory).memory
    assert record_json.from_json(record_json.to_json(memory.record)).beat == 1000


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (LOST, "register"),
        (Missing(NOW), "register_missing"),
        (Done(dataclasses.replace(ROW, system_identifier="1"), NOW), "register_foreign"),
        (Done(dataclasses.replace(ROW, epoch=2, beat=999), NOW), "register_back"),
        (Done(dataclasses.replace(ROW, beat=16), NOW), "register_back"),
    ],
)
def test_what_cannot_be_believed_changes_nothing_and_is_told(answer: Answer, code: str) -> None:
    memory = on_standby(Done(ROW, NOW)).memory
    decision = on_standby(answer, memory)
    assert decision.memory.register.row == memory.register.row
    assert decision.memory.register.code == code
    assert code not in decision.alarms  # answered a moment ago
    assert decision.wants.register == verbs.read()
    later = decide(TWO, decision.memory, Seen(STANDBY, CALM), NOW + 6.0)
    assert later.alarms[code]


def test_a_row_older_than_the_record_of_an_earlier_daemon_is_refused() -> None:
    decision = on_standby(Done(ROW, NOW), remembered(own(FOLLOWS, epoch=3, beat=18)))
    assert decision.memory.register.code == "register_back"


def test_a_new_row_is_made_by_a_primary_whose_standby_streams() -> None:
    memory = remembered(own(SERVES, epoch=3, beat=17))
    assert on_primary(Missing(NOW), memory=memory).wants.register == verbs.found(ID, "node1", 4, None)
    old = Row(ID, "node1", 2, 5, None)
    assert on_primary(Done(old, NOW), memory=memory).wants.register == Verb("found", (ID, "node1", 4, 2, 5))
    assert on_standby(Missing(NOW), remembered(own(FOLLOWS, epoch=3))).wants.register == verbs.read()
    alone = dataclasses.replace(PRIMARY, peer_streaming=False, system_identifier=ID)
    told = Told(verbs.read(), Missing(NOW))
    assert decide(ONE, memory, Seen(alone, register=told), NOW).wants.register == verbs.read()

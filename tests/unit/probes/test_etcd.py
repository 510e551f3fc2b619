# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The line to a register in an etcd, on real members: yes, no, nothing there, and no answer; members that die, hang and lead no more."""

from __future__ import annotations

import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import real_etcd
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.etcd import EtcdLine, Members
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.gateway import Channel
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.register import wait_for
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.verbs import found, read, renew, set_heir, take
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Answer,
    Done,
    Lost,
    Missing,
    Refused,
    Row,
    Sight,
    Verb,
)
from node_samples import NODE1, configured

ID = "7301234567890123456"
KEY = "/sky.pg_cluster/sky/row"
PATIENT = 20.0  # a deadline that a busy machine keeps
SHORT = 0.6  # as in the profile `fast`
ROOM = 1.5  # by how much a busy machine may be late


@pytest.fixture(scope="module")
def served() -> Iterator[real_etcd.Etcd]:
    with real_etcd.served() as etcd:
        yield etcd


@pytest.fixture
def etcd(served: real_etcd.Etcd) -> Iterator[real_etcd.Etcd]:
    """With a fresh row: node1 holds it in epoch 1, node2 is heir. All members are back afterwards."""
    served.put(KEY, None)
    line = members(served)
    row = row_of(ask(line, found(ID, "node1", 1, None)))
    assert row_of(ask(line, set_heir(ID, "node1", row, "node2"))).heir == "node2"
    line.close()
    yield served
    served.again()


@pytest.fixture
def line(etcd: real_etcd.Etcd) -> Iterator[Members]:
    line = members(etcd)
    yield line
    line.close()


def members(etcd: real_etcd.Etcd, **changes: Any) -> Members:
    return Members(configured(NODE1, register={**real_etcd.section(etcd), **changes}))


def ask(line: Members, verb: Verb, deadline: float = PATIENT) -> Answer:
    line.ask(verb, time.monotonic(), deadline)
    return wait_for(line)


def row_of(answer: Answer) -> Row:
    assert isinstance(answer, Done), answer
    return answer.row


def until_answered(line: Members, verb: Verb) -> Answer:
    """As the loop asks: again and again, each time with the short deadline."""
    deadline = time.monotonic() + real_etcd.LIMIT
    while True:
        answer = ask(line, verb, SHORT)
        if not isinstance(answer, Lost):
            return answer
        assert time.monotonic() < deadline, answer


def first(etcd: real_etcd.Etcd, name: str) -> tuple[str, ...]:
    """The members' endpoints, this one first."""
    own = etcd.endpoint(name)
    return (own, *(one for one in etcd.endpoints if one != own))


def test_lease_counts_from_before_the_question_left(line: Members) -> None:
    began = time.monotonic()
    answer = ask(line, renew(ID, "node1", 1))
    assert isinstance(answer, Done)
    assert began <= answer.sent_at <= time.monotonic()
    assert answer.row.noted_by == "node1"


def test_the_port_answers_as_the_other_engines_does(etcd: real_etcd.Etcd) -> None:
    port = EtcdLine(configured(NODE1, register=real_etcd.section(etcd)))
    port.ask(read(), PATIENT)
    assert isinstance(port.answer(), Done)
    port.close()


def test_connection_is_kept_and_a_renewal_is_one_call(etcd: real_etcd.Etcd) -> None:
    opened, paths = [], []

    class Counted(Channel):
        def __init__(self, *where: Any) -> None:
            opened.append(where)
            super().__init__(*where)

        def ask(self, path: str, *rest: Any) -> None:
            paths.append(path)
            super().ask(path, *rest)

    line = Members(configured(NODE1, register=real_etcd.section(etcd)), Counted)
    for _ in range(3):
        row_of(ask(line, renew(ID, "node1", 1)))
    line.close()
    assert len(opened) == 1
    assert paths == ["/v3/auth/authenticate", "/v3/kv/range", "/v3/kv/txn", "/v3/kv/txn", "/v3/kv/txn"]


def test_row_that_another_has_changed_is_seen_before_it_is_changed_again(etcd: real_etcd.Etcd, line: Members) -> None:
    other = members(etcd)
    row = row_of(ask(line, renew(ID, "node1", 1)))
    row_of(ask(other, set_heir(ID, "node1", row, None)))
    assert row_of(ask(line, renew(ID, "node1", 1))).heir is None
    assert row_of(ask(other, renew(ID, "node1", 1))).beat == 5
    assert isinstance(ask(line, take(ID, "node2", row)), Refused)
    other.close()


def test_no_row_is_neither_no_nor_lost(etcd: real_etcd.Etcd, line: Members) -> None:
    etcd.put(KEY, None)
    assert isinstance(ask(line, renew(ID, "node1", 1)), Missing)


def test_of_two_takers_one_wins_and_both_are_told_so(etcd: real_etcd.Etcd) -> None:
    row = row_of(ask(members(etcd), read()))
    lines = [members(etcd) for _ in range(3)]
    for one in lines:
        ask(one, read())
    for one in lines:
        one.ask(take(ID, "node2", row), time.monotonic(), PATIENT)
    told = [row_of(wait_for(one)) for one in lines]
    assert {(one.holder, one.epoch, one.beat) for one in told} == {("node2", 2, 2)}, "one beat: one change"


# --- who may


def test_wrong_password_is_lost_with_the_members_word(etcd: real_etcd.Etcd, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("wrong\n")
    answer = ask(members(etcd, password_file=str(tmp_path / "wrong")), read())
    assert isinstance(answer, Lost)
    assert (answer.failure.sight, answer.asked, answer.reached) == (Sight.ALIVE, False, True)
    assert "invalid user ID or password" in answer.failure.detail
    assert answer.at == etcd.endpoints[0]


def test_another_clusters_row_cannot_be_touched_nor_seen(etcd: real_etcd.Etcd) -> None:
    for verb in (read(), renew(ID, "node1", 1), found("5", "node9", 9, None)):
        answer = ask(members(etcd, **real_etcd.section(etcd, "register_moon")), verb)
        assert isinstance(answer, Lost)
        assert (answer.asked, answer.failure.detail) == (False, "etcdserver: permission denied")


def test_password_is_asked_for_again_when_it_has_changed_and_not_before(etcd: real_etcd.Etcd, line: Members) -> None:
    ask(line, read())
    file, old = etcd.root / "register_sky", real_etcd.PASSWORDS["register_sky"]
    try:
        file.write_text("new\n")
        assert isinstance(ask(line, renew(ID, "node1", 1)), Done), "it is logged in"
        etcd.root_call(etcd.names[0], "/v3/auth/user/changepw", {"name": "register_sky", "password": "new"})
        assert isinstance(ask(line, renew(ID, "node1", 1)), Done)
        assert isinstance(ask(members(etcd), read()), Done)
    finally:
        etcd.root_call(etcd.names[0], "/v3/auth/user/changepw", {"name": "register_sky", "password": old})
        file.write_text(old + "\n")


def test_members_that_have_forgotten_the_login_are_told_again(etcd: real_etcd.Etcd, line: Members) -> None:
    ask(line, read())
    for name in etcd.names:
        etcd.kill(name)
    etcd.again()
    assert row_of(ask(line, renew(ID, "node1", 1))).beat == 2


def test_token_from_before_the_etcd_was_restored_is_given_up(etcd: real_etcd.Etcd, line: Members) -> None:
    """It was given out at a revision that these members have not reached, so they wait with their answer and refuse nothing."""
    ask(line, read())
    line._token = line._token.partition(".")[0] + ".99999999"
    assert isinstance(ask(line, read(), SHORT), Lost)
    assert isinstance(ask(line, read()), Done)


def test_member_with_another_ca_is_not_trusted(etcd: real_etcd.Etcd, tmp_path: Path) -> None:
    real_etcd.certificates(tmp_path)
    answer = ask(members(etcd, cafile=str(tmp_path / "ca.crt")), read())
    assert isinstance(answer, Lost)
    assert (answer.failure.sight, answer.asked) == (Sight.ALIVE, False)
    assert "its certificate is not trusted" in answer.failure.detail


@pytest.mark.parametrize("key", ["cafile", "password_file"])
def test_file_that_is_not_there_is_named_and_says_nothing_of_the_register(etcd: real_etcd.Etcd, key: str) -> None:
    answer = ask(members(etcd, **{key: "/nonexistent"}), read())
    assert isinstance(answer, Lost)
    assert (answer.failure.sight, answer.asked) == (Sight.UNKNOWN, False)
    assert "/nonexistent" in answer.failure.detail


def test_key_that_holds_no_row_is_no_answer(etcd: real_etcd.Etcd, line: Members) -> None:
    for value in (b"something", b"[]", b'{"holder": "node1"}', b"\xff"):
        etcd.put(KEY, value)
        answer = ask(line, renew(ID, "node1", 1))
        assert isinstance(answer, Lost)
        assert (answer.failure.sight, answer.asked) == (Sight.ALIVE, False)
        assert "is no row of a register" in answer.failure.detail


# --- members that die, hang, and lead no more


def test_member_that_dies_is_not_missed(etcd: real_etcd.Etcd) -> None:
    follower = next(name for name in etcd.names if name != etcd.leader())
    line = members(etcd, endpoints=first(etcd, follower))
    ask(line, read())
    etcd.kill(follower)
    assert row_of(ask(line, renew(ID, "node1", 1), SHORT)).beat == 2
    assert row_of(ask(line, renew(ID, "node1", 1), SHORT)).beat == 3
    line.close()


def test_leader_that_dies_is_missed_for_an_election_only(etcd: real_etcd.Etcd) -> None:
    leader = etcd.leader()
    line = members(etcd, endpoints=first(etcd, leader))
    ask(line, read())
    etcd.kill(leader)
    began = time.monotonic()
    assert until_answered(line, renew(ID, "node1", 1))
    assert time.monotonic() - began < 10 * real_etcd.ELECTION / 1000
    line.close()


def test_without_a_majority_it_says_so_and_in_time(etcd: real_etcd.Etcd) -> None:
    last = etcd.names[2]
    line = members(etcd, endpoints=first(etcd, last))
    row = row_of(ask(line, read()))
    for name in etcd.names[:2]:
        etcd.kill(name)
    deadline = time.monotonic() + real_etcd.LIMIT
    while True:  # the last one may lead, and first has to notice that nobody follows
        began = time.monotonic()
        answer = ask(line, take(ID, "node2", row), SHORT)
        assert time.monotonic() - began < SHORT + ROOM
        assert isinstance(answer, Lost)
        if "the majority of the members is not there" in answer.failure.detail and not answer.asked:
            break
        assert time.monotonic() < deadline, answer
    assert etcd.endpoint(last) in answer.at
    assert isinstance(ask(members(etcd), read(), SHORT), Lost), "nothing is read from one that is alone"
    etcd.again()
    answer = until_answered(line, take(ID, "node2", row))
    assert (row_of(answer).holder, row_of(answer).epoch, row_of(answer).beat) == ("node2", 2, 2)
    line.close()


@pytest.mark.parametrize("ends", ["moves", "dies"])
def test_leader_that_moves_in_the_middle_of_a_take(etcd: real_etcd.Etcd, ends: str) -> None:
    """Whatever the first answer is: the take is carried out once, and who asks again is told that it holds."""
    for epoch in range(1, 5):
        leader = etcd.leader()
        other = next(name for name in etcd.names if name != leader)
        line = members(etcd, endpoints=first(etcd, other))
        row = row_of(until_answered(line, read()))
        taker = str(row.heir)
        line.ask(take(ID, taker, row), time.monotonic(), SHORT)
        if ends == "moves":
            etcd.lead(other)
        else:
            etcd.kill(leader)
        wait_for(line)
        answer = until_answered(line, take(ID, taker, row))
        taken = row_of(answer)
        assert (taken.holder, taken.epoch, taken.beat) == (taker, epoch + 1, row.beat + 1)
        etcd.again()
        row_of(until_answered(line, set_heir(ID, taker, taken, row.holder)))
        line.close()


def test_member_that_hangs_costs_the_deadline_and_no_order_is_sent_to_another(
    etcd: real_etcd.Etcd, line: Members
) -> None:
    ask(line, read())  # so the renewal is an order at once
    with etcd.paused(etcd.names[0]):
        began = time.monotonic()
        answer = ask(line, renew(ID, "node1", 1), SHORT)
        assert SHORT <= time.monotonic() - began < SHORT + ROOM
        assert isinstance(answer, Lost)
        assert (answer.failure.sight, answer.asked, answer.reached) == (Sight.STALLED, True, True)
        assert answer.at == etcd.endpoints[0]
        assert isinstance(until_answered(line, renew(ID, "node1", 1)), Done), "the next question goes to another member"
    etcd.answers()
    assert row_of(ask(line, read())).beat in (2, 3), "the first one was carried out late, or never"


def test_read_is_answered_by_another_member_within_the_deadline(etcd: real_etcd.Etcd) -> None:
    follower = next(name for name in etcd.names if name != etcd.leader())
    line = members(etcd, endpoints=first(etcd, follower))
    ask(line, read())
    with etcd.paused(follower):
        began = time.monotonic()
        assert isinstance(ask(line, read(), 4.0), Done)
        assert time.monotonic() - began < 4.0
    line.close()


def test_all_hang_and_asking_does_not_wait(etcd: real_etcd.Etcd, line: Members) -> None:
    with etcd.paused(*etcd.names):
        for _ in range(3):
            began = time.monotonic()
            line.ask(read(), began, SHORT)
            assert time.monotonic() - began < SHORT / 2
            answer = wait_for(line)
            assert time.monotonic() - began < SHORT + ROOM
            assert isinstance(answer, Lost)
            assert (answer.asked, answer.reached) == (False, True)
            assert set(answer.at.split(", ")) == set(etcd.endpoints), "each had its share of the time"
    etcd.answers()
    assert isinstance(until_answered(line, read()), Done)


def test_nobody_is_there(etcd: real_etcd.Etcd, line: Members) -> None:
    for name in etcd.names:
        etcd.kill(name)
    answer = ask(line, renew(ID, "node1", 1))
    assert isinstance(answer, Lost)
    assert (answer.failure.sight, answer.asked, answer.reached) == (Sight.REFUSED, False, False)
    assert answer.failure.detail == "Connection refused"


def test_question_that_is_given_up_takes_its_connection_along(etcd: real_etcd.Etcd, line: Members) -> None:
    ask(line, read())
    line.ask(renew(ID, "node1", 1), time.monotonic(), PATIENT)
    assert row_of(ask(line, read())).holder == "node1"


def test_members_are_not_given_up_because_other_looks_took_all_the_time(etcd: real_etcd.Etcd, line: Members) -> None:
    """A new connection, and a second call, have gone no step meanwhile."""
    late = time.monotonic() - PATIENT - 1
    line.ask(renew(ID, "node1", 1), late, PATIENT)
    line.begins_to_wait(time.monotonic())
    assert isinstance(wait_for(line), Done)
    row = row_of(ask(members(etcd), renew(ID, "node1", 1)))  # so what the line knows is old, and it must ask twice
    line.ask(renew(ID, "node1", 1), time.monotonic() - PATIENT - 1, PATIENT)
    select.select([line.fileno()], [], [], PATIENT)  # its first call has its answer: that it was too late
    line.begins_to_wait(time.monotonic())
    assert row_of(wait_for(line)).beat == row.beat + 1


# --- what is no etcd, or breaks off


class Fake(threading.Thread):
    """A member that answers each call by a text of bytes as its path has it, and breaks off where that is empty."""

    def __init__(self, etcd: real_etcd.Etcd, **answers: bytes) -> None:
        super().__init__(daemon=True)
        self.answers, self.asked = answers, []
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(etcd.root / "member.crt", etcd.root / "member.key")
        self._listener = socket.create_server((real_etcd.HOST, 0))
        self.endpoint = f"{real_etcd.HOST}:{self._listener.getsockname()[1]}"
        self.start()

    def run(self) -> None:
        with suppress(OSError):
            while True:
                raw, _ = self._listener.accept()
                with suppress(OSError), self._context.wrap_socket(raw, server_side=True) as tls:
                    self._serve(tls)

    def _serve(self, tls: ssl.SSLSocket) -> None:
        while True:
            text = b""
            while not text.endswith(b"}"):
                more = tls.recv(65536)
                if not more:
                    return
                text += more
            call = text.split(b" ", 2)[1].decode().rsplit("/", 1)[1]
            self.asked.append(call)
            answer = self.answers[call]
            if not answer:
                return
            tls.sendall(answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def http(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


LOGIN = http(b'{"token": "t"}')
NOTHING = http(b'{"header": {}}')


def failed(code: int, text: str) -> bytes:
    return http(json.dumps({"message": text, "code": code}).encode(), "503 Service Unavailable")


@pytest.fixture
def fakes(served: real_etcd.Etcd) -> Iterator[Callable[..., Fake]]:
    made: list[Fake] = []

    def make(**answers: bytes) -> Fake:
        made.append(Fake(served, authenticate=LOGIN, **answers))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        failed(14, "etcdserver: request timed out"),
        failed(14, "etcdserver: leader changed"),
        http(b"<html>", "502 Bad Gateway"),
    ],
)
def test_order_whose_answer_is_lost_is_not_sent_again(
    served: real_etcd.Etcd, fakes: Callable[..., Fake], answer: bytes
) -> None:
    one, other = (fakes(range=NOTHING, txn=answer) for _ in range(2))
    line = members(served, endpoints=(one.endpoint, other.endpoint))
    lost = ask(line, found(ID, "node1", 1, None))
    assert isinstance(lost, Lost)
    assert (lost.asked, lost.at) == (True, one.endpoint)
    assert one.asked == ["authenticate", "txn"]
    assert other.asked == []
    ask(line, read())
    assert other.asked == ["range"], "the next question goes to another member"
    line.close()


def test_member_without_a_leader_has_done_nothing_so_another_is_asked(
    served: real_etcd.Etcd, fakes: Callable[..., Fake]
) -> None:
    lost = failed(14, "etcdserver: no leader")
    done = http(b'{"header": {"revision": "5"}, "succeeded": true}')
    one, other = fakes(range=lost, txn=lost), fakes(range=NOTHING, txn=done)
    for verb, asked in ((read(), "range"), (found(ID, "node1", 1, None), "txn")):
        line = members(served, endpoints=(one.endpoint, other.endpoint))
        assert isinstance(ask(line, verb), (Missing, Done))
        assert (one.asked[-1], other.asked[-1]) == (asked, asked)
        line.close()


def test_reply_to_an_order_that_makes_no_sense_proves_nothing(
    served: real_etcd.Etcd, fakes: Callable[..., Fake]
) -> None:
    line = members(served, endpoints=(fakes(txn=NOTHING).endpoint,))
    lost = ask(line, found(ID, "node1", 1, None))
    assert isinstance(lost, Lost)
    assert lost.asked
    line.close()


@pytest.mark.parametrize(
    ("code", "text", "sight"),
    [
        (8, "etcdserver: mvcc: database space exceeded", Sight.SICK),
        (9, "etcdserver: authentication is not enabled", Sight.ALIVE),
    ],
)
def test_order_that_was_refused_was_not_carried_out(
    served: real_etcd.Etcd, fakes: Callable[..., Fake], code: int, text: str, sight: Sight
) -> None:
    line = members(served, endpoints=(fakes(range=NOTHING, txn=failed(code, text)).endpoint,))
    lost = ask(line, found(ID, "node1", 1, None))
    assert isinstance(lost, Lost)
    assert (lost.asked, lost.failure.sight, lost.failure.detail) == (False, sight, text)
    line.close()


def test_token_that_nobody_ever_knows_ends_in_words(served: real_etcd.Etcd, fakes: Callable[..., Fake]) -> None:
    one = fakes(range=failed(16, "etcdserver: invalid auth token"))
    line = members(served, endpoints=(one.endpoint,))
    lost = ask(line, read())
    assert isinstance(lost, Lost)
    assert lost.failure.detail == "etcdserver: invalid auth token"
    assert one.asked.count("authenticate") == 2
    line.close()


@pytest.mark.parametrize(
    "answer",
    [
        http(b"<html>hello</html>"),
        http(b"[]"),
        b"SSH-2.0-something\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b" " * (1 << 21),
    ],
)
def test_what_is_no_etcd_is_said_to_be_none(served: real_etcd.Etcd, fakes: Callable[..., Fake], answer: bytes) -> None:
    line = members(served, endpoints=(fakes(range=answer).endpoint,))
    lost = ask(line, read())
    assert isinstance(lost, Lost)
    assert "etcd" in lost.failure.detail
    line.close()


def test_answer_in_pieces_is_put_together(served: real_etcd.Etcd, fakes: Callable[..., Fake]) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x\r\n%s\r\n" % (len(part), part) for part in (b'{"header"', b": {}}")
    )
    line = members(served, endpoints=(fakes(range=chunked + b"0\r\n\r\n").endpoint,))
    assert isinstance(ask(line, read()), Missing)
    line.close()


def test_an_etcd_that_was_made_anew_is_no_place_for_what_was_known_of_the_old_one() -> None:
    """The same revision, another row: neither is it taken for the one that was read."""
    with real_etcd.served(members=1) as etcd:
        line = members(etcd)
        row = row_of(ask(line, found(ID, "node1", 1, None)))
        row = row_of(ask(line, set_heir(ID, "node1", row, "node2")))
        known = json.loads(etcd.value(KEY) or b"")
        etcd.forget(etcd.names[0])
        for _ in range(2):
            etcd.put(KEY, json.dumps({**known, "holder": "node3", "epoch": 9, "heir": None}).encode())
        answer = until_answered(line, take(ID, "node2", row))
        assert isinstance(answer, Refused)
        assert (answer.row.holder, answer.row.epoch) == ("node3", 9)
        line.close()

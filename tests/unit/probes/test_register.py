# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The client of the register, on a real server with the role's own functions: yes, no, nothing there, and no answer."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import real_register
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.register import (
    Answer,
    Done,
    Lost,
    Missing,
    Refused,
    Register,
    Row,
    Verb,
    wait_for,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.verbs import found, read, renew, set_heir, take
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Sight
from real_postgres import RealPostgres

ID = "7301234567890123456"
PATIENT = 10.0  # a deadline that a busy machine keeps


@pytest.fixture(scope="module")
def server() -> Iterator[RealPostgres]:
    with real_register.served() as register:
        yield register


@pytest.fixture
def register(server: RealPostgres) -> Iterator[Register]:
    """A line to a fresh row: node1 holds it in epoch 1, node2 is heir."""
    server.sql("delete from sky_register.register", "sky_register")
    line = Register(real_register.dsn(server), "sky")
    row = row_of(ask(line, found(ID, "node1", 1, None)))
    assert row_of(ask(line, set_heir(ID, "node1", row, "node2"))).heir == "node2"
    yield line
    line.close()


def ask(line: Register, verb: Verb, deadline: float = PATIENT) -> Answer:
    line.ask(verb, time.monotonic(), deadline)
    return wait_for(line)


def row_of(answer: Answer) -> Row:
    assert isinstance(answer, Done), answer
    return answer.row


def backends(server: RealPostgres) -> list[int]:
    postmaster = int((server.data_dir / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return [postmaster, *map(int, children)]


@contextmanager
def frozen(server: RealPostgres) -> Iterator[None]:
    """The server's host hangs: its kernel accepts, and nobody answers."""
    processes = backends(server)
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):  # the test killed it
                os.kill(process, signal.SIGCONT)


def test_each_verb_answers_the_row(register: Register) -> None:
    row = row_of(ask(register, read()))
    assert (row.system_identifier, row.holder, row.epoch, row.beat, row.heir) == (ID, "node1", 1, 1, "node2")
    assert row.noted_by == "node1"
    assert abs(row.noted_at - time.time()) < 60
    renewed = row_of(ask(register, renew(ID, "node1", 1)))
    assert renewed.beat == 2
    taken = row_of(ask(register, take(ID, "node2", renewed)))
    assert (taken.holder, taken.epoch, taken.heir) == ("node2", 2, None)


def test_no_is_an_answer_with_the_row(register: Register) -> None:
    seen = row_of(ask(register, read()))
    ask(register, renew(ID, "node1", 1))
    answer = ask(register, take(ID, "node2", seen))
    assert isinstance(answer, Refused)
    assert (answer.row.holder, answer.row.beat) == ("node1", 2)
    assert isinstance(ask(register, renew("other system", "node1", 1)), Refused)


def test_lease_counts_from_before_the_question_left(register: Register) -> None:
    began = time.monotonic()
    answer = ask(register, renew(ID, "node1", 1))
    assert isinstance(answer, Done)
    assert began <= answer.sent_at <= time.monotonic()


def test_no_row_is_neither_no_nor_lost(register: Register, server: RealPostgres) -> None:
    server.sql("delete from sky_register.register", "sky_register")
    assert isinstance(ask(register, renew(ID, "node1", 1)), Missing)
    assert isinstance(ask(Register(real_register.dsn(server), "moon"), read()), Missing), "another cluster's"


def test_names_are_quoted(register: Register) -> None:
    assert isinstance(ask(register, renew("it's \\' or true --", "n\\", 1)), Refused)


def test_connection_is_kept(register: Register, server: RealPostgres) -> None:
    for _ in range(3):
        ask(register, read())
    count = "select count(*) from pg_stat_activity where usename = 'register_sky'"
    assert server.sql(count, "postgres") == "1"


def test_connection_that_ended_between_two_questions_is_made_again(register: Register, server: RealPostgres) -> None:
    server.stop()
    server.start()
    assert isinstance(ask(register, read()), Done)


def test_frozen_register_costs_the_deadline_and_its_answer_is_taken_for_no_other(
    register: Register, server: RealPostgres
) -> None:
    with frozen(server):
        began = time.monotonic()
        answer = ask(register, renew(ID, "node1", 1), 0.3)
        took = time.monotonic() - began
        assert isinstance(answer, Lost)
        assert (answer.failure.sight, answer.asked) == (Sight.STALLED, True)
        assert 0.3 <= took < 2.0
        again = ask(register, read(), 0.3)
        assert isinstance(again, Lost)
        assert (again.asked, again.reached) == (False, True), "a new connection was accepted, and not let in"
    row = row_of(ask(register, read()))
    assert row.beat in (1, 2), "it may have been carried out since"


def test_late_order_changes_nothing_that_a_later_one_has_changed(register: Register, server: RealPostgres) -> None:
    seen = row_of(ask(register, read()))
    with frozen(server):
        assert isinstance(ask(register, set_heir(ID, "node1", seen, "node3"), 0.3), Lost)
    while True:  # until the register says so, as the rules demand
        answer = ask(register, set_heir(ID, "node1", row_of(ask(register, read())), None))
        if isinstance(answer, Done):
            break
    time.sleep(0.5)
    assert row_of(ask(register, read())).heir is None


def test_register_that_is_down(register: Register, server: RealPostgres) -> None:
    server.stop()
    try:
        answer = ask(register, renew(ID, "node1", 1))
        assert isinstance(answer, Lost)
        assert (answer.failure.sight, answer.asked, answer.reached) == (Sight.REFUSED, False, False)
    finally:
        server.start()


def test_server_that_ends_in_the_middle_is_lost_and_may_have_done_it(register: Register, server: RealPostgres) -> None:
    ask(register, read())
    with frozen(server):
        register.ask(renew(ID, "node1", 1), time.monotonic(), PATIENT)
        for process in backends(server)[1:]:
            os.kill(process, signal.SIGKILL)
    answer = wait_for(register)
    assert isinstance(answer, Lost)
    assert answer.asked
    for _ in range(100):  # it recovers by itself
        if isinstance(ask(register, read()), Done):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the register did not come back")


def test_wrong_password_is_lost_with_the_servers_word(server: RealPostgres) -> None:
    answer = ask(Register(real_register.dsn(server, password="wrong"), "sky"), read())
    assert isinstance(answer, Lost)
    assert (answer.failure.sight, answer.asked, answer.reached) == (Sight.ALIVE, False, True)
    assert "password authentication failed" in answer.failure.detail


def test_error_of_the_server_is_no_order_carried_out(register: Register, server: RealPostgres) -> None:
    server.sql("alter function sky_register.renew rename to gone", "sky_register")
    try:
        answer = ask(register, renew(ID, "node1", 1))
        assert isinstance(answer, Lost)
        assert (answer.asked, answer.failure.code) == (False, "42883")
    finally:
        server.sql("alter function sky_register.gone rename to renew", "sky_register")
    assert isinstance(ask(register, renew(ID, "node1", 1)), Done)


def test_question_that_is_given_up_takes_its_connection_along(register: Register) -> None:
    register.ask(renew(ID, "node1", 1), time.monotonic(), PATIENT)
    row = row_of(ask(register, read()))
    assert row.holder == "node1"


def test_a_new_connection_is_not_given_up_because_other_looks_took_all_the_time(server: RealPostgres) -> None:
    """A node that comes back alone looks for its dead peer meanwhile: it must hear the register all the same."""
    line = Register(real_register.dsn(server), "sky")
    try:
        line.ask(read(), time.monotonic() - PATIENT - 1, PATIENT)
        line.begins_to_wait(time.monotonic())
        assert not isinstance(wait_for(line), Lost)
    finally:
        line.close()

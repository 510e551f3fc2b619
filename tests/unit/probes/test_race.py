# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at servers that misbehave: each class of FAULTS is seen as what it is, within the deadline."""

from __future__ import annotations

import errno
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes import race, tcp
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.race import Answer, Line, Race, Target, look
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Sight
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.pause import Bell
from fake_postgres import FakePostgres

DEADLINE = 0.5
SLACK = 0.5  # of a busy machine


def target(port: int, address: str = "127.0.0.1") -> Target:
    return Target(
        "test",
        {
            "hostaddr": address,
            "port": port,
            "dbname": "d",
            "user": "u",
            "sslmode": "disable",
            "gssencmode": "disable",
            "passfile": "/nonexistent",
        },
        "SELECT 1",
    )


@pytest.fixture
def make_line() -> Iterator[Callable[[int], Line]]:
    lines = []

    def make(port: int) -> Line:
        lines.append(Line(target(port)))
        return lines[-1]

    yield make
    for line in lines:
        line.close()


def once(line: Line, fresh: bool = False, deadline: float = DEADLINE) -> Answer:
    began = time.monotonic()
    answer = look([line], deadline, [line] if fresh else ())[0]
    assert time.monotonic() - began < deadline + SLACK, "the look took longer than its deadline"
    return answer


class TestOneServer:
    """One look, one class."""

    def test_server_that_answers_is_ok_and_its_connection_is_kept(self, fake: FakePostgres, make_line) -> None:
        line = make_line(fake.port)
        assert [once(line).sight for _look in range(5)] == [Sight.OK] * 5
        assert fake.connections == 1
        assert once(line).row == (False, 100, 1, True, False, None, "7300000000000000001")

    def test_fresh_look_proves_that_new_connections_are_accepted(self, fake: FakePostgres, make_line) -> None:
        line = make_line(fake.port)
        once(line)
        assert once(line, fresh=True).sight is Sight.OK
        assert fake.connections == 2

    def test_new_connection_need_not_answer_where_the_kept_one_did(self, fake: FakePostgres, make_line) -> None:
        line = make_line(fake.port)
        once(line)
        kept = [one.fileno() for one in line.sessions()]
        asked = len(fake.queries)
        fake.login_delay = 0.2  # so the kept connection's answer is first
        assert once(line, fresh=True).row == (False, 100, 1, True, False, None, "7300000000000000001")
        assert len(fake.queries) == asked + 1
        assert [one.fileno() for one in line.sessions()] == kept

    def test_error_to_a_query_is_life_and_keeps_the_connection(self, fake: FakePostgres, make_line) -> None:
        fake.mode, fake.code, fake.message = "error", "25006", "cannot execute UPDATE in a read-only transaction"
        line = make_line(fake.port)
        answer = once(line)
        assert (answer.sight, answer.code, answer.reached) == (Sight.ALIVE, "25006", True)
        fake.mode = "answer"
        assert once(line).sight is Sight.OK

    def test_storage_error_is_sick(self, fake: FakePostgres, make_line) -> None:
        fake.mode, fake.code = "error", "58030"
        assert once(make_line(fake.port)).sight is Sight.SICK

    def test_refused_login_is_life(self, fake: FakePostgres, make_line) -> None:
        fake.mode, fake.code, fake.message = "refuse_login", "53300", "sorry, too many clients already"
        answer = once(make_line(fake.port))
        assert (answer.sight, answer.reached) == (Sight.ALIVE, True)
        assert "too many clients" in answer.detail

    def test_server_that_only_accepts_is_stalled(self, fake: FakePostgres, make_line) -> None:
        fake.mode = "silent"
        answer = once(make_line(fake.port))
        assert (answer.sight, answer.reached) == (Sight.STALLED, True)

    def test_proxy_without_a_backend_drops(self, fake: FakePostgres, make_line) -> None:
        fake.mode = "drop"
        answer = once(make_line(fake.port))
        assert (answer.sight, answer.reached) == (Sight.DROPPED, True)

    def test_port_without_a_listener_refuses_at_once(self, make_line) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            began = time.monotonic()
            answer = once(make_line(unused.getsockname()[1]), deadline=5.0)
        assert (answer.sight, answer.reached) == (Sight.REFUSED, False)
        assert time.monotonic() - began < 2.0

    def test_host_that_answers_nothing_is_unreachable(self, make_line) -> None:
        with socket.socket() as server:  # a full queue of connections drops every further SYN
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            fill = [_begin(server.getsockname()) for _number in range(4)]
            answer = once(make_line(server.getsockname()[1]))
            for one in fill:
                one.close()
        assert (answer.sight, answer.reached) == (Sight.UNREACHABLE, False)

    def test_lost_first_packets_do_not_matter(self, make_line) -> None:
        """The queue is full for the first 0.25 s, as if each SYN had been lost; a later attempt gets through."""
        server = socket.socket()
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        fill = [_begin(server.getsockname()) for _number in range(4)]
        line = make_line(server.getsockname()[1])
        now = time.monotonic()
        race = Race(line, now, 2.0, False)
        race.step(now)
        race.step(now + 0.3)
        assert len([one for one in race.waiting() if one.fileno() >= 0]) == 2, "a second connection was begun"
        for one in fill:
            one.close()
        server.close()


class TestKeptConnection:
    """What becomes of the connection that was kept."""

    def test_dead_one_is_replaced_within_the_same_look(self, fake: FakePostgres, make_line) -> None:
        line = make_line(fake.port)
        once(line)
        fake.cut()
        assert once(line).sight is Sight.OK
        assert fake.connections == 2

    def test_server_that_died_and_refuses(self, make_line) -> None:
        server = FakePostgres()
        line = make_line(server.port)
        assert once(line).sight is Sight.OK
        server.close()
        time.sleep(0.05)
        assert once(line).sight is Sight.REFUSED

    def test_late_answer_of_a_slow_server_counts(self, fake: FakePostgres, make_line) -> None:
        line = make_line(fake.port)
        once(line)
        fake.delay = 1.2
        sights = []
        while len(sights) < 6 and Sight.OK not in sights:
            sights.append(once(line).sight)
        assert sights[0] is Sight.STALLED
        assert Sight.OK in sights, "the answer came after its look's deadline and was seen by a later one"

    def test_hung_server_gathers_few_sessions(self, fake: FakePostgres, make_line) -> None:
        fake.mode = "hang"
        line = make_line(fake.port)
        sights = [once(line, deadline=0.3).sight for _look in range(10)]
        assert set(sights) == {Sight.STALLED}
        assert len(fake.queries) <= race.MOST_PENDING

    def test_new_connection_that_hangs_beside_a_kept_one_that_answers_is_stalled(
        self, fake: FakePostgres, make_line
    ) -> None:
        line = make_line(fake.port)
        once(line)
        fake.mode = "silent"  # only new connections are affected: the kept one is served already
        fake_answers = once(line)
        assert fake_answers.sight is Sight.OK
        answer = once(line, fresh=True)
        assert (answer.sight, answer.reached) == (Sight.STALLED, True)

    def test_news_between_looks_are_absorbed(self, fake: FakePostgres, make_line) -> None:
        line = make_line(fake.port)
        once(line)
        descriptors = [one.fileno() for one in line.sessions()]
        fake.cut()
        time.sleep(0.05)
        line.absorb(descriptors[0], time.monotonic())
        assert list(line.sessions()) == []
        assert once(line).sight is Sight.OK

    def test_two_answers_between_looks_are_one_ok(self, fake: FakePostgres, make_line) -> None:
        """A stall that ends between two looks: the kept connection and the one tried beside it answer at once."""
        line = make_line(fake.port)
        once(line)
        fake.delay = DEADLINE + 0.5
        assert once(line).sight is Sight.STALLED
        waiting = list(line.sessions())
        assert len(waiting) == 2
        for session in waiting:
            assert select.select([session.fileno()], [], [], 10)[0]
            line.absorb(session.fileno(), time.monotonic())
        fake.delay = 0.0
        assert [once(line).sight for _look in range(3)] == [Sight.OK] * 3
        assert len(list(line.sessions())) == 1
        assert fake.connections == 2, "the connection that answered is kept"


class TestThisNodeFails:
    """What fails on this node itself proves nothing."""

    def test_no_file_descriptor_is_unknown(self, make_line, monkeypatch: pytest.MonkeyPatch) -> None:
        import psycopg2

        def connect(**_arguments: object) -> None:
            raise psycopg2.OperationalError("could not create socket: Too many open files")

        monkeypatch.setattr(psycopg2, "connect", connect)
        assert once(make_line(1)).sight is Sight.UNKNOWN

    def test_kept_connection_still_counts_then(
        self, fake: FakePostgres, make_line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import psycopg2

        line = make_line(fake.port)
        once(line)

        def connect(**_arguments: object) -> None:
            raise psycopg2.OperationalError("could not create socket: Too many open files")

        monkeypatch.setattr(psycopg2, "connect", connect)
        assert once(line, fresh=True).sight is Sight.OK

    def test_failed_knock_of_this_node_is_unknown(self) -> None:
        assert tcp.meaning(errno.EADDRNOTAVAIL) is tcp.Port.ERROR


def test_two_lines_share_one_deadline(make_line) -> None:
    first, second = FakePostgres(mode="silent"), FakePostgres()
    began = time.monotonic()
    answers = look([make_line(first.port), make_line(second.port)], DEADLINE)
    assert [answer.sight for answer in answers] == [Sight.STALLED, Sight.OK]
    assert time.monotonic() - began < DEADLINE + SLACK
    first.close()
    second.close()


class TestABellEndsALook:
    def test_at_once_and_nothing_was_seen(self, fake: FakePostgres, make_line) -> None:
        fake.mode = "hang"
        bell, line = Bell(), make_line(fake.port)
        threading.Timer(0.1, bell.ring).start()
        began = time.monotonic()
        assert look([line], 10.0, bell=bell) == []
        assert time.monotonic() - began < 5

    def test_the_next_one_runs_whole(self, fake: FakePostgres, make_line) -> None:
        fake.mode = "hang"
        bell, line = Bell(), make_line(fake.port)
        bell.ring()
        assert look([line], 10.0, bell=bell) == []
        assert [one.sight for one in look([line], DEADLINE, bell=bell)] == [Sight.STALLED]

    def test_what_was_asked_before_is_answered_later(self, fake: FakePostgres, make_line) -> None:
        bell, line = Bell(), make_line(fake.port)
        once(line)
        fake.delay = 0.2
        bell.ring()
        assert look([line], 10.0, bell=bell) == []
        assert once(line).sight is Sight.OK
        assert line.kept is not None


def _begin(address: tuple[str, int]) -> socket.socket:
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(address)
    return one

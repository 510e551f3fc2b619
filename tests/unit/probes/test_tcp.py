# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a TCP handshake says of a port."""

from __future__ import annotations

import errno
import resource
import select
import socket
import struct

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.tcp import (
    Answer,
    Knock,
    Port,
    meaning,
    probe,
    wait_for,
)


def test_port_that_listens_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = probe("127.0.0.1", server.getsockname()[1], 2.0)
    assert answer.port is Port.OPEN
    assert answer.latency >= 0


def test_port_where_nobody_listens_is_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        answer = probe("127.0.0.1", unused.getsockname()[1], 2.0)
    assert answer.port is Port.REFUSED


def test_full_queue_answers_nothing_until_the_deadline() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [_begin(server.getsockname()) for _number in range(4)]
        answer = probe("127.0.0.1", server.getsockname()[1], 0.2)
        for one in waiting:
            one.close()
    assert answer.port is Port.TIMEOUT


def test_network_without_a_way_is_unreachable() -> None:
    # 240.0.0.0/4 is reserved: Linux refuses to send there
    assert probe("255.255.255.255", 1, 0.5).port in (Port.UNREACHABLE, Port.ERROR)


def test_name_that_nobody_knows_is_unreachable_and_named() -> None:
    answer = probe("no-such-host.invalid", 1, 0.5)
    assert answer.port is Port.UNREACHABLE
    assert "no-such-host.invalid" in answer.detail


def test_listener_on_ipv6_is_open() -> None:
    if not socket.has_dualstack_ipv6():
        return
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert probe("::1", server.getsockname()[1], 2.0).port is Port.OPEN


class TestKnock:
    """The handshake of a look that goes on beside others."""

    def knock(self, port: int) -> Knock:
        return Knock("127.0.0.1", port, 0.0)

    def until(self, knock: Knock, now: float) -> None:
        poller = select.poll()
        poller.register(knock.fileno(), knock.wants)
        assert poller.poll(5000)
        knock.advance(now)

    def test_proxy_without_a_backend_accepts_and_closes(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            knock = self.knock(server.getsockname()[1])
            self.until(knock, 1.0)
            assert (knock.opened_at, knock.closed) == (1.0, False)
            connection, _address = server.accept()
            connection.close()
            self.until(knock, 2.0)
        assert (knock.closed, knock.error, knock.fileno()) == (True, 0, -1)
        knock.advance(3.0)
        assert knock.opened_at == 1.0

    def test_reset_after_the_handshake_is_a_close_as_well(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            knock = self.knock(server.getsockname()[1])
            self.until(knock, 1.0)
            connection, _address = server.accept()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            self.until(knock, 2.0)
        assert knock.closed

    def test_listener_that_says_nothing_stays_open(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            knock = self.knock(server.getsockname()[1])
            self.until(knock, 1.0)
            knock.advance(2.0)
            assert not knock.closed
            knock.close()

    def test_address_of_nobody_is_an_error_at_once(self) -> None:
        assert Knock("255.255.255.255", 1, 0.0).error
        assert Knock("no address", 1, 0.0).error


@pytest.mark.parametrize(
    ("code", "port"),
    [
        (errno.ECONNREFUSED, Port.REFUSED),
        (errno.ECONNRESET, Port.OPEN),
        (errno.EHOSTUNREACH, Port.UNREACHABLE),
        (errno.ETIMEDOUT, Port.UNREACHABLE),
        (errno.EMFILE, Port.ERROR),
    ],
)
def test_own_failure_is_nobodys_answer(code: int, port: Port) -> None:
    assert meaning(code) is port


def test_without_descriptors_it_says_nothing_of_the_port() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.create_server(("127.0.0.1", 0)) as server:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
        try:
            answer = probe("127.0.0.1", server.getsockname()[1], 2.0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert answer.port is Port.ERROR
    assert "Too many open files" in answer.detail


class TestWaitFor:
    """wait_for repeats until the answer is as wanted."""

    def test_ends_at_the_first_answer_that_is_wanted(self) -> None:
        ports, slept = [Port.REFUSED, Port.TIMEOUT, Port.OPEN, Port.OPEN], []
        answer, attempts, is_wanted = wait_for(lambda: Answer(ports.pop(0), "", 0.0), "open", 5, 0.7, slept.append)
        assert (answer.port, attempts, is_wanted, slept) == (Port.OPEN, 3, True, [0.7, 0.7])

    def test_says_so_when_it_never_came(self) -> None:
        answer, attempts, is_wanted = wait_for(lambda: Answer(Port.OPEN, "", 0.0), "closed", 2, 0.0, lambda _s: None)
        assert (answer.port, attempts, is_wanted) == (Port.OPEN, 3, False)

    def test_own_failure_is_not_a_closed_port(self) -> None:
        assert wait_for(lambda: Answer(Port.ERROR, "", 0.0), "closed", 0, 0.0)[2] is False


def _begin(address: tuple[str, int]) -> socket.socket:
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(address)
    return one

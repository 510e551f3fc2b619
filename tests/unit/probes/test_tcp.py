# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a TCP handshake says of a port."""

from __future__ import annotations

import socket

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.tcp import Answer, Port, probe, wait_for


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

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The serving thread under callers that are well-behaved, slow, rude and many."""

from __future__ import annotations

import os
import resource
import socket
import struct
import time
from collections.abc import Iterator

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon import serve
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import from_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.serve import Door, Serving, tcp_listener
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.web import Http, check_listen, is_complete
from daemon_samples import STANDBY, World
from hypothesis import given, settings
from hypothesis import strategies as st

GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


LONG = 16_000_000  # bytes, more than all buffers on the way


class Site:
    """A serving thread with the HTTP door on a free port of loopback."""

    def __init__(self, **limits: float) -> None:
        self.said: list[str] = []
        status = World(STANDBY, "/nonexistent").turn(3)
        http = Http(lambda: from_json(status), lambda: status["written_monotonic"] + 1.0)
        listener = tcp_listener("127.0.0.1:0")
        self.address = listener.getsockname()
        door = Door("test", lambda: listener, is_complete, http.answer, **limits)  # type: ignore[arg-type]
        self.serving = Serving([door], lambda level, text: self.said.append(text))
        self.serving.open_doors()
        self.serving.start()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=5.0)

    def ask(self, data: bytes) -> bytes:
        with self.connect() as connection:
            connection.sendall(data)
            return everything(connection)


def everything(connection: socket.socket) -> bytes:
    data = bytearray()
    try:
        while part := connection.recv(65536):
            data += part
    except ConnectionError:
        pass
    return bytes(data)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site(ask_deadline=0.5)
    yield site
    site.serving.stop()
    site.serving.join(2.0)
    assert not site.serving.is_alive()


def test_answers(site: Site) -> None:
    assert site.ask(GET).startswith(b"HTTP/1.1 200 OK\r\n")


def test_whole_page_arrives(site: Site) -> None:
    head, _, body = site.ask(b"GET / HTTP/1.1\r\n\r\n").partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert body.endswith(b"</html>\n")


def test_request_byte_by_byte_is_understood(site: Site) -> None:
    with site.connect() as connection:
        for byte in GET:
            connection.sendall(bytes([byte]))
        assert b"200 OK" in everything(connection)


def test_slow_request_gets_408_and_does_not_hold_up_others(site: Site) -> None:
    with site.connect() as slow:
        slow.sendall(b"GET / HT")
        assert b"200 OK" in site.ask(GET)
        assert everything(slow).startswith(b"HTTP/1.1 408")


def test_silent_caller_is_dropped(site: Site) -> None:
    with site.connect() as silent:
        before = time.monotonic()
        everything(silent)
        assert time.monotonic() - before < 3.0


def test_huge_request_gets_431(site: Site) -> None:
    assert site.ask(b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000).startswith(b"HTTP/1.1 431")


def test_caller_that_resets_does_no_harm(site: Site) -> None:
    for _ in range(20):
        connection = site.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(GET[:10])
        connection.close()
    assert b"200 OK" in site.ask(GET)


def test_more_callers_than_allowed_push_out_the_oldest() -> None:
    site = Site(most_connections=4, ask_deadline=30.0)
    idle = [site.connect() for _ in range(20)]
    assert b"200 OK" in site.ask(GET)
    for connection in idle:
        connection.close()
    site.serving.stop()


def test_error_while_answering_ends_that_caller_only() -> None:
    said: list[str] = []

    def fail(data: bytes, whole: bool, connection: socket.socket) -> bytes:
        raise ZeroDivisionError("bug")

    listener = tcp_listener("127.0.0.1:0")
    serving = Serving([Door("bad", lambda: listener, is_complete, fail)], lambda level, text: said.append(text))
    serving.open_doors()
    serving.start()
    for _ in range(3):
        with socket.create_connection(listener.getsockname(), timeout=5.0) as connection:
            connection.sendall(GET)
            assert everything(connection) == b""
    assert said == ["an error while answering on bad: ZeroDivisionError: bug"]
    serving.stop()


def test_address_that_cannot_be_bound_is_told_once_and_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    taken = [True]

    def listen() -> socket.socket:
        if taken[0]:
            raise OSError(99, "Cannot assign requested address")
        return tcp_listener("127.0.0.1:0")

    serving = Serving(
        [Door("http 198.51.100.9:8008", listen, is_complete, lambda *a: b"")], lambda level, text: said.append(text)
    )
    serving.open_doors()
    serving.open_doors()
    assert len(said) == 1
    taken[0] = False
    serving.open_doors()
    assert said[1:] == ["listening on http 198.51.100.9:8008 now"]
    serving.open_doors()
    assert list(serving.listening()) == ["http 198.51.100.9:8008"]
    assert len(said) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_port_that_another_program_holds_is_taken_once_it_is_free(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr(serve, "REOPEN_EVERY", 0.1)
    other = tcp_listener(f"{host}:0")
    address = f"{host}:{other.getsockname()[1]}"
    status = World(STANDBY, "/nonexistent").turn(1)
    said: list[str] = []
    serving = Serving([Http(lambda: from_json(status)).door(address)], lambda level, text: said.append(text))
    serving.open_doors()
    serving.start()
    assert "Address already in use" in said[0]
    assert "it is tried again" in said[0]
    other.close()
    until = time.monotonic() + 10.0
    while len(said) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    assert said[1:] == [f"listening on http {address} now"]
    with socket.create_connection(serving.listening()[f"http {address}"].getsockname()[:2], timeout=5.0) as connection:
        connection.sendall(GET)
        assert everything(connection).startswith(b"HTTP/1.1 ")
    serving.stop()
    serving.join(2.0)


def test_caller_that_does_not_read_is_dropped_and_holds_nobody_up() -> None:
    listener = tcp_listener("127.0.0.1:0")
    door = Door("big", lambda: listener, is_complete, lambda *_: b"x" * LONG, answer_deadline=3.0)
    serving = Serving([door], lambda level, text: None)
    serving.open_doors()
    serving.start()
    with socket.create_connection(listener.getsockname(), timeout=5.0) as idle:
        idle.sendall(GET)
        with socket.create_connection(listener.getsockname(), timeout=5.0) as quick:
            quick.sendall(GET)
            assert len(everything(quick)) == LONG
        until = time.monotonic() + 10.0
        while serving._callers and time.monotonic() < until:
            time.sleep(0.05)
        assert not serving._callers
        assert len(everything(idle)) < LONG
    serving.stop()
    serving.join(2.0)


def test_without_descriptors_callers_wait_and_are_served_later() -> None:
    """As many as the process may have are open: it neither spins nor gives up."""
    site = Site()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with site.connect() as caller, site.connect() as waiting:
        caller.sendall(GET)
        assert b"200 OK" in everything(caller)
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))
        client = socket.socket()
        client.settimeout(10.0)
        fillers = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(highest, client.fileno()) + 1, before[1]))
        try:
            while True:  # the gaps below the highest
                try:
                    fillers.append(os.open("/dev/null", os.O_RDONLY))
                except OSError:
                    break
            used = time.process_time()
            client.connect(site.address)
            client.sendall(GET)
            until = time.monotonic() + 10.0
            while not site.said and time.monotonic() < until:
                time.sleep(0.05)
            assert "cannot accept on test: [Errno 24]" in site.said[0]
            time.sleep(0.5)
            assert time.process_time() - used < 0.4
        finally:
            for filler in fillers:
                os.close(filler)
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert b"200 OK" in everything(client)
        client.close()
        waiting.sendall(GET)
        assert b"200 OK" in everything(waiting)
    site.serving.stop()
    site.serving.join(2.0)


def test_stop_ends_those_who_wait() -> None:
    site = Site(ask_deadline=60.0)
    with site.connect() as idle:
        idle.sendall(GET[:5])
        until = time.monotonic() + 5.0
        while not site.serving._callers and time.monotonic() < until:
            time.sleep(0.02)
        site.serving.stop()
        site.serving.join(5.0)
        assert not site.serving.is_alive()
        assert everything(idle) == b""


def test_idle_thread_costs_no_time(site: Site) -> None:
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.05


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("127.0.0.1:8008", True),
        ("[::1]:8008", True),
        ("0.0.0.0:80", True),
        ("8008", False),
        ("localhost:8008", False),
        ("127.0.0.1:", False),
        ("127.0.0.1:99999", False),
        ("::1:8008", False),
        ("[::1:8008", False),
        ("", False),
        ("127.0.0.1\0:80", False),
    ],
)
def test_listen_addresses(address: str, good: bool) -> None:
    assert (check_listen(address) is None) == good


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_upset_it(site: Site, data: bytes) -> None:
    with site.connect() as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = everything(connection)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    assert site.serving.is_alive()
    assert not site.said


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"GET", b"HEAD", b"POST", b"get", b""]), st.binary(max_size=60), st.booleans())
def test_every_request_gets_one_sound_response(method: bytes, target: bytes, whole: bool) -> None:
    status = World(STANDBY, "/nonexistent").turn(1)
    answer = Http(lambda: from_json(status), lambda: status["written_monotonic"]).answer(
        method + b" " + target + b" HTTP/1.1\r\n\r\n", whole
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    assert lines[0].split(" ")[1] in ("200", "400", "404", "405", "408", "431", "503")
    length = int(next(line for line in lines if line.startswith("Content-Length: ")).split(": ")[1])
    assert length == len(body) or (method == b"HEAD" and body == b"")


def test_descriptors_do_not_leak(site: Site) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        site.ask(GET)
    time.sleep(0.1)
    assert len(os.listdir("/proc/self/fd")) <= before + 1


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        (b"http://node1:8008/health", b"200 OK"),
        (b"HTTP://node1", b"200 OK"),
        (b"/health?x=1#part", b"200 OK"),
        (b"*", b"400 Bad Request"),
        (b"node1:443", b"400 Bad Request"),
    ],
)
def test_forms_of_the_target(site: Site, target: bytes, answer: bytes) -> None:
    """A proxy sends the whole address."""
    assert site.ask(b"GET " + target + b" HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 " + answer)


def test_files_are_not_served(site: Site) -> None:
    assert site.ask(b"GET /../../etc/passwd HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404")

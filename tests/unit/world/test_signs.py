# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The datagrams between both skyhas, on two addresses of this host. Where a time matters one side is a plain socket, and the other's clock
stands still until it is moved."""

from __future__ import annotations

import errno
import hmac
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import ConfigError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Signs
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world import signs as module
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world import talk
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.datagram import Sign, key_of, sealed, unsealed
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.signs import Datagrams
from node_samples import NODE1, NODE2, configured

HERE, THERE = "127.0.0.1", "127.0.0.2"
TEXT = b"a key that both have"
KEY = key_of(TEXT)
FAR = 1e9
PAST = 0.0
EVERY, EARLY, CALM = 0.02, 0.01, 0.04  # a fifth of skyha's own
QUIET = 0.08  # what was to come would have come by then


class Clock:
    """Stands still until it is moved, but for a step whenever it is read."""

    def __init__(self) -> None:
        self.now, self.step = 1000.0, 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Wire:
    """The peer's place: what node1 sends comes here, and what leaves here is node2's. It brings back node1's newest mark."""

    def __init__(self, port: int) -> None:
        self._to = (HERE, port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((THERE, port))
        self._echo = 0.0

    def send(self, data: bytes) -> None:
        self._socket.sendto(data, self._to)

    def sign(self, mark: float, boot: str = "there", **other: object) -> None:
        """Send what node2 would."""
        echoed = {"echoed_boot": "here" if self._echo else "", "echo": self._echo}
        what = {"cluster": "sky", "sender": "node2", "boot": boot, "mark": mark, **echoed, **other}
        self.send(sealed(Sign(**what), KEY))  # type: ignore[arg-type]  # the tests know the fields

    def raw(self, within: float = 10.0) -> bytes:
        self._socket.settimeout(within)
        return self._socket.recv(2048)

    def next(self) -> Sign:
        sign = unsealed(self.raw(), KEY)
        self._echo = sign.mark
        return sign

    def is_quiet(self) -> bool:
        try:
            self.raw(QUIET)
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        self._socket.close()


class Node1:
    """node1's datagrams on a clock of their own, and the wire to it."""

    def __init__(self, config: Config, kind: type[socket.socket] = socket.socket) -> None:
        """kind: of its own socket."""
        self.clock = Clock()
        self.wire = Wire(config.signs.port)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "socket", kind)
            self.woken = self.news = 0
            self.clock.step = 1e-6  # the first mark is younger than the process
            self.signs = Datagrams(config, "here", self.clock, self._wake, self._hear)
            self.first = self.wire.next()
            self.clock.step = 0.0

    def _wake(self) -> None:
        self.woken += 1

    def _hear(self) -> None:
        self.news += 1

    def beat(self) -> Sign:
        """The datagram after the next."""
        self.clock.now += EVERY
        return self.wire.next()

    def hears(self, mark: float, boot: str = "there", **what: object) -> None:
        """One of the peer's comes and counts; nothing is due meanwhile."""
        self.clock.now += 0.0001
        at = self.clock.now
        self.wire.sign(mark, boot, **what)
        until(lambda: self.signs.told().heard_at == at)

    def refuses(self, reason: str, data: bytes) -> None:
        """This one comes and changes nothing but what is told of the refused ones."""
        told, refused = self.signs.told(), self.signs.refused[0]
        self.clock.now += 0.0001
        self.wire.send(data)
        until(lambda: self.signs.refused[0] == refused + 1)
        assert reason in self.signs.refused[1]
        assert THERE in self.signs.refused[1]
        now = self.signs.told()
        assert replace(now, problem="") == replace(told, problem="")
        assert now.problem == self.signs.refused[1], "why is told"

    def close(self) -> None:
        self.signs.close()
        self.wire.close()


def until(holds: Callable[[], bool], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def both(port: int, keyfile: Path) -> tuple[Config, Config]:
    signs = {"port": port, "keyfile": str(keyfile)}
    here, there = {"address": HERE}, {"address": THERE}
    return configured(NODE1, node=here, peer=there, signs=signs), configured(NODE2, node=there, peer=here, signs=signs)


def on_free_port(directory: Path) -> tuple[Config, Config]:
    """Of node1 and node2."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_address:
        any_address.bind(("", 0))
        port = any_address.getsockname()[1]
    (directory / "key").write_bytes(TEXT + b"\n")
    return both(port, directory / "key")


@pytest.fixture(autouse=True, scope="module")
def hurried() -> Iterator[None]:
    """All datagrams of these tests."""
    assert (module.EVERY, module.EARLY, module.CALM) == (5 * EVERY, 5 * EARLY, 5 * CALM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "EVERY", EVERY)
        patch.setattr(module, "EARLY", EARLY)
        patch.setattr(module, "CALM", CALM)
        patch.setattr(talk, "SILENCE", talk.SILENCE / 5)
        yield


@pytest.fixture
def configs(tmp_path: Path) -> tuple[Config, Config]:
    """Of node1 and node2."""
    return on_free_port(tmp_path)


@pytest.fixture
def node(configs: tuple[Config, Config]) -> Iterator[Node1]:
    node = Node1(configs[0])
    yield node
    node.close()


def test_two_nodes_hear_each_other_and_one_promises(configs: tuple[Config, Config]) -> None:
    holder, heir = Datagrams(configs[0], "boot of node1"), Datagrams(configs[1], "boot of node2")
    try:
        until(lambda: holder.told().heard_at is not None and heir.told().heard_at is not None)
        assert holder.told().promise is None
        holder.tell((3, 70), False)
        heir.promise(time.monotonic() + FAR)
        until(lambda: holder.told().promise is not None and heir.told().beat == (3, 70))
        heir.promise(PAST)
        promised_at = heir.told().promised_at
        assert promised_at is not None
        time.sleep(3 * EVERY)
        assert heir.told().promised_at == promised_at, "promised on, after it was told not to"
        told = holder.told()
        assert told.promise is not None
        assert told.promise < promised_at, "both have the same clock here"
        assert told.promised_at is None
        assert (holder.refused[1], heir.refused[1]) == ("", ""), "those before the first contact are forgiven"
        assert (holder.problem, heir.problem) == ("", "")
    finally:
        holder.close()
        heir.close()


def test_one_leaves_each_time_and_none_between(node: Node1) -> None:
    assert node.first.mark == pytest.approx(1000.0, abs=1e-4)
    node.clock.now += EVERY - 0.001
    assert node.wire.is_quiet()
    node.clock.now += 0.002
    assert node.wire.next().mark == node.clock.now
    assert node.wire.is_quiet()


def test_one_that_is_due_soon_leaves_with_the_peers(node: Node1) -> None:
    node.clock.now += EVERY - EARLY - 0.001
    node.hears(1.0)
    assert node.wire.is_quiet()
    node.clock.now += 0.002
    node.wire.sign(2.0)
    assert node.wire.next().mark == node.clock.now
    assert node.signs.told().heard_at == node.clock.now


def test_a_holder_whose_heir_promises_speaks_half_as_often_and_hears_it_all_the_same(node: Node1) -> None:
    node.hears(1.0, is_promise=True)
    node.beat()
    node.clock.now += CALM - 0.001
    assert node.wire.is_quiet()
    node.hears(2.0, is_promise=True)
    node.clock.now += 0.001
    assert node.wire.next().echo == 2.0
    node.clock.now += 1.0  # the heir has fallen silent
    node.wire.next()
    node.beat()


def test_an_heirs_promise_leaves_with_the_holders_and_waits_for_it(node: Node1) -> None:
    node.signs.promise(FAR)
    node.hears(5.0)
    node.clock.now += EARLY
    node.hears(6.0)
    sent = node.wire.next()
    assert (sent.is_promise, sent.echo) == (True, 6.0)
    node.clock.now += CALM + EARLY - 0.001
    assert node.wire.is_quiet()
    node.clock.now += 0.002
    assert not node.wire.next().is_promise
    node.beat()


def test_a_flood_does_not_keep_the_own_ones_from_leaving(node: Node1) -> None:
    node.hears(1.0, is_promise=True)
    node.beat()
    for _ in range(5 * module.MOST_AT_ONCE):
        node.wire.send(b"")
    node.clock.now += CALM
    assert node.wire.next().mark == node.clock.now


# --- promises that this node gives -------------------------------------------------------------------------------


def test_promise_never_left_later_than_is_told(node: Node1) -> None:
    node.signs.promise(FAR)
    node.hears(5.0)
    node.clock.step = 1e-5
    sent = node.beat()
    assert sent.echo == 5.0
    until(lambda: node.signs.told().promised_at is not None)
    promised_at = node.signs.told().promised_at
    assert promised_at is not None
    assert promised_at > sent.mark, "noted before it left"


class Slow(socket.socket):
    """Its sending hangs while it is told to, and fails as it is told."""

    may_go = threading.Event()
    hangs = threading.Event()
    errors: list[int] = []  # noqa: RUF012  # a test sets its own

    def sendto(self, *arguments: object) -> int:  # type: ignore[override]
        if self.errors:
            raise OSError(self.errors.pop(), "the network")
        if not self.may_go.is_set():
            self.hangs.set()
            assert self.may_go.wait(10.0)
        return super().sendto(*arguments)  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, configs: tuple[Config, Config]) -> Iterator[Node1]:
    """node1 on such a socket."""
    monkeypatch.setattr(Slow, "may_go", threading.Event())
    monkeypatch.setattr(Slow, "hangs", threading.Event())
    Slow.may_go.set()
    node = Node1(configs[0], Slow)
    yield node
    Slow.may_go.set()
    node.close()


def test_no_promise_leaves_once_it_was_taken_back(slow: Node1) -> None:
    slow.signs.promise(FAR)
    slow.hears(5.0)
    Slow.may_go.clear()
    slow.clock.now += EVERY
    assert Slow.hangs.wait(10.0), "it is about to leave"
    taken_back, told = threading.Event(), threading.Event()
    threading.Thread(target=lambda: (slow.signs.promise(PAST), taken_back.set()), daemon=True).start()
    threading.Thread(target=lambda: (slow.signs.told(), told.set()), daemon=True).start()
    assert not taken_back.wait(QUIET)
    assert not told.is_set(), "what it would tell may be wrong the next moment"
    Slow.may_go.set()
    assert taken_back.wait(10.0)
    assert slow.signs.told().promised_at is not None
    assert slow.wire.next().is_promise
    slow.hears(6.0)
    assert not slow.beat().is_promise


def test_another_holder_is_news_and_a_beat_is_none(node: Node1) -> None:
    node.hears(1.0, epoch=3, beat=70)
    node.hears(2.0, epoch=3, beat=71)
    assert (node.woken, node.news) == (0, 0)
    node.hears(3.0, epoch=4, beat=72)
    until(lambda: node.news == 1)
    assert node.woken == 0


def test_another_holder_is_told_at_once(node: Node1) -> None:
    node.signs.tell((3, 70), False)
    node.signs.tell((3, 71), False)
    assert node.wire.is_quiet()
    node.clock.now += EVERY / 4
    node.signs.tell((4, 72), False)
    assert node.wire.next().epoch == 4


def test_a_peer_that_falls_silent_wakes_the_loop_once(node: Node1) -> None:
    node.hears(1.0)
    for _ in range(2):
        node.beat()
    assert node.woken == 0
    for _ in range(5):
        node.beat()
    assert node.woken == 1
    node.hears(2.0)
    for _ in range(5):
        node.beat()
    assert node.woken == 2


def test_what_it_knew_at_its_end_is_told_once_more(node: Node1) -> None:
    """A node that has handed over ends at once: the heir is not to wait for its next look."""
    node.signs.tell((4, 72), False)
    node.signs.close()
    last = node.wire.next()
    assert (last.epoch, last.beat) == (4, 72)
    assert node.wire.is_quiet()


# --- what is not the peer's word ---------------------------------------------------------------------------------


def signed(key: hmac.HMAC = KEY, **what: object) -> bytes:
    """What node2 would send, but for what is named."""
    fields = {"cluster": "sky", "sender": "node2", "boot": "there", "mark": 10.0, **what}
    return sealed(Sign(**fields), key)  # type: ignore[arg-type]


REFUSED = {
    "signed with another key": ("not signed with this node's key", signed(key_of(b"another"))),
    "another node": ("of node 'node3'", signed(sender="node3")),
    "no mark of this skyha": ("brought back no mark of this skyha lately", signed()),
    "no datagram": ("not of version", b""),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_the_peers_is_not_heard(node: Node1, what: str) -> None:
    node.signs.promise(FAR)
    node.refuses(*REFUSED[what])
    assert replace(node.signs.told(), problem="") == Signs()


def test_why_one_was_refused_is_told_until_one_is_heard(node: Node1) -> None:
    node.refuses(*REFUSED["another node"])
    node.hears(5.0)
    assert node.signs.told().problem == ""


def test_boot_that_is_not_known_yet_is_answered_at_once(node: Node1) -> None:
    node.hears(5000.0, boot="first")
    node.signs.promise(FAR)
    node.refuses("brought back no mark", signed(boot="second", mark=3.0))
    answer = node.wire.next()
    assert (answer.echoed_boot, answer.echo, answer.is_promise) == ("second", 3.0, False)
    node.hears(4.0, boot="second")
    sent = node.beat()
    assert (sent.echoed_boot, sent.echo, sent.is_promise) == ("second", 4.0, True)


def test_skyha_that_is_started_again_is_heard_at_once(configs: tuple[Config, Config]) -> None:
    """Its host's boot is the same. The other has not stopped, and echoes marks of the process before until it hears a new one."""
    one, other = Datagrams(configs[0], "boot of node1"), Datagrams(configs[1], "boot of node2")
    until(lambda: one.told().heard_at is not None and other.told().heard_at is not None)
    one.close()
    one, started = Datagrams(configs[0], "boot of node1"), time.monotonic()
    until(lambda: one.told().heard_at is not None and (other.told().heard_at or 0.0) > started)
    one.close()
    other.close()


# --- the network, and the file -----------------------------------------------------------------------------------


def test_errors_of_the_network_end_nothing(slow: Node1, monkeypatch: pytest.MonkeyPatch) -> None:
    slow.signs.promise(FAR)
    slow.hears(5.0)
    monkeypatch.setattr(Slow, "errors", [errno.ENETUNREACH, errno.EPERM, errno.ENOBUFS])
    while Slow.errors:
        left = len(Slow.errors)
        slow.clock.now += EVERY
        until(lambda left=left: len(Slow.errors) < left)  # type: ignore[misc]
    until(lambda: slow.signs.told().promised_at is not None)  # perhaps it did leave
    slow.hears(6.0)
    assert slow.beat().echo == 6.0
    assert slow.signs.problem == ""


def test_port_that_somebody_else_has_is_told_and_tried_again(configs: tuple[Config, Config]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HERE, configs[0].signs.port))
        signs = Datagrams(configs[0], "here")
        until(lambda: "Address already in use" in signs.problem)
    until(lambda: signs.problem == "")
    signs.close()


def test_address_that_is_not_there_is_told(configs: tuple[Config, Config]) -> None:
    signs = Datagrams(configured(configs[0], node={"address": "203.0.113.7"}), "here")
    until(lambda: "Cannot assign requested address" in signs.problem)
    signs.close()
    assert not signs._thread.is_alive()


def test_closed_it_is_silent_at_once(node: Node1) -> None:
    began = time.monotonic()
    node.signs.close()
    assert time.monotonic() - began < 1.0
    assert not node.signs._thread.is_alive()
    node.wire.next()  # the last one
    node.clock.now += 1.0
    assert node.wire.is_quiet()


def test_ipv6_serves_as_well(configs: tuple[Config, Config]) -> None:
    """To itself, which is nobody's word; but it comes."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as any_port:
            any_port.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"this host has no IPv6: {error}")
    signs = Datagrams(configured(configs[0], node={"address": "::1"}, peer={"address": "::1"}), "here")
    until(lambda: "from ::1 is refused: it is of node 'node1'" in signs.refused[1])
    signs.close()


def test_without_a_key_it_does_not_start(configs: tuple[Config, Config]) -> None:
    Path(configs[0].signs.keyfile).unlink()
    with pytest.raises(ConfigError, match="role skyha_daemon writes it"):
        Datagrams(configs[0], "here")

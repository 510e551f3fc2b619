# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The peer's status is fetched over HTTP by a thread of its own, whose questions end in time whatever answers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon import peer
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.peer import PeerWatch, Told, get
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.serve import Serving
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.web import Http
from daemon_samples import STANDBY, World


@pytest.fixture
def address() -> Iterator[str]:
    """Where a standby's skyha serves its status."""
    world = World(STANDBY, "/nonexistent")
    world.turn(5)
    served = Serving(
        [Http(lambda: world.daemon.status, world.clock.monotonic).door("127.0.0.1:0")], lambda *_told: None
    )
    served.open_doors()
    served.start()
    (door,) = served.listening().values()
    yield f"127.0.0.1:{door.getsockname()[1]}"
    served.stop()
    served.join(10)


def told_by(watch: PeerWatch) -> Told:
    """Its first answer."""
    watch.start()
    until = time.monotonic() + 30
    while watch.newest() is None:
        assert time.monotonic() < until, "it never answered"
        time.sleep(0.01)
    watch.stop()
    told = watch.newest()
    assert told is not None
    return told


def test_peer_that_answers_tells_whether_it_is_armed(address: str) -> None:
    told = told_by(PeerWatch(address, "node2"))
    assert told.problem == ""
    assert told.status is not None
    assert (told.status.place.node, told.status.verdict.armed) == ("node2", True)


def test_peer_that_is_not_there_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"127.0.0.1:{listener.getsockname()[1]}"
    told = told_by(PeerWatch(nobody, "node2"))
    assert told.status is None
    assert f"skyha of node2 at {nobody} does not answer" in told.problem


def test_peer_without_a_common_address_is_not_asked() -> None:
    told = PeerWatch(None, "node2").newest()
    assert told is not None
    assert "[http] listen names no address" in told.problem


@pytest.mark.parametrize("drops", [b"", b"HTTP/1.1 200 OK\r\n\r\nx"])
def test_answer_that_never_ends_is_given_up(drops: bytes) -> None:
    """Silent, or one byte now and then: no question lasts longer than its deadline, much."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            channel, _address = listener.accept()
            with channel:
                while not over.wait(0.05):
                    channel.sendall(drops)

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        with pytest.raises(OSError, match=r"time|takes too long"):
            get(f"127.0.0.1:{listener.getsockname()[1]}", "/status.json", 0.5)
        over.set()
        thread.join(10)


def test_answer_without_end_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "MOST_BYTES", 10)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def flood() -> None:
            channel, _address = listener.accept()
            with channel:
                channel.sendall(b"x" * 100)
                channel.recv(1000)

        thread = threading.Thread(target=flood, daemon=True)
        thread.start()
        with pytest.raises(OSError, match="longer than 10 bytes"):
            get(f"127.0.0.1:{listener.getsockname()[1]}", "/status.json", 5.0)
        thread.join(10)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control socket: who may order what, and what is refused with which reason."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path as File
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.control import Control, unix_listener
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Intent, Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local, Order, Path, Request, Server
from daemon_samples import DROPPED, PRIMARY, SILENT, STANDBY, World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


class Office:
    """A control socket's answers without the socket's thread."""

    def __init__(self, local: Local, uid: int | None = 0, turns: int = 3) -> None:
        self.world = World(local, "/nonexistent")
        self.world.turn(turns)
        self.taken: list[Request] = []
        self.fence_tests = 0
        daemon = self.world.daemon
        self.control = Control(
            "/nonexistent", lambda: daemon.status, daemon._refusal, self.taken.append, self._test, lambda: 7, owner=999
        )
        self.uid = uid

    def _test(self) -> None:
        self.fence_tests += 1

    def after(self, **alarms: str) -> Office:
        """With these alarms after the last cycle."""
        loop = self.world.daemon.loop
        assert loop.decision is not None
        loop.decision = replace(loop.decision, alarms=alarms)
        return self

    def paused(self) -> Office:
        self.world.daemon.submit(Request(Order.PAUSE, "anna"))
        self.world.turn(1)
        return self

    def begun(self, stage: Stage) -> Office:
        """In the middle of this."""
        loop = self.world.daemon.loop
        assert loop.decision is not None
        memory = loop.decision.memory
        record = replace(memory.record, intent=Intent(stage, 1.0, 1.0, "why"))
        loop.decision = replace(loop.decision, memory=replace(memory, record=record))
        return self

    def ask(self, data: bytes, whole: bool = True) -> dict[str, Any]:
        return json.loads(self.raw(data, whole))  # type: ignore[no-any-return]

    def raw(self, data: bytes, whole: bool = True) -> bytes:
        class Connection:
            def getsockopt(_self, *_args: Any) -> bytes:
                if self.uid is None:
                    raise OSError
                return (1).to_bytes(4, "little") + self.uid.to_bytes(4, "little") + bytes(4)

        return self.control._answer(data, whole, Connection())  # type: ignore[arg-type]

    def order(self, order: str, **more: Any) -> dict[str, Any]:
        return self.ask(json.dumps({"order": order, **more}).encode() + b"\n")


@pytest.mark.parametrize("uid", [0, 999])
def test_root_and_owner_may_order(uid: int) -> None:
    office = Office(STANDBY, uid)
    assert office.order("pause", seconds=60, by="anna") == {"ok": True, "seq": 7}
    assert office.taken == [Request(Order.PAUSE, f"anna (uid {uid})", 60)]


@pytest.mark.parametrize("uid", [1, 1000, None])
@pytest.mark.parametrize("order", ["pause", "resume", "switchover", "confirm_off", "acknowledge", "fence_test"])
def test_others_may_only_look(uid: int | None, order: str) -> None:
    office = Office(PRIMARY, uid)
    answer = office.order(order)
    assert answer["ok"] is False
    assert "root" in answer["error"]
    assert not office.taken
    assert not office.fence_tests
    assert office.order("status")["ok"] is True


def test_switchover_is_for_the_primary() -> None:
    assert Office(PRIMARY).order("switchover")["ok"] is True
    assert "on node1" in Office(STANDBY).order("switchover")["error"]


def test_rejoin_is_for_a_server_that_is_down() -> None:
    assert "nothing to rejoin" in Office(STANDBY).order("rejoin")["error"]


def test_confirm_off_needs_a_primary_that_is_gone() -> None:
    assert "nothing to confirm" in Office(STANDBY).order("confirm_off")["error"]
    assert "nothing to confirm" in Office(PRIMARY).order("confirm_off")["error"]


def test_takeover_is_for_a_node_that_does_not_serve() -> None:
    assert "nothing to take over" in Office(PRIMARY).order("takeover")["error"]
    assert Office(STANDBY).order("takeover")["ok"] is True
    assert "skyctl resume" in Office(STANDBY).paused().order("takeover")["error"]
    assert Office(PRIMARY).after(unlawful="why").order("takeover")["ok"] is True


def test_switchover_waits_for_the_end_of_a_pause_and_of_another_one() -> None:
    paused = Office(PRIMARY).paused()
    assert "skyctl resume" in paused.order("switchover")["error"]
    begun = Office(PRIMARY).begun(Stage.SWITCHING)
    assert begun.order("switchover")["error"] == "switching is under way"
    assert not paused.taken + begun.taken


def test_switchover_to_a_standby_that_does_not_stream_is_refused_at_once() -> None:
    answer = Office(replace(PRIMARY, peer_streaming=False)).order("switchover")
    assert (answer["ok"], answer["code"]) == (False, "not_ready")
    assert "node2 does not stream" in answer["error"]


def test_daemon_that_has_not_looked_yet_asks_for_patience() -> None:
    for order in ("switchover", "rejoin"):
        assert Office(PRIMARY, turns=0).order(order)["code"] == "not_looked"
    assert Office(PRIMARY, turns=0).order("pause")["ok"] is True


def gone() -> Office:
    office = Office(STANDBY)
    office.world.eyes.looks = {Path.VIP: SILENT, Path.VOTE: DROPPED}
    office.world.turn(1)
    return office


def down() -> Office:
    office = Office(STANDBY)
    office.world.eyes.here = replace(STANDBY, server=Server.DOWN)
    office.world.turn(1)
    return office


@pytest.mark.parametrize("what", [gone, lambda: Office(STANDBY).begun(Stage.FENCING), down])
def test_confirm_off_is_taken_once_the_primary_is_gone(what: Callable[[], Office]) -> None:
    office = what()
    assert office.order("confirm_off") == {"ok": True, "seq": 7}
    assert office.taken == [Request(Order.CONFIRM_OFF, "(uid 0)")]


def test_socket_in_a_directory_that_is_missing_is_an_error(directory: File) -> None:
    with pytest.raises(OSError, match="No such file"):
        unix_listener("missing/x.sock")


def test_socket_that_a_killed_daemon_left_half_made_is_replaced(directory: File) -> None:
    File(f"x.sock.{os.getpid()}").touch()
    unix_listener("x.sock").close()
    assert [path.name for path in directory.iterdir()] == ["x.sock"]


def test_fence_test_tells_the_number_of_checks_before() -> None:
    office = Office(STANDBY, turns=5)
    assert office.order("fence_test") == {"ok": True, "seq": 7, "checks": 1}
    assert office.fence_tests == 1


@pytest.mark.parametrize("seconds", [0, -1, "60", True, 1e99, pytest.param(10**400, id="huge"), [], "NaN"])
def test_odd_durations_are_refused(seconds: Any) -> None:
    office = Office(STANDBY)
    assert office.order("pause", seconds=seconds)["ok"] is False
    assert not office.taken


def test_unknown_order_names_the_known() -> None:
    assert "switchover" in Office(STANDBY).order("reboot")["error"]


def test_question_that_does_not_end_is_refused() -> None:
    assert "one line of JSON" in Office(STANDBY).ask(b'{"order": "pause"', whole=False)["error"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        st.binary(max_size=100),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.sampled_from(["order", "seconds", "by"]), inner, max_size=3)
            ),
        ).map(lambda value: json.dumps(value).encode() + b"\n"),
    )
)
def test_no_question_upsets_it(data: bytes) -> None:
    answer = Office(STANDBY, turns=1).raw(data)
    assert isinstance(json.loads(answer)["ok"], bool)


def test_deeply_nested_question_is_no_order() -> None:
    answer = json.loads(Office(STANDBY, turns=1).raw(b"[" * 4000 + b"\n"))
    assert (answer["ok"], "this is not an order" in answer["error"]) == (False, True)


@pytest.fixture
def directory(tmp_path: File) -> Iterator[File]:
    # A Unix socket's path is short.
    here = os.getcwd()
    os.chdir(tmp_path)
    yield File(".")
    os.chdir(here)


def test_socket_is_for_user_and_group_and_replaces_a_stale_one(directory: File) -> None:
    for _ in range(2):
        listener = unix_listener("x.sock")
        assert stat.S_IMODE(os.stat("x.sock").st_mode) == 0o660
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("x.sock")
        listener.close()

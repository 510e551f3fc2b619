# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever comes in from outside: a clear error, never another exception, never a proof or a promotion out of nothing.

HTTP: daemon/test_serve.py. NRPE: nagios/test_nagios_input.py. The inventory:
roles/test_inventory_values.py, roles/test_inventory_problems.py.
"""

# ruff: noqa: PT017 - an error is one of two right answers here, so it cannot be asked for with pytest.raises

from __future__ import annotations

import json
import os
import types
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config_file
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.record_json import from_json, to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import ConfigError, FenceError, StateError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.fencing.command import CommandAgent
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.fencing.ipmi import IpmiAgent
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Record, adopt
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes import arp, datadir, ndp, netlink
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Do,
    Local,
    Power,
    Role,
    Seen,
    Server,
    Task,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world import history, tasks
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.store import FileStore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from node_samples import remembered

MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NESTED = b"[" * 100_000
GOOD = (
    "[cluster]\nname = sky\n[node]\nname = node1\naddress = 198.51.100.110\n[peer]\nname = node2\n"
    "address = 198.51.100.111\n[vip]\naddress = 198.51.100.116\n[vote]\naddress = 198.51.100.35\n"
    "[agent bmc]\nkind = ipmi\naddress = 198.51.100.212\nuser = test\npassword_file = /p\n"
)
CONFIG = config_file.parse(GOOD)


class TestConfiguration:
    @MANY
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    ["cluster", "vip", "vote", "postgresql", "failover", "fence", "http", "hooks", "agent b"]
                ),
                st.sampled_from(["name", "address", "port", "prefix", "listen", "kind", "cipher", "user", "deadline"]),
                st.text(max_size=12) | st.integers().map(str) | st.text(max_size=6).map(json.dumps),
            ),
            max_size=6,
        )
    )
    def test_any_values_are_read_or_refused_one_by_one(self, lines: list[tuple[str, str, str]]) -> None:
        text = "".join(f"[{section}]\n{key} = {value}\n" for section, key, value in lines)
        try:
            read = config_file.parse(text, "x.conf")
        except ConfigError as error:
            assert error.problems
            assert all(problem.startswith("x.conf: ") for problem in error.problems)
        else:
            assert read.agents

    @pytest.mark.parametrize("value", ['"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"open', '"a" b'])
    @pytest.mark.parametrize("line", ["password_file = /p", "user = test"])
    def test_text_that_no_file_or_program_can_be_given_is_refused(self, line: str, value: str) -> None:
        key = line.split(" ")[0]
        with pytest.raises(ConfigError, match=rf"\[agent bmc\] {key} = "):
            config_file.parse(GOOD.replace(line, f"{key} = {value}"))

    def test_password_file_that_is_no_path_or_no_text_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="the password cannot be read"):
            config_file.password("a\0b")
        (tmp_path / "binary").write_bytes(b"\xff\xfe")
        with pytest.raises(ConfigError, match="the password cannot be read"):
            config_file.password(str(tmp_path / "binary"))


class TestRecord:
    """The state file: truncated, garbage, of the future."""

    @MANY
    @given(data=st.binary(max_size=200) | st.just(NESTED) | JSON.map(lambda value: json.dumps(value).encode()))
    def test_any_bytes_are_refused(self, data: bytes, tmp_path: Path) -> None:
        (tmp_path / "state.json").write_bytes(data)
        with pytest.raises(StateError, match=r"state\.json"):
            FileStore(str(tmp_path)).load()

    @MANY
    @given(end=st.integers(min_value=0), flipped=st.integers(min_value=0))
    def test_any_truncation_or_changed_byte_is_refused(self, end: int, flipped: int, tmp_path: Path) -> None:
        FileStore(str(tmp_path)).save(to_json(Record("boot", Role.PRIMARY, 3)))
        path = tmp_path / "state.json"
        whole = path.read_bytes()
        path.write_bytes(whole[: end % (len(whole) - 2)])
        with pytest.raises(StateError):
            FileStore(str(tmp_path)).load()
        at = flipped % len(whole)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            assert FileStore(str(tmp_path)).load() == json.loads(whole)["record"]  # (only white space was changed)
        except StateError:
            pass

    @MANY
    @given(
        changes=st.dictionaries(st.sampled_from(sorted(to_json(Record("b")))) | st.text(max_size=5), JSON, max_size=2),
        intent=st.none()
        | st.dictionaries(st.sampled_from(["stage", "at", "since", "why", "attempts"]), JSON, max_size=5),
        role=st.sampled_from([Role.PRIMARY, Role.STANDBY]),
        server=st.sampled_from([Server.UP, Server.DOWN, Server.UNKNOWN]),
    )
    def test_odd_record_is_refused_or_decided_upon_and_promotes_nobody(
        self, changes: dict[str, Any], intent: Any, role: Role, server: Server
    ) -> None:
        data = {**to_json(Record("before", Role.STANDBY, 3)), **changes}
        if intent is not None:
            data["intent"] = {"stage": "promoting", "at": 1.0, "since": 1.0, "why": "", **intent}
        try:
            record = from_json(data)
        except StateError:
            return
        memory = remembered(adopt(record, "this boot", 100.0, 1.7e9), 100.0)
        decision = decide(CONFIG, memory, Seen(Local(server, role, timeline=3)), 101.0)
        assert not [
            action
            for action in decision.actions
            if action.do in (Do.PROMOTE, Do.PROMOTE_PEER) or action.value is Task.FENCE
        ]


class TestHistory:
    def test_damaged_lines_are_passed_over(self, tmp_path: Path) -> None:
        good = json.dumps({"wall": 1.0, "kind": "started", "text": "x"}).encode()
        lines = [NESTED, b"\xff\xfe", b"1" * 5000, b"[]", b'{"wall":', b"null", good, b'{"torn']
        (tmp_path / "history.jsonl").write_bytes(b"\n".join(lines))
        assert [event["kind"] for event in history.read(str(tmp_path))] == ["started"]


class TestBmc:
    """What a BMC, a fence agent or the fence process answers. Off is only what says off."""

    @MANY
    @given(
        answer=JSON
        | st.fixed_dictionaries({"data": JSON | st.lists(st.integers(-5, 300), max_size=4) | st.binary(max_size=4)})
        | st.fixed_dictionaries({"data": st.binary(min_size=3, max_size=4), "code": st.integers(0, 255)})
    )
    def test_any_ipmi_answer_is_a_power_or_a_named_error(self, answer: Any) -> None:
        session = types.SimpleNamespace(raw_command=lambda **_given: answer, logout=lambda: None)
        agent = IpmiAgent("idrac", "127.0.0.1", "test", "secret", connect=lambda **_given: session)
        try:
            power = agent.status(5.0)
        except FenceError as error:
            assert "BMC idrac at 127.0.0.1 port 623" in str(error)
            return
        if power is Power.OFF:
            assert not isinstance(answer["data"], (int, str, dict))
            assert len(answer["data"]) >= 3
            assert answer["data"][0] in range(0, 256, 2)
            assert not answer.get("code")

    @MANY
    @given(
        code=st.integers(0, 255), text=st.text(max_size=40) | st.sampled_from(["power is off", "Status: ON", "off\non"])
    )
    def test_any_words_of_a_fence_agent_are_a_power_or_a_named_error(self, code: int, text: str) -> None:
        agent = CommandAgent("x", {"status": "true"}, "198.51.100.212")
        agent._run = lambda _verb, _deadline: (code, text)  # type: ignore[method-assign]
        try:
            power = agent.status(5.0)
        except FenceError as error:
            assert "fence agent x at 198.51.100.212" in str(error)
            return
        assert power is not Power.OFF or "off" in text.lower()

    @MANY
    @given(
        task=st.sampled_from(Task),
        data=st.binary(max_size=60)
        | st.just(NESTED)
        | JSON.map(lambda value: json.dumps(value).encode())
        | st.dictionaries(st.sampled_from(["ok", "power", "proof", "detail", "numbers"]), JSON).map(
            lambda value: json.dumps(value).encode()
        ),
    )
    def test_any_answer_of_a_task_is_an_outcome_and_proof_only_if_it_says_so(self, task: Task, data: bytes) -> None:
        running = types.SimpleNamespace(ended=True, output=data, deadline=1.0)
        outcome = tasks._outcome(task, running, 1)  # type: ignore[arg-type]
        assert outcome.task is task
        if outcome.proof:
            assert task is Task.FENCE
            assert json.loads(data)["proof"] is True


class TestKernelAndFiles:
    @MANY
    @given(data=st.binary(max_size=120))
    def test_any_packet_is_looked_at(self, data: bytes) -> None:
        assert arp.claims(data, b"\1\2\3\4", b"\0" * 6) in (True, False)
        assert ndp.claims(data, b"\1" * 16) in (True, False)

    @MANY
    @given(data=st.binary(max_size=120), length=st.integers(0, 60))
    def test_any_netlink_message_is_taken_apart(self, data: bytes, length: int) -> None:
        framed = netlink._message(netlink.NEW_ADDRESS, 0, data)
        for kind, body in [*netlink._messages(data), *netlink._messages(framed[:length]), *netlink._messages(framed)]:
            if kind == netlink.NEW_ADDRESS:
                netlink._held(body)

    @MANY
    @given(data=st.binary(max_size=80) | st.integers().map(lambda number: str(number).encode()))
    def test_any_postmaster_pid_is_no_server_of_this_directory(self, data: bytes, tmp_path: Path) -> None:
        (tmp_path / "postmaster.pid").write_bytes(data)
        found = datadir.postmaster(str(tmp_path))
        # A process of this user that may not be looked into is taken for the server, the safe way.
        assert found is None or not os.access(f"/proc/{found.pid}/cwd", os.F_OK)

    @MANY
    @given(text=st.text(max_size=60))
    def test_any_control_data_is_understood_or_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="pg_controldata"):
            datadir.parse_control(text)

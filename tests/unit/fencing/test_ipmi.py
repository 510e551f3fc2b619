# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IPMI against a BMC that speaks RMCP+; each attempt in a process of its own, as in production."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("pyghmi", reason="pyghmi is not installed")

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import FenceError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.fencing.ipmi import IpmiAgent
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Power
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.child import command
from fake_bmc import bmc

PASSWORD = "FEFETESTf12345112"


def ask(port: int, secret: Path, verb: str, deadline: float = 5.0, **other: object) -> Mapping[str, object]:
    """One request to the fence process."""
    agent = {
        "name": "idrac",
        "kind": "ipmi",
        "address": "127.0.0.1",
        "port": port,
        "user": "test",
        "password_file": str(secret),
        **other,
    }
    argv, environment = command("fencing.child")
    done = subprocess.run(
        argv,
        input=json.dumps({"verb": verb, "deadline": deadline, "levels": [[agent]]}),
        capture_output=True,
        text=True,
        env=environment,
        timeout=deadline + 10,
    )
    assert PASSWORD not in done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return path


def test_off_is_ordered_and_read_back(tmp_path: Path, secret: Path) -> None:
    with bmc(tmp_path / "power", fault="slow") as port:
        assert ask(port, secret, "status")["power"] == "on"
        answer = ask(port, secret, "off")
        assert (answer["power"], answer["proof"], answer["changed"]) == ("off", True, True)
        assert ask(port, secret, "off")["changed"] is False
        assert ask(port, secret, "on")["power"] == "on"
    assert (tmp_path / "power.orders").read_text().split() == ["off", "on"]


def test_bmc_that_says_done_and_does_nothing_is_found_out(tmp_path: Path, secret: Path) -> None:
    with bmc(tmp_path / "power", fault="stuck") as port:
        answer = ask(port, secret, "off", deadline=1.5)
    assert "power is still on" in str(answer["error"])


@pytest.mark.parametrize("verb", ["cycle", "reset", "diag", "soft"])
def test_each_verb_of_the_document_reaches_the_bmc(tmp_path: Path, secret: Path, verb: str) -> None:
    with bmc(tmp_path / "power") as port:
        answer = ask(port, secret, verb)
    assert "error" not in answer
    assert (tmp_path / "power.orders").read_text().split() == [verb]


def test_wrong_password_is_named_as_that_and_not_shown(tmp_path: Path, secret: Path) -> None:
    with bmc(tmp_path / "power", password="another") as port:
        error = str(ask(port, secret, "off")["error"])
    assert "refuses user test" in error
    assert f"127.0.0.1 port {port}" in error


def test_dead_bmc_is_given_up_at_the_deadline(secret: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        began = time.monotonic()
        error = str(ask(silent.getsockname()[1], secret, "off", deadline=1.0)["error"])
    assert "no answer to status within 1 s" in error
    assert time.monotonic() - began < 30  # a busy machine takes its time to start the process


def test_password_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "missing" in str(ask(1, tmp_path / "missing", "off")["error"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"cipher": 0}, "cipher suite 0"),
        ({"privilege": "root"}, "privilege 'root'"),
        ({"password": "x" * 21}, "longer than IPMI's 20 bytes"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_sent(values: Mapping[str, object], said: str) -> None:
    with pytest.raises(FenceError, match=said):
        IpmiAgent(**{"name": "idrac", "address": "127.0.0.1", "user": "test", "password": "p", **values})  # type: ignore[arg-type]


def test_answer_that_breaks_the_library_is_an_error_with_a_name() -> None:
    def connect(**_given: object) -> object:
        raise IndexError("bytearray index out of range")

    with pytest.raises(FenceError, match=r"BMC idrac at 127\.0\.0\.1 port 623: status failed: bytearray"):
        IpmiAgent("idrac", "127.0.0.1", "test", "p", connect=connect).status(1.0)


def test_daemon_never_imports_pyghmi() -> None:
    package = IpmiAgent.__module__.rsplit(".", 2)[0]
    argv, environment = command("fencing.child")
    script = f"import sys, {package}.world.production; raise SystemExit('pyghmi' in sys.modules or 'cryptography' in sys.modules)"
    assert subprocess.run([argv[0], "-c", script], env=environment).returncode == 0
    assert sys.executable == argv[0]


class Session:
    """A session of pyghmi's whose answers are given; None: the BMC is silent."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.left = False

    def raw_command(self, **_asked: object) -> object:
        if self.answer is None:
            time.sleep(30.0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def logout(self) -> None:
        self.left = True
        raise ConnectionResetError("gone already")


def agent(answer: object) -> tuple[IpmiAgent, Session]:
    session = Session(answer)
    return IpmiAgent("idrac", "192.0.2.1", "test", "p", connect=lambda **_given: session), session


@pytest.mark.parametrize(
    ("answer", "power"),
    [
        ({"code": 0, "data": b"\x01\x00\x00"}, Power.ON),
        ({"code": 0, "data": b"\x60\x10\x00\x70"}, Power.OFF),
        ({"code": 0, "data": [0, 0, 0]}, Power.OFF),
        ({"code": 0, "data": b"\x00"}, Power.UNKNOWN),
        ({"code": 0, "data": b""}, Power.UNKNOWN),
        ({"code": 0}, Power.UNKNOWN),
        ({"code": 0xC1, "data": b"\x00\x00\x00"}, Power.UNKNOWN),
        ({"code": 0, "data": ["off", 0, 0]}, Power.UNKNOWN),
        ({"code": 0, "data": [256, 0, 0]}, Power.UNKNOWN),
        ({"code": 0, "data": "off"}, Power.UNKNOWN),
    ],
)
def test_only_a_whole_answer_tells_the_power(answer: object, power: Power) -> None:
    """Least of all may half an answer say 'off': that is a proof."""
    assert agent(answer)[0].status(5.0) is power


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {"error": "Incorrect password provided", "code": 1},
            "refuses user test: Incorrect password provided; check the user",
        ),
        ({"error": "Insufficient privilege level"}, "refuses user test"),
        ({"error": "timeout"}, r"no answer to status after .* \(timeout\); see to the network"),
        ({"error": ""}, r"no answer to status after .* \(silence\)"),
        ({"error": None}, r"no answer to status after .* \(silence\)"),
        ({"error": "Node busy"}, "status failed: Node busy"),
        (None, "no answer to status within 0.2 s"),
        ([], r"status failed: no answer"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
    ],
)
def test_every_failure_says_what_to_look_at(answer: object, said: str) -> None:
    with pytest.raises(FenceError, match=r"BMC idrac at 192\.0\.2\.1 port 623: .*") as raised:
        agent(answer)[0].status(0.2 if answer is None else 5.0)
    assert re.search(said, str(raised.value))


def test_bmc_that_has_gone_at_the_logout_changes_nothing() -> None:
    """It was asked and has answered."""
    one, session = agent({"code": 0, "data": b"\x01\x00\x00"})
    one.close()
    assert not session.left
    assert one.status(5.0) is Power.ON
    one.close()
    assert session.left


def test_refused_command_is_an_answer_only_where_it_was_asked_for() -> None:
    one, _session = agent({"error": "Invalid command", "code": 0xC1})
    assert one.raw("set password", 6, 0x47, (), 5.0)["code"] == 0xC1
    with pytest.raises(FenceError, match="off failed: Invalid command"):
        one.order("off", 5.0)


def test_other_threads_may_not_use_it() -> None:
    """The deadline is a signal, and signals are the main thread's."""
    said: list[str] = []

    def use() -> None:
        try:
            agent({"code": 0, "data": b"\x01\x00\x00"})[0].status(1.0)
        except FenceError as error:
            said.append(str(error))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "main thread" in said[0]


def test_without_pyghmi_the_package_is_named(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "pyghmi").mkdir()
    (tmp_path / "pyghmi" / "__init__.py").write_text("raise ImportError('No module named pyghmi')\n")
    argv, environment = command("fencing.child")
    package = IpmiAgent.__module__
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from {package} import IpmiAgent\n"
        "try: IpmiAgent('idrac', '192.0.2.1', 'test', 'p')\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run([argv[0], "-c", script], env=environment, capture_output=True, text=True)
    assert "pyghmi cannot be imported here" in done.stdout
    assert "install python3-pyghmi" in done.stdout

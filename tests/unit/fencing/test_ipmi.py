# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IPMI against a BMC that speaks RMCP+; each attempt in a process of its own, as in production."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("pyghmi", reason="pyghmi is not installed")

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import FenceError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.fencing.ipmi import IpmiAgent
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
        input=json.dumps({"verb": verb, "deadline": deadline, "agents": [agent]}),
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

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module port_probe."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.sky.pg_cluster.plugins.modules import port_probe
from module_runner import run


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def test_open_port(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = run(port_probe, capsys, host="127.0.0.1", port=server.getsockname()[1], state="open", check=True)
    assert (answer["port_state"], answer["changed"], answer["attempts"]) == ("open", False, 1)
    assert answer["latency_ms"] >= 0


def test_closed_port_is_an_answer(capsys: pytest.CaptureFixture[str], closed_port: int) -> None:
    answer = run(port_probe, capsys, host="127.0.0.1", port=closed_port)
    assert answer["port_state"] == "refused"
    assert "failed" not in answer
    assert run(port_probe, capsys, host="127.0.0.1", port=closed_port, state="closed")["port_state"] == "refused"


def test_state_that_never_comes_fails_after_its_retries(capsys: pytest.CaptureFixture[str], closed_port: int) -> None:
    answer = run(port_probe, capsys, host="127.0.0.1", port=closed_port, state="open", retries=2, delay=0.01)
    assert answer["failed"]
    assert answer["attempts"] == 3
    assert "it is not open" in answer["msg"]


@pytest.mark.parametrize(
    ("given", "said"),
    [({"port": 0}, "port 0"), ({"port": 70000}, "port 70000"), ({"port": 1, "timeout": -1}, "timeout is -1")],
)
def test_bad_values_are_named(capsys: pytest.CaptureFixture[str], given: dict, said: str) -> None:
    assert said in run(port_probe, capsys, host="127.0.0.1", **given)["msg"]

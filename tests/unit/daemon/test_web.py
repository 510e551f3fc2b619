# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The HTTP paths: what load balancers, Prometheus and people get."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import from_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.status import STALE_AFTER
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.web import Http
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local, Server
from daemon_samples import PRIMARY, STANDBY, World

NOWHERE = "/nonexistent"


def code(status: Any, path: str, age: float = 0.5, method: str = "GET") -> int:
    return int(ask(status, path, age, method)[0].split()[1])


def ask(status: Any, path: str, age: float = 0.5, method: str = "GET") -> tuple[str, str]:
    http = Http(lambda: from_json(status), lambda: status["written_monotonic"] + age)
    head, _, body = (
        http.answer(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), True).decode().partition("\r\n\r\n")
    )
    return head, body


def down() -> Any:
    world = World(PRIMARY, NOWHERE)
    world.turn(2)
    world.eyes.here = dataclasses.replace(PRIMARY, server=Server.DOWN, vip_held=False)
    return world.turn(2)


@pytest.mark.parametrize(
    ("local", "path", "expected"),
    [
        (PRIMARY, "/health", 200),
        (PRIMARY, "/primary", 200),
        (PRIMARY, "/replica", 503),
        (STANDBY, "/health", 200),
        (STANDBY, "/primary", 503),
        (STANDBY, "/replica", 200),
    ],
)
def test_health_checks_follow_the_role(local: Local, path: str, expected: int) -> None:
    status = World(local, NOWHERE).turn(3)
    assert code(status, path) == expected
    assert code(status, path + "?lag=1") == expected
    assert code(status, path, method="HEAD") == expected
    assert ask(status, path, method="HEAD")[1] == ""


@pytest.mark.parametrize("path", ["/health", "/primary", "/replica"])
def test_node_that_is_down_or_stale_is_unfit(path: str) -> None:
    assert code(down(), path) == 503
    status = World(PRIMARY, NOWHERE).turn(3)
    head, body = ask(status, path, age=STALE_AFTER + 1)
    assert " 503 " in head
    assert "has not completed a cycle for 16 s" in body


def test_standby_that_does_not_stream_is_no_replica() -> None:
    assert code(World(dataclasses.replace(STANDBY, streaming=False), NOWHERE).turn(3), "/replica") == 503


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(method: str) -> None:
    head, _body = ask(World(STANDBY, NOWHERE).turn(1), "/", method=method)
    assert head.startswith("HTTP/1.1 405 ")
    assert "Allow: GET, HEAD" in head


def test_status_json_is_the_status() -> None:
    status = World(STANDBY, NOWHERE).turn(3)
    head, body = ask(status, "/status.json")
    assert "Content-Type: application/json" in head
    assert json.loads(body) == {**json.loads(json.dumps(status)), "age": 0.5}


def test_daemon_that_starts_answers_already() -> None:
    status = World(STANDBY, NOWHERE).published
    assert code(status, "/") == 200
    assert code(status, "/metrics") == 200
    assert code(status, "/health") == 503


def test_answers_forbid_scripts_and_storing() -> None:
    head, _body = ask(World(STANDBY, NOWHERE).turn(1), "/")
    assert "Content-Security-Policy: default-src 'none'" in head
    assert "Cache-Control: no-store" in head

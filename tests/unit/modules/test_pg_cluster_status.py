# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module pg_cluster_status."""

from __future__ import annotations

import time

import pytest
from ansible_collections.sky.pg_cluster.plugins.modules import pg_cluster_status
from module_runner import run
from real_postgres import RealPostgres

COMMON = {
    "config": "/nonexistent",
    "node": "node1",
    "peer": "node2",
    "passfile": "/nonexistent",
    "look_timeout": 1,
    "delay": 0.05,
}


@pytest.fixture
def given(postgres: RealPostgres) -> dict:
    return {
        **COMMON,
        "port": postgres.port,
        "vote_port": postgres.port,
        "peer_address": "127.0.0.1",
        "vip": "127.0.0.1",
        "vote_address": "127.0.0.1",
        "data_dir": str(postgres.data_dir),
        "socket_dir": str(postgres.root),
        "bin_dir": str(postgres.bin_dir),
    }


def test_picture_of_a_primary(capsys: pytest.CaptureFixture[str], given: dict) -> None:
    answer = run(pg_cluster_status, capsys, check=True, **given)
    assert (answer["changed"], answer["looks"], answer["missing"]) == (False, 1, [])
    assert (answer["cluster"]["role"], answer["cluster"]["paths"]["vote"]["answered_by"]) == ("primary", "node1")


def test_expectation_that_holds_and_one_that_never_comes(capsys: pytest.CaptureFixture[str], given: dict) -> None:
    assert "failed" not in run(pg_cluster_status, capsys, **given, wait_for={"role": "primary", "vote_path": "ok"})
    answer = run(pg_cluster_status, capsys, **given, wait_for={"streaming": True}, wait_timeout=0.3)
    assert answer["failed"]
    assert "streaming is False, not True" in answer["msg"]
    assert answer["looks"] > 1
    assert answer["cluster"]["role"] == "primary"


def test_dead_node_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    answer = run(pg_cluster_status, capsys, **{**COMMON, "port": 1, "data_dir": "/nonexistent"})
    assert "failed" not in answer
    assert (answer["cluster"]["server"], answer["cluster"]["role"], answer["cluster"]["peer"]) == ("down", "none", None)


def test_unknown_expectation_is_named_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    message = run(pg_cluster_status, capsys, **COMMON, wait_for={"rolle": "primary"})["msg"]
    assert "rolle cannot be waited for; known: role, server" in message


def test_missing_library_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg_cluster_status.session, "IMPORT_ERROR", ImportError("No module named 'psycopg2'"))
    assert "psycopg2" in run(pg_cluster_status, capsys, **COMMON)["msg"]


def test_settings_that_wait_for_a_restart_are_named(
    capsys: pytest.CaptureFixture[str], given: dict, postgres: RealPostgres
) -> None:
    postgres.sql("ALTER SYSTEM SET max_locks_per_transaction = 128")
    try:
        postgres.sql("SELECT pg_reload_conf()")
        until = time.monotonic() + 10
        while (seen := run(pg_cluster_status, capsys, **given)["cluster"]["pending_restart"]) == []:
            assert time.monotonic() < until
        assert seen == ["max_locks_per_transaction"]
    finally:
        postgres.sql("ALTER SYSTEM RESET max_locks_per_transaction")
        postgres.sql("SELECT pg_reload_conf()")

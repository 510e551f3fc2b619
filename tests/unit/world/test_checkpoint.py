# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The process that waits for a checkpoint."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.queries import local_dsn
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.checkpoint import handle
from real_postgres import RealPostgres

REDO = "SELECT redo_lsn FROM pg_control_checkpoint()"


def test_it_answers_when_the_checkpoint_has_ended(real_config: Config, postgres: RealPostgres) -> None:
    before = postgres.sql(REDO)
    postgres.sql("SELECT pg_switch_wal()")
    answer = handle({"dsn": dict(local_dsn(real_config, statement_timeout=0))})
    assert answer["ok"] is True
    assert answer["numbers"]["seconds"] >= 0
    assert postgres.sql(REDO) != before


def test_it_says_why_there_is_none(make_config: Callable[..., Config]) -> None:
    answer = handle({"dsn": dict(local_dsn(make_config(postgresql={"port": 1, "socket_dir": "/nonexistent"})))})
    assert "No such file" in answer["error"]

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logical slots from PostgreSQL 17 on: their reader finds its slot on the new primary, with just what it has not read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.lab import faults, lab
from tests.operations.plays import play, with_settings

Expected = tuple[str, str, str]
DEFAULTS = yaml.safe_load((lab.ROOT / "roles/streaming_replication/defaults/main.yml").read_text())
VALUES = {
    "streaming_replication_settings_extra": with_settings(wal_level="logical", sync_replication_slots=True),
    "streaming_replication_conninfo": {**DEFAULTS["streaming_replication_conninfo"], "dbname": "postgres"},
}
DROP = "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE slot_name = 'reader'"


@pytest.fixture
def kept(expected: Expected) -> Iterator[None]:
    """The cluster keeps such slots, as docs/operations.md says."""
    if int(expected[1]) < 17:
        pytest.skip("PostgreSQL 17 was the first to keep logical slots on a standby")
    faults.make_whole()
    play("site", "--limit", "pg_nodes", "--tags", "streaming_replication", **VALUES)
    play("rolling_restart", **VALUES)
    faults.make_whole()
    yield
    faults.make_whole()
    for node in lab.NODES:
        lab.sql(node, DROP)


def write(node: str, *words: str) -> None:
    lab.sql(node, "".join(f"INSERT INTO read_by_slot VALUES ('{word}');\n" for word in words))


def read(node: str) -> list[str]:
    """The words that the slot's reader has not had yet."""
    rows = lab.sql(
        node, "SELECT data FROM pg_logical_slot_get_changes('reader', NULL, NULL) WHERE data LIKE '%INSERT%'"
    )
    return [row.split("'")[1] for row in rows.splitlines()]


def is_kept_on(primary: str, standby: str) -> bool:
    """Is the slot of use there, and as far as its reader is? A reader that moves on makes it so."""
    reached = "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'reader'"
    kept = lab.sql(standby, f"{reached} AND synced AND NOT temporary")
    if not kept:
        write(primary, "moves on")
        lab.sql(primary, "SELECT pg_log_standby_snapshot()")
        read(primary)
    return bool(kept) and kept == lab.sql(primary, reached)


@pytest.mark.usefixtures("kept")
def test_reader_goes_on_after_a_switchover_and_after_a_power_loss() -> None:
    primary = lab.primary()
    standby = lab.other(primary)
    lab.sql(primary, "CREATE TABLE IF NOT EXISTS read_by_slot (word text)")
    lab.sql(primary, "SELECT pg_create_logical_replication_slot('reader', 'test_decoding', false, false, true)")
    lab.wait_for("the slot on the standby", lambda: is_kept_on(primary, standby), 120, every=2.0)

    write(primary, "before", "the switchover")
    lab.playbook("playbooks/switchover.yml")
    assert lab.primary() == standby
    write(standby, "after it")
    assert read(standby) == ["before", "the switchover", "after it"]
    # The old primary's own slot of that name is in the way until somebody drops it.
    lab.sql(
        primary, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE failover AND NOT synced"
    )
    lab.wait_for("the slot on the old primary", lambda: is_kept_on(standby, primary), 120, every=2.0)

    write(standby, "before", "the power loss")
    lab.wait_for("the words on the standby", lambda: "the power loss" in lab.sql(primary, "TABLE read_by_slot"), 10)
    faults.power_loss(standby)
    lab.wait_for(f"{primary} as primary", lambda: lab.holds_vip(primary) and lab.is_writable(primary), 60)
    write(primary, "after it")
    assert read(primary) == ["before", "the power loss", "after it"]
    # pg_rewind left nothing in the way.
    faults.make_whole()
    lab.wait_for("the slot on the rewound node", lambda: is_kept_on(primary, standby), 120, every=2.0)

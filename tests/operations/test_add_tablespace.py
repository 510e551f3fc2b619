# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""add_tablespace.yml: both nodes get it, and the heartbeat covers it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import lab
from tests.operations.plays import no_commit_lost, play

NAME, PLACE = "lab_space", "/data/lab_space"


@pytest.fixture(autouse=True)
def no_tablespace(whole_cluster: None) -> Iterator[None]:
    """It is gone afterwards, on both nodes."""
    yield
    node = lab.primary()
    lab.sql(node, f"DROP TABLE IF EXISTS lab_in_space; DROP TABLESPACE IF EXISTS {NAME}")
    query = f"SELECT count(*) FROM pg_tablespace WHERE spcname = '{NAME}'"
    lab.wait_for("the standby to follow", lambda: lab.sql(lab.other(node), query) == "0", 60)
    for each in lab.NODES:
        lab.on(each, "rm", "-rf", PLACE)


def test_both_nodes_get_the_tablespace_and_the_heartbeat_writes_there(primary: str, standby: str) -> None:
    with no_commit_lost("add_tablespace"):
        output = play("add_tablespace", tablespace_name=NAME, tablespace_location=PLACE)
    assert "the heartbeat wrote there at 20" in output
    lab.sql(primary, f"CREATE TABLE lab_in_space TABLESPACE {NAME} AS SELECT 7 AS seven")
    lab.wait_for("the row on the standby", lambda: lab.sql(standby, "SELECT seven FROM lab_in_space") == "7", 60)
    for node in lab.NODES:
        assert lab.on(node, "stat", "-c", "%U %a", PLACE).strip() == "postgres 700"
    assert lab.changed(play("add_tablespace", tablespace_name=NAME, tablespace_location=PLACE)) == 0


def test_a_place_that_is_not_free_on_the_standby_is_refused_before_anything_is_made(primary: str, standby: str) -> None:
    lab.on(standby, "sh", "-c", f"""mkdir -p {PLACE} && echo keep > "{PLACE}/it's precious" """)
    with pytest.raises(RuntimeError, match=rf"(?s)on\s+{standby}\s+is\s+not\s+empty\s+.it's\s+precious"):
        play("add_tablespace", tablespace_name=NAME, tablespace_location=PLACE)
    assert lab.on(primary, "sh", "-c", f"test -e {PLACE} || echo none").strip() == "none"
    assert lab.sql(primary, f"SELECT count(*) FROM pg_tablespace WHERE spcname = '{NAME}'") == "0"


def test_check_mode_makes_nothing() -> None:
    assert lab.changed(play("add_tablespace", "--check", tablespace_name=NAME, tablespace_location=PLACE)) == 2
    for node in lab.NODES:
        assert lab.on(node, "sh", "-c", f"test -e {PLACE} || echo none").strip() == "none"

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl forget-rewind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.unfinished import NAME
from daemon_samples import STANDBY
from live_node import Node


def noted(one: Node) -> Path:
    """A note as pg_rewind leaves it behind when it is cut short."""
    mark = one.file.parent / NAME  # its state directory
    (mark / "wal").mkdir(parents=True)
    (mark / "of").write_text("another data directory")
    return mark


def test_note_is_taken_away_while_skyha_is_stopped(node: Callable[[Local], Node]) -> None:
    one = node(STANDBY)
    mark = noted(one)
    one.stop()
    code, text = one.skyctl("forget-rewind")
    assert code == 0, text
    assert not mark.exists()
    assert one.skyctl("forget-rewind") == (0, "Nothing is noted of a pg_rewind that broke off.\n")


def test_skyha_that_runs_keeps_its_note(node: Callable[[Local], Node]) -> None:
    one = node(STANDBY)
    mark = noted(one)
    code, _text = one.skyctl("forget-rewind")
    assert code == 1
    assert mark.exists()

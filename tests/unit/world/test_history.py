# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No event is lost, and the disk is not filled."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Event, Role
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.history import FileHistory, read
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.journal import Journal


class Silent(Journal):
    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []

    def send(self, level: str, text: str, fields: object) -> None:
        self.sent.append((level, text))


def test_events_come_back_with_both_times_and_their_facts(tmp_path: Path) -> None:
    journal = Silent()
    history = FileHistory(str(tmp_path), journal, wall=lambda: 5.0, monotonic=lambda: 7.0)
    history.add(Event("fencing", "node2 is fenced\nnow", "alarm", {"role": Role.PRIMARY, "seconds": 1.5}))
    assert list(read(str(tmp_path))) == [
        {
            "wall": 5.0,
            "monotonic": 7.0,
            "kind": "fencing",
            "level": "alarm",
            "text": "node2 is fenced\nnow",
            "facts": {"role": "primary", "seconds": 1.5},
        }
    ]
    assert journal.sent == [("alarm", "node2 is fenced\nnow")]


def test_size_is_bounded_and_the_newest_stay(tmp_path: Path) -> None:
    history = FileHistory(str(tmp_path), Silent(), most_bytes=2000)
    for number in range(100):
        history.add(Event("tick", f"event {number}"))
    texts = [event["text"] for event in read(str(tmp_path))]
    assert texts[-1] == "event 99"
    assert texts == [f"event {number}" for number in range(100 - len(texts), 100)]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000
    assert len(texts) > 10


def test_torn_last_line_costs_only_itself(tmp_path: Path) -> None:
    FileHistory(str(tmp_path), Silent()).add(Event("one", "first"))
    with open(tmp_path / "history.jsonl", "a", encoding="utf-8") as file:
        file.write('{"wall": 1, "text": "torn')
    FileHistory(str(tmp_path), Silent()).add(Event("two", "second"))
    assert [event["text"] for event in read(str(tmp_path))] == ["first", "second"]


def test_disk_that_cannot_be_written_does_not_stop_the_daemon(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Silent()
    FileHistory(str(tmp_path / "none"), journal).add(Event("one", "first"))
    assert journal.sent == [("info", "first")]
    assert "in the journal only" in caplog.text


def test_no_history_is_empty(tmp_path: Path) -> None:
    assert list(read(str(tmp_path))) == []

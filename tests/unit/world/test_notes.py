# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The note for the next daemon, in the run directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.notes import FileNotes


def test_the_newest_text_is_there_until_it_is_dropped(tmp_path: Path) -> None:
    notes = FileNotes(str(tmp_path))
    assert notes.load() == ""
    notes.drop()
    notes.save("one")
    notes.save("two")
    assert FileNotes(str(tmp_path)).load() == "two"
    notes.drop()
    assert notes.load() == ""
    assert not list(tmp_path.iterdir())


def test_a_directory_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match=r"evidence\.json: cannot be written"):
        FileNotes(str(tmp_path / "gone")).save("one")


def test_a_note_that_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "evidence.json").mkdir()
    notes = FileNotes(str(tmp_path))
    for attempt in (notes.load, notes.drop, lambda: notes.save("one")):
        with pytest.raises(WorldError, match="see to the space and the rights"):
            attempt()

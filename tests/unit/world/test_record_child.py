# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The trial whether the record could be written, as the daemon runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Outcome, Task
from task_samples import outcome_of


def tried(config: Config) -> Outcome:
    return outcome_of(Task.CHECK_RECORD, config)


def test_directory_with_room_is_well_and_left_as_it_was(make_config, tmp_path: Path) -> None:
    assert tried(make_config()).ok
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("directory", ["/nonexistent", "/proc/self"])
def test_directory_that_takes_no_file_is_named(make_config, directory: str) -> None:
    outcome = tried(make_config(paths={"state_dir": directory}))
    assert not outcome.ok
    assert f"see to the space and the rights of {directory}" in outcome.detail

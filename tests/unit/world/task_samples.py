# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A task of the daemon, run as the daemon runs it."""

from __future__ import annotations

import time

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Outcome, Task
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.tasks import ProcessTasks


def outcome_of(task: Task, config: Config) -> Outcome:
    """How it ended, within a minute."""
    tasks = ProcessTasks(config)
    try:
        tasks.start(task)
        until = time.monotonic() + 60
        while True:
            for outcome in tasks.finished():
                return outcome
            assert time.monotonic() < until
            time.sleep(0.02)
    finally:
        tasks.close()

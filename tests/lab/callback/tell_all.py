# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes every task's result as -vvv would print it, without printing it: tests search it for secrets."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: tell_all
type: aggregate
short_description: appends every result, with the module's arguments and the diff, to the file SKY_TELL_ALL
description: What Ansible hides (no_log) is hidden here, too, since callbacks are never given it.
"""


class CallbackModule(CallbackBase):
    """One line of JSON per result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "tell_all"
    CALLBACK_NEEDS_ENABLED = True

    def _tell(self, result: Any, **_: Any) -> None:
        line = {"task": result._task.get_name(), "host": result._host.get_name(), "result": result._result}
        with open(os.environ["SKY_TELL_ALL"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_skipped = v2_runner_on_unreachable = _tell
    v2_runner_item_on_ok = v2_runner_item_on_failed = v2_runner_item_on_skipped = v2_runner_retry = _tell

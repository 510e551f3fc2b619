# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The memory is made of parts, and who writes each stands here: a new hand in one of them is a decision, no accident."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import memory
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Record

FAILOVER = {"fencing", "listening", "promoting", "failover"}  # its stages, and what they share
WRITERS = {
    "record": {
        "belongs",
        "boot",
        "decide",
        "holding",
        "memory",
        "primary",
        "remember",
        "standby",
        "storage",
    }
    | {"switchover", "upkeep"}
    | FAILOVER,
    "own": {"remember", "wal", "evidence"},
    "heard": {"remember", "evidence", "promoting"},
    "stream": {"evidence"},
    "watch": {"standby", "failover", "remember", "decide"},
    "fence": FAILOVER,
    "restarts": {"boot", "remember", "switchover"},
    "switching": {"switchover"},
    "vip": {"vip"},
    "word": {"orders"},
    "upkeep": {"upkeep", "evidence"},
    "members": {"members"},
    "serving": {"primary"},
    "register": {"holding"},
    "sync": {"sync"},
    "lease": {"lease"},
}


def test_nobody_else_writes_a_part():
    folder = Path(memory.__file__).parent
    found: dict[str, set[str]] = {}
    for file in folder.glob("*.py"):
        for part in re.findall(r"replace\(\s*(?:\w+\.)?memory\.(\w+)", file.read_text()):
            found.setdefault(part, set()).add(file.stem)
    assert found == WRITERS


def test_parts_have_at_most_twelve_fields():
    whole = memory.Memory(0.0, Record("boot"))
    for one in (getattr(whole, field.name) for field in dataclasses.fields(whole)):
        if dataclasses.is_dataclass(one) and not isinstance(one, Record):
            assert len(dataclasses.fields(one)) <= 12, type(one)


def test_a_time_that_never_was_is_none():
    whole = memory.Memory(0.0, Record("boot"))
    assert "inf" not in repr(whole)

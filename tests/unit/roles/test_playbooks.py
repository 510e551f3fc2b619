# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every playbook must hold to, whoever writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
# They bring every cluster to what it should be, and change nothing of a healthy one; or they only look.
FOR_ALL_CLUSTERS = {"site.yml", "failover_rebuild.yml", "check_inventory.yml", "backup_info.yml"}
# It asks by a variable of its own (pg_backup_clone_of), since the nodes take no part.
FOR_ALL_CLUSTERS |= {"clone.yml"}
OTHERS = sorted(path.name for path in (ROOT / "playbooks").glob("*.yml") if path.name not in FOR_ALL_CLUSTERS)


@pytest.mark.parametrize("name", OTHERS)
def test_playbook_asks_which_cluster_is_meant(name: str) -> None:
    """Without --limit it would act on all clusters of the inventory at once."""
    text = (ROOT / "playbooks" / name).read_text()
    assert "tasks_from: one_cluster.yml" in text
    if "find_primary.yml" in text:
        assert text.index("one_cluster.yml") < text.index("find_primary.yml")


def _tasks(value: Any) -> Iterator[dict[str, Any]]:
    """The value and all that is in it, as far as it is a mapping."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _tasks(inner)


def test_what_a_task_calls_by_a_name_is_not_what_another_keeps_under_it() -> None:
    """A registered result or a fact lies over the variable of the same name that a task, a play or a role brings along."""
    kept, brought = set(), set()
    for path in [
        *ROOT.glob("roles/*/tasks/*.yml"),
        *ROOT.glob("roles/*/handlers/*.yml"),
        *ROOT.glob("playbooks/*.yml"),
    ]:
        for task in _tasks(yaml.safe_load(path.read_text())):
            kept |= {task.get("register"), *(task.get("ansible.builtin.set_fact") or {})}
            brought |= set(task.get("vars") or {})
    for path in ROOT.glob("roles/*/vars/*.yml"):
        brought |= set(yaml.safe_load(path.read_text()) or {})
    assert kept & brought == set()

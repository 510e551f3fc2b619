# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every playbook must hold to, whoever writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# They bring every cluster to what it should be, and change nothing of a healthy one.
FOR_ALL_CLUSTERS = {"site.yml", "failover_rebuild.yml"}
OTHERS = sorted(path.name for path in (ROOT / "playbooks").glob("*.yml") if path.name not in FOR_ALL_CLUSTERS)


@pytest.mark.parametrize("name", OTHERS)
def test_playbook_asks_which_cluster_is_meant(name: str) -> None:
    """Without --limit it would act on all clusters of the inventory at once."""
    text = (ROOT / "playbooks" / name).read_text()
    assert "tasks_from: one_cluster.yml" in text
    if "find_primary.yml" in text:
        assert text.index("one_cluster.yml") < text.index("find_primary.yml")

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each test begins on a whole cluster, and leaves one behind."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.lab import faults, lab


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked long are for make molecule-all (LAB_LONG in the environment) and for who asks for them with -m."""
    if os.environ.get("LAB_LONG") or config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(autouse=True)
def whole_cluster() -> Iterator[None]:
    """Both nodes serve, the standby is armed."""
    faults.make_whole()
    yield
    faults.heal()


@pytest.fixture
def primary() -> str:
    """The inventory name of the node that takes writes."""
    return lab.primary()


@pytest.fixture
def standby(primary: str) -> str:
    """The other node's."""
    return lab.other(primary)

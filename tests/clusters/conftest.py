# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two clusters side by side: sky (inventory/lab) and moon (inventory/lab-two), on one vote host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clusters.hand import Cluster


@pytest.fixture(scope="session")
def hands() -> Iterator[tuple[Cluster, Cluster]]:
    """sky and moon."""
    pair = Cluster("sky"), Cluster("moon")
    yield pair
    for one in pair:
        one.close()


@pytest.fixture
def clusters(hands: tuple[Cluster, Cluster]) -> tuple[Cluster, Cluster]:
    """sky and moon, both whole."""
    for one in hands:
        one.call("whole")
    return hands

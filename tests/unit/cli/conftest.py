# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The daemon's fakes serve skyctl's tests, too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

for directory in (Path(__file__).parent, Path(__file__).parents[1] / "daemon"):
    sys.path.insert(0, str(directory))

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Local  # noqa: E402
from live_node import Node  # noqa: E402


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Makes a node of this role, that serves HTTP where it is told to."""
    made: list[Node] = []

    def make(local: Local, listen: str = "") -> Node:
        made.append(Node(local, tmp_path, listen))
        return made[-1]

    yield make
    for one in made:
        one.stop()

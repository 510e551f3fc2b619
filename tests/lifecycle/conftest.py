# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each test begins on a whole cluster and leaves one behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import faults
from tests.lab.fixtures import primary, standby  # noqa: F401  (fixtures)


@pytest.fixture(autouse=True)
def whole_cluster() -> Iterator[None]:
    """Both nodes serve, the standby is armed."""
    faults.make_whole()
    yield
    faults.make_whole()

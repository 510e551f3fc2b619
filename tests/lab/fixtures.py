# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tests on one cluster of the lab begin with; a conftest.py imports what its tests use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import faults, lab


@pytest.fixture(autouse=True)
def whole_cluster() -> Iterator[None]:
    """Both nodes serve, the standby is armed. None of the test's faults is left behind."""
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

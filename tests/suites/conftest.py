# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LAB_EXPECT of the scenario says what must be found: suite, PostgreSQL's major version, packages or source."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def expected() -> tuple[str, str, str]:
    """Suite, major version, method."""
    suite, major, method = os.environ["LAB_EXPECT"].split()
    return suite, major, method

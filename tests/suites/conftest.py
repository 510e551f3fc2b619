# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LAB_EXPECT of the scenario says what must be found: suite, PostgreSQL's major version, packages or source."""

from __future__ import annotations

import os
import subprocess

import pytest
import yaml

from tests.lab import lab


@pytest.fixture(scope="session")
def expected() -> tuple[str, str, str]:
    """Suite, major version, method."""
    suite, major, method = os.environ["LAB_EXPECT"].split()
    return suite, major, method


@pytest.fixture(scope="session")
def source(expected: tuple[str, str, str]) -> dict[str, str]:
    """What lab/pg-source says of the tarball that the cluster was built from, as pg_build's variables."""
    suite, major, method = expected
    if method != "source":
        pytest.skip("nothing was built")
    told = subprocess.run([lab.ROOT / "lab/pg-source", major, suite], capture_output=True, text=True, check=True)
    return yaml.safe_load(told.stdout)

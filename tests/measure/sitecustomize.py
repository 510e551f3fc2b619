# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures the coverage of processes that a test starts; tests/conftest.py puts this directory on their path.

The runtime gives its children few environment variables only, so everything is said here.
"""

from __future__ import annotations

import os
from pathlib import Path

import coverage

ROOT = Path(__file__).parents[2]
os.environ["COVERAGE_PROCESS_START"] = str(ROOT / "pyproject.toml")
os.environ.setdefault("COVERAGE_FILE", str(ROOT / ".coverage.children"))
if Path.cwd() == ROOT:  # the names of what is measured are relative to it
    coverage.process_startup()

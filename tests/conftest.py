# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the collection importable from the clone, as Ansible sees it, and the tests' own helpers."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import coverage
import pytest
from ansible.plugins.loader import init_plugin_loader

ROOT = Path(__file__).parents[1]
for entry in (ROOT / "collections", ROOT):
    if str(entry) not in sys.path:
        sys.path.insert(0, str(entry))
# Before the first import of the collection: Ansible's loader does not take over what was imported without it.
init_plugin_loader([str(ROOT / "collections")])


def pytest_configure(config: pytest.Config) -> None:
    """With --cov, processes that a test starts are measured as well (not the workers: pytest-cov does that)."""
    is_worker = hasattr(config, "workerinput")
    if config.pluginmanager.hasplugin("_cov") and (is_worker or not config.getoption("numprocesses", None)):
        path = [str(ROOT / "tests/measure"), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))


@pytest.hookimpl(wrapper=True, trylast=True)  # so that it ends before pytest-cov's, which joins the measurements
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """A process that was killed while it wrote its measurement down left half a file, of which coverage would complain."""
    result = yield
    if session.config.pluginmanager.hasplugin("_cov") and not hasattr(session.config, "workerinput"):
        for path in ROOT.glob(".coverage.children.*"):
            try:
                coverage.CoverageData(str(path)).read()
            except coverage.CoverageException:
                path.unlink()
    return result


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked long are for make molecule-all and make faults (LAB_LONG in the environment), and for who asks with -m."""
    if os.environ.get("LAB_LONG") or config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A whole cluster at the beginning, and again at the end; a real Prometheus on the monitoring host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import faults, lab, prometheus


@pytest.fixture(scope="module", autouse=True)
def whole_cluster() -> Iterator[None]:
    """Both nodes serve, the standby is armed, and somebody has read of earlier failovers."""
    mend()
    yield
    mend()


def mend() -> None:
    """Heal the cluster, end a pause, acknowledge."""
    for node in lab.NODES:
        if lab.pid_of(node):
            lab.on(node, "skyctl", "resume", check=False)
    faults.make_whole()
    acknowledge()


def acknowledge() -> None:
    """End the warnings of earlier failovers."""
    for node in lab.NODES:
        if not lab.status(node)["failover"]["noted"]:
            lab.on(node, "skyctl", "acknowledge")
    lab.wait_for(
        "no unread failover", lambda: all(lab.status(node)["failover"]["noted"] for node in lab.NODES), 30, every=0.5
    )


@pytest.fixture(scope="module")
def primary(whole_cluster: None) -> str:
    """The inventory name of the node that takes writes when the module begins."""
    return lab.primary()


@pytest.fixture(scope="module")
def standby(primary: str) -> str:
    """The other node's."""
    return lab.other(primary)


@pytest.fixture(scope="session")
def scraper() -> prometheus.Scraper:
    """A real Prometheus that scrapes both nodes and knows the alert rules."""
    try:
        return prometheus.start()
    except prometheus.NotInstalled as error:
        pytest.skip(str(error))

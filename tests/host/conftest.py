# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's hosts for testinfra, reached through lab/podman as Ansible reaches them."""

from __future__ import annotations

import os

import pytest
import testinfra
from testinfra.host import Host

from tests.lab import lab


@pytest.fixture(scope="session")
def hosts() -> dict[str, Host]:
    """Every lab host by its inventory name. testinfra calls `podman`: the lab's comes first in the path."""
    os.environ["PATH"] = f"{lab.ROOT / 'lab'}:{os.environ['PATH']}"
    return {name: testinfra.get_host(f"podman://sky-{name}") for name in lab.HOSTS}


@pytest.fixture(scope="module")
def primary() -> str:
    """The inventory name of the node that takes writes."""
    return lab.primary()


@pytest.fixture(scope="module")
def standby(primary: str) -> str:
    """The other node's."""
    return lab.other(primary)

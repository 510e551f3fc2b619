# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Scripts that run in a network of their own, with interfaces and addresses that no host knows of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMON = """
import sys
sys.path.insert(0, {collections!r})
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes import arp, ndp
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.netlink import *
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import WorldError
import subprocess, threading, time
def ip(line): subprocess.run(["ip", *line.split()], check=True)
"""


def isolated(script: str) -> None:
    """Run the script in a network of its own."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    text = COMMON.format(collections=str(ROOT / "collections")) + script
    done = subprocess.run(["unshare", "--net", sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    if "unshare failed" in done.stderr:
        pytest.skip(f"this machine allows no network namespace: {done.stderr}")
    assert done.returncode == 0, done.stderr

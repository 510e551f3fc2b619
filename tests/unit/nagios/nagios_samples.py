# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Snapshots as skyha writes them, and the plugins as NRPE runs them."""

from __future__ import annotations

import copy
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.alarms import of

FILES = Path(__file__).parents[3] / "roles/nagios_nrpe/files"
PLUGINS = (
    "check_sky_pg_clusterd_alive",
    "check_standby_lag",
    "check_skyha_armed",
    "check_vip",
    "check_fence",
    "check_sky_backup",
)
NAMES = {
    "check_sky_pg_clusterd_alive": "SKYHA",
    "check_standby_lag": "LAG",
    "check_skyha_armed": "ARMED",
    "check_vip": "VIP",
    "check_fence": "FENCE",
    "check_sky_backup": "BACKUP",
}
NOW = 5000.0

STANDBY: dict[str, Any] = {
    "format": 1,
    "version": "1.0.0",
    "state": "running",
    "problems": [],
    "cluster": "sky",
    "node": "node2",
    "address": "198.51.100.111",
    "peer": "node1",
    "peer_address": "198.51.100.110",
    "port": 1921,
    "vote": {"address": "198.51.100.35", "port": 11921},
    "profile": "fast",
    "limits": {"lag_seconds": 30.0, "lag_bytes": 0},
    "started": 1.7e9,
    "written": 1.7e9 + 60,
    "written_monotonic": NOW - 0.5,
    "pid": 42,
    "sentence": "standby, primary answers, lag 0.2 s, armed",
    "role": "standby",
    "server": "up",
    "detail": "",
    "timeline": 1,
    "lsn": {"write": 0, "receive": 9, "replay": 9},
    "streaming": True,
    "replay_paused": False,
    "pending_restart": [],
    "lag": {"seconds": 0.2, "bytes": 0},
    "vip": {"address": "198.51.100.116", "interface": "eth0", "held": False, "taken": False},
    "paths": {
        name: {"sight": "ok", "detail": "", "latency": 0.002, "reached": True, "age": 0.4, "ok_age": 0.4}
        for name in ("vip", "vote")
    },
    "peer_seen": None,
    "backup": None,
    "bmc": {"power": "on", "ok_age": 20.0, "error": "", "checks": 3, "age": 20.0},
    "alarms": {},
    "paused": {"on": False, "left": None},
    "failover": {"noted": True, "distrusted": "", "guard_left": 0.0, "last": None},
    "counts": {},
    "cycle_seconds": 0.01,
    "events": [],
    "intent": None,
    "trouble": None,
    "armed": True,
    "not_armed": {},
    "codes": {},
}
PRIMARY: dict[str, Any] = {
    **STANDBY,
    "node": "node1",
    "peer": "node2",
    "role": "primary",
    "sentence": "primary, the standby streams",
    "lag": {"seconds": None, "bytes": None},
    "vip": {**STANDBY["vip"], "held": True},
    "armed": None,
}


def altered(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of the snapshot with values at dotted paths replaced."""
    made = copy.deepcopy(base)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = made
        for key in parents:
            place = place[key]
        place[last] = copy.deepcopy(value)
    for code in (code for name in ("alarms", "not_armed") if isinstance(made[name], dict) for code in made[name]):
        alarm = of(code)
        made["codes"][code] = {"severity": alarm.severity.value, "check": alarm.check}
    return made


def plugin(name: str) -> ModuleType:
    """The plugin as a module."""
    if str(FILES) not in sys.path:
        sys.path.insert(0, str(FILES))
    return importlib.import_module(name)


def run(name: str, *argv: str) -> tuple[int, str]:
    """The plugin's exit code and output, with its clock at NOW."""
    module = plugin(name)
    return plugin("sky_plugin").answer(NAMES[name], module.parser, module.check, argv, lambda: NOW)


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """ask(plugin, snapshot or raw bytes, *options) -> exit code, line."""
    file = tmp_path / "status.json"

    def asked(name: str, content: Any, *argv: str) -> tuple[int, str]:
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return run(name, "--file", str(file), *argv)

    return asked

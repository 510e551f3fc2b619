# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands for many clusters' skyhas in the bench asks the register as they do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import real_register

ROOT = Path(__file__).parents[2]


def asks(order: dict[str, Any]) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", (ROOT / "tests/lab/register_load.py").read_text()],
        input=json.dumps({"node": "node1", **order}),
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins/module_utils")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_holders_renew_and_standbys_read() -> None:
    with real_register.served() as server:
        dsn = {key: value for key, value in real_register.dsn(server).items() if key not in ("user", "password")}
        order = {"dsn": dsn, "passwords": real_register.PASSWORDS, "every": 0.2, "seconds": 2.0}
        told = asks({**order, "holds": True})
        assert told["asked"] >= 10
        assert told["answered"] == told["asked"]
        beats = server.sql("select min(beat) from sky_register.register", "sky_register")
        assert int(beats) >= 3
        read = asks({**order, "holds": False})
        assert read["answered"] == read["asked"] >= 10
        assert server.sql("select min(beat) from sky_register.register", "sky_register") == beats

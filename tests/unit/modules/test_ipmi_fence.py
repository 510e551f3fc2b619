# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ipmi_fence; a run is a process of its own, since pyghmi keeps its sessions in the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyghmi", reason="pyghmi is not installed")

from ansible_collections.sky.pg_cluster.plugins.modules import ipmi_fence
from fake_bmc import bmc
from module_runner import run

PASSWORD = "FEFETESTf12345112"
# The directory with ansible_collections in it: this tree's, or the copy's that ansible-test works on.
COLLECTIONS = Path(ipmi_fence.__file__).parents[5]
SCRIPT = f"""
import sys
sys.path.insert(0, {str(COLLECTIONS)!r})
import json
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sky.pg_cluster.plugins.modules import ipmi_fence
with patch_module_args(json.loads(sys.argv[1])):
    ipmi_fence.main()
"""
Fence = Callable[..., dict[str, Any]]


def fence(port: int, action: str, check: bool = False, **other: Any) -> dict[str, Any]:
    given = {
        "address": "127.0.0.1",
        "port": port,
        "user": "test",
        "password": PASSWORD,
        "action": action,
        "timeout": 5,
        "_ansible_check_mode": check,
        "_ansible_diff": True,
        **other,
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(given)],
        capture_output=True,
        text=True,
        timeout=30,
        env=dict(os.environ),
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    answer.pop("invocation", None)
    assert PASSWORD not in json.dumps(answer)
    return answer


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with bmc(tmp_path / "power") as number:
        yield number


def test_off_changes_once_and_is_proved(port: int) -> None:
    first, second = fence(port, "off"), fence(port, "off")
    assert (first["changed"], first["power"], first["previous"], first["proof"]) == (True, "off", "on", True)
    assert first["diff"] == {"before": {"power": "on"}, "after": {"power": "off"}}
    assert (second["changed"], second["power"], second["proof"]) == (False, "off", True)


def test_status_changes_nothing(port: int) -> None:
    answer = fence(port, "status")
    assert (answer["changed"], answer["power"]) == (False, "on")


def test_check_mode_predicts_and_orders_nothing(port: int, tmp_path: Path) -> None:
    answer = fence(port, "off", check=True)
    assert (answer["changed"], answer["power"], answer["proof"]) == (True, "off", False)
    assert fence(port, "on", check=True)["changed"] is False
    assert not (tmp_path / "power.orders").exists()


def test_wrong_password_fails_with_the_next_step(port: int) -> None:
    answer = fence(port, "off", password="wrong")
    assert answer["failed"]
    assert "check the user" in answer["msg"]


def test_missing_library_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipmi_fence.ipmi, "IMPORT_ERROR", ImportError("No module named 'pyghmi'"))
    answer = run(ipmi_fence, capsys, address="127.0.0.1", user="test", password=PASSWORD)
    assert answer["failed"]
    assert "pyghmi" in answer["msg"]

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module ipmi_password; a run is a process of its own, since pyghmi keeps its sessions in the process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyghmi", reason="pyghmi is not installed")

from ansible_collections.sky.pg_cluster.plugins.modules import ipmi_password
from fake_bmc import bmc

NEW = "FEFETESTf12345112"
# The directory with ansible_collections in it: this tree's, or the copy's that ansible-test works on.
COLLECTIONS = Path(ipmi_password.__file__).parents[5]
SCRIPT = f"""
import sys
sys.path.insert(0, {str(COLLECTIONS)!r})
import json
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sky.pg_cluster.plugins.modules import ipmi_password
with patch_module_args(json.loads(sys.argv[1])):
    ipmi_password.main()
"""


def rotate(port: int, file: Path, password: str, check: bool = False) -> dict[str, Any]:
    given = {
        "address": "127.0.0.1",
        "port": port,
        "user": "test",
        "password": password,
        "password_file": str(file),
        "timeout": 10,
        "_ansible_check_mode": check,
    }
    done = subprocess.run([sys.executable, "-c", SCRIPT, json.dumps(given)], capture_output=True, text=True, timeout=60)
    answer = json.loads(done.stdout.splitlines()[-1])
    answer.pop("invocation", None)
    assert password not in json.dumps(answer)
    return answer


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A BMC that takes the new password."""
    with bmc(tmp_path / "power", NEW) as number:
        yield number


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What skyha reads now: the password before."""
    path = tmp_path / "bmc.password"
    path.write_text("before\n")
    path.chmod(0o400)
    return path


def test_password_that_the_bmc_takes_is_handed_over(port: int, file: Path) -> None:
    assert rotate(port, file, NEW, check=True)["changed"]
    assert file.read_text() == "before\n"
    answer = rotate(port, file, NEW)
    assert (answer["changed"], answer["set_on_bmc"], answer["file_changed"]) == (True, False, True)
    assert file.read_text() == NEW + "\n"
    assert file.stat().st_mode & 0o777 == 0o400
    assert not rotate(port, file, NEW)["changed"]


def test_password_that_it_does_not_take_leaves_the_file_alone(port: int, file: Path) -> None:
    answer = rotate(port, file, "wrong")
    assert answer["failed"]
    assert "neither the present nor the new password" in answer["msg"]
    assert file.read_text() == "before\n"

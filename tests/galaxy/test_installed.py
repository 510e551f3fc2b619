# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection's tarball, installed in an empty directory, is whole: its playbook converges the lab from there
(what is in it: tests/unit/test_tarball.py)."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def environment(place: Path) -> dict[str, str]:
    """Ansible knows of no other collections (molecule names the clone's, which would pass for installed already)."""
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(place),
        # As in ansible.cfg: the roles run commands as the database's user.
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_FORCE_COLOR": "false",
        "ANSIBLE_NOCOLOR": "true",
    }


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    done = subprocess.run(
        [ROOT / "tests/collection.sh", "build", tmp_path_factory.mktemp("build")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def place(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that knows nothing of the clone, with the collection installed in it."""
    place = tmp_path_factory.mktemp("elsewhere")
    (place / "ansible.cfg").write_text("[defaults]\n")
    command = ["ansible-galaxy", "collection", "install", "--no-deps", "--offline", "-p", place, tarball]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(place))
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def test_installed_collection_changes_nothing_on_the_cluster(place: Path) -> None:
    done = subprocess.run(
        ["ansible-playbook", "-i", ROOT / "inventory/lab", "sky.pg_cluster.site"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        env=environment(place),
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    recap = dict(re.findall(r"^(\S+)\s+:.*\bchanged=(\d+)", done.stdout, re.M))
    assert set(recap.values()) == {"0"}, done.stdout[-4000:]
    assert recap.keys() >= {"node1", "node2", "vote", "monitor", "backup"}
    # It prints the files it includes.
    assert str(place) in done.stdout
    assert str(ROOT / "collections") not in done.stdout

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The oldest ansible-core that meta/runtime.yml claims, and the newest there is for this Python: both know every playbook, and write
the same for an inventory whose secrets are vaulted in place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

ROOT = Path(__file__).parents[3]
CLAIM = re.search(r">=(\d+\.\d+\.\d+)", (ROOT / "meta/runtime.yml").read_text())
PINNED = re.search(r"(?m)^ansible-core==(\S+)", (ROOT / "requirements.txt").read_text())
PASSWORD = "Vaulted_in_place_1"
PLAYBOOKS = sorted(
    str(path.relative_to(ROOT))
    for path in [ROOT / "site.yml", ROOT / "failover_rebuild.yml", *(ROOT / "playbooks").glob("*.yml")]
)


def programs(version: str) -> Path:
    """The directory of that core's programs: this environment's own, or one that is made once."""
    if PINNED is not None and version == PINNED[1]:
        return Path(sys.executable).parent
    home = ROOT / ".cache/cores" / f"{version}-{sys.version_info[0]}.{sys.version_info[1]}"
    if not (home / "bin/ansible-playbook").exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        pip = [home / "bin/pip", "install", "-q", "--disable-pip-version-check", f"ansible-core=={version}"]
        subprocess.run(pip, check=True, timeout=300)
    return home / "bin"


def versions() -> Iterator[str]:
    assert CLAIM
    assert PINNED
    yield CLAIM[1]
    yield PINNED[1]


def play(version: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The other collections come with the package ansible, of this environment.
    others = next(path for path in sys.path if path.endswith("site-packages"))
    # A copy of the package has a link collections/ in it, which is the whole tree: named, not searched.
    paths = f"{ROOT}/collections:{others}"
    return subprocess.run(
        [programs(version) / "ansible-playbook", *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": paths, "ANSIBLE_FORCE_COLOR": "0"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("version", list(versions()))
def test_every_playbook_is_understood(version: str) -> None:
    done = play(version, "-i", "inventory/lab", "--syntax-check", *PLAYBOOKS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("playbook: ") == len(PLAYBOOKS)


def test_oldest_and_newest_judge_an_inventory_alike() -> None:
    """Without a host there are no facts, and what is worked out from them is undefined."""
    said = []
    for version in versions():
        done = play(version, "-i", "inventory/prod", "playbooks/check_inventory.yml")
        assert done.returncode == 2, done.stdout + done.stderr
        said.append(re.findall(r'"(?:msg": ")?([^"]* (?:not set|Python of) [^"]*)"', done.stdout))
    assert said[0] == said[1]
    assert "pg_cluster_ha_password is not set for node1 and node2" in "\n".join(said[0])


def vaulted(text: str) -> str:
    secret = VaultSecret(b"unlock")
    return VaultLib([("default", secret)]).encrypt(text, secret).decode()


def test_oldest_and_newest_write_the_same_for_vaulted_secrets(tmp_path: Path) -> None:
    secret = "\n".join("  " + line for line in vaulted(PASSWORD).splitlines())
    names = [f"pg_cluster_{of}_password" for of in ("superuser", "replication", "ha", "register", "bmc")]
    settings = {
        "pg_cluster_vip": "198.51.100.116",
        "pg_cluster_bmc_user": "test",
        "streaming_replication_client_cidrs": "[]",
    }
    given = [f"{name}: {value}" for name, value in settings.items()] + [f"{name}: !vault |\n{secret}" for name in names]
    inventory = f"""
all:
  vars: {{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}
  children:
    pg_nodes:
      hosts:
        node1: {{ansible_host: 198.51.100.110, pg_cluster_bmc_address: 198.51.100.213}}
        node2: {{ansible_host: 198.51.100.111, pg_cluster_bmc_address: 198.51.100.212}}
    vote_hosts:
      hosts:
        vote: {{ansible_host: 198.51.100.35}}
"""
    (tmp_path / "hosts.yml").write_text(inventory)
    defaults = tmp_path / "group_vars/all"
    defaults.mkdir(parents=True)
    for role in ("pg_cluster", "streaming_replication", "skyha_daemon"):
        for part in ("defaults", "vars"):
            (defaults / f"{role}-{part}.yml").write_text((ROOT / f"roles/{role}/{part}/main.yml").read_text())
    (tmp_path / "group_vars/pg_nodes.yml").write_text("\n".join(given) + "\n")
    (tmp_path / "unlock").write_text("unlock\n")
    written = []
    for version in versions():
        out = tmp_path / version
        out.mkdir()
        where = ("-i", str(tmp_path / "hosts.yml"), "--vault-password-file", str(tmp_path / "unlock"))
        done = play(version, *where, "tests/unit/roles/cores.yml", "-e", f"out={out}")
        assert done.returncode == 0, done.stdout + done.stderr
        written.append({path.name: path.read_text().strip() for path in out.iterdir()})
    oldest, newest = written
    assert len(oldest) == 10
    assert oldest == newest
    assert oldest["node1-problems"].splitlines()[1:] == []
    assert PASSWORD in oldest["node1-pgpass.j2"]
    assert "address = 198.51.100.111" in oldest["node1-skyha.conf.j2"]

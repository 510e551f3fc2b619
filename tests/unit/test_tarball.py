# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is published: the tarball holds the product, the example's inventory as it is in the tree, and nobody's secrets."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from programs import program

ROOT = Path(__file__).parents[2]
PRODUCT = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "COPYING",
    "FILES.json",
    "MANIFEST.json",
    "README.md",
    "docs",
    "failover_rebuild.yml",
    "inventory",
    "meta",
    "monitoring",
    "playbooks",
    "plugins",
    "roles",
    "site.yml",
}
VAULT = "inventory/prod/group_vars/all/vault.yml"


def tracked(*under: str) -> Iterator[str]:
    """The files that git tracks or would track, as they are now; the link of collections/ leads to the tree itself."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *under, ":!collections"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    yield from (name for name in done.stdout.split("\0") if name and (ROOT / name).exists())


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a clone in which somebody has written secrets already."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("out")
    for name in tracked():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    (tree / VAULT).write_text("vault_ha_password: in-the-clear\n")
    command = [program("ansible-galaxy"), "collection", "build", tree, "--output-path", out]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.tar.gz"))


def test_tarball_holds_the_product_and_nothing_else(tarball: Path) -> None:
    with tarfile.open(tarball) as tar:
        names = tar.getnames()
    assert {name.split("/")[0] for name in names} == PRODUCT
    assert not [name for name in names if name.endswith((".pyc", ".tar.gz"))]
    assert "plugins/module_utils/skyha/daemon/main.py" in names


def test_example_of_an_inventory_is_the_trees_own_without_secrets(tarball: Path) -> None:
    with tarfile.open(tarball) as tar:
        packed = {name: tar.extractfile(name) for name in tar.getnames() if name.startswith("inventory/")}
        texts = {name: file.read() for name, file in packed.items() if file is not None}
    assert VAULT not in packed
    assert texts == {name: (ROOT / name).read_bytes() for name in tracked("inventory/prod")}
    assert f"{VAULT}.example" in texts


def test_installed_collection_judges_its_example(tarball: Path, tmp_path: Path) -> None:
    """As the README says it, by somebody who has no clone."""
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path),
        "ANSIBLE_NOCOLOR": "1",
    }
    for command in (
        [program("ansible-galaxy"), "collection", "install", "--no-deps", "--offline", "-p", tmp_path, tarball],
        ["cp", "-r", "ansible_collections/sky/pg_cluster/inventory/prod", "inventory"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=environment)
    done = subprocess.run(
        [program("ansible-playbook"), "-i", "inventory", "sky.pg_cluster.check_inventory"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "pg_cluster_ha_password is not set for node1 and node2" in done.stdout


# --- what it needs ------------------------------------------------------------------------------------------------


def needed() -> dict[str, str]:
    return yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"]


def test_collections_that_are_asked_for_are_those_that_are_used() -> None:
    files = [path for under in ("tasks", "handlers") for path in ROOT.glob(f"roles/*/{under}/*.yml")]
    texts = "\n".join(path.read_text() for path in [*files, *ROOT.glob("playbooks/**/*.yml")])
    used = set(re.findall(r"^ +(?:- )?((?!ansible\.builtin|sky\.)[a-z]+\.[a-z]+)\.[a-z_]+:", texts, re.MULTILINE))
    assert used == set(needed())


def test_clone_asks_for_the_same_collections() -> None:
    listed = yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]
    assert {one["name"]: one["version"] for one in listed} == needed()


def test_image_of_ansible_builder_finds_its_files(tarball: Path) -> None:
    """A file that build_ignore leaves out would be missing there."""
    wanted = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text())["dependencies"].values()
    with tarfile.open(tarball) as tar:
        assert set(wanted) <= set(tar.getnames())

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Root's umask decides nothing: what a role makes has a mode, and what a script makes has that script's umask."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FILES = sorted([*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("roles/*/handlers/*.yml"), *ROOT.glob("playbooks/*.yml")])
SCRIPTS = sorted(ROOT.glob("roles/*/files/*.sh"))
MAKERS = {f"ansible.builtin.{name}" for name in ("copy", "file", "get_url", "template", "unarchive")}
EDITORS = {f"ansible.builtin.{name}" for name in ("blockinfile", "lineinfile")}
SHELLS = {"ansible.builtin.shell", "ansible.builtin.command"}
# Words by which a shell makes a file or directory for others; what `install -m` makes has its mode.
MAKES = re.compile(r"\b(?:mkdir|touch|tar -?[a-z]*x|make [^;&\n]*install)\b|> *\"?/(?:etc|opt|usr|var)/")
# Run as the database's user, whose files are its own; or what they make is gone when the play ends.
OWN = {
    "Copy of the primary, over the VIP, or of its newest backup",
    "Copy the primary",
    "Copy the backup",
    "End the writing",
}


def tasks(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        yield entry
        for part in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks"):
            yield from tasks(entry.get(part) or [])


def without_mode(task: dict[str, Any]) -> bool:
    """Does this task leave it to the umask who may read what it makes?"""
    for name in MAKERS & set(task):
        given = task[name]
        makes = name != "ansible.builtin.file" or given.get("state") in ("directory", "touch")
        if makes and "mode" not in given:
            return True
    for name in EDITORS & set(task):
        if task[name].get("create") and "mode" not in task[name]:
            return True
    if "ansible.builtin.pip" in task:
        return "umask" not in task["ansible.builtin.pip"]
    for name in SHELLS & set(task):
        given = task[name]
        text = (
            given if isinstance(given, str) else str(given.get("cmd", "")) or " ".join(map(str, given.get("argv", [])))
        )
        if MAKES.search(text) and "umask" not in text and task.get("name") not in OWN:
            return True
    return False


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-3:]))
def test_whatever_a_role_makes_has_a_mode(path: Path) -> None:
    assert [task.get("name") for task in tasks(yaml.safe_load(path.read_text()) or []) if without_mode(task)] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_that_makes_files_sets_its_umask(path: Path) -> None:
    text = path.read_text()
    assert not MAKES.search(re.sub(r"(?m)#.*$|>\s*/dev/null|>/proc/\S+", "", text)) or re.search(r"(?m)^umask 0", text)


def test_the_lint_bites() -> None:
    assert without_mode({"ansible.builtin.unarchive": {"src": "a", "dest": "/opt"}})
    assert without_mode({"ansible.builtin.shell": {"cmd": "mkdir -p /opt/x"}})
    assert without_mode({"ansible.builtin.shell": {"cmd": "echo a > /etc/x"}})
    assert not without_mode({"ansible.builtin.shell": {"cmd": "umask 022; mkdir -p /opt/x"}})
    assert not without_mode({"ansible.builtin.file": {"path": "/x", "state": "absent"}})


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o077)
    yield 0o077
    os.umask(before)


def test_packed_runtime_is_readable_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """Every directory is in the archive with its mode, and the commands are made for everybody."""
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "roles/skyha_daemon/files/pack.py",
            ROOT / "plugins/module_utils/skyha",
            f"umask {umask}",
        ],
        env={**os.environ, "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    packed = json.loads(done.stdout)
    where = tmp_path / "opt" / packed["hash"]
    where.mkdir(parents=True)
    data = Path(packed["path"]).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = {entry.name: entry for entry in archive.getmembers()}
    folders = {str(parent) for name in names for parent in Path(name).parents if str(parent) != "."}
    assert folders
    assert folders <= set(names)
    assert {oct(names[name].mode) for name in folders} == {"0o755"}
    assert {oct(entry.mode) for entry in names.values() if entry.isreg()} == {"0o644"}

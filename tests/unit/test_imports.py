# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rooms of the runtime know each other in one direction only (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

RUNTIME = Path(__file__).parents[2] / "plugins/module_utils/skyha"
BASE = {"words", "errors", "margins"}
# room -> the rooms that it may import from
MAY = {
    "words": set(),
    "errors": set(),
    "margins": set(),
    "config": {"errors", "margins"},
    "ports": {"words"},
    "probes": {*BASE, "config"},
    "policy": {*BASE, "config"},
    "world": {*BASE, "config", "probes"},
    "fencing": {*BASE, "config", "world"},
    "daemon": {*BASE, "config", "ports", "probes", "policy", "world"},
    "cli": {*BASE, "config", "daemon", "world"},
}


def rooms_known_to(file: Path) -> set[str]:
    inside = len(file.relative_to(RUNTIME).parts) - 1  # 0: a file of the top, 1: in a room
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.ImportFrom) or node.level != inside + 1:
            continue
        found |= {node.module.split(".")[0]} if node.module else {name.name for name in node.names}
    return found & MAY.keys()


@pytest.mark.parametrize("room", MAY)
def test_room_knows_only_those_below(room: str) -> None:
    files = [RUNTIME / f"{room}.py"] if (RUNTIME / f"{room}.py").exists() else sorted((RUNTIME / room).glob("*.py"))
    assert files
    for file in files:
        unknown = rooms_known_to(file) - MAY[room] - {room}
        assert not unknown, f"{file.relative_to(RUNTIME)} imports from {unknown}"


def test_nothing_of_ansible_in_the_runtime() -> None:
    for file in RUNTIME.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.split(".")[0].startswith("ansible")], file

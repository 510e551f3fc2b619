# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rooms of the runtime know each other in one direction only (docs/architecture.md); a test knows no other test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
RUNTIME = TESTS.parent / "plugins/module_utils/skyha"
BASE = {"words", "errors", "margins"}
# room -> the rooms that it may import from
MAY = {
    "words": set(),
    "errors": set(),
    "margins": set(),
    "kinds": set(),
    "backup_report": set(),
    "own": set(),
    "config": {"margins"},
    "config_file": {*BASE, "config", "own"},
    "ports": {"words", "backup_report"},
    "verbs": {"words"},
    "row_change": {"words"},
    "probes": {*BASE, "config", "config_file", "row_change"},
    "policy": {*BASE, "config", "verbs", "row_change", "backup_report"},
    "world": {*BASE, "config", "config_file", "probes"},
    "backup": {*BASE, "config", "kinds", "backup_report", "probes", "world"},
    "fencing": {*BASE, "config", "config_file", "world"},
    "daemon": {*BASE, "config", "config_file", "ports", "kinds", "backup_report", "probes", "policy", "world"},
    "cli": {*BASE, "config", "backup_report", "backup", "daemon", "world"},
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


def imported_by(file: Path) -> set[str]:
    """All modules that it names, and the names that it takes from them."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            room = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found |= {".".join([*room, name.name]) for name in node.names}
    return found


def test_nothing_of_ansible_in_the_runtime() -> None:
    for file in RUNTIME.rglob("*.py"):
        assert not [name for name in imported_by(file) if name.split(".")[0].startswith("ansible")], file


def test_no_test_is_imported() -> None:
    """What two of them need stands in a module of samples or verbs."""
    tests = {file.stem for file in TESTS.rglob("test_*.py")}
    assert "test_imports" in tests
    for file in TESTS.rglob("*.py"):
        known = {part for name in imported_by(file) for part in name.split(".")} & tests
        assert not known, f"{file.relative_to(TESTS)} imports {known}"

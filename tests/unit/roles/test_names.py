# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A role names its own variables and public ones of pg_cluster: never a sibling's, never another's private one."""

from __future__ import annotations

import re

import pytest
from names_samples import NAMES, VARIABLE, files
from render import ROLES


def foreign(role: str, text: str) -> set[str]:
    """The variables in the text that the role must not name."""
    code = re.sub(r"(?m)^\s*#.*$|(?s:\{#.*?#\})", "", text)
    return {
        found[0]
        for found in VARIABLE.finditer(code)
        if found[1] != role and (found[1] != "pg_cluster" or found[0].startswith("__"))
    }


@pytest.mark.parametrize("role", NAMES)
def test_role_names_no_siblings_variable(role: str) -> None:
    named = {str(file.relative_to(ROLES)): foreign(role, file.read_text(encoding="utf-8")) for file in files(role)}
    assert {file: sorted(names) for file, names in named.items() if names} == {}


def test_no_playbook_names_a_private_variable() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROLES.parent / "playbooks").glob("*.yml")}
    assert {name: found for name, text in texts.items() if (found := re.findall(r"\b__\w+", text))} == {}


def test_the_lint_bites() -> None:
    assert foreign("os_tuning", "when: nagios_nrpe_port > 1") == {"nagios_nrpe_port"}
    assert foreign("os_tuning", "{{ hostvars[x].__pg_cluster_told }}") == {"__pg_cluster_told"}
    assert (
        foreign("os_tuning", "{{ pg_cluster_vip }} {{ __os_tuning_probe }} # sky.pg_cluster.pg_cluster_status") == set()
    )

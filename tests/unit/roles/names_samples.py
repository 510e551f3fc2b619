# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables that the roles name."""

from __future__ import annotations

import re
from pathlib import Path

from render import ROLES

NAMES = sorted(role.name for role in ROLES.iterdir() if role.is_dir())
# A variable by its prefix, private ones too; not a module (sky.pg_cluster.pg_cluster_status) or a file.
VARIABLE = re.compile(rf"(?<![\w/-])(?<!sky\.pg_cluster\.)(?:__)?({'|'.join(NAMES)})_\w+")


def files(role: str) -> list[Path]:
    """What Ansible evaluates of it; names in a README or a description are links for readers."""
    found = (ROLES / role).rglob("*")
    return [
        file
        for file in found
        if file.is_file() and {"tasks", "vars", "defaults", "handlers", "templates"} & {*file.parts}
    ]

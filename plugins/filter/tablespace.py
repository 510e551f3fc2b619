# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands against a new tablespace: a whole sentence each, with what to do."""

from __future__ import annotations

from collections.abc import Mapping
from os.path import dirname
from typing import Any


def tablespace_obstacles(
    there: Mapping[str, Any], name: str, place: str, known: Mapping[str, str], node: str
) -> list[str]:
    """On one node. there: what tablespace_directory.sh said of the place. known: the primary's tablespaces and their places."""
    found = []
    mine = known.get(name) == place
    if not there["parent"]:
        found.append(
            f"{dirname(place)} does not exist on {node}: mount the storage there first, or make that directory."
        )
    if not there["plain"]:
        found.append(f"{place} on {node} is no plain directory: take it away, or choose another.")
    if there["foreign"] and not mine:
        found.append(f"{place} on {node} is not empty ({there['foreign']} ...): choose an empty directory.")
    if there["used"] and not mine:
        found.append(f"{place} on {node} holds a tablespace's files already: choose another directory.")
    return found


def tablespace_conflicts(known: Mapping[str, str], name: str, place: str, primary: str, streams: bool) -> list[str]:
    """On the primary. known: its tablespaces and their places. streams: whether its standby does."""
    found = []
    mine = known.get(name) == place
    if name in known and not mine:
        found.append(f"There is a tablespace {name} already, at {known[name]}: choose another name.")
    for other, its in known.items():
        if its == place and other != name:
            found.append(f"{place} is the place of tablespace {other} already: choose another directory.")
    if not streams and not mine:
        found.append(
            f"No standby streams from {primary}: bring it back first (skyctl status), so that both nodes get the tablespace."
        )
    return found


class FilterModule:
    """For Ansible."""

    def filters(self) -> dict[str, Any]:
        """The names."""
        return {"tablespace_conflicts": tablespace_conflicts, "tablespace_obstacles": tablespace_obstacles}

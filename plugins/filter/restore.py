# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""restore.yml's decisions: what pgBackRest is told of the target, and which node gets the restored data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?\s*(Z|[+-]\d\d(:?\d\d)?)?")
_KINDS = ("time", "lsn", "name", "immediate")


def restore_target(target: str, kind: str = "") -> dict[str, Any]:
    """pgBackRest's options for a target (latest; a time with its zone, an LSN, a restore point's name), and what stands against it.

    Times without a zone would be taken for the server's, which is not the operator's in general: they are refused.
    """
    target = target.strip()
    if not target:
        return _no(
            "pg_backup_restore_to is empty: set it to latest, a time with its zone, an LSN, or a restore point's name."
        )
    if kind and kind not in _KINDS:
        return _no(
            f"pg_backup_restore_type is '{kind}': it must be {', '.join(_KINDS[:-1])} or {_KINDS[-1]}, or empty."
        )
    if kind == "immediate":
        return {"options": ["--type=immediate", "--target-action=promote"], "problem": ""}
    if target == "latest" and not kind:
        return {"options": ["--type=default"], "problem": ""}
    if not kind:
        looks_like_time = re.match(r"\d{4}-\d\d-\d\d", target)
        kind = "time" if looks_like_time else "lsn" if re.fullmatch(r"[0-9A-Fa-f]+/[0-9A-Fa-f]+", target) else "name"
    if kind == "time":
        found = _TIME.fullmatch(target)
        if found is None or found.group(3) is None:
            return _no(
                f"'{target}' is no time with its zone: write YEAR-MONTH-DAY HOUR:MINUTE:SECOND+00 (or your zone's offset instead of +00)."
            )
        target = target.replace("T", " ").replace("Z", "+00")
    return {"options": [f"--type={kind}", f"--target={target}", "--target-action=promote"], "problem": ""}


def _no(problem: str) -> dict[str, Any]:
    return {"options": [], "problem": problem}


def restore_place(told: Mapping[str, Mapping[str, str]], wanted: str = "") -> dict[str, str]:
    """The node that gets the restored data, and what stands against it.

    told: for each node its `status` (what `skyctl status --json` printed) and its `record` (the text of state.json), '' where there is
    none. With a register it is the node that may write; else the one that is, or was last, the primary by its own record.
    """
    nodes = list(told)
    here = [(_loaded(one["status"]).get("here") or {}).get("status") or {} for one in told.values()]
    if wanted and wanted not in nodes:
        return {"node": "", "problem": f"pg_backup_restore_node is '{wanted}': it must be one of {', '.join(nodes)}."}
    rows = [row for one in here if (row := one.get("register"))]
    best = max(rows, key=lambda row: (row.get("epoch") or 0, row.get("beat") or 0), default={})
    holder = str(best.get("holder") or "")
    if holder and wanted not in ("", holder):
        return {
            "node": "",
            "problem": f"the register says that {holder} may write, so {wanted} would not be let serve: leave pg_backup_restore_node empty.",
        }
    primaries = sorted(
        (record.get("timeline") or 0, node)
        for node, one in told.items()
        if (record := _loaded(one["record"]).get("record") or {}).get("role") == "primary"
    )
    node = wanted or holder or (primaries[-1][1] if primaries else "")
    if node:
        return {"node": node, "problem": ""}
    return {
        "node": "",
        "problem": "no node's skyha tells which one was the primary: name it by -e pg_backup_restore_node=NODE (the other one becomes its standby).",
    }


def _loaded(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text or "{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


class FilterModule:
    """For Ansible."""

    def filters(self) -> dict[str, Any]:
        """The names."""
        return {"restore_place": restore_place, "restore_target": restore_target}

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the rows saw, kept in .cache/faults as they are played, and as tables between the marks of docs/reliability.md.

python -m tests.faults.matrix      writes the table of the kind of lab that is played on (LAB_REGISTER, LAB_REPLICATION)

Without a register it is the table of all rows. With one it is that of the rows which need one, and a line with how all rows ended.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.lab import lab
from tests.lab.bench import between

if TYPE_CHECKING:
    from tests.faults.rows import Row

FILE = lab.ROOT / ".cache/faults/seen.json"
PAGE = lab.ROOT / "docs/reliability.md"
NEED_ONE = ("register", "lease", "resign", "etcd")  # groups of rows


def load() -> dict[str, dict[str, Any]]:
    """The results of all rows that were ever played here, by name."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def note(name: str, **result: Any) -> None:
    """Keep one row's result: seen, broken (what did not hold, empty when all did), outage, acknowledged, lost, named, took."""
    results = {**load(), name: {"outage": 0.0, "acknowledged": 0, "lost": 0, "named": [], **result}}
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(results, indent=1))


def table(rows: Sequence[Row], results: dict[str, dict[str, Any]]) -> str:
    """These rows as Markdown, with what was seen."""
    lines = ["| fault | expected | seen | longest outage, s | commits lost | named by |", "| --- " * 6 + "|"]
    for one in rows:
        told = results.get(one.name)
        if told is None:
            lines.append(f"| {one.name} | {one.expect} | not played | | | |")
            continue
        seen = f"{told['seen']}, **not as expected**: {told['broken']}" if told["broken"] else told["seen"]
        named = ", ".join(f"`{code}`" for code in told["named"])
        lines.append(f"| {one.name} | {one.expect} | {seen} | {told['outage']:.1f} | {told['lost']} | {named} |")
    return "\n".join(lines) + "\n"


def counts(rows: Sequence[Row], results: dict[str, dict[str, Any]]) -> str:
    """How they ended, in one line."""
    told = [results[one.name] for one in rows if one.name in results]
    well, lost = sum(not one["broken"] for one in told), sum(one["lost"] for one in told)
    return f"{well} of {len(rows)} rows as expected, {lost} acknowledged commits lost in all of them together.\n"


def main() -> int:
    """Write the table."""
    from tests.faults.catalogue import HAS_REGISTER, ROWS

    results, page = load(), PAGE.read_text()
    if not HAS_REGISTER:
        page = between(page, "matrix", table(ROWS, results))
    else:
        kind = os.environ.get("LAB_REPLICATION", "async")
        page = between(page, f"counts-{kind}", counts(ROWS, results))
        page = between(page, "matrix-register", table([one for one in ROWS if one.group in NEED_ONE], results))
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())

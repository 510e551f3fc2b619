# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the rows saw, kept in .cache/faults as they are played, and as a table between the marks of docs/reliability.md.

python -m tests.faults.matrix      writes the table
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from tests.lab import lab
from tests.lab.bench import between

FILE = lab.ROOT / ".cache/faults/seen.json"
PAGE = lab.ROOT / "docs/reliability.md"


def load() -> dict[str, dict[str, Any]]:
    """The results of all rows that were ever played here, by name."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def note(name: str, seen: str, broken: str, outage: float, lost: int, named: Sequence[str], took: float) -> None:
    """Keep one row's result. broken: what did not hold, empty when all did."""
    result = {"seen": seen, "broken": broken, "outage": outage, "lost": lost, "named": list(named), "took": took}
    results = {**load(), name: result}
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(results, indent=1))


def table() -> str:
    """All rows as Markdown, with what was seen."""
    from tests.faults.catalogue import ROWS

    results = load()
    lines = ["| fault | expected | seen | longest outage, s | commits lost | named by |", "| --- " * 6 + "|"]
    for one in ROWS:
        told = results.get(one.name)
        if told is None:
            lines.append(f"| {one.name} | {one.expect} | not played | | | |")
            continue
        seen = f"{told['seen']}, **not as expected**: {told['broken']}" if told["broken"] else told["seen"]
        named = ", ".join(f"`{code}`" for code in told["named"])
        lines.append(f"| {one.name} | {one.expect} | {seen} | {told['outage']:.1f} | {told['lost']} | {named} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the table."""
    PAGE.write_text(between(PAGE.read_text(), "matrix", table()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

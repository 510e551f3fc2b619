# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the rows saw, kept in .cache/faults as they are played, and as tables between the marks of docs/reliability.md.

python -m tests.faults.matrix      writes the table of the kind of lab that is played on (LAB_REGISTER, LAB_REPLICATION)

Without a register it is the table of all rows. With one on the vote host it is that of the rows which need one, with an etcd that of the rows
which are about its members; and a line with how all rows ended.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.lab import lab, register
from tests.lab.bench import between
from tests.lab.watch import ZERO_LOSS

if TYPE_CHECKING:
    from tests.faults.rows import Row

# Rows of one name are played on several kinds of lab.
KIND = f"{register.ENGINE}-{'zero_loss' if ZERO_LOSS else 'async'}"
FILE = lab.ROOT / f".cache/faults/seen-{KIND}.json"
PAGE = lab.ROOT / "docs/reliability.md"
TABLES = {"none": "matrix", "vote_host": "matrix-register", "etcd": "matrix-etcd"}
NEED_ONE = {"vote_host": ("register", "lease", "resign"), "etcd": ("etcd",)}  # groups of rows


def load() -> dict[str, dict[str, Any]]:
    """The results of all rows that were ever played here on this kind of lab, by name."""
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
    from tests.faults.catalogue import ROWS

    results, page = load(), PAGE.read_text()
    groups = NEED_ONE.get(register.ENGINE)
    shown = [one for one in ROWS if groups is None or one.group in groups]
    page = between(page, TABLES[register.ENGINE], table(shown, results))
    if groups is not None:
        page = between(page, f"counts-{KIND}", counts(ROWS, results))
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())

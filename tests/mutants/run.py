# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Has the suite teeth? Each mutant is made on a copy of the tree, and some test must turn red.

python -m tests.mutants.run [--lab] [--new] [--only WORDS]

Without --lab: unit tests and simulation. With it: the mutants that name a row of the fault suite are installed on the lab's
nodes, and that row must fail. The table of all last results goes to docs/reliability.md between its marks.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.matrix import PAGE
from tests.lab.bench import between
from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache/mutants"
RUNTIME = "plugins/module_utils/skyha"
LIMIT = 1800.0  # seconds for one mutant's tests
NOT_COPIED = (".git", ".venv", ".cache", "__pycache__")


def mutated(mutant: Mutant, folder: Path) -> Path:
    """A copy of the tree with that mutant in it; ValueError when the source has changed under it."""
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
    file = tree / RUNTIME / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        raise ValueError(
            f"'{mutant.name}': its text stands {text.count(mutant.old)} times in {mutant.file}; mend the catalogue"
        )
    file.write_text(text.replace(mutant.old, mutant.new))
    return tree


def caught_by(mutant: Mutant) -> str:
    """The name of the test that turned red, empty when all stayed green."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        tree = mutated(mutant, Path(folder))
        for tests in mutant.tests:
            command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "--tb=line", "-rfE", tests]
            done = subprocess.run(
                command,
                cwd=tree,
                capture_output=True,
                text=True,
                timeout=LIMIT,
                env={"SIM_SCHEDULES": "400", **os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            )
            if done.returncode not in (0, 1):
                raise RuntimeError(f"'{mutant.name}': pytest {tests}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
            if done.returncode == 1:
                red = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
                return red.group(1) if red else tests
    return ""


def caught_on_the_lab(mutant: Mutant) -> str:
    """The row, when it failed with the mutant installed on both nodes."""
    from tests.faults.catalogue import ROWS
    from tests.faults.rows import play
    from tests.lab import faults

    one = next(one for one in ROWS if one.name == mutant.row)
    faults.make_whole()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        install(mutated(mutant, Path(folder)) / RUNTIME)
    try:
        play(one, noted=False)
    except AssertionError:
        return f"the row '{one.name}'"
    finally:
        install(ROOT / RUNTIME)
        mend()
    return ""


def mend() -> None:
    """Make the cluster whole again after what a broken runtime did to it, as an operator would."""
    from tests.lab import faults, lab

    faults.heal()
    for node in lab.NODES:
        lab.on(node, "skyctl", "acknowledge", check=False)
    try:
        faults.make_whole(90)
    except AssertionError:
        lab.playbook("failover_rebuild.yml")
        faults.make_whole()


def install(runtime: Path) -> None:
    """Put that runtime in place of the installed one, on both nodes."""
    from tests.lab import faults, lab

    faults.heal()
    files = [str(file.relative_to(runtime)) for file in runtime.rglob("*.py")]
    for node in lab.NODES:
        target = lab.on(node, "sh", "-c", "dirname $(find -L /opt/skyha -name words.py | head -1)").strip()
        for name in files:
            text = (runtime / name).read_text()
            if lab.on(node, "cat", f"{target}/{name}", check=False) != text:
                lab.on(node, "sh", "-c", f"cat > {target}/{name}", stdin=text)
        lab.on(node, "systemctl", "restart", "skyha")


def load(kind: str) -> dict[str, str]:
    """What caught each mutant when it was last tried: name -> test, empty for a survivor."""
    file = FOLDER / f"{kind}.json"
    return json.loads(file.read_text()) if file.exists() else {}


def note(kind: str, mutant: Mutant, by: str) -> None:
    """Keep one result."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{kind}.json").write_text(json.dumps({**load(kind), mutant.name: by}, indent=1))


def table(kind: str) -> str:
    """As Markdown."""
    found = load(kind)
    lines = ["| what is broken on purpose | in | caught by |", "| --- " * 3 + "|"]
    for one in of_kind(kind):
        lines.append(f"| {one.name} | {one.file} | {found.get(one.name, 'not tried') or '**nothing**'} |")
    return "\n".join(lines) + "\n"


def of_kind(kind: str) -> list[Mutant]:
    """The mutants for unit tests and simulation, or those for the lab."""
    return [one for one in MUTANTS if (one.row if kind == "mutants-lab" else one.tests)]


def main() -> int:
    """0 when every mutant was caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", action="store_true")
    parser.add_argument("--only", default="", help="only mutants with these words in their name")
    parser.add_argument("--new", action="store_true", help="only those that were not caught before")
    options = parser.parse_args()
    kind = "mutants-lab" if options.lab else "mutants"
    chosen = [one for one in of_kind(kind) if options.only in one.name]
    if options.new:
        chosen = [one for one in chosen if not load(kind).get(one.name)]
    survivors = []
    for mutant in chosen:
        began = time.monotonic()
        by = caught_on_the_lab(mutant) if options.lab else caught_by(mutant)
        note(kind, mutant, by)
        print(f"{'caught' if by else 'SURVIVES':<9} {time.monotonic() - began:6.1f} s  {mutant.name}: {by}", flush=True)
        if not by:
            survivors.append(mutant.name)
    print(f"{len(chosen)} mutants, {len(survivors)} survive" + "".join(f"\n  {name}" for name in survivors))
    PAGE.write_text(between(PAGE.read_text(), kind, table(kind)))
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

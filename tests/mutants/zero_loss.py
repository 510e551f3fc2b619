# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Zero loss: the standby is the heir only while commits wait for it."""

from __future__ import annotations

from .mutant import Mutant

ZERO_LOSS = ("tests/unit/policy/test_sync.py", "tests/simulation/test_scenarios_zero_loss.py")

MUTANTS = (
    Mutant(
        "the heir is named before commits wait for it",
        "policy/sync.py",
        "    if part.floor is None and part.is_loaded:",
        "    if part.floor is None:",
        ZERO_LOSS,
    ),
    Mutant(
        "the checkpointer is trusted before it can have been told",
        "policy/sync.py",
        "age(now, part.in_effect_at) >= SYNC_SETTLES",
        "age(now, part.in_effect_at) >= 0.0",
        ZERO_LOSS,
    ),
    Mutant(
        "the heir is named before it has flushed what was written before commits waited",
        "policy/sync.py",
        "is_covered=part.is_covered or has_it)",
        "is_covered=part.is_covered or part.floor is not None)",
        ZERO_LOSS,
    ),
    Mutant(
        "commits go on alone before the register has heard that there is no heir",
        "policy/sync.py",
        "        return None  # it goes first\n",
        '        return ""\n',
        ZERO_LOSS,
    ),
    Mutant(
        "an heir is named by what held before commits went on alone",
        "policy/sync.py",
        "floor=None, is_covered=False, pace=replace(",
        "floor=None, pace=replace(",
        ZERO_LOSS,
    ),
    Mutant(
        "an heir that was named while no commit waited is kept",
        "policy/sync.py",
        "    resumes = (is_first or part.resumes) and _is_in_effect(config, look)\n",
        "    resumes = is_first or part.resumes\n",
        ZERO_LOSS,
    ),
    Mutant(
        "the heir is named by the lag rule though no loss is promised",
        "policy/holding.py",
        "    if config.zero_loss and not may_be_heir(",
        "    if config.zero_loss and memory.sync.given_up_at is not None and not may_be_heir(",
        ZERO_LOSS,
    ),
    Mutant(
        "a standby is given up at once, with no patience",
        "policy/sync.py",
        "        if waits and now - part.pace.owed_since >= config.replication.sync_patience:\n",
        "        if waits:\n",
        ZERO_LOSS,
    ),
    Mutant(
        "a standby is never given up",
        "policy/sync.py",
        "    if not part.is_covered or part.given_up_at is not None:\n",
        "    if not part.is_covered:\n",
        ZERO_LOSS,
    ),
    Mutant(
        "a standby that tells nothing counts as level",
        "policy/sync.py",
        "    flushed = look.flush_lsn\n",
        "    flushed = written if look.flush_lsn is None else look.flush_lsn\n",
        ZERO_LOSS,
    ),
    Mutant(
        "a standby that tells nothing has flushed all",
        "policy/sync.py",
        "look.flush_lsn is not None and look.flush_lsn >= part.floor\n",
        "(look.flush_lsn is None or look.flush_lsn >= part.floor)\n",
        ZERO_LOSS,
    ),
    Mutant(
        "skyha ends while commits wait for the standby",
        "policy/resigning.py",
        "    return stays or is_waited_for(config, seen) or",
        "    return stays or",
        ZERO_LOSS,
    ),
)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One way to break the runtime on purpose, and the tests that several of them name."""

from __future__ import annotations

from dataclasses import dataclass

SCENARIOS = "tests/simulation/test_scenarios.py"
STUMBLING = "tests/simulation/test_scenarios_stumbling.py"
SWITCHOVER = "tests/simulation/test_scenarios_switchover.py"
PRIMARY = "tests/unit/policy/test_primary.py"
OPERATOR = "tests/simulation/test_scenarios_operator.py"
SCHEDULES = "tests/simulation/test_schedules.py"
PROOF = "tests/simulation/test_fence_proof.py"
BOOT = "tests/simulation/test_boot.py"
STORAGE = "tests/simulation/test_scenarios_storage.py"
REFUSES = "tests/unit/world/test_rewind_refuses.py"
REGISTER = "tests/simulation/test_scenarios_register.py"
LEASE = ("tests/unit/policy/test_lease.py", "tests/simulation/test_scenarios_lease.py")
UNKNOWN = "tests/simulation/test_scenarios_unknown.py"


@dataclass(frozen=True)
class Mutant:
    """One deliberate fault of the source below plugins/module_utils/skyha."""

    name: str
    file: str
    old: str  # stands there exactly once
    new: str
    tests: tuple[str, ...]
    row: str = ""

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operator's own commands run when something happens, and one that hangs holds nothing up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.lab import faults, lab
from tests.lab.watch import Watch

TOLD = "/var/lib/skyha/hooks.log"
HOOKS = {
    "skyha_daemon_hook_role_change": f"""sh -c 'echo "$SKYHA_EVENT $SKYHA_NODE $SKYHA_ROLE" >> {TOLD}'""",
    "skyha_daemon_hook_failover": "sleep 600",
    "skyha_daemon_hook_fence_failed": f"""sh -c 'echo "$SKYHA_EVENT $SKYHA_PEER" >> {TOLD}'""",
    "skyha_daemon_hook_deadline": 3,
}


def told(node: str) -> list[str]:
    return lab.on(node, "sh", "-c", f"cat {TOLD} 2>/dev/null || true").splitlines()


@pytest.fixture
def hooks() -> Iterator[None]:
    """skyha has the hooks; afterwards it has the inventory's again."""
    site(json.dumps(HOOKS))
    try:
        faults.make_whole()
        for node in lab.NODES:
            lab.on(node, "rm", "-f", TOLD)
        yield
    finally:
        faults.heal()
        site()
        for node in lab.NODES:
            lab.on(node, "rm", "-f", TOLD)


def site(variables: str = "{}") -> str:
    """Configure skyha again, with these extra variables."""
    return lab.playbook("site.yml", "--tags", "skyha_daemon", "-e", variables)


@pytest.mark.usefixtures("hooks")
def test_hooks_are_told_and_one_that_hangs_holds_nothing_up(primary: str, standby: str) -> None:
    assert lab.changed(site(json.dumps(HOOKS))) == 0
    with Watch() as watch:
        began = time.monotonic()
        lab.lab("bmc", primary, "stop")
        lab.lab("power", primary, "off")
        lab.wait_for("the hook of a failed fence", lambda: f"fence_failed {primary}" in told(standby), 60)
        lab.lab("bmc", primary, "start")
        lab.wait_for("the hook of the role", lambda: f"promoted {standby} primary" in told(standby), 60)
        lab.wait_for("commits again", lambda: watch.resumed(began + 1.0), 60)
        lab.wait_for(
            "the end of the hook that hangs",
            lambda: (
                "hook failover did not end" in lab.on(standby, "journalctl", "-u", "skyha", "-n", "200", "-o", "cat")
            ),
            30,
        )
        lab.wait_for(
            "the old primary as standby", lambda: f"rewound {primary} standby" in told(primary) or lab.is_whole(), 120
        )
    watch.report.check()
    print(
        f"failover with hooks, its BMC dead for a while: outage {watch.report.outage:.1f} s, lost {len(watch.report.lost)}"
    )

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""failover_drill.yml: asks, makes the fault, measures, waits until all is whole, and reports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lab import lab, register
from tests.lab.watch import Watch

PLAY = "playbooks/failover_drill.yml"
HAS_REGISTER = register.ENGINE != "none"


def test_without_the_word_nothing_is_done(primary: str) -> None:
    with pytest.raises(RuntimeError, match="pg_cluster_drill_confirm=sky"):
        lab.playbook(PLAY)
    # Nor by a check with it.
    lab.playbook(PLAY, "--check", "-e", "pg_cluster_drill_confirm=sky")
    assert lab.is_whole()
    assert lab.primary() == primary


def test_drill_fails_over_comes_back_and_reports(primary: str, standby: str, tmp_path: Path) -> None:
    _held(primary, standby, tmp_path / "report.html", "off through its BMC")


@pytest.mark.skipif(not HAS_REGISTER, reason="the standby waits for an operator where there is no lease")
def test_drill_in_which_the_bmc_dies_too(primary: str, standby: str, tmp_path: Path) -> None:
    lab.wait_for("a lease in force", lambda: register.term(primary) > 0, 60, every=0.3)
    told = _held(
        primary, standby, tmp_path / "report.html", "gave skyha no answer", "-e", "pg_cluster_drill_fault=power_and_bmc"
    )
    assert "and its BMC was dead" in told
    assert lab.on(standby, "nft", "list", "tables").count("drill") == 0


@pytest.mark.skipif(HAS_REGISTER, reason="it is about having no lease")
def test_drill_with_a_dead_bmc_is_refused_without_a_lease(primary: str) -> None:
    with pytest.raises(RuntimeError, match="knows of no lease"):
        lab.playbook(PLAY, "-e", "pg_cluster_drill_confirm=sky", "-e", "pg_cluster_drill_fault=power_and_bmc")
    assert lab.primary() == primary


def _held(primary: str, standby: str, report: Path, how: str, *more: str) -> str:
    """The drill, with a client of the test's own; what the play said."""
    with Watch() as watch:
        told = lab.playbook(
            PLAY, "-e", "pg_cluster_drill_confirm=sky", "-e", f"pg_cluster_drill_report={report}", *more
        )
    watch.report.check()
    assert lab.primary() == standby
    assert lab.is_whole()
    text = report.read_text()
    for word in ("fenced", "promoted", "vip_taken", f"{primary} (primary) was switched off", how):
        assert word in text, word
    outage = float(re.search(r"outage +([0-9.]+) s", told)[1])
    assert re.search(r"(\d+) acknowledged, 0 of them lost", told)
    print(f"drill: the play measured {outage:.2f} s, the test's own client {watch.report.outage:.2f} s")
    assert abs(outage - watch.report.outage) < 2.0
    return told

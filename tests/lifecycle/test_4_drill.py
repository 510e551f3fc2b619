# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""failover_drill.yml: asks, makes the fault, measures, waits until all is whole, and reports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lab import lab
from tests.lab.watch import Watch

PLAY = "playbooks/failover_drill.yml"


def test_without_the_word_nothing_is_done(primary: str) -> None:
    with pytest.raises(RuntimeError, match="pg_cluster_drill_confirm=sky"):
        lab.playbook(PLAY)
    # Nor by a check with it.
    lab.playbook(PLAY, "--check", "-e", "pg_cluster_drill_confirm=sky")
    assert lab.is_whole()
    assert lab.primary() == primary


def test_drill_fails_over_comes_back_and_reports(primary: str, standby: str, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    with Watch() as watch:
        told = lab.playbook(PLAY, "-e", "pg_cluster_drill_confirm=sky", "-e", f"pg_cluster_drill_report={report}")
    watch.report.check()
    assert lab.primary() == standby
    assert lab.is_whole()
    text = report.read_text()
    for word in ("fenced", "promoted", "vip_taken", f"{primary} (primary) was switched off"):
        assert word in text, word
    outage = float(re.search(r"outage +([0-9.]+) s", told)[1])
    assert re.search(r"(\d+) acknowledged, 0 of them lost", told)
    print(f"drill: the play measured {outage:.2f} s, the test's own client {watch.report.outage:.2f} s")
    assert abs(outage - watch.report.outage) < 2.0

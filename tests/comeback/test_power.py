# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Power lost in the middle of a rejoin, a switchover, a promotion: the next start is safe. (Of a rebuild: test_story.py.)"""

from __future__ import annotations

import pytest

from tests.lab import faults, lab, pause_points, register
from tests.lab.watch import Watch, history


@pytest.mark.parametrize("moment", [pause_points.STOPS_HALFWAY, pause_points.STOPS_LATE], ids=["early", "late"])
def test_in_the_middle_of_a_rejoin(primary: str, standby: str, moment: str) -> None:
    """Boot: a rewind was interrupted / primary, newer timeline."""
    with pause_points.rewind_that(moment, primary), Watch() as watch:
        faults.network_cut(primary)
        # It goes on alone, into WAL segments that the standby will never have.
        for _segment in range(2):
            lab.sql(primary, "SELECT pg_logical_emit_message(false, 'test', 'alone'), pg_switch_wal()")
        lab.wait_for("the new primary", lambda: lab.is_writable(standby), 60)
        faults.heal()
        lab.wait_for("half a rewind", lambda: pause_points.exists(primary, pause_points.HALF), 120)
        assert pause_points.stage(primary) == "rewinding"
        lab.lab("power", primary, "off")
        lab.lab("power", primary, "on")
        faults.make_whole()
        assert lab.primary() == standby
        kinds = [event["kind"] for event in history(primary)]
        begun = [number for number, kind in enumerate(kinds) if kind == "rejoining"][-2:]
        assert "starting" not in kinds[begun[0] : begun[1]], "half rewound data must not be started"
        assert "rewound" in kinds[begun[1] :]
    watch.report.check()


def test_in_the_middle_of_a_switchover(primary: str, standby: str) -> None:
    """Boot: primary, a standby may have been promoted / standby, not promoted."""
    with Watch() as watch, pause_points.switchover_that_stops(primary):
        assert pause_points.stage(primary) == "switching"
        lab.lab("power", primary, "off")
        lab.lab("power", primary, "on")
        faults.make_whole()
        watch.wait_for_commits(20)
    watch.report.check()


def test_in_the_middle_of_a_promotion(primary: str, standby: str) -> None:
    """Boot: standby / unreachable."""
    # The startup process is held, so that it does not leave recovery.
    with Watch() as watch, pause_points.held(standby, "startup"):
        faults.power_loss(primary)
        lab.wait_for("the promotion", lambda: pause_points.stage(standby) == "promoting", 60, every=0.02)
        lab.lab("power", standby, "off")
        lab.lab("power", standby, "on")
        # It was switched off by the fence: the node that did that brings it back. With a register that node holds by now, and goes on.
        serves = primary if register.ENGINE == "none" else standby
        lab.wait_for("who is to serve", lambda: lab.is_writable(serves), 120)
        lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)
        assert lab.primary() == serves
        watch.wait_for_commits(20)
    watch.report.check()
    promoted = [event for event in watch.report.history[standby] if event["kind"] == "promoted"]
    assert bool(promoted) == (serves == standby)


@pytest.mark.long
def test_switchover_that_cannot_be_finished_leaves_the_old_primary_serving(primary: str, standby: str) -> None:
    with Watch() as watch:
        with pause_points.switchover_that_stops(primary):
            faults.network_cut(standby)
        lab.wait_for("the old primary", lambda: lab.is_writable(primary) and lab.holds_vip(primary), 90)
        watch.wait_for_commits(20)
        faults.make_whole()
        assert lab.primary() == primary
    watch.report.check()
    assert "switchover_failed" in [event["kind"] for event in watch.report.history[primary]]

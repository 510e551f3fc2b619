# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The oracles of the lab's tests see what they are there to see."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.watch import Report


def event(kind: str, at: float) -> dict[str, Any]:
    return {"kind": kind, "monotonic": at, "text": kind}


def failover(**changes: Any) -> Report:
    """A lawful one: node1 serves until 10, is off at 12.5, node2 serves from 13."""
    report = Report(
        acknowledged=[(at / 10, at) for at in range(100)] + [(13 + at / 10, 1000 + at) for at in range(50)],
        accepted={"node1": [float(at) for at in range(12)], "node2": [13.0, 14.0]},
        history={"node1": [], "node2": [event("fencing", 12.0), event("fenced", 12.6), event("promoted", 12.9)]},
        power={"node1": [(0.0, 4711), (12.4, 0), (14.0, 4712)], "node2": [(0.0, 815)]},
    )
    for name, value in changes.items():
        setattr(report, name, value)
    return report


def test_a_lawful_failover_passes() -> None:
    report = failover(lost=[98, 99])
    report.check()
    assert report.outage == pytest.approx(3.1)
    assert [one["monotonic"] for one in report.happened("promoted", "node2")] == [12.9]
    assert "promoted" in report.story()


@pytest.mark.parametrize("how", ["writes no more and is silent", "has handed over to this node in the register"])
def test_one_that_was_proven_by_time_or_by_word_asks_for_no_power(how: str) -> None:
    fenced = {**event("fenced", 12.6), "text": f"node1 {how}: promoting"}
    history = {"node1": [], "node2": [event("fencing", 12.0), fenced, event("promoted", 12.9)]}
    failover(power={"node1": [(0.0, 4711)], "node2": [(0.0, 815)]}, history=history).check()


def test_a_commit_lost_too_early_is_seen() -> None:
    with pytest.raises(AssertionError, match="O1"):
        failover(lost=[50]).check()


def test_a_commit_lost_where_none_may_be_is_seen() -> None:
    with pytest.raises(AssertionError, match="O1"):
        failover(lost=[98]).check(lost_within=0.0)


def test_a_commit_lost_without_any_failover_is_seen() -> None:
    with pytest.raises(AssertionError, match="O1"):
        failover(lost=[1020]).check()


def test_nothing_acknowledged_is_no_proof() -> None:
    with pytest.raises(AssertionError, match="O5"):
        failover(acknowledged=[]).check()


def test_two_writers_are_seen() -> None:
    with pytest.raises(AssertionError, match="O2"):
        failover(accepted={"node1": [1.0, 2.0, 13.5], "node2": [13.0, 14.0]}).check()


def test_a_vip_on_both_nodes_is_seen() -> None:
    with pytest.raises(AssertionError, match="O3"):
        failover(vip_twice=[12.7]).check()


def test_a_promotion_without_a_fence_is_seen() -> None:
    with pytest.raises(AssertionError, match="O4"):
        failover(history={"node1": [], "node2": [event("promoted", 12.9)]}).check()


@pytest.mark.parametrize("power", [[(0.0, 4711)], [(0.0, 4711), (13.5, 0)], [(0.0, 4711), (3.0, 0), (5.0, 4712)]])
def test_a_promotion_beside_a_host_with_power_is_seen(power: list[tuple[float, int]]) -> None:
    with pytest.raises(AssertionError, match="O4: node1 was not off"):
        failover(power={"node1": power}).check()

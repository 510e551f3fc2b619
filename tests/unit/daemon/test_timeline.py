# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stories out of events: phases, called-off attempts, daemons that restart in between."""

from __future__ import annotations

from typing import Any

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.timeline import last_failover, stories

FAILOVER = [
    (10.0, "trouble"),
    (12.0, "fencing"),
    (12.1, "alarm"),
    (12.6, "fence_read_back"),
    (13.0, "fenced"),
    (13.5, "promoted"),
    (13.6, "vip_taken"),
]


def entries(*pairs: tuple[float, str], text: str = "", **facts: str) -> list[dict[str, Any]]:
    return [
        {"wall": 1000.0 + at, "monotonic": at, "kind": kind, "text": text, "level": "info", "facts": facts}
        for at, kind in pairs
    ]


def test_failover_has_four_phases() -> None:
    [story] = stories(entries((1.0, "started"), *FAILOVER, (20.0, "alarm_over")))
    assert story.result == "done"
    assert story.phases == {"detect": 2.0, "fence": 1.0, "promote": 0.5, "vip": 0.1}
    assert story.seconds == 3.6
    assert [entry["kind"] for entry in story.entries] == [kind for _at, kind in FAILOVER]


def test_trouble_that_passes_is_no_story() -> None:
    assert stories(entries((1.0, "trouble"), (2.0, "recovered"), (5.0, "trouble"))) == []


def test_attempt_that_was_called_off() -> None:
    [story] = stories(entries((1.0, "trouble"), (3.0, "fencing"), (4.0, "fence_failed"), (5.0, "called_off")))
    assert story.result == "called off"
    assert story.phases == {"detect": 2.0}
    assert last_failover(story.entries) is None


def test_fence_that_is_tried_again_counts_to_its_proof() -> None:
    [story] = stories(
        entries(
            (1.0, "trouble"),
            (2.0, "fencing"),
            (3.0, "fence_failed"),
            (8.0, "fenced"),
            (9.0, "promoted"),
            (9.5, "vip_taken"),
        )
    )
    assert story.phases["fence"] == 6.0


def test_daemon_that_takes_up_where_it_was_continues_the_story() -> None:
    middle = entries((12.5, "started"), text="skyha starts, in the middle of: fencing", goes_on="fencing")
    [story] = stories(entries(*FAILOVER[:2]) + middle + entries(*FAILOVER[3:]))
    assert story.result == "done"


def test_daemon_that_forgot_breaks_the_story_off() -> None:
    first, second = stories(
        entries(*FAILOVER[:2])
        + entries((30.0, "started"), text="skyha starts")
        + entries(*((at + 100, kind) for at, kind in FAILOVER))
    )
    assert (first.result, second.result) == ("broken off", "done")


def test_wall_clock_that_jumps_changes_no_phase() -> None:
    events = entries(*FAILOVER)
    for event in events[3:]:
        event["wall"] -= 3600.0
    assert stories(events)[0].seconds == 3.6


def test_switchover_on_both_nodes() -> None:
    [old] = stories(entries((1.0, "switchover"), (1.1, "vip_down"), (2.2, "switched")))
    [new] = stories(entries((1.9, "found_primary"), (2.1, "vip_taken")))
    assert (old.kind, old.phases) == ("switchover", {"hand_over": 1.2})
    assert (new.kind, new.phases) == ("taking over", {"vip": 0.2})


def test_newest_failover_is_the_last() -> None:
    events = entries(*FAILOVER) + entries(*((at + 100, kind) for at, kind in FAILOVER))
    last = last_failover(events)
    assert last is not None
    assert last["wall"] == 1110.0


def test_damaged_entries_are_passed_over() -> None:
    assert stories([{}, {"kind": "trouble"}, {"wall": "x", "kind": "fencing"}]) == []


def test_trouble_that_a_restart_interrupts_before_any_fencing_is_no_story() -> None:
    assert stories(entries((1.0, "trouble")) + entries((2.0, "started"), text="skyha starts")) == []


def test_switchover_that_begins_in_a_trouble_is_the_story() -> None:
    [story] = stories(entries((1.0, "trouble"), (2.0, "switchover"), (3.0, "switched")))
    assert (story.kind, story.seconds) == ("switchover", 1.0)


def test_failover_that_goes_on_is_under_way() -> None:
    [story] = stories(entries(*FAILOVER[:3]))
    assert story.result == "under way"

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What makes WAL grow is named while there is room, and nothing else is."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decide import decide
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.standby import COPY_EVERY
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Action, Do, Role, Seen, Slot, Wal
from node_samples import NODE1, NODE2, configured, remembered
from policy_samples import CALM, FOLLOWS, NOW, PRIMARY, SERVES, STANDBY, done

MB = 1024 * 1024
WAL = Wal((), 1000 * MB, 100 * MB, 100 * MB, 300.0, redo_lsn=7, since_checkpoint=MB)
START = remembered(SERVES)
FOLLOWER = remembered(FOLLOWS, own={"lived_as": Role.STANDBY})


def decided(wal: Wal, now: float = 10.0, memory: Memory = START, **local: object) -> Decision:
    return decide(NODE1, memory, Seen(dataclasses.replace(PRIMARY, wal=wal, **local)), now)


def with_slot(name: str, kept: int | None, logical: bool = False, active: bool = False, lost: bool = False) -> Decision:
    return decided(dataclasses.replace(WAL, slots=(Slot(name, logical, active, lost, kept),)))


@pytest.mark.parametrize(
    ("slot", "told"),
    [
        (("barman", 101 * MB), "the physical slot barman is not in use and holds back 101 MB of WAL"),
        (("feed", 101 * MB, True), "the logical slot feed is not in use"),
        (("feed", 501 * MB, True, True), "is behind by 501 MB of WAL; at 1000 MB (max_slot_wal_keep_size) it is lost"),
        (("feed", None, True, False, True), "the logical slot feed has lost WAL"),
        (("barman", 99 * MB), None),
        (("barman", None), None),
        (("feed", 499 * MB, True, True), None),
        (("node2", 900 * MB), None),
    ],
)
def test_slot_of_others_that_holds_wal_back_is_named(slot: tuple[object, ...], told: str | None) -> None:
    alarms = with_slot(*slot).alarms  # type: ignore[arg-type]
    assert ("slots" in alarms) == (told is not None), alarms
    assert told is None or told in alarms["slots"]


def test_peers_slot_that_lost_its_wal_is_made_anew_and_told_until_the_peer_streams() -> None:
    lost = dataclasses.replace(WAL, slots=(Slot("node2", False, False, True, None),))
    away = {"peer_streaming": False, "slots": ("node2",), "standby_recorded": True}
    first = decided(lost, **away)
    assert Do.ENSURE_SLOT in done(first)
    assert "failover_rebuild.yml" in first.alarms["slot_lost"]
    again = dataclasses.replace(WAL, slots=(Slot("node2", False, False, False, None),))
    second = decided(again, 11.0, first.memory, **away)
    assert Do.ENSURE_SLOT not in done(second)
    assert "slot_lost" in second.alarms
    third = decided(again, 12.0, second.memory, slots=("node2",))
    assert "slot_lost" not in third.alarms


class TestCheckpoint:
    def later(self, since: int, seconds: float) -> dict[str, str]:
        first = decided(WAL)
        return dict(decided(dataclasses.replace(WAL, since_checkpoint=since), 10.0 + seconds, first.memory).alarms)

    def test_wal_far_beyond_its_size_without_one_is_named(self) -> None:
        assert "checkpointer" in self.later(301 * MB, 30.0)["checkpoint"]

    def test_one_that_is_long_overdue_is_named(self) -> None:
        assert "checkpoint" in self.later(65 * MB, 1000.0)

    @pytest.mark.parametrize(("since", "seconds"), [(299 * MB, 30.0), (299 * MB, 600.0), (MB, 100_000.0)])
    def test_load_and_idleness_are_not(self, since: int, seconds: float) -> None:
        assert "checkpoint" not in self.later(since, seconds)


def test_standby_copies_the_slots_that_it_is_told_to_now_and_then() -> None:
    config = configured(NODE2, failover={"keep_slots": ("barman",)})
    copy = Action(Do.COPY_SLOTS, ("barman",))
    first = decide(config, FOLLOWER, Seen(STANDBY, CALM), NOW)
    assert copy in first.actions
    again = decide(config, first.memory, Seen(STANDBY, CALM), NOW + COPY_EVERY - 1)
    assert copy not in again.actions
    assert copy in decide(config, again.memory, Seen(STANDBY, CALM), NOW + COPY_EVERY).actions
    assert copy not in decide(NODE2, FOLLOWER, Seen(STANDBY, CALM), NOW).actions
    paused = remembered(dataclasses.replace(FOLLOWS, paused=True), own={"lived_as": Role.STANDBY})
    assert copy not in decide(config, paused, Seen(STANDBY), NOW).actions

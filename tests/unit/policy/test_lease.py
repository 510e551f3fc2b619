# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lease: what the holder may do until when, what its watchdog is fed for, and when its heir may take."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import book, lease
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory, Trouble
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.proof import Kind
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Food, Guard, Role, Seen, Server, Signs
from node_samples import NODE1, NODE2, changed, configured, remembered
from policy_samples import CALM, FOLLOWS, NOW, PRIMARY, SERVES, STANDBY

LEASED = {
    "register": {"engine": "vote_host", "address": "198.51.100.35"},
    "watchdog": {"device": "/dev/watchdog0"},
    "signs": {"port": 8009},
}
HOLDER, HEIR = configured(NODE1, **LEASED), configured(NODE2, **LEASED)
ROW = book.Row("node1", 3, 70, "node2", 7.0)
DOWN = replace(PRIMARY, server=Server.DOWN)


def holds(renewed_at: float = NOW - 1, **hold: object) -> Memory:
    """The holder's memory; its watchdog is fed."""
    held = replace(book.held("node1", ROW, renewed_at), **hold)  # type: ignore[arg-type]
    record = replace(SERVES, epoch=3)
    return remembered(record, register={"row": ROW, "hold": held}, lease={"guard": Guard(fed=True)})


def heir(row_at: float, promised_at: float = book.NEVER, row: book.Row = ROW) -> Memory:
    """The heir's."""
    watch = book.Watch(row, row_at, promised_at=promised_at)
    return remembered(replace(FOLLOWS, epoch=3), register={"row": row, "watch": watch, "answered_at": NOW})


class TestHolder:
    def test_its_watchdog_is_fed_to_the_end_of_the_lease_and_no_longer(self) -> None:
        assert lease.food(HOLDER, holds(NOW - 1), Seen(PRIMARY), "node2", NOW) == Food(NOW + 2, 3.0)

    def test_a_promise_counts_from_the_mark_that_it_brings_back(self) -> None:
        part = lease.with_signs(holds(NOW - 2.5).register, Signs(promise=NOW - 0.5))
        assert part.hold is not None
        assert lease.holds_until(HOLDER, part.hold) == NOW + 2.5

    @pytest.mark.parametrize(("renewed_at", "over"), [(NOW - 2.9, False), (NOW - 3.1, True)])
    def test_it_is_over_after_three_seconds(self, renewed_at: float, over: bool) -> None:
        assert lease.is_over(HOLDER, holds(renewed_at), Seen(PRIMARY), NOW) is over

    def test_it_is_over_for_a_skyha_that_must_end_and_was_not_let_out(self) -> None:
        assert lease.is_over(HOLDER, holds(), Seen(PRIMARY, leaving=True, overdue=True), NOW)

    def test_it_stops_and_says_so_once(self) -> None:
        first = lease.stopping(HOLDER, holds(NOW - 4), Seen(PRIMARY))
        again = lease.stopping(HOLDER, first.memory, Seen(PRIMARY))
        assert [event.kind for event in first.events] == ["lease_over"]
        assert (again.events, again.actions) == ((), first.actions)
        assert not lease.remember_lease(again.memory, Seen(DOWN), NOW).lease.stopping

    def test_nobody_may_take_so_nothing_binds(self) -> None:
        free = holds(NOW - 600, has_heir=False, is_bound=False)
        assert not lease.is_over(HOLDER, free, Seen(PRIMARY), NOW)
        assert lease.food(HOLDER, free, Seen(PRIMARY), "", NOW) is None

    def test_an_operators_word_ends_it(self) -> None:
        memory = holds(NOW - 600)
        told = replace(memory, record=replace(memory.record, overruled=3))
        assert not lease.is_over(HOLDER, told, Seen(PRIMARY), NOW)

    def test_a_skyha_that_has_just_started_feeds_nothing_that_runs_here(self) -> None:
        """What runs on may be past its lease: to open the watchdog would put its bite off."""
        memory = changed(holds(), register={"hold": None})
        assert lease.food(HOLDER, memory, Seen(PRIMARY), "", NOW) == Food(0.0)
        assert lease.food(HOLDER, memory, Seen(DOWN), "", NOW) is None

    def test_postgresql_that_is_down_writes_nothing(self) -> None:
        past = holds(NOW - 600)
        assert lease.food(HOLDER, past, Seen(DOWN), "node2", NOW) == Food(NOW + 3)
        assert lease.food(HOLDER, past, Seen(DOWN, leaving=True), "node2", NOW) is None

    def test_it_names_a_term_only_while_its_watchdog_is_fed(self) -> None:
        assert lease.term(HOLDER, holds(), "node2") == 7.0
        assert lease.term(HOLDER, holds(), "") == 0.0
        assert lease.term(HOLDER, changed(holds(), lease={"guard": Guard()}), "node2") == 0.0

    def test_one_that_cannot_be_used_is_put_to_rest_and_tried_again_later(self) -> None:
        free = holds(has_heir=False, is_bound=False)
        failed = lease.remember_lease(free, Seen(PRIMARY, guard=Guard(problem="it is stuck")), NOW)
        assert lease.food(HOLDER, failed, Seen(PRIMARY), "node2", NOW + 1) is None
        assert lease.food(HOLDER, failed, Seen(PRIMARY), "node2", NOW + 31) == Food(NOW + 34)


class TestHeir:
    @pytest.mark.parametrize(("waited", "may"), [(7.6, False), (7.8, True)])
    def test_it_waits_for_the_term_by_any_clock(self, waited: float, may: bool) -> None:
        proof = lease.proof(HEIR, heir(NOW - waited), NOW)
        assert (proof is not None) is may
        assert proof is None or proof.kind is Kind.LEASE

    @pytest.mark.parametrize(("waited", "may"), [(7.6, False), (7.8, True)])
    def test_its_own_promise_counts(self, waited: float, may: bool) -> None:
        memory = heir(NOW - 60)
        memory = replace(memory, register=lease.with_signs(memory.register, Signs(promised_at=NOW - waited)))
        assert (lease.proof(HEIR, memory, NOW) is not None) is may

    def test_nothing_follows_from_a_row_without_a_term(self) -> None:
        assert lease.proof(HEIR, heir(NOW - 60, row=replace(ROW, term=0.0)), NOW) is None

    def test_nor_while_it_promises_or_the_register_is_silent(self) -> None:
        assert lease.proof(HEIR, changed(heir(NOW - 60), lease={"promising": True}), NOW) is None
        assert lease.proof(HEIR, changed(heir(NOW - 60), register={"code": "register"}), NOW) is None

    def test_it_promises_in_quiet_times_only(self) -> None:
        calm = Seen(STANDBY, CALM)
        assert lease.promise_until(HEIR, heir(NOW), calm, NOW) > NOW
        assert lease.promise_until(HEIR, changed(heir(NOW), watch={"trouble": Trouble(NOW)}), calm, NOW) == 0.0
        assert lease.promise_until(HEIR, heir(NOW, row=replace(ROW, heir="")), calm, NOW) == 0.0

    def test_a_beat_that_the_holder_tells_begins_the_wait_again(self) -> None:
        part = lease.with_signs(heir(NOW - 60).register, Signs(beat=(3, 71), beat_at=NOW - 1))
        assert part.watch is not None
        assert book.over_at(part.watch) == pytest.approx(NOW - 1 + 7.7)

    @pytest.mark.parametrize("beat", [(3, 70), (3, 69), (2, 99), (4, 1)])
    def test_an_old_one_begins_nothing(self, beat: tuple[int, int]) -> None:
        part = lease.with_signs(heir(NOW - 60).register, Signs(beat=beat, beat_at=NOW - 1))
        assert part == heir(NOW - 60).register

    def test_a_standby_keeps_its_own_watchdog_at_rest(self) -> None:
        assert STANDBY.role is Role.STANDBY
        assert lease.food(HEIR, heir(NOW), Seen(STANDBY), "", NOW) is None

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register's rules one by one; that they hold together is shown by tests/model/test_register_rules.py."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import row_change
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import book
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.book import (
    Hold,
    Row,
    Terms,
    Watch,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.proof import Kind

TERMS = Terms(lease=4.0, watchdog=4.0)
ROW = Row("node1", 3, 17, heir="node2", term=8.0)


@pytest.mark.parametrize("row", [Row("node1", 3, 17, ""), Row("node2", 3, 17, "node2")])
def test_nobody_may_take_who_is_no_heir(row):
    assert book.may_take(Watch(row, row_at=0.0), "node2", Kind.OFF, 1000.0) is None


def test_who_holds_nothing_writes_nothing():
    assert not book.may_write(None, TERMS, 0.0)


@pytest.mark.parametrize(("now", "may"), [(104.0, True), (104.1, False)])
def test_a_lease_counts_from_the_sending(now, may):
    hold = book.renewed(Hold(ROW), ROW, 100.0)
    assert book.may_write(hold, TERMS, now) is may


def test_an_answer_that_overtook_a_later_one_shortens_nothing():
    assert book.renewed(book.renewed(Hold(ROW), ROW, 100.0), ROW, 99.0).renewed_at == 100.0
    assert book.promised(book.promised(Hold(ROW), 100.0), 99.0).promised_at == 100.0


def test_a_promise_lets_the_holder_write_from_its_mark_on():
    assert book.may_write(book.promised(Hold(ROW, renewed_at=0.0), 100.0), TERMS, 104.0)


def test_without_a_lease_the_holder_writes_on():
    assert book.may_write(Hold(ROW, is_bound=False), TERMS, 1e9)


@pytest.mark.parametrize(("term", "ends"), [(8.0, 104.0), (6.0, 102.0), (20.0, 104.0)])
def test_the_shorter_lease_counts_the_register_s_or_the_one_that_is_set(term, ends):
    """The heir goes by the register's, until it tells of another."""
    hold = Hold(Row("node1", 3, 17, "node2", term), renewed_at=100.0)
    assert book.may_write(hold, TERMS, ends)
    assert not book.may_write(hold, TERMS, ends + 0.1)


@pytest.mark.parametrize(("heir", "has"), [("node2", True), ("", False), ("node1", False)])
def test_who_comes_to_hold_knows_by_the_row_whether_an_heir_stands_there(heir, has):
    hold = book.held("node1", Row("node1", 3, 18, heir), 100.0)
    assert (hold.row.epoch, hold.renewed_at, hold.has_heir) == (3, 100.0, has)


def test_an_heir_counts_from_the_asking_and_until_the_answer_to_the_last_order():
    none = Row("node1", 3, 18)
    hold = book.orders(Hold(ROW, has_heir=False), "node2")
    assert hold.has_heir
    hold = book.ordered(hold, hold.order, ROW)
    assert hold.has_heir
    first = book.orders(hold, "")
    again = book.orders(first, "node2")
    assert book.ordered(again, first.order, none).has_heir
    last = book.orders(again, "")
    assert not book.ordered(last, last.order, none).has_heir


def test_a_lease_counts_likewise_and_ends_with_the_answer_that_names_none():
    fenced = Row("node1", 3, 18, "node2")
    hold = book.orders(Hold(ROW, has_heir=False, is_bound=False), "node2", 8.0)
    assert hold.is_bound
    last = book.orders(hold, "node2")
    assert last.is_bound
    assert book.ordered(last, hold.order, fenced).is_bound
    told = book.ordered(last, last.order, fenced)
    assert (told.has_heir, told.is_bound) == (True, False)


def test_who_has_given_its_word_starts_nothing_before_it_has_renewed():
    """The order may have been carried out, whatever came of its answer."""
    gave = book.gives_word(Hold(ROW, renewed_at=20.0))
    assert gave.gave_word
    assert not book.may_write(gave, TERMS, 20.5)
    again = book.renewed(gave, Row("node1", 3, 18, "node2", 8.0), 30.0)
    assert not again.gave_word
    assert book.may_write(again, TERMS, 31.0)


def test_a_beat_that_is_known_begins_no_new_wait():
    watch = book.read(Watch(), ROW, 10.0)
    assert book.read(watch, ROW, 20.0).row_at == 10.0
    assert book.read(watch, row_change.renewal(ROW, "node1", 3), 20.0).row_at == 20.0


@pytest.mark.parametrize(("row_at", "promised_at"), [(100.0, 0.0), (0.0, 100.0)])
def test_by_the_lease_the_heir_waits_from_the_later_of_beat_and_promise(row_at, promised_at):
    watch = Watch(ROW, row_at=row_at, promised_at=promised_at)
    assert TERMS.term == ROW.term
    assert book.may_take(watch, "node2", Kind.LEASE, 108.7) is None
    assert book.may_take(watch, "node2", Kind.LEASE, 108.9) == ROW


def test_time_proves_nothing_of_a_holder_that_obeys_no_lease():
    row = Row("node1", 3, 17, "node2")
    assert book.may_take(Watch(row, row_at=0.0), "node2", Kind.LEASE, 1e9) is None
    assert book.may_take(Watch(row, row_at=0.0), "node2", Kind.OFF, 1.0) == row


@pytest.mark.parametrize("proof", [Kind.OFF, Kind.WORD])
def test_another_proof_needs_no_wait_and_none_takes_nothing(proof):
    watch = Watch(ROW, row_at=100.0)
    assert book.may_take(watch, "node2", proof, 100.0) == ROW
    assert book.may_take(watch, "node2", None, 1000.0) is None
    assert book.may_take(Watch(), "node2", proof, 100.0) is None

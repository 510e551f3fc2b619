# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register's transactions one by one; that both engines carry them out alike is shown by tests/unit/probes/test_engines.py."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import row_change, verbs
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.row_change import Row

ID = "77"
ROW = Row("node1", 3, 17, heir="node2", term=8.0)


def test_a_renewal_adds_a_beat():
    assert row_change.renewal(ROW, "node1", 3) == Row("node1", 3, 18, "node2", 8.0)


@pytest.mark.parametrize(("node", "epoch"), [("node2", 3), ("node1", 2), ("node1", 4)])
def test_only_the_holder_of_this_epoch_changes_the_row(node, epoch):
    assert row_change.renewal(ROW, node, epoch) is None


def test_an_heir_is_named_and_taken_back_by_the_holder_that_knows_the_row():
    assert row_change.naming(ROW, "node1", ROW, "", 8.0) == Row("node1", 3, 18, "")
    assert row_change.naming(ROW, "node1", ROW, "node2") == Row("node1", 3, 18, "node2")
    assert row_change.naming(ROW, "node1", ROW, "node2", 6.0) == Row("node1", 3, 18, "node2", 6.0)
    assert row_change.naming(ROW, "node2", ROW, "") is None
    assert row_change.naming(ROW, "node1", Row("node1", 3, 16, "node2", 8.0), "") is None


def test_the_heir_takes_what_it_has_read():
    assert row_change.take(ROW, "node2", ROW) == Row("node2", 4, 18, "")


@pytest.mark.parametrize(
    "row",
    [Row("node1", 3, 18, "node2"), Row("node1", 4, 17, "node2"), Row("node1", 3, 17, ""), Row("node2", 3, 17, "node2")],
)
def test_a_take_fails_when_the_row_has_changed_since_it_was_read(row):
    assert row_change.take(row, "node2", ROW) is None


@pytest.mark.parametrize("row", [Row("node1", 3, 17, ""), Row("node2", 3, 17, "node2")])
def test_nobody_takes_who_is_no_heir(row):
    assert row_change.take(row, "node2", row) is None


def test_the_holder_hands_over_to_its_heir_that_stays_the_heir():
    assert row_change.handing(ROW, "node1", ROW) == Row("node2", 4, 18, "node2")
    assert row_change.handing(ROW, "node2", ROW) is None
    assert row_change.handing(Row("node1", 3, 17), "node1", Row("node1", 3, 17)) is None


def test_the_holder_is_not_its_own_heir_and_no_term_is_below_nothing():
    assert row_change.naming(ROW, "node1", ROW, "node1", 8.0) is None
    assert row_change.naming(ROW, "node1", ROW, "node2", -1.0) is None


def test_a_row_is_founded_where_there_is_none_or_above_the_one_that_was_read():
    assert row_change.founding(None, "node2", 5, ROW) == Row("node2", 5, 0)
    assert row_change.founding(ROW, "node2", 4, ROW) == Row("node2", 4, 18)
    assert row_change.founding(ROW, "node2", 3, ROW) is None
    assert row_change.founding(ROW, "node2", 9, Row("node1", 3, 16)) is None
    assert row_change.founding(ROW, "node2", 9, None) is None


@pytest.mark.parametrize(
    "verb",
    [
        verbs.renew(ID, "node1", 3),
        verbs.take(ID, "node2", ROW),
        verbs.set_heir(ID, "node1", ROW, None),
        verbs.set_heir(ID, "node1", ROW, "node2", 6.0),
        verbs.hand_over(ID, "node1", ROW),
        verbs.found(ID, "node2", 4, ROW),
    ],
)
def test_what_was_done_is_known_again_when_its_answer_was_lost(verb):
    new = row_change.changed(ROW, ID, verb)
    assert new is not None
    assert row_change.holds(new, ID, verb)
    if verb.name != "renew":  # one more beat does no harm
        assert not row_change.holds(ROW, ID, verb)
        assert row_change.changed(new, ID, verb) is None


def test_another_systems_orders_change_nothing_but_by_founding():
    for verb in (
        verbs.renew("78", "node1", 3),
        verbs.take("78", "node2", ROW),
        verbs.set_heir("78", "node1", ROW, None),
    ):
        assert row_change.changed(ROW, ID, verb) is None
        assert not row_change.holds(ROW, ID, verb)
    assert row_change.changed(ROW, ID, verbs.found("78", "node1", 4, ROW)) == Row("node1", 4, 18)


def test_a_read_changes_nothing_and_without_a_row_nothing_is_changed():
    assert row_change.changed(ROW, ID, verbs.read()) is None
    assert row_change.holds(ROW, ID, verbs.read())
    assert row_change.changed(None, ID, verbs.renew(ID, "node1", 3)) is None

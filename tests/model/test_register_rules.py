# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register's rules (policy/book.py, row_change.py) in every story with a few faults: never two writers, and each R1 to R5 broken once is found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import row_change
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import book
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.proof import Kind

from tests.model import register
from tests.model.explore import explore
from tests.model.register_state import RATES


def explored(faults, heals, depth, *story, rates=RATES):
    """All stories after this beginning ('': nothing happens), with clocks that go alike and apart."""
    starts = []
    for pair in rates:
        world = register.start(pair)._replace(faults=99, heals=99)
        for name in story:
            world = register.step(
                next(after for event, after in register.events(world) if event == name), register.Way()
            )
        starts.append(world._replace(faults=faults, heals=heals))
    found = explore(starts, register.successors, depth, register.comes_back)
    return found, lambda: register.tale(starts[found.start], found.story, register.in_words)


@pytest.mark.parametrize(("faults", "heals", "depth"), [(2, 1, 4), (1, 2, 30)])
def test_never_two_writers_and_always_a_way_back(faults, heals, depth, capsys):
    found, tale = explored(faults, heals, depth)
    with capsys.disabled():
        print(
            f"\nregister: {found.states} states, {found.transitions} transitions to depth {found.depth}, {found.seconds:.0f} s"
        )
    assert not found.broken, f"{found.broken}\n{tale()}"


def caught(faults, heals, depth, *story):
    found, tale = explored(faults, heals, depth, *story, rates=RATES[:1])
    assert "S1" in found.broken, f"not noticed: {found}"
    assert "BROKEN" in tale()


def honest(name):
    return getattr(book, name)


QUIET = ("",)
NOBODY = ("node1 is to name nobody as heir", *QUIET * 4)
ALONE = ("the link between the nodes: cut", "node1's link to the register: cut")


def test_the_rules_as_they_are_let_the_heir_take_over():
    world = register.start(RATES[0])._replace(faults=1)
    world = dict(register.events(world))["node1 loses power"]
    for _ in range(14):
        world = register.step(world, register.Way())
    assert register.writes(world.sides[1])


def test_r1_writing_before_the_register_has_answered(monkeypatch):
    """A host that boots remembers that it wrote, and writes."""
    boots = register.cycle

    def rash(world, i):
        side = world.sides[i]
        if register.runs(side) and side.hold is None and i == 0:
            world = register.put(world, i, writes=True)
        return boots(world, i)

    monkeypatch.setattr(register, "cycle", rash)
    caught(0, 1, 14, "node1 loses power", *QUIET * 10)


def test_r2_a_take_that_names_no_beat(monkeypatch):
    take = row_change.take
    monkeypatch.setattr(
        row_change, "take", lambda row, node, read: take(row, node, row) if row.epoch == read.epoch else None
    )
    story = ("node2's link to the register: questions", "node2 switches the other off and on", *QUIET * 3)
    caught(1, 1, 8, *story)


def test_r3_taking_without_a_proof(monkeypatch):
    may_take = honest("may_take")
    monkeypatch.setattr(book, "may_take", lambda watch, node, proof, *rest: may_take(watch, node, Kind.OFF, *rest))
    caught(1, 0, 5)


def test_r3_taking_without_being_the_heir(monkeypatch):
    may_take, take = honest("may_take"), row_change.take

    def as_heir(row, node):
        return row and replace(row, heir=node if row.holder != node else row.heir, term=register.TERMS.term)

    monkeypatch.setattr(
        book, "may_take", lambda watch, node, *rest: may_take(replace(watch, row=as_heir(watch.row, node)), node, *rest)
    )
    monkeypatch.setattr(row_change, "take", lambda row, node, read: take(as_heir(row, node), node, as_heir(read, node)))
    caught(0, 0, 14, *NOBODY, *ALONE)


def test_r4_too_short_a_wait(monkeypatch):
    monkeypatch.setattr(book, "by_any_clock", lambda term: term - register.TERMS.watchdog)
    caught(1, 0, 10, *ALONE)


def test_r4_a_lease_that_counts_from_the_answer(monkeypatch):
    renewed = honest("renewed")
    monkeypatch.setattr(book, "renewed", lambda hold, row, sent_at: renewed(hold, row, 0.0))
    caught(2, 0, 12, "the link between the nodes: cut", "node1's link to the register: answers", *QUIET * 2)


def test_r4_a_promise_that_counts_from_its_arrival(monkeypatch):
    promised = honest("promised")
    monkeypatch.setattr(book, "promised", lambda hold, mark: promised(hold, 0.0))
    caught(0, 1, 9, "node1's link to the register: cut", *QUIET * 3, "the link between the nodes: beats", *QUIET * 6)


def test_r4_a_heir_that_forgets_its_own_promise(monkeypatch):
    may_take = honest("may_take")
    monkeypatch.setattr(book, "may_take", lambda watch, *rest: may_take(replace(watch, promised_at=book.NEVER), *rest))
    caught(2, 0, 9, "node1's link to the register: cut", *QUIET * 8)


def test_r4_promises_made_in_trouble_put_the_takeover_off_for_ever(monkeypatch):
    promises = register.promises
    monkeypatch.setattr(register, "promises", lambda side, in_trouble: promises(side, False))
    with pytest.raises(AssertionError):
        test_the_rules_as_they_are_let_the_heir_take_over()


def test_r4_a_watchdog_that_does_not_bite(monkeypatch):
    monkeypatch.setattr(register, "_bites", lambda world: world)
    caught(0, 0, 14, "skyha on node1 is stuck")


def test_r5_an_heir_that_counts_only_once_the_register_has_answered(monkeypatch):
    monkeypatch.setattr(book, "orders", lambda hold, heir, term: replace(hold, order=hold.order + 1))
    caught(2, 0, 14, *NOBODY, "the link between the nodes: cut")


def test_r5_an_heir_taken_back_before_the_register_has_answered(monkeypatch):
    orders = honest("orders")
    monkeypatch.setattr(book, "orders", lambda hold, heir, term: replace(orders(hold, heir, term), is_bound=term > 0))
    caught(1, 0, 16, "the link between the nodes: cut", "node1's link to the register: questions")


def test_an_heir_named_by_an_order_that_comes_late(monkeypatch):
    """REGISTER's R5 as it was written is not enough: the answer to the last order says nothing of one that still travels."""

    def blind(row, node, read, heir, term):
        new = replace(row, beat=row.beat + 1, heir=heir, term=term)
        return new if (row.holder, row.epoch) == (node, read.epoch) else None

    monkeypatch.setattr(row_change, "naming", blind)
    story = ("node1's link to the register: questions", *QUIET * 4, "node1 is to name the other as heir", *QUIET)
    new = ("node1 has a new connection, its old one is late", "node1 is to name nobody as heir", *QUIET * 3)
    caught(2, 0, 12, *NOBODY, *story, *new, "what node1 asked before arrives")


def test_r8_an_heir_that_waits_for_a_lease_that_nobody_obeys(monkeypatch):
    """The holder has no watchdog, and says so: time proves nothing then, whatever the heir's own settings are."""
    may_take = honest("may_take")

    def by_its_settings(watch, *rest):
        row = watch.row and replace(watch.row, term=register.TERMS.term)
        return may_take(replace(watch, row=row), *rest) and watch.row

    monkeypatch.setattr(book, "may_take", by_its_settings)
    caught(0, 0, 14, "node1 is to name the other as heir without a lease", *QUIET * 3, *ALONE)


def test_r8_a_lease_that_ends_before_the_register_has_answered(monkeypatch):
    ordered, orders = honest("ordered"), honest("orders")
    monkeypatch.setattr(book, "orders", lambda hold, heir, term: replace(orders(hold, heir, term), is_bound=term > 0))
    monkeypatch.setattr(book, "ordered", lambda hold, order, row: replace(ordered(hold, order, row), is_bound=False))
    story = ("node1's link to the register: questions", "node1 is to name the other as heir without a lease")
    caught(1, 0, 16, "the link between the nodes: cut", *story)

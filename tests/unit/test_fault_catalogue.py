# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lists that the fault suite, the soak and the mutants live on are in order; what they do is seen on the lab."""

from __future__ import annotations

import random
import re

import pytest

from tests.faults import catalogue, rows_etcd, rows_lease, rows_register, rows_resign, soak  # noqa: F401  (all enter their rows)
from tests.faults.rows import ROWS
from tests.faults.rows_links import LINKS
from tests.mutants.catalogue import MUTANTS
from tests.mutants.run import ROOT, RUNTIME


def test_rows_have_names_of_their_own():
    assert len({one.slug for one in ROWS}) == len(ROWS)


def test_expectations_are_letters_that_are_explained():
    assert not [one.name for one in ROWS if not re.fullmatch(r"[NFRS](\+A)?|[SF] or [FR]", one.expect)]


def test_every_directed_link_is_cut_on_its_own():
    nodes, bmc = ("primary", "standby"), {"primary": "the standby's BMC", "standby": "the primary's BMC"}
    wanted = {("primary", "standby"), ("standby", "primary")}
    for node in nodes:
        wanted |= {(node, "vote"), ("vote", node), (node, bmc[node]), (bmc[node], node)}
    assert {link[:2] for link in LINKS} == wanted


def test_the_register_is_cut_off_along_every_directed_link():
    assert {link[:2] for link in rows_register.LINKS} == {link[:2] for link in LINKS if "vote" in link}


def test_the_members_of_an_etcd_are_cut_off_from_each_other_along_every_directed_link():
    members = ("primary", "standby", "vote")
    assert set(rows_etcd.LINKS) == {(one, other) for one in members for other in members if one != other}


def test_every_row_has_its_place_in_the_order():
    assert {one.group for one in ROWS} == set(catalogue.ORDER)


def test_a_row_of_one_engine_names_one_that_there_is():
    assert {one.engine for one in ROWS} == {"", "vote_host", "etcd"}
    assert {one.engine for one in ROWS if one.group == "etcd"} == {"etcd"}


def test_a_soak_is_the_same_again_with_the_same_seed():
    def rounds(seed):
        chance = random.Random(seed)
        return [soak.plan(chance) for _ in range(50)]

    assert rounds(7) == rounds(7)
    assert rounds(7) != rounds(8)
    assert any(len(one.strikes) == 2 for one in rounds(7))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_a_mutant_fits_the_present_source(mutant):
    assert (ROOT / RUNTIME / mutant.file).read_text().count(mutant.old) == 1
    assert mutant.row in ("", *(one.name for one in ROWS))

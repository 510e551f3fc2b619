# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every row of the catalogue, played on the lab. `-m selection` plays those that `make test` has time for."""

from __future__ import annotations

import pytest

from tests.faults.catalogue import ROWS
from tests.faults.rows import Row, play
from tests.lab import faults


@pytest.mark.parametrize(
    "row", [pytest.param(one, id=one.slug, marks=[pytest.mark.selection] if one.selection else []) for one in ROWS]
)
def test_fault(row: Row) -> None:
    try:
        play(row)
    except BaseException:
        faults.heal()
        raise

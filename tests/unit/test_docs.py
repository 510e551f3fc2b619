# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The docs say what the code does."""

from __future__ import annotations

from tests import docs_tables


def test_tables_of_the_decision_are_current() -> None:
    """`python tests/docs_tables.py` makes them anew."""
    text = docs_tables.DOC.read_text()
    assert docs_tables.rendered(text) == text

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of the model ask of an exploration."""

from __future__ import annotations

from tests.model.run import explored, in_order

QUIET = ("",)


def caught(rule, faults, heals, depth, starts=in_order):
    """Some story breaks this rule."""
    result = explored(faults, heals, depth, starts)
    assert result.found.broken, f"not noticed: {result.counts()}"
    assert rule in result.found.broken, result.story()
    assert "BROKEN" in result.story()
    return result


def caught_alone(monkeypatch, rule, faults, heals, depth, starts):
    """It is found, and as far as that the policy itself breaks nothing."""
    result = caught(rule, faults, heals, depth, starts)
    monkeypatch.undo()
    honest = explored(faults, heals, len(result.found.story), starts)
    assert not honest.found.broken, honest.story()


def finds_nothing(result, capsys):
    """It explores enough, and no rule breaks."""
    with capsys.disabled():
        print(f"\n{result.counts()}")
    assert not result.found.broken, result.story()
    assert result.found.states > 4000, "it explores too little to say anything"

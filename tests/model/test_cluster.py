# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All stories of a small cluster, as far as `make test` has time: wide and short, narrow and long. `make model` goes further.

The model: two hosts, each with the real decision, PostgreSQL (down, starting, up, stopping; a branch and an LSN that counts to two), the
record, a BMC (dead, mute, deaf, late, another host's); the links between them, to the vote host and to the BMCs, the vote proxy. Time goes
in steps of 2 s. In a step perhaps one thing fails, heals or is ordered (events.py), both skyhas look and act in either order, one of them
may die between record and deed or act a step late, and time passes (moves.py). The configuration's times are a few steps long (build.py).
States that decide alike are one (times.py). Rules are looked at where they may be broken, S1 to S6; and from every state, with all faults
mended, the cluster must serve again or name an operator's order (live.py).
"""

from __future__ import annotations

import pytest

from tests.model.run import explored


@pytest.mark.parametrize(
    ("faults", "heals", "depth"), [(2, 1, 4), (1, 2, 24)], ids=["two faults in any four steps", "one fault, long after"]
)
def test_no_story_breaks_a_rule_and_each_leads_back_to_service(faults, heals, depth, capsys):
    result = explored(faults, heals, depth)
    with capsys.disabled():
        print(f"\n{result.counts()}")
    assert not result.found.broken, result.story()
    assert result.found.states > 4000, "it explores too little to say anything"

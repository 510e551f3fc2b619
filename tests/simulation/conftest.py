# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The world that most scenarios begin with."""

from __future__ import annotations

import pytest

from tests.simulation.story import story
from tests.simulation.verbs import ready


@pytest.fixture
def world():
    """An armed cluster with the default timing; at the end no rule may be broken."""
    world = ready()
    yield world
    assert not world.broken, story(world)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The world that most scenarios begin with. SIM_REGISTER=1: each with a register, but for those that behave otherwise then, and
say why (mark `without_register`)."""

from __future__ import annotations

import os

import pytest

from tests.simulation.schedules import REGISTER
from tests.simulation.story import story
from tests.simulation.verbs import ready
from tests.simulation.world import World

WITH_REGISTER = bool(os.environ.get("SIM_REGISTER"))
if WITH_REGISTER:
    World.always = REGISTER


@pytest.fixture(autouse=True)
def _with_register(request):
    mark = request.node.get_closest_marker("without_register")
    if WITH_REGISTER and mark is not None:
        pytest.skip(mark.args[0])


@pytest.fixture
def world():
    """An armed cluster with the default timing; at the end no rule may be broken."""
    world = ready()
    yield world
    assert not world.broken, story(world)

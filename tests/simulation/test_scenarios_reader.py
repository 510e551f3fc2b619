# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is received and flushed is not lost, however long a reader on the standby keeps it from being replayed."""

from __future__ import annotations

import pytest

from tests.simulation.story import story
from tests.simulation.verbs import fails_over

PID = 4711


@pytest.mark.parametrize("seconds", [1, 20, 90])
def test_reader_that_replay_waits_for_is_ended_and_named(world, seconds):
    world.settle()
    world.node2.pg.reader = PID
    world.run(seconds)
    assert "lag" not in world.alarms("node2"), story(world)
    assert ("replay_lag" in world.alarms("node2")) == (seconds > 30)
    assert str(PID) in world.alarms("node2").get("replay_lag", str(PID))
    world.node1.switch_off("test")
    fails_over(world, within=5)
    ended = [event.text for _, event in world.node2.daemon.events if event.kind == "reader_ended"]
    assert len(ended) == 1
    assert all(word in ended[0] for word in (str(PID), "ann", "report", "2026-01-01"))


def test_reader_is_left_alone_while_nobody_is_to_be_promoted(world):
    world.node2.pg.reader = PID
    world.run(90)
    world.cut("node1", "node2")
    world.run(30)
    assert world.node2.pg.reader == PID


def test_replay_that_is_slow_disarms_nobody(world):
    world.node2.pg.replay_lag = 60.0
    world.run(90)
    assert "replay_lag" in world.alarms("node2")
    world.node1.switch_off("test")
    fails_over(world, within=5)

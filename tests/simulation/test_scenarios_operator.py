# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What comes of an operator's word, that the peer is off: a promotion, or one sentence why not and what to do."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from tests.simulation.story import story
from tests.simulation.verbs import nobody_is_fenced, ready


def dies_with_its_bmc(world):
    """Nobody can switch it on again but the operator."""
    world.bmcs["node1"].up = False
    world.node1.mains, world.node1.unplugged = False, True
    world.node1.switch_off("host and BMC died together")


def serves(world, within=60):
    assert world.run_until(lambda: world.primary() is world.node2, within) is not None, story(world)
    assert not world.broken, story(world)


class TestWordHolds:
    """It is off and stays off: that does not age as a BMC's word does."""

    @pytest.mark.parametrize("promotion_takes", [2.0, 7.0, 30.0, 120.0])
    @pytest.mark.parametrize("comes_after", [60.0, 750.0])
    def test_promotion_may_take_long(self, promotion_takes, comes_after):
        """With attempts at the fence left, and with none."""
        world = ready()
        world.node2.pg.promote_time = promotion_takes
        dies_with_its_bmc(world)
        world.run(comes_after)
        world.node2.daemon.order(Order.CONFIRM_OFF)
        serves(world, promotion_takes + 20)
        assert "promotion_taken_back" not in world.events("node2")

    def test_word_survives_a_restart_of_skyha_while_the_promotion_runs(self):
        world = ready()
        world.node2.pg.promote_time = 30.0
        dies_with_its_bmc(world)
        world.run(30)
        world.node2.daemon.order(Order.CONFIRM_OFF)
        assert world.run_until(lambda: world.node2.pg.promoting, 15) is not None, story(world)
        world.node2.daemon.kill()
        serves(world, 50)
        assert "promotion_taken_back" not in world.events("node2")

    def test_host_that_comes_back_while_the_promotion_hangs_takes_the_word_back(self):
        world = ready()
        world.node2.pg.promotion_hangs = True
        dies_with_its_bmc(world)
        world.run(30)
        world.node2.daemon.order(Order.CONFIRM_OFF)
        assert world.run_until(lambda: world.node2.pg.promoting, 15) is not None, story(world)
        world.run(60)
        world.node1.mains, world.node1.unplugged = True, False
        world.node1.switch_on("somebody, in spite of the word")
        assert world.run_until(lambda: "called_off" in world.events("node2"), 20) is not None, story(world)
        world.node2.pg.promotion_hangs = False
        assert world.run_until(lambda: world.primary() is world.node1, 60) is not None, story(world)
        assert not world.broken, story(world)

    def test_word_waits_until_another_holder_of_the_vip_is_gone(self):
        world = ready()
        dies_with_its_bmc(world)
        world.network.alien = True
        world.changed()
        world.run(60)
        world.node2.daemon.order(Order.CONFIRM_OFF)
        nobody_is_fenced(world, 120)
        assert "another host answers for the VIP" in world.alarms("node2")["listening"]
        world.network.alien = False
        world.changed()
        serves(world, 20)

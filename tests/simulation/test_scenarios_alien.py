# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that has nothing to do with the cluster answers for the VIP."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Sight

from tests.simulation.story import story
from tests.simulation.verbs import converges, fails_over, nobody_is_fenced


def alien(world, is_there, sight=Sight.REFUSED):
    world.settle()
    world.network.alien, world.network.alien_sight = is_there, sight
    world.changed()


class TestPrimaryThatLives:
    """It streams: whoever answers for the VIP is another host, and no fence could lead to a promotion."""

    @pytest.mark.parametrize("sight", [Sight.REFUSED, Sight.UNREACHABLE])
    @pytest.mark.parametrize("seconds", [30, 400, 900])
    def test_is_not_fenced_and_serves_on(self, world, seconds, sight):
        alien(world, True, sight)
        nobody_is_fenced(world, seconds)
        assert world.node1.power
        assert "vip_elsewhere" in world.alarms("node2"), story(world)
        alien(world, False)
        converges(world, 30)
        assert world.primary() is world.node1

    def test_that_lost_the_vip_takes_it_again_once_it_is_free(self, world):
        world.node1.set_vip(False)
        alien(world, True)
        nobody_is_fenced(world, 60)
        assert "vip_elsewhere" in world.alarms("node2"), story(world)
        assert not world.node2.vip
        alien(world, False)
        assert world.run_until(lambda: world.primary() is world.node1, 10) is not None, story(world)

    def test_and_dies_then_is_replaced_when_the_other_host_is_gone(self, world):
        alien(world, True)
        world.run(8)
        world.node1.switch_off("power cut")
        world.run(600)
        assert world.oracles.promotions == 0
        alien(world, False)
        fails_over(world, within=700)
        assert world.now < 900


class TestNobodyHasTheVip:
    """A primary without its VIP serves nobody, however much it writes: a batch job inside, say."""

    def test_vip_is_gone_and_wal_goes_on(self, world):
        world.node1.skyha_off = True
        world.node1.daemon.kill()
        world.node1.set_vip(False)
        assert world.stream.streams_to(world.node2.pg)
        fails_over(world, within=7)

    def test_another_host_has_it_after_the_fence_for_an_hour(self, world):
        """Each fence is proven: it uses up no attempts, so the promotion comes as soon as that host is gone."""
        world.node1.switch_off("power cut")
        alien(world, True)
        world.run(3600)
        assert world.oracles.promotions == 0

        def told():
            return "another host answers for the VIP" in world.alarms("node2").get("listening", "")

        assert world.run_until(told, 20) is not None, story(world)
        alien(world, False)
        assert world.run_until(lambda: world.primary() is world.node2, 15) is not None, story(world)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Somebody promotes the standby by hand, past skyha: the primary that serves is the lawful one, and stays."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from tests.simulation.story import story
from tests.simulation.verbs import converges


def lawful_stays(world, began):
    """node1 went on serving all the time, node2 was stopped and says why, and nobody was fenced."""
    assert not world.broken, story(world)
    assert world.primary() is world.node1, story(world)
    assert world.outage(began) == 0, story(world)
    assert world.node2.pg.state == "down", story(world)
    assert "promoted it by hand" in world.alarms("node2")["unlawful"]
    assert (world.oracles.fence_count, world.oracles.lost) == (0, 0)


class TestAPromotionByHand:
    def test_of_the_healthy_standby_costs_the_clients_nothing(self, world):
        began = world.now
        world.node2.pg.promote_by_hand()
        world.run(60)
        lawful_stays(world, began)

    def test_is_over_within_seconds(self, world):
        world.node2.pg.promote_by_hand()
        assert world.run_until(lambda: world.node2.pg.state == "down", 5) is not None, story(world)

    def test_is_known_from_the_vote_path_where_the_nodes_do_not_see_each_other(self, world):
        began = world.now
        world.cut("node1", "node2")
        world.node2.pg.promote_by_hand()
        world.run(30)
        lawful_stays(world, began)

    def test_of_a_node_that_is_cut_off_takes_no_vip_and_ends_when_it_sees_the_primary(self, world):
        began = world.now
        world.isolate("node2")
        world.node2.pg.promote_by_hand()
        world.run(60)
        assert "skyctl confirm-off" in world.alarms("node2")["unlawful"]
        assert not world.node2.vip
        world.heal()
        world.run(20)
        lawful_stays(world, began)

    def test_while_paused_is_only_told_and_ends_with_the_pause(self, world):
        began = world.now
        world.node1.daemon.order(Order.PAUSE)
        world.run(5)
        world.node2.pg.promote_by_hand()
        world.run(20)
        assert world.node2.pg.is_up
        assert "unlawful" in world.alarms("node2")
        assert "two_primaries" in world.alarms("node1")
        world.node1.daemon.order(Order.RESUME)
        world.node2.daemon.order(Order.RESUME)
        world.run(20)
        lawful_stays(world, began)

    def test_is_rejected_by_the_primary_even_where_no_skyha_runs_beside_it(self, world):
        began = world.now
        world.node2.skyha_off = True
        world.node2.daemon.kill("stopped")
        world.node2.pg.promote_by_hand()
        world.run(30)
        assert world.primary() is world.node1, story(world)
        assert world.outage(began) == 0
        assert "by hand" in world.alarms("node1")["two_primaries"]
        world.node1.pg.crash("is killed -9")  # it comes back: it is not rewound from the other
        world.run(20)
        assert world.primary() is world.node1, story(world)
        assert not world.broken, story(world)

    @pytest.mark.parametrize("both", [False, True])
    def test_is_not_lawful_after_a_reboot_either(self, world, both):
        world.node2.pg.promote_by_hand()
        world.run(0.5)
        world.node2.reset("test")
        if both:
            world.node1.daemon.kill()
        world.run(60)
        assert world.primary() is world.node1, story(world)
        assert world.node2.pg.state == "down"
        assert not world.broken, story(world)

    def test_is_repaired_by_a_rebuild(self, world):
        world.node2.pg.promote_by_hand()
        world.run(20)
        world.node2.pg.rewound(world.node1.pg)  # failover_rebuild.yml
        converges(world)

    def test_is_made_lawful_by_an_operator_where_the_primary_is_gone(self, world):
        world.bmcs["node1"].up = False
        world.node1.mains = False
        world.node1.switch_off("test")
        world.node2.pg.promote_by_hand()
        world.run(20)
        assert world.primary() is None
        world.node2.daemon.order(Order.CONFIRM_OFF)
        assert world.run_until(lambda: world.primary() is world.node2, 10) is not None, story(world)
        world.bmcs["node1"].up = world.node1.mains = True
        world.node1.switch_on("test")
        converges(world)

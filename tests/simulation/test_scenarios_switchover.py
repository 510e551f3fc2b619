# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Switchovers, and what goes wrong during one."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from tests.simulation.story import story
from tests.simulation.verbs import converges, nobody_is_fenced


class TestSwitchover:
    def test_moves_the_primary_without_loss_and_back(self, world):
        world.node1.daemon.order(Order.SWITCHOVER)
        began = world.now
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None, story(world)
        assert world.outage(began) <= 3
        converges(world)
        world.node2.daemon.order(Order.SWITCHOVER)
        assert world.run_until(lambda: world.primary() is world.node1, 20) is not None, story(world)
        assert world.oracles.fence_count == 0

    @pytest.mark.parametrize(
        "fault",
        [
            "power1",
            "power2",
            "isolate1",
            "isolate2",
            "cut",
            "freeze1",
            "freeze2",
            "kill1",
            "kill2",
            "hang1",
            "hang2",
            "crash2",
            "promote_peer",
            "promotion",
            "both",
        ],
    )
    @pytest.mark.parametrize("after", [0.02, 0.1, 0.3, 0.45, 0.6, 0.9, 1.5])
    def test_any_fault_during_it_ends_clean(self, world, fault, after):
        world.node1.daemon.order(Order.SWITCHOVER)
        world.run(after)
        node = world.hosts[f"node{fault[-1]}"] if fault[-1] in "12" else world.node2
        undo = {
            "power": lambda: (node.switch_off("test"), lambda: node.switch_on("test")),
            "isolate": lambda: (world.isolate(node.name), world.heal),
            "freeze": lambda: (node.freeze(), node.thaw),
            "kill": lambda: (node.daemon.kill(), lambda: None),
            "hang": lambda: (node.pg.set_hung(True), lambda: node.pg.set_hung(False)),
            "crash": lambda: (node.pg.crash("is killed"), lambda: None),
            "cut": lambda: (world.cut("node1", "node2"), world.heal),
            "promote_peer": lambda: (world.node1.failing.add("promote_peer"), world.node1.failing.clear),
            "promotion": lambda: (
                setattr(world.node2.pg, "promotion_hangs", True),
                lambda: setattr(world.node2.pg, "promotion_hangs", False),
            ),
            "both": lambda: ((world.node1.reset("test"), world.node2.reset("test")), lambda: None),
        }[fault.rstrip("12")]()[1]
        world.run(45)
        undo()
        converges(world, 200)

    @pytest.mark.parametrize("trouble", ["replay_paused", "slow replication", "walreceiver stopped"])
    def test_is_given_up_before_anything_stops_where_the_standby_is_behind(self, world, trouble):
        if trouble == "replay_paused":
            world.node2.pg.replay_paused = True
        elif trouble == "slow replication":
            world.stream.delay = 60.0
        else:
            world.stream.walsender_stopped = True
        world.run(2)
        began = world.now
        world.node1.daemon.order(Order.SWITCHOVER)
        nobody_is_fenced(world, 40)
        assert world.primary() is world.node1
        assert world.outage(began) == 0
        assert "switchover_failed" in world.events("node1")

    @pytest.mark.parametrize("seconds", [10, 60, 400])
    def test_waits_for_a_long_checkpoint_while_clients_are_served(self, world, seconds):
        world.node1.pg.checkpoint_time = seconds
        began = world.now
        world.node1.daemon.order(Order.SWITCHOVER)
        world.run(seconds - 1)
        assert world.primary() is world.node1
        assert world.outage(began) == 0
        assert world.run_until(lambda: world.primary() is world.node2, 20) is not None, story(world)
        assert world.outage(began) <= 3
        converges(world)
        assert world.oracles.fence_count == 0

    @pytest.mark.parametrize("fault", ["killed", "crashed", "hung"])
    def test_whose_checkpoint_never_ends_leaves_the_primary_serving(self, world, fault):
        world.node1.pg.checkpoint_time = 60
        world.node1.daemon.order(Order.SWITCHOVER)
        world.run(5)
        if fault == "killed":
            world.node1.daemon.kill()
        elif fault == "crashed":
            world.node1.pg.crash("is killed -9")
        else:
            world.stream.walsender_stopped = True
        world.run(80)
        world.stream.walsender_stopped = False
        assert world.primary() is world.node1, story(world)
        assert "switchover_failed" in world.events("node1")
        converges(world)

    @pytest.mark.parametrize("seconds", [5, 27, 27.5, 28, 28.5, 29, 29.5, 31, 40, 120, 280])
    @pytest.mark.parametrize("bmc", [0.05, 3.0])
    def test_whose_stop_takes_long_goes_through_and_nobody_is_fenced(self, world, seconds, bmc):
        world.bmcs["node1"].latency = bmc
        world.node1.pg.stop_time = seconds
        world.node1.daemon.order(Order.SWITCHOVER)
        assert world.run_until(lambda: world.primary() is world.node2, seconds + 20) is not None, story(world)
        converges(world)
        assert world.oracles.fence_count == 0, story(world)
        assert "switchover_failed" not in world.events("node1")

    @pytest.mark.parametrize("seconds", [288, 292, 298, 301, 310, 325, 327, 329, 330, 331, 332, 333, 335, 340])
    def test_whose_stop_takes_too_long_ends_in_one_way_only(self, world, seconds):
        """Either the old primary serves again, or it was fenced: never does it hand over to one that fences it."""
        world.node1.pg.stop_time = seconds
        world.node1.daemon.order(Order.SWITCHOVER)
        world.run(seconds + 30)
        converges(world, 300)
        handed_over = "switched" in world.events("node1")
        assert not (handed_over and world.oracles.fence_count), story(world)

    @pytest.mark.parametrize("after", [0.1, 0.3, 0.6, 1.0])
    def test_death_of_the_old_primary_during_it_ends_in_a_failover(self, world, after):
        world.node1.daemon.order(Order.SWITCHOVER)
        world.run(after)
        world.node1.mains = False
        world.node1.switch_off("test")
        assert world.run_until(lambda: world.primary() is world.node2, 60) is not None, story(world)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node's data is not what it was: another cluster's, or not there at all."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from tests.simulation.verbs import converges, fails_over, nobody_is_fenced

OTHER = "7300000000000000099"


class TestAnotherDataDirectory:
    def test_old_primary_that_boots_with_another_cluster_leaves_it_alone(self, world):
        own = world.node1.pg.system_identifier
        world.node1.switch_off("test")
        world.node1.pg.system_identifier = OTHER
        fails_over(world, within=5)
        world.run(120)
        assert world.node1.pg.state == "down"
        assert "other_cluster" in world.alarms("node1")
        assert "rejoining" not in world.events("node1")
        world.node1.pg.system_identifier = own
        converges(world)

    def test_primary_that_crashes_over_another_cluster_is_taken_over_from(self, world):
        """An empty database made in the wrong place must not be what the clients find behind the VIP."""
        world.node1.pg.system_identifier = OTHER
        world.node1.pg.crash("test")
        fails_over(world, within=20)

    def test_standby_that_boots_with_another_cluster_is_never_promoted(self, world):
        world.node2.switch_off("test")
        world.node2.pg.system_identifier = OTHER
        world.node2.switch_on("test")
        world.run(60)
        assert "other_cluster" in world.alarms("node2")
        world.node1.switch_off("test")
        world.node1.mains = False
        nobody_is_fenced(world, 120)
        assert world.node2.pg.state == "down"

    @pytest.mark.parametrize("name", ["node1", "node2"])
    def test_missing_data_directory_asks_for_its_disk(self, world, name):
        host = world.hosts[name]
        host.switch_off("test")
        host.pg.exists = False
        host.switch_on("test")
        world.run(60)
        assert "is its disk mounted?" in world.alarms(name)["no_data"]
        assert host.pg.state == "down"
        host.pg.exists = True
        converges(world)


class TestTablespaceThatIsNotMounted:
    def test_standby_is_not_started_over_it_nor_promoted_and_streams_once_it_is_there(self, world):
        world.node2.switch_off("test")
        world.node2.pg.mounted = False
        world.node2.switch_on("test")
        world.run(60)
        assert "/data2/ts" in world.alarms("node2")["storage"]
        assert world.node2.pg.state == "down"
        world.node1.switch_off("test")
        world.node1.mains = False
        nobody_is_fenced(world, 60)
        assert world.node2.pg.state == "down"
        world.node1.mains = True
        world.node1.switch_on("test")
        world.node2.pg.mounted = True
        converges(world)
        assert world.primary() is world.node1

    def test_running_standby_that_loses_it_is_not_armed_nor_promoted(self, world):
        world.node2.pg.mounted = False
        world.run(10)
        assert "storage" in world.alarms("node2")
        world.node1.switch_off("test")
        world.node1.mains = False
        nobody_is_fenced(world, 60)
        world.node2.daemon.order(Order.TAKEOVER)
        nobody_is_fenced(world, 30)

    def test_old_primary_is_neither_rewound_nor_started_without_it(self, world):
        world.node1.switch_off("test")
        world.node1.pg.mounted = False
        fails_over(world, within=5)
        world.run(60)
        assert world.node1.pg.state == "down"
        assert "rejoining" not in world.events("node1")
        world.node1.pg.mounted = True
        converges(world)

    def test_primary_that_crashes_without_it_is_taken_over_from(self, world):
        world.node1.pg.mounted = False
        world.run(10)
        assert "storage" in world.alarms("node1")
        world.node1.pg.crash("test")
        fails_over(world, within=20)


class TestRewind:
    def test_new_primary_makes_its_checkpoint_at_once_and_the_old_one_need_not_wait_for_it(self, world):
        world.node1.switch_off("test")
        fails_over(world, within=5)
        converges(world)
        assert "rewind_failed" not in world.events("node1")

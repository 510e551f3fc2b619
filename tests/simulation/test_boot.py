# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The boot table in the world: node1 starts in a new boot, with each record, and meets each kind of peer."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.record_json import to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Intent, Record, Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Role

from tests.simulation.story import story
from tests.simulation.world import World

RECORDS = {
    "none": None,
    "was primary, a standby on record": Record("old", Role.PRIMARY, 1, "old", True),
    "was primary, long alone": Record("old", Role.PRIMARY, 1, "old", False),
    "was standby": Record("old", Role.STANDBY, 1, ""),
    "was fencing": Record("old", Role.STANDBY, 1, "", intent=Intent(Stage.FENCING, 1.0, 1.0, "test", 1)),
    "was promoting": Record("old", Role.PRIMARY, 1, "", False, intent=Intent(Stage.PROMOTING, 1.0, 1.0, "test", 1)),
    "was rewinding": Record("old", Role.PRIMARY, 1, "old", intent=Intent(Stage.REWINDING, 1.0, 1.0, "test")),
    "had handed over": Record("old", Role.PRIMARY, 1, "old", intent=Intent(Stage.HANDED_OVER, 1.0, 1.0, "test")),
    "was switching": Record("old", Role.PRIMARY, 1, "old", intent=Intent(Stage.SWITCHING, 1.0, 1.0, "test")),
}
PEERS = ("off", "cut off", "down", "standby", "promoted", "promoted and down", "promoted and cut off")
# Where a former primary may come up writable: its peer is a standby that was not promoted, or its record proves it.
WRITABLE = {
    ("none", "standby"),
    ("was primary, a standby on record", "standby"),
    ("was switching", "standby"),
    *(("was primary, long alone", peer) for peer in ("off", "cut off", "down", "standby")),
}


def boots(record, peer, standby_data):
    """node1 boots; seconds later the world."""
    world = World(running=False)
    node1, node2 = world.node1, world.node2
    node1.store = None if record is None else json.dumps(to_json(record))
    node1.pg.is_standby = standby_data
    node2.skyha_off = True
    if record is not None and record.intent is not None and record.intent.stage is Stage.REWINDING:
        node1.pg.rewinding = True
    if peer.startswith("promoted"):
        node2.pg.branch = world.branches.fork(node2.pg.position)
        node2.pg.write_control("noted", node2.pg.timeline)
        node2.pg.is_standby = False
        world.oracles._allowed["node2"] = 1
    if peer == "off":
        node2.switch_off("test")
    elif "down" not in peer:
        node2.pg.start()
    if "cut off" in peer:
        world.isolate("node2")
    node1.daemon.start()
    world.run(40)
    return world


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(
    "name", [name for name in RECORDS if name not in ("was standby", "was fencing", "was promoting")]
)
def test_former_primary_comes_up_writable_only_where_that_is_proven(name, peer):
    if name == "was primary, long alone" and peer.startswith("promoted"):
        pytest.skip("cannot be: a standby that was never told that it is on record is not armed")
    world = boots(RECORDS[name], peer, standby_data=False)
    pg = world.node1.pg
    assert (pg.is_up and not pg.is_standby) == ((name, peer) in WRITABLE), story(world)
    assert world.oracles.fence_count == 0
    assert not world.broken, story(world)


@pytest.mark.parametrize(
    "name", ["none", "was primary, a standby on record", "was rewinding", "had handed over", "was switching"]
)
def test_former_primary_becomes_standby_of_the_promoted_peer(name):
    world = boots(RECORDS[name], "promoted", standby_data=False)
    assert world.node1.pg.is_standby, story(world)
    assert world.node1.pg.is_up, story(world)
    assert world.stream.streams_to(world.node1.pg), story(world)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", ["none", "was standby", "was fencing", "was promoting"])
def test_former_standby_starts_as_standby_and_fences_nobody(name, peer):
    world = boots(RECORDS[name], peer, standby_data=True)
    assert world.node1.pg.is_standby, story(world)
    assert world.node1.pg.is_up, story(world)
    assert world.oracles.fence_count == 0
    assert world.oracles.promotions == 0
    assert not world.broken, story(world)


@pytest.mark.parametrize("peer", PEERS)
def test_no_data_directory_waits(peer):
    world = World(running=False)
    world.node1.pg.exists = False
    world.node1.daemon.start()
    world.run(10)
    assert world.node1.pg.state == "down"
    assert "no data directory" in world.alarms("node1")["down"]


def test_record_that_is_not_understood_keeps_skyha_down():
    world = World(running=False)
    world.node1.store = json.dumps({"version": 99})
    world.node1.daemon.start()
    world.run(10)
    assert world.node1.pg.state == "down"
    assert not world.node1.vip

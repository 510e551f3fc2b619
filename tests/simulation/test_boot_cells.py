# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every cell of the boot table of docs/failover.md, in the world: a node in that state meets a peer in that state."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.record_json import to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.boot import Step
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Intent, Record, Stage
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Role

from tests.docs_tables import OWN, PEERS, REWINDING, step
from tests.simulation.story import story
from tests.simulation.world import World


def node_as(world: World, own: str) -> None:
    """node1 with PostgreSQL down, its data directory and record as the row says."""
    host, pg = world.node1, world.node1.pg
    old = "another boot"
    records = {
        "primary, served in this boot": Record(host.daemon.boot(), Role.PRIMARY, 1, host.daemon.boot()),
        "primary, on record: no standby could be promoted": Record(old, Role.PRIMARY, 1, old, False),
        "primary, a standby may have been promoted": Record(old, Role.PRIMARY, 1, old),
        "standby": Record(old, Role.STANDBY, 1),
        "no data directory": None,
        "data directory unreadable": Record(old, Role.PRIMARY, 1, old, False),
        REWINDING: Record(old, Role.PRIMARY, 1, old, intent=Intent(Stage.REWINDING, 1.0, 1.0, "test")),
    }
    record = records[own]
    host.store = None if record is None else json.dumps(to_json(record))
    pg.is_standby = own == "standby"
    pg.exists = own != "no data directory"
    pg.unreadable = own == "data directory unreadable"
    pg.rewinding = own == REWINDING


def peer_as(world: World, peer: str) -> None:
    """node2 as the column says, without a skyha that would change it."""
    host, pg = world.node2, world.node2.pg
    host.skyha_off = True
    if "newer timeline" in peer:
        pg.branch = world.branches.fork(pg.position)
        pg.write_control("noted", pg.timeline)
    pg.is_standby = peer.startswith("standby")
    if peer == "unreachable":
        host.switch_off("test")
    elif peer != "down or starting":
        world.oracles._allowed["node2"] = 1
        pg.start()
        world.run(2)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("own", [*OWN, REWINDING])
def test_cell(own: str, peer: str) -> None:
    if own.startswith("primary, on record") and "newer timeline" in peer:
        pytest.skip("cannot be: a standby that was never told that it is on record is not armed; see the unit test")
    if own == "primary, served in this boot" and peer not in (
        "standby, not promoted",
        "down or starting",
        "unreachable",
    ):
        pytest.skip("cannot be: the fence before the peer's promotion ended this node's boot; see the unit test")
    world = World(running=False)
    node_as(world, own)
    peer_as(world, peer)
    world.node1.daemon.start()
    world.run(40)
    pg, expected = world.node1.pg, step(own, peer)
    if expected is Step.REJOIN and peer != "primary, newer timeline" and peer != "primary, same timeline":
        # There is nobody to rewind from: until the peer is a primary it waits.
        assert "rejoining" not in world.events("node1"), story(world)
        expected = Step.WAIT
    if expected is Step.WAIT:
        assert pg.state == "down", story(world)
        assert not world.node1.vip
        assert "down" in world.alarms("node1")
    else:
        assert pg.is_up, story(world)
        assert pg.is_standby == (expected is Step.REJOIN or own == "standby"), story(world)
    assert world.oracles.fence_count == 0

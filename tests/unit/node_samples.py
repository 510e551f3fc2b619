# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two nodes' settings and memories: the one place of the unit tests that knows how they are built."""

from __future__ import annotations

import dataclasses
from typing import Any

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Agent, Config, laid_over
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Record

BMC_OF_NODE1 = Agent("bmc", "ipmi", "198.51.100.212", user="test", password_file="/etc/skyha/bmc.password")
BMC_OF_NODE2 = dataclasses.replace(BMC_OF_NODE1, address="198.51.100.213")
NODE1 = Config(
    config.Cluster("sky"),
    config.Node("node1", "198.51.100.110"),
    config.Peer("node2", "198.51.100.111"),
    config.Vip("198.51.100.116"),
    config.Vote("198.51.100.35"),
    agents=(BMC_OF_NODE2,),
)
NODE2 = dataclasses.replace(
    NODE1,
    node=config.Node("node2", "198.51.100.111"),
    peer=config.Peer("node1", "198.51.100.110"),
    agents=(BMC_OF_NODE1,),
)


def configured(base: Config, **sections: Any) -> Config:
    """The same node with other sections; of one that is given as a dictionary only those keys are other."""
    keys = {name: value for name, value in sections.items() if isinstance(value, dict)}
    whole = {name: value for name, value in sections.items() if name not in keys}
    return dataclasses.replace(laid_over(base, keys), **whole)


def remembered(record: Record, started: float = 0.0, **what: object) -> Memory:
    """A memory with that record, and what is named besides."""
    return changed(Memory(started, record), **what)


def changed(memory: Memory, **what: object) -> Memory:
    """The same memory, but for what is named; `fence={"at": 5.0}` changes that field of a part."""
    parts = {
        name: dataclasses.replace(getattr(memory, name), **value) if isinstance(value, dict) else value
        for name, value in what.items()
    }
    return dataclasses.replace(memory, **parts)  # type: ignore[arg-type]  # the tests know the names

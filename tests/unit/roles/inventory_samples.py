# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the judgement of an inventory says, of one host of the document's cluster."""

from __future__ import annotations

from typing import Any

from render import value, variables

# A node that was not asked anything.
UNASKED: dict[str, Any] = {"__pg_cluster_node": {}, "__pg_cluster_holders": [], "ansible_play_hosts_all": []}
# A node that was, and has nothing against it.
NODE: dict[str, Any] = {
    "interface": True,
    "vip_answers": False,
    "has_data": False,
    "free_mb": 40000,
    "wal_free_mb": 40000,
    "one_disk": True,
}

WITH_REGISTER: dict[str, Any] = {"pg_cluster_register": "vote_host", "pg_cluster_register_password": "reg"}
WITH_ETCD: dict[str, Any] = {
    "pg_cluster_register": "etcd",
    "pg_cluster_register_password": "reg",
    "pg_cluster_etcd_root_password": "root",
}


def problems(**given: Any) -> list[str]:
    """The sentences. node: what it said of itself; facts: its interfaces; holders: of the VIP; all else is the inventory's."""
    addresses, node = given.pop("addresses", None), given.pop("node", {})
    facts, holders = given.pop("facts", {}), given.pop("holders", [])
    known = {**variables("pg_cluster", addresses=addresses, **given), **UNASKED}
    known.update({"__pg_cluster_node": node, "__pg_cluster_holders": holders})
    known["ansible_facts"] = {**known["ansible_facts"], **facts}
    if node:
        known["ansible_play_hosts_all"] = ["node1", "node2"]
    return said(known)


def offline(host: str = "node1", **given: Any) -> tuple[list[str], list[str]]:
    """The sentences, and what is not known, where no host was asked."""
    known = {
        **variables("pg_cluster", host=host, **given),
        **UNASKED,
        "ansible_facts": {},
        "__pg_cluster_offline": True,
    }
    return said(known), value("{inventory_hostname: __pg_cluster_unknown} | sky.pg_cluster.each_once", known)


def said(known: dict[str, Any]) -> list[str]:
    """The sentences, as they are printed where nothing is said of another host."""
    return value("{inventory_hostname: __pg_cluster_found} | sky.pg_cluster.each_once", known)

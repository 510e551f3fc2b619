# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is installed on a node, against what the inventory wants: a sentence for each thing that must not be done.

A running cluster has an identity: its data, by PostgreSQL's system identifier, and the names, places and addresses that both
nodes, the vote host and the clients know. What the inventory says otherwise is refused before anything is touched.
"""

from __future__ import annotations

import base64
import configparser
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fixed:
    """A value that site.yml does not change: where it stands in skyha.conf, its variable, and the way to change it."""

    section: str
    key: str
    variable: str
    way: str


_MOVE = (
    "Set it back. To move the data: playbooks/stop_cluster.yml, move the directory on both nodes, leave a symbolic link to it under "
    "the old path, playbooks/start_cluster.yml"
)
_NAMES = "Set it back: site.yml would make a second one beside it, empty. Another name means another cluster, and a dump and restore"
_NODE = (
    "Set it back: the name is in the standby's slot, in the record and on both nodes. Another name means taking the cluster away "
    "(playbooks/decommission.yml) and building it with the new one"
)
_CLUSTER = "Set it back, or give the cluster its new name by playbooks/change_vip.yml, which needs no stop"
DATA = "data"
FIXED = (
    Fixed("cluster", "name", "pg_cluster_name", _CLUSTER),
    Fixed("node", "name", "inventory_hostname", _NODE),
    Fixed("peer", "name", "pg_cluster_peer", _NODE),
    Fixed("vip", "address", "pg_cluster_vip", "Set it back, or change it by playbooks/change_vip.yml"),
    Fixed("vip", "prefix", "pg_cluster_vip_prefix", "Set it back, or change it by playbooks/change_vip.yml"),
    Fixed("vip", "interface", "pg_cluster_vip_interface", "Set it back, or change it by playbooks/change_vip.yml"),
    Fixed("postgresql", "port", "pg_cluster_port", "Set it back, or change it by playbooks/change_port.yml"),
    Fixed(
        "postgresql", "socket_dir", "pg_cluster_socket_dir", "Set it back, or change it by playbooks/change_port.yml"
    ),
    Fixed("postgresql", "data_dir", "pg_cluster_data_dir", _MOVE),
    Fixed("postgresql", "database", "pg_cluster_database", _NAMES),
    Fixed("postgresql", "user", "pg_cluster_ha_user", _NAMES),
    Fixed("postgresql", "superuser", "pg_cluster_superuser", _NAMES),
    Fixed("", "user", "pg_cluster_replication_user", _NAMES),  # in pg_hba.conf
)


def identity_problems(
    told: Mapping[str, Any], peer: Mapping[str, Any], wanted: Mapping[str, Any], changing: Sequence[str] = ()
) -> list[str]:
    """A sentence per thing that stands against touching this node.

    told, peer: what preflight.sh said of this node and of the other one (empty: not asked). wanted: the inventory's values by
    their variables. changing: variables that a playbook of their own is about to change; DATA: the data themselves may be gone.
    """
    if not told:
        return []
    node = str(wanted["inventory_hostname"])
    moved = changed(told, wanted, changing)
    found = [sentence for _variable, sentence in moved]
    if any(variable == "pg_cluster_data_dir" for variable, _sentence in moved):
        return found  # what is in the new place does not matter then
    return found + _data(node, told, wanted, DATA in changing) + _same_data(node, told, peer, wanted)


def changed(told: Mapping[str, Any], wanted: Mapping[str, Any], changing: Sequence[str]) -> list[tuple[str, str]]:
    """(variable, sentence) for what the inventory says otherwise than what is installed on this node."""
    node, installed = wanted["inventory_hostname"], installed_values(told)
    found = []
    for fixed in FIXED:
        now, then = installed.get(fixed.variable), str(wanted[fixed.variable])
        if now is not None and _plain(now) != _plain(then) and fixed.variable not in changing:
            what = (
                f"{fixed.variable} is '{then}'"
                if fixed.variable != "inventory_hostname"
                else f"This node is called {then}"
            )
            found.append((fixed.variable, f"{what}, and what runs on {node} has '{now}'. {fixed.way}."))
    wal = str(told.get("wal") or "")
    if told.get("version") and _plain(wal) != _plain(str(wanted["pg_cluster_wal_dir"])):
        where = f"in {wal}" if wal else "inside the data directory"
        found.append(
            (
                "pg_cluster_wal_dir",
                f"pg_cluster_wal_dir is '{wanted['pg_cluster_wal_dir']}', and the WAL of {node} is {where}. Set it "
                "back, or move it node by node: on the standby stop skyha and sky-postgresql and run failover_rebuild.yml with the new "
                "value, then playbooks/switchover.yml, then the same on the other.",
            )
        )
    return found


def installed_values(told: Mapping[str, Any]) -> dict[str, str]:
    """What skyha.conf and the units on the node say, by the inventory's variables; empty where nothing is installed."""
    parser = configparser.ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=("#", ";"), default_section=""
    )
    try:
        parser.read_string(_decoded(told, "conf"))
    except configparser.Error:
        pass  # what can be read of it counts; check-config names the rest
    found = {
        fixed.variable: _unquoted(parser.get(fixed.section, fixed.key))
        for fixed in FIXED
        if fixed.section and parser.has_option(fixed.section, fixed.key)
    }
    if told.get("ours") and (user := _replication_user(_decoded(told, "standbys"))) is not None:
        found["pg_cluster_replication_user"] = user
    if told.get("unit_data"):
        found.setdefault("pg_cluster_data_dir", str(told["unit_data"]))
    return found


def _replication_user(line: str) -> str | None:
    """The user in a line of pg_hba.conf that lets the standby in."""
    found = re.match(r'host replication (?:"((?:[^"]|"")*)"|(\S+)) ', line)
    return (found.group(2) or (found.group(1) or "").replace('""', '"')) if found else None


def _data(node: str, told: Mapping[str, Any], wanted: Mapping[str, Any], may_be_gone: bool) -> list[str]:
    """What stands in the data directory, on the port and in skyha's record."""
    place, role = wanted["pg_cluster_data_dir"], recorded(told).get("role")
    if not told.get("has_data"):
        found = []
        if role in ("primary", "standby", "damaged") and not may_be_gone:
            found.append(
                f"{node} has served as {role if role != 'damaged' else 'a node of a cluster'} (/var/lib/skyha/state.json), and {place} is "
                "empty: is its disk mounted? Mount it and run this again. If the data are gone for good and the other node serves, "
                "failover_rebuild.yml copies them from there; playbooks/restore.yml with -e pg_backup_restore_gone=true brings them back from "
                "their backup; for a new, empty cluster move /var/lib/skyha/state.json away on both nodes."
            )
        return found + _port(node, told, wanted)
    if told.get("version") and not told.get("ours"):
        runs = f"and runs there (pid {told['server']})" if told.get("server") else "which does not run"
        return [
            f"{place} on {node} holds a PostgreSQL server that this collection did not make, {runs}. It is left as it is: set "
            "pg_cluster_data_dir to a directory of the cluster's own, or stop that server and move its data away."
        ]
    return _port(node, told, wanted)


def _port(node: str, told: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    if not told.get("listener"):
        return []
    return [
        f"On {node} port {wanted['pg_cluster_port']} is taken by {told['listener']}, which is not this cluster's server: stop it, or choose "
        "another pg_cluster_port."
    ]


def _same_data(node: str, told: Mapping[str, Any], peer: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """One cluster has one system identifier: here, on the other node, and in the records."""
    here, found = str(told.get("identifier") or ""), []
    others = {
        f"the data of {wanted['pg_cluster_peer']} are of": str(peer.get("identifier") or ""),
        f"the record of {node} is of": str(recorded(told).get("system_identifier") or ""),
        f"the record of {wanted['pg_cluster_peer']} is of": str(recorded(peer).get("system_identifier") or ""),
    }
    for what, there in others.items():
        if here and there and here != there:
            found.append(
                f"The data in {wanted['pg_cluster_data_dir']} on {node} are of the database cluster {here}, but {what} {there} (system "
                "identifiers, pg_controldata): is the right disk mounted? A node with another cluster's data is neither started nor changed."
            )
    return found[:1]


def recorded(told: Mapping[str, Any]) -> dict[str, Any]:
    """skyha's record of the node; role 'damaged' where there is one that cannot be read."""
    text = _decoded(told, "record")
    if not text.strip():
        return {"role": "damaged"} if told.get("record_there") else {}
    try:
        return dict(json.loads(text)["record"])
    except (ValueError, KeyError, TypeError):
        return {"role": "damaged"}


def _decoded(told: Mapping[str, Any], key: str) -> str:
    return base64.b64decode(str(told.get(key) or "")).decode("utf-8", "replace")


def _plain(value: str) -> str:
    """Two spellings of the same path are the same; a slash at the end means nothing."""
    return value.rstrip("/") if value.startswith("/") else value


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


class FilterModule:
    """For Ansible."""

    def filters(self) -> dict[str, Any]:
        """The names."""
        return {"identity_problems": identity_problems, "installed_values": installed_values}

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of the inventory that Ansible would pass over in silence: groups and variables that are misspelt, or called otherwise now."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).parents[2] / "roles"
GROUPS = ("pg_nodes", "vote_hosts", "monitoring_hosts", "backup_hosts")
# What two roles read is pg_cluster's. An old name would be ignored in silence, by those who read the new one.
RENAMED = {
    "nagios_nrpe_port": "pg_cluster_nrpe_port",
    "pg_build_method": "pg_cluster_build_method",
    "pg_build_rhel_flavour": "pg_cluster_rhel_flavour",
    "skyha_daemon_http_listen": "pg_cluster_http_listen",
    "skyha_daemon_watchdog_device": "pg_cluster_watchdog_device",
    "streaming_replication_auth_method": "pg_cluster_auth_method",
    "streaming_replication_unit_limits": "pg_cluster_unit_limits",
    "streaming_replication_wal_dir": "pg_cluster_wal_dir",
}
# What has no successor that could just be renamed: the sentence.
GONE = {
    "skyha_daemon_agents": "skyha_daemon_agents is gone: it told a node how its peer is switched off. Say for each node how that node itself is "
    "switched off, as its pg_cluster_fence (so what stood for node1 belongs to node2), a list of levels; see docs/fencing.md"
}
# What is no role's option: what the plays work out themselves, and what is given to one of them by -e.
BY_PLAYS = {
    "pg_backup_clone",
    "pg_backup_clone_of",
    "pg_backup_job",
    "pg_backup_type",
    "pg_cluster_archive_command",
    "pg_cluster_backup_config",
    "pg_cluster_backup_problems",
    "pg_cluster_backup_stanza",
    "pg_cluster_certificate",
    "pg_cluster_certificate_is_new",
    "pg_cluster_decommission",
    "pg_cluster_decommission_data",
    "pg_cluster_differences",
    "pg_cluster_differs",
    "pg_cluster_etcd_cafile",
    "pg_cluster_etcd_endpoints",
    "pg_cluster_etcd_is_made",
    "pg_cluster_fresh",
    "pg_cluster_has_lease",
    "pg_cluster_has_selinux",
    "pg_cluster_has_tls",
    "pg_cluster_monitoring_problems",
    "pg_cluster_old",
    "pg_cluster_primary",
    "pg_cluster_primary_runs",
    "pg_cluster_psql",
    "pg_cluster_remove_data",
    "pg_cluster_restart_reasons",
    "pg_cluster_standby_streams",
    "pg_cluster_unit_limit_properties",
    "pg_cluster_vip_is_foreign",
    "pg_cluster_wal_room_mb",
    "pg_cluster_tls_cafile",
    "pg_cluster_tls_problems",
    "pg_cluster_watchdog_problems",
    "pg_cluster_work",
    "pg_cluster_worked",
    "register_etcd_rejoin",
}
_ALIKE = 0.87  # monitor_hosts is as like monitoring_hosts as that; db_nodes and pg_nodes are less alike
_NEAREST = 0.8


def group_problems(groups: Mapping[str, Sequence[str]], sources: Sequence[str]) -> list[str]:
    """A sentence per group that is misspelt or missing: its hosts would be left out, and the other groups' changed all the same.

    sources: the inventories' paths, for their group_vars: what is there for a group that is none, Ansible reads for nobody.
    """
    misspelt = [*_misspelt_groups(groups)]
    found = [
        f"The inventory's group {name} ({', '.join(hosts)}) is none of this collection's, so its hosts would be left out: call it {meant}, or "
        "something less like that if it is a group of your own"
        for name, meant, hosts in misspelt
    ]
    if not groups.get("pg_nodes") and "pg_nodes" not in [meant for _name, meant, _hosts in misspelt]:
        found.append("The inventory has no host in the group pg_nodes: put both nodes of the cluster there")
    for file in _variables_of_groups(sources):
        name = file.name.split(".")[0]
        if name not in groups and (meant := _meant(name)):
            found.append(f"{file} is read for no host, as there is no group {name}: call it {meant}{file.suffix}")
    return found


def _misspelt_groups(groups: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str, list[str]]]:
    """(name, what is meant, its hosts that the group meant has not got). A part of the group meant may bear a name like it."""
    for name in sorted(groups):
        meant = _meant(name)
        hosts = [host for host in groups[name] if host not in groups.get(meant, ())]
        if meant and hosts:
            yield name, meant, hosts


def _meant(name: str) -> str:
    """The group of this collection that the name is like, '' where it is like none or one of them."""
    return "" if name in GROUPS else next(iter(difflib.get_close_matches(name.lower(), GROUPS, 1, _ALIKE)), "")


def _variables_of_groups(sources: Sequence[str]) -> Iterator[Path]:
    """What Ansible would read for a group of that name: directories, and files that end so."""
    for source in sources:
        place = Path(source) if Path(source).is_dir() else Path(source).parent
        yield from (
            path for path in sorted(place.glob("group_vars/*")) if path.suffix in ("", ".yml", ".yaml", ".json")
        )


def misspelt_variables(names: Sequence[str]) -> dict[str, str]:
    """The names that are no variable of ours and look like one, each with the nearest that is one ('' where none is near).

    Names that begin with a role's are ours; of others only those that are one slip of the finger away.
    """
    options, prefixes = _options()
    found = {}
    for name in sorted(set(names) - options - BY_PLAYS - RENAMED.keys() - GONE.keys()):
        plain = name.lower()
        slip = next((option for option in sorted(options) if option == plain or _is_one_slip(plain, option)), "")
        if slip or plain.startswith(prefixes):
            found[name] = slip or next(iter(difflib.get_close_matches(plain, options, 1, _NEAREST)), "")
    return found


def renamed_variables(names: Sequence[str]) -> list[str]:
    """A sentence for each variable that has another name now, or none."""
    return [GONE[old] for old in sorted(GONE.keys() & set(names))] + [
        f"{old} is called {RENAMED[old]} now, since more than one role reads it: rename it in the inventory"
        for old in sorted(RENAMED.keys() & set(names))
    ]


@lru_cache
def _options() -> tuple[frozenset[str], tuple[str, ...]]:
    """Every role's options, and how they begin."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: set[str] = set()
    roles = sorted(ROLES.glob("*/meta/argument_specs.yml"))
    for role in roles:
        specs = yaml.load(role.read_text(encoding="utf-8"), Loader=loader)
        for entry in specs["argument_specs"].values():
            found.update(entry.get("options") or {})
    return frozenset(found), tuple(f"{role.parents[1].name}_" for role in roles)


def _is_one_slip(one: str, other: str) -> bool:
    """A letter too much, too little or wrong, or two changed round."""
    if abs(len(one) - len(other)) > 1:
        return False
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return max(len(one), len(other)) == 1 or (len(one) == 2 and one == other[::-1])


class FilterModule:
    """For Ansible."""

    def filters(self) -> dict[str, Any]:
        """The names."""
        return {
            "group_problems": group_problems,
            "misspelt_variables": misspelt_variables,
            "renamed_variables": renamed_variables,
        }

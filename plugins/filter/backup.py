# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose backups a host has to do with, who may ask it for them, and what is run there when."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

KINDS = ("none", "host", "posix", "s3")
JOBS = ("full", "diff", "incr", "check")
SHORTEST_PASS = 12
# What a cluster's nodes may set of their own, for the backup host as well.
_OWN = ("encryption", "retention_full", "retention_diff", "from_standby", "check_query", "check_database", *JOBS)
_SETTINGS = {
    **{key: f"pg_backup_{key}" for key in _OWN},
    **{key: f"pg_cluster_{key}" for key in ("data_dir", "socket_dir", "superuser")},
}
_S3 = ("bucket", "endpoint", "key", "key_secret")


def backup_stanza(name: str) -> str:
    """What pgBackRest calls the cluster of that name: its place in the repository."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def backup_stanzas(given: Mapping[str, Any], hostvars: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What this host's pgBackRest is configured for: a node's own cluster, or those that a backup host keeps.

    given: this host's values by their variables. Another host's role defaults cannot be seen: what a cluster's nodes do not set in
    the inventory is as on this host.
    """
    host = given["inventory_hostname"]
    found = []
    for cluster in given["pg_cluster_clusters"]:
        is_node = host in given["pg_cluster_nodes"] and cluster["group"] == given["pg_cluster_group"]
        keeps = cluster["backup"] == "host" and cluster["backup_host"] == host
        if not (is_node and cluster["backup"] != "none") and not keeps:
            continue
        settings = {key: _said(variable, given, is_node, cluster, hostvars) for key, variable in _SETTINGS.items()}
        found.append(
            {
                **settings,
                "name": backup_stanza(cluster["name"]),
                "kind": cluster["backup"],
                "is_node": is_node,
                "cluster": cluster,
            }
        )
    return found


def backup_secrets(
    given: Mapping[str, Any], stanzas: Sequence[Mapping[str, Any]], hostvars: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Each stanza's pass phrase. Apart from the stanzas: those are gone through in loops, whose items Ansible prints."""
    return {
        stanza["name"]: str(_said("pg_backup_cipher_pass", given, stanza["is_node"], stanza["cluster"], hostvars))
        for stanza in stanzas
    }


def _said(
    variable: str,
    given: Mapping[str, Any],
    is_node: bool,
    cluster: Mapping[str, Any],
    hostvars: Mapping[str, Mapping[str, Any]],
) -> Any:
    by_node = {} if is_node else hostvars[cluster["nodes"][0]["name"]]
    return by_node[variable] if variable in by_node else given[variable]


def backup_clients(stanzas: Sequence[Mapping[str, Any]], host: str) -> list[dict[str, str]]:
    """Who may ask this host's server, and for which stanza. A node lets in who takes its backups, a backup host the nodes."""
    found = []
    for stanza in stanzas:
        nodes = [node["name"] for node in stanza["cluster"]["nodes"]]
        if not stanza["is_node"]:
            clients = nodes
        elif stanza["kind"] == "host":
            clients = [stanza["cluster"]["backup_host"]]
        else:
            clients = [node for node in nodes if node != host]
        found += [{"name": client, "stanza": stanza["name"]} for client in clients]
    return found


def backup_jobs(stanzas: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The jobs of this host: each stanza's backups and checks where they are run, with what a unit has to know of them."""
    return [
        {
            "unit": f"sky-backup-{stanza['name']}-{job}",
            "job": job,
            "stanza": stanza["name"],
            "cluster": stanza["cluster"]["name"],
            "calendar": str(stanza[job]),
            "from_standby": stanza["from_standby"],
            "is_node": stanza["is_node"],
            "query": stanza["check_query"],
            "database": stanza["check_database"],
        }
        for stanza in stanzas
        if not stanza["is_node"] or stanza["kind"] != "host"
        for job in JOBS
    ]


def backup_problems(
    given: Mapping[str, Any], stanzas: Sequence[Mapping[str, Any]], secrets: Mapping[str, str]
) -> list[str]:
    """A sentence per thing that stands against backups here."""
    found = []
    for stanza in stanzas:
        found += [*_secret(stanza, secrets[stanza["name"]]), *_place(given, stanza)]
    names = [stanza["name"] for stanza in stanzas]
    return found + [
        f"two clusters would have the same place {name} in the repository: give one of them another pg_cluster_name"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]


def _secret(stanza: Mapping[str, Any], secret: str) -> Iterator[str]:
    name = stanza["cluster"]["name"]
    if not stanza["encryption"] or (stanza["is_node"] and stanza["kind"] == "host"):
        return
    if len(secret) < SHORTEST_PASS or "CHANGE_ME" in secret:
        yield (
            f"pg_backup_cipher_pass of cluster {name} is not set, an example's, or shorter than {SHORTEST_PASS} letters: choose one, put "
            "it into the vault, and keep a copy outside of the cluster (or set pg_backup_encryption: false)"
        )
    elif re.search(r"[\r\n]", secret) or secret != secret.strip():
        yield f"pg_backup_cipher_pass of cluster {name} holds a line break, or begins or ends with a blank: set another"


def _place(given: Mapping[str, Any], stanza: Mapping[str, Any]) -> Iterator[str]:
    cluster, keeper, path = stanza["cluster"], stanza["cluster"]["backup_host"], str(given["pg_backup_path"])
    nodes = [node["name"] for one in given["pg_cluster_clusters"] for node in one["nodes"]]
    if stanza["kind"] not in KINDS:
        yield f"pg_cluster_backup of cluster {cluster['name']} is '{stanza['kind']}': it must be {', '.join(KINDS[:-1])} or {KINDS[-1]}"
    if not re.fullmatch(r"/[A-Za-z0-9_./+@-]*", path):
        yield f"pg_backup_path is '{path}': an absolute path of letters, digits and _./+@- is needed"
    if stanza["kind"] == "host" and not keeper:
        yield (
            "pg_cluster_backup is host, and the inventory has no host in group backup_hosts: put one there (it may be the vote host), or "
            "set pg_cluster_backup_host"
        )
    elif stanza["kind"] == "host" and keeper in nodes:
        yield f"{keeper} is a node and the backup host: what destroys it would destroy its backups. Name another host"
    missing = [f"pg_backup_s3_{one}" for one in _S3 if not given[f"pg_backup_s3_{one}"]]
    if stanza["kind"] == "s3" and missing:
        yield f"pg_cluster_backup is s3, and {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"


class FilterModule:
    """For Ansible."""

    def filters(self) -> dict[str, Any]:
        """The names."""
        return {
            "backup_clients": backup_clients,
            "backup_jobs": backup_jobs,
            "backup_problems": backup_problems,
            "backup_secrets": backup_secrets,
            "backup_stanza": backup_stanza,
            "backup_stanzas": backup_stanzas,
        }

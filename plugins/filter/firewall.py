# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may reach which port of a host, whichever program filters there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class _Offer(NamedTuple):
    comment: str
    sources: Sequence[str]
    port: Any
    protocol: str = "tcp"


def firewall_rules(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What this host offers to whom: comment, sources (each address or network once), port and protocol of each rule.

    given: the inventory's values by their variables; inventory_hostname, the groups vote_hosts and monitoring_hosts.
    """
    return [{**offer._asdict(), "sources": _once(offer.sources)} for offer in _offers(given)]


def _offers(given: Mapping[str, Any]) -> Iterator[_Offer]:
    monitoring = [*_addresses(given, given["monitoring_hosts"]), *given["os_tuning_monitoring_cidrs"]]
    yield _Offer("NRPE", monitoring, given["os_tuning_nrpe_port"])
    if given["os_tuning_is_node"]:
        nodes = [*_addresses(given, given["pg_cluster_nodes"]), *filter(None, [given["pg_cluster_vip"]])]
        vote, port = _addresses(given, given["vote_hosts"]), given["pg_cluster_port"]
        yield _Offer("PostgreSQL: nodes, vote host, monitoring", [*nodes, *vote, *monitoring], port)
        yield _Offer("PostgreSQL: clients", given["os_tuning_client_cidrs"], port)
        yield _Offer("skyha", [*nodes, *monitoring], given["os_tuning_http_port"])
        peers = [node for node in given["pg_cluster_nodes"] if node != given["inventory_hostname"]]
        yield _Offer("skyha: signs of life", _addresses(given, peers), given["pg_cluster_signs_port"], "udp")
    for cluster in given["pg_cluster_clusters"]:
        yield from _of_a_member(given, cluster)
        yield from _of_backups(given, cluster)
    if given["inventory_hostname"] in given["vote_hosts"]:
        for cluster in given["pg_cluster_clusters"]:
            yield from _of_a_vote_host(given, cluster, monitoring)


def _of_a_vote_host(
    given: Mapping[str, Any], cluster: Mapping[str, Any], monitoring: Sequence[str]
) -> Iterator[_Offer]:
    """A vote port is for the nodes of its own cluster, for monitoring and for the clients named; the register for the nodes only."""
    of = f" ({cluster['name']})" if len(given["pg_cluster_clusters"]) > 1 else ""
    nodes = [node["address"] for node in cluster["nodes"]]
    yield _Offer(f"vote port: nodes, monitoring{of}", [*nodes, cluster["vip"], *monitoring], cluster["vote_port"])
    if cluster["vote_client_cidrs"]:
        yield _Offer(f"vote port: clients{of}", cluster["vote_client_cidrs"], cluster["vote_port"])
    if cluster["register"] == "vote_host":
        yield _Offer(f"register: nodes{of}", nodes, cluster["register_port"])


def _of_a_member(given: Mapping[str, Any], cluster: Mapping[str, Any]) -> Iterator[_Offer]:
    """A member of a cluster's etcd serves skyha on both nodes, and the other members."""
    members = {node["name"]: node["address"] for node in cluster["nodes"]} | {
        cluster["vote_host"]: cluster["vote_address"]
    }
    host = given["inventory_hostname"]
    if not cluster["etcd"] or host not in members:
        return
    of = f" ({cluster['name']})" if len(given["pg_cluster_clusters"]) > 1 else ""
    others = [address for name, address in members.items() if name != host and address]
    nodes = [node["address"] for node in cluster["nodes"] if node["name"] != host]
    yield _Offer(f"register: nodes{of}", nodes, cluster["etcd_port"])
    yield _Offer(f"register: members{of}", others, cluster["etcd_peer_port"])


def _of_backups(given: Mapping[str, Any], cluster: Mapping[str, Any]) -> Iterator[_Offer]:
    """The backup host serves the nodes that archive, and each node who takes its backups: that host, or the other node."""
    host, nodes = given["inventory_hostname"], {node["name"]: node["address"] for node in cluster["nodes"]}
    of = f" ({cluster['name']})" if len(given["pg_cluster_clusters"]) > 1 else ""
    if cluster["backup"] == "none" or host not in (*nodes, cluster["backup_host"]):
        return
    others = [address for name, address in nodes.items() if name != host]
    if host in nodes and cluster["backup"] == "host":
        others = _addresses(given, filter(None, [cluster["backup_host"]]))
    yield _Offer(f"backups{of}", others, cluster["backup_port"])


def _addresses(given: Mapping[str, Any], hosts: Iterable[str]) -> list[str]:
    return [address for host in hosts if (address := given["pg_cluster_addresses"][host])]


def _once(sources: Sequence[str]) -> list[str]:
    """In this order; an IPv6 address in capitals is the same address."""
    found: dict[str, str] = {}
    for source in sources:
        found.setdefault(source.lower(), source)
    return list(found.values())


class FilterModule:
    """For Ansible."""

    def filters(self) -> dict[str, Any]:
        """The names."""
        return {"firewall_rules": firewall_rules}

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The closing picture of plays: who is primary, who holds the VIP, who streams, and whether a failover would work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_Found = Mapping[str, Mapping[str, Any]]


def closing_picture(clusters: Sequence[Mapping[str, Any]], hosts: Sequence[str], found: _Found) -> list[str]:
    """Of each cluster that has a node among `hosts`. found: what the play found out (hostvars), by host and variable."""
    lines: list[str] = []
    for cluster in clusters:
        nodes = [node["name"] for node in cluster["nodes"]]
        if set(nodes) & set(hosts):
            lines.append(f"cluster {cluster['name']}, VIP {cluster['vip']}")
            for node in nodes:
                lines += _node(node, found[node].get("__pg_cluster_picture") or {})
            lines += _configuration(nodes, found)
    return "\n".join(lines).splitlines()  # a module's error may have several


def _node(node: str, told: Mapping[str, Any]) -> Iterator[str]:
    """told: result of pg_cluster_status."""
    seen = told.get("cluster")
    if not seen:
        yield f"  {node}: not known ({told.get('msg', 'not looked at')})"
        return
    if seen["server"] != "up":
        yield f"  {node}: PostgreSQL is {seen['server']} ({seen['role']}) {seen['detail']}"
    else:
        vip = "holds the VIP" if seen["vip_held"] else "no VIP"
        yield f"  {node}: {seen['role']} on timeline {seen['timeline']}, {vip}, {_replication(seen)}"
    paths = seen["paths"]
    yield f"     through the VIP: {_path(paths['vip'])}; through the vote host: {_path(paths['vote'])}"
    yield f"     skyha: {_skyha(seen['skyha'], seen['role'])}"


def _replication(seen: Mapping[str, Any]) -> str:
    if seen["role"] == "primary":
        return "its standby streams" if seen["peer_streaming"] else "NO STANDBY STREAMS"
    if not seen["streaming"]:
        return "DOES NOT STREAM"
    behind = seen["lag_bytes"]  # None: neither path led to the primary
    return "streams, how far behind is not known" if behind is None else f"streams, {behind} bytes behind"


def _path(path: Mapping[str, Any]) -> str:
    answered_by = path.get("answered_by")
    return f"{path['sight']}, answered by {answered_by}" if answered_by else str(path["sight"])


def _skyha(skyha: Mapping[str, Any], role: str) -> str:
    """Its state; of a standby whether it would take over."""
    state = skyha.get("state", "?")
    if role != "standby" or state != "running":
        return str(state)
    if skyha["armed"]:
        return f"{state}, armed"
    return f"{state}, NOT ARMED: {'; '.join((skyha.get('not_armed') or {}).values()) or 'it does not say why'}"


def _configuration(nodes: Sequence[str], found: _Found) -> Iterator[str]:
    """What configuration.yml found out."""
    differences = found[nodes[0]].get("pg_cluster_differences")
    if differences:
        yield "  configuration, WHAT IS NOT AS IT SHOULD BE:"
        yield from (f"     {difference}" for difference in differences)
    elif len([node for node in nodes if (found[node].get("__pg_cluster_configuration") or {}).get("stdout")]) == 2:
        yield "  configuration: the same on both nodes"
    for node in nodes:
        if reasons := found[node].get("pg_cluster_restart_reasons"):
            yield f"  {node} WAITS FOR A RESTART (run rolling_restart.yml): {'; '.join(reasons)}"


class FilterModule:
    """For Ansible."""

    def filters(self) -> dict[str, Any]:
        """The names."""
        return {"closing_picture": closing_picture}

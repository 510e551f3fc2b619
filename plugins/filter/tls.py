# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What speaks against TLS as the inventory wants it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

KINDS = ("made", "given", "none")
CLIENTS = ("require", "allow", "off")
# A certificate with less than a year left is made again by every run.
FEWEST_DAYS = 400
_OURS = ("ssl", "ssl_cert_file", "ssl_key_file")
_NAME = re.compile(r"[A-Za-z0-9_.:*-]+")


def tls_problems(given: Mapping[str, Any]) -> list[str]:
    """A sentence each. given: pg_cluster_tls, inventory_hostname, hosts (all of the inventory), upstream (where a standby streams from),
    peer_names (by which the other node's certificate knows it), and of role streaming_replication, without that prefix: client_tls,
    conninfo, settings_extra, tls_names, tls_days, tls_ca_host, tls_ca, tls_certificate and tls_key."""
    kind, host = given["pg_cluster_tls"], given["inventory_hostname"]
    if kind not in KINDS:
        return [f"pg_cluster_tls is '{kind}': set {', '.join(KINDS[:-1])} or {KINDS[-1]}"]
    clients = str(given["client_tls"]).lower().replace("false", "off")  # YAML takes a bare off for false
    if clients not in CLIENTS:
        return [f"streaming_replication_client_tls is '{clients}': set {', '.join(CLIENTS[:-1])} or {CLIENTS[-1]}"]
    if kind == "none" and clients == "require":
        return [
            "streaming_replication_client_tls is require and pg_cluster_tls none: set pg_cluster_tls to made or given, or no TLS for clients"
        ]
    if kind == "none":
        return []
    return [*_settings(given), *(_made(given) if kind == "made" else _given(given, host))]


def _settings(given: Mapping[str, Any]) -> Iterator[str]:
    taken = [name for name in _OURS if name in given["settings_extra"]]
    if taken:
        yield (
            f"streaming_replication_settings_extra holds {', '.join(taken)}, which pg_cluster_tls sets: take it out; a certificate of your "
            "own is for pg_cluster_tls given"
        )
    if given["pg_cluster_tls"] == "made" and given["upstream"] not in (*given["peer_names"], *given["tls_names"]):
        yield (
            f"the standby streams from {given['upstream']} (streaming_replication_upstream_host), which no certificate names: add it to "
            "streaming_replication_tls_names of both nodes"
        )
    mode = str(given["conninfo"].get("sslmode", "verify-full")).lower()
    if mode in ("false", "disable", "allow"):
        yield (
            "streaming_replication_conninfo holds a sslmode without TLS, and the primary requires it of its standby: take it out, or set "
            "pg_cluster_tls to none"
        )


def _made(given: Mapping[str, Any]) -> Iterator[str]:
    if given["tls_ca_host"] not in given["hosts"]:
        yield (
            f"streaming_replication_tls_ca_host is '{given['tls_ca_host']}', which is no host of the inventory: name the one that is to hold "
            "the key of the CA, such as the vote host"
        )
    if int(given["tls_days"]) < FEWEST_DAYS:
        yield (
            f"streaming_replication_tls_days is {given['tls_days']}: a certificate is made again in its last year, so set at least {FEWEST_DAYS}"
        )
    for name in given["tls_names"]:
        if not _NAME.fullmatch(str(name)):
            yield f"streaming_replication_tls_names holds '{name}', which is no address and no name of a host"


def _given(given: Mapping[str, Any], host: str) -> Iterator[str]:
    for part in ("tls_ca", "tls_certificate", "tls_key"):
        if "-----BEGIN " not in str(given[part]):
            yield (
                f"streaming_replication_{part} of {host} is {'not set' if not given[part] else 'no PEM'}, and pg_cluster_tls is given: set the "
                "text of the file, by a lookup or from a vault"
            )


class FilterModule:
    """The filter, by its name."""

    def filters(self) -> dict[str, Any]:
        """See the module."""
        return {"tls_problems": tls_problems}

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What speaks against touching the hosts, as far as inventory and a first look tell: a whole sentence each, with what to do."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union

_REQUIRED = (
    "pg_cluster_vip",
    "pg_cluster_vote_address",
    "pg_cluster_superuser_password",
    "pg_cluster_replication_password",
    "pg_cluster_ha_password",
)
_BMC = ("pg_cluster_bmc_address", "pg_cluster_bmc_user", "pg_cluster_bmc_password")
_NAMES = ("pg_cluster_superuser", "pg_cluster_replication_user", "pg_cluster_ha_user", "pg_cluster_database")
_PATHS = ("pg_cluster_data_dir", "pg_cluster_bin_dir", "pg_cluster_socket_dir", "pg_cluster_user_home")
# The host that a sentence is about; each_once() puts the names of all there of whom it is said.
_HOST = "{host}"
_PLACEHOLDER = "CHANGE_ME"
_Interface = Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]
_Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
_ROOM = "pg_cluster_min_free_mb, and wal_keep_size or max_slot_wal_keep_size with max_wal_size in streaming_replication_settings"


def preflight_problems(given: Mapping[str, Any], facts: Mapping[str, Any], told: Mapping[str, Any]) -> list[str]:
    """A sentence per thing that stands against touching this host.

    given: the inventory's values by their variables; inventory_hostname, the groups pg_nodes and vote_hosts, vip_holders (the nodes
    that hold the VIP), all_nodes (whether both take part), misspelt (what misspelt_variables said), offline (whether no host is
    asked: then what only a host tells is no problem, see preflight_unknown). told: what preflight.sh said of the node, empty where
    it was not asked.
    """
    found = [*_names(given)]
    host, nodes = given["inventory_hostname"], given["pg_cluster_nodes"]
    if not (given["offline"] and _is_unknown(facts)):
        found += [*_host(given, facts), *_packages_of_etcd(given, facts)]
    if host in given["pg_nodes"] and host not in nodes:
        found.append(
            f"{host} is in the group pg_nodes and its pg_cluster_group is {given['pg_cluster_group']}, but it is not in that group"
        )
    found += placeholders({name: value for name, value in given.items() if name.endswith("_password")})
    if host in nodes:
        found += [*_values(given), *_spelling(given), *_slots(nodes), *_members(given), *_clusters(given)]
        found += [*_addresses(given), *_numbers(given), *_network(given, facts), *_versions(given, facts)]
        found += [*_register(given), *_signs(given), *_replication(given)]
        if told:
            found += [*_disks(given, told), *_vip_answers(given, facts, told)]
    elif host in given["vote_hosts"] and not _is_ip(given["pg_cluster_address"]):
        found.append(
            f"pg_cluster_address of {host} is '{given['pg_cluster_address']}': set it to the vote host's IP address"
        )
    return found


def preflight_unknown(given: Mapping[str, Any], facts: Mapping[str, Any], told: Mapping[str, Any]) -> list[str]:
    """What preflight_problems could not judge of this host, as it was not asked; the arguments are the same."""
    found = []
    if _is_unknown(facts):
        found.append(f"the distribution, systemd and Python of {_HOST}")
    if given["inventory_hostname"] not in given["pg_cluster_nodes"]:
        return found
    if not given["pg_cluster_postgresql_version"]:
        found.append(f"PostgreSQL's version on {_HOST}, which is the distribution's")
    if not told:
        room = int(given["pg_cluster_min_free_mb"]) + int(given["pg_cluster_wal_room_mb"])
        found += [
            f"the interface {given['pg_cluster_vip_interface']} of {_HOST}, its networks, and whether another host has the VIP",
            f"whether there are the {room} MB on {_HOST} that data and WAL may need",
            f"what is installed on {_HOST} already, and whose data are there",
        ]
        if given["pg_cluster_has_lease"]:
            found.append(f"the watchdog of {_HOST}")
    return found


def each_once(found: Mapping[str, Sequence[str]]) -> list[str]:
    """The sentences of all hosts, each once, with the hosts of which it is said."""
    hosts: dict[str, list[str]] = {}
    for host, sentences in found.items():
        for sentence in sentences:
            hosts.setdefault(sentence, []).append(host)
    return list(dict.fromkeys(text.replace(_HOST, _listed(of, len(found))) for text, of in hosts.items()))


def _listed(hosts: Sequence[str], count: int) -> str:
    names = list(dict.fromkeys(hosts))
    if len(names) == count > 2:
        return "all hosts"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def placeholders(secrets: Mapping[str, Any]) -> list[str]:
    """A sentence for each secret, by its name, that is still the example's."""
    return [
        f"{name} of {_HOST} is still the example's {_PLACEHOLDER}: choose your own in group_vars/all/vault.yml"
        for name, value in secrets.items()
        if _PLACEHOLDER in str(value)
    ]


def _is_unknown(facts: Mapping[str, Any]) -> bool:
    return not facts.get("os_family")


def _names(given: Mapping[str, Any]) -> Iterator[str]:
    """Variables that nobody reads."""
    for name, meant in given["misspelt"].items():
        if meant:
            yield f"{name} is no variable of this collection and would be ignored: call it {meant}, or take it out of the inventory"
        else:
            yield (
                f"{name} is no variable of this collection (docs/variables.md) and would be ignored: take it out of the inventory, or call it otherwise "
                "if it is your own, as names that begin like that are the collection's"
            )


def _host(given: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[str]:
    host = given["inventory_hostname"]
    init, python = facts.get("service_mgr", ""), str(facts.get("python_version", "0"))
    if init != "systemd" or facts.get("os_family") not in ("Debian", "RedHat"):
        yield (
            f"{host} runs {facts.get('distribution', '?')} with {init or '?'}; the Debian or RHEL family with systemd is needed"
        )
    if facts.get("fips") and given["pg_cluster_auth_method"] == "md5":
        yield f"{host} is in FIPS mode, in which PostgreSQL has no md5: set pg_cluster_auth_method to scram-sha-256"
    if [int(part) for part in re.findall(r"\d+", python)[:2]] < [3, 9]:
        yield f"{host} has Python {python}; 3.9 or newer is needed: install it and set ansible_python_interpreter"


def _packages_of_etcd(given: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[str]:
    """Which distribution's packages a member can be made from: etcd 3.4 or newer. RHEL has none."""
    host = given["inventory_hostname"]
    if not any(
        one["etcd"] and host in (one["vote_host"], *(n["name"] for n in one["nodes"]))
        for one in given["pg_cluster_clusters"]
    ):
        return
    distribution, version = facts.get("distribution", "?"), str(facts.get("distribution_major_version", "0"))
    needed = {"Debian": 12, "Ubuntu": 24}.get(distribution)
    if needed is None or (int(version) if version.isdecimal() else 0) < needed:
        yield (
            f"{host} runs {distribution} {version}, which has no package of etcd 3.4 or newer (Debian 12 and Ubuntu 24.04 have): give an etcd that "
            "exists as pg_cluster_register_endpoints, or set pg_cluster_register to vote_host"
        )


def _values(given: Mapping[str, Any]) -> Iterator[str]:
    for name in _required(given):
        value = given[name]
        text = str(value)
        if not text:
            if name not in given["misspelt"].values():  # said already
                yield f"{name} is not set for {_HOST}: {_place(name)}"
        # (Before ansible-core 2.19 an inline-vaulted text is no string.)
        elif not isinstance(value, str) and not hasattr(value, "vault"):
            yield f"{name} of {_HOST} is not a text: put it in quotes"
        elif re.search(r"[\r\n]", text):
            yield f"{name} of {_HOST} holds a line break, which neither a password file nor a BMC can be told: set another"
        elif name == "pg_cluster_bmc_password" and len(text.encode()) > 20:
            yield f"{name} of {_HOST} is longer than the 20 bytes that IPMI knows: set a shorter one on the BMC and here"


def _place(name: str) -> str:
    if name == "pg_cluster_vote_address":
        return "put the vote host into the inventory's group vote_hosts, with its address"
    return "set it in the inventory" + (" (secrets: group_vars/all/vault.yml)" if "password" in name else "")


def _required(given: Mapping[str, Any]) -> Iterator[str]:
    """The variables that must be set. With a lease, or other fences, a node may have no BMC; one that it has must be usable."""
    yield from _REQUIRED
    if not given["pg_cluster_fence"] and (given["pg_cluster_bmc_address"] or not given["pg_cluster_has_lease"]):
        yield from _BMC
    if given["pg_cluster_register"] != "none":
        yield "pg_cluster_register_password"
    if given["pg_cluster_register"] == "etcd":
        yield from () if given["pg_cluster_register_endpoints"] else ("pg_cluster_etcd_root_password",)


def _spelling(given: Mapping[str, Any]) -> Iterator[str]:
    for name in _NAMES:
        if not given[name] or re.search(r"[\r\n]", given[name]):
            yield f"{name} is empty or holds a line break: set a name that PostgreSQL and its files can hold"
    if not re.match(r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", given["pg_cluster_name"]):
        yield (
            f"pg_cluster_name is '{given['pg_cluster_name']}': it names Nagios' hosts and a directory, so letters, digits, '_', '.' and '-' "
            "only"
        )
    for name in _PATHS:
        is_unknown = given[name] is None and given["offline"]
        if not is_unknown and not re.match(r"^/[A-Za-z0-9_./+@-]*$", str(given[name])):
            yield f"{name} is '{given[name]}': it stands in systemd units, so an absolute path of letters, digits and _./+@- is needed"


def _slots(nodes: Sequence[str]) -> Iterator[str]:
    slots = [re.sub(r"[^a-z0-9_]", "_", node.lower()) for node in nodes]
    if max(map(len, slots), default=0) > 63:
        yield (
            f"{' or '.join(nodes)} is longer than the 63 letters that PostgreSQL allows a standby's slot and name: give the node a shorter "
            "name in the inventory (and ansible_host)"
        )
    elif len(set(slots)) < len(slots):
        yield (
            f"{' and '.join(nodes)} would both have the slot {slots[0]}, since a slot's name holds small letters, digits and '_' only: rename "
            "one of them in the inventory"
        )


def _members(given: Mapping[str, Any]) -> Iterator[str]:
    """The group is two nodes, and both say that they are in it."""
    group, nodes = given["pg_cluster_group"], given["pg_cluster_nodes"]
    if len(nodes) != 2:
        more = " (several clusters: give each a group of its own under pg_nodes, with pg_cluster_group set to its name)"
        yield (
            f"the inventory group {group} has {len(nodes)} hosts; exactly two nodes make a cluster{more if len(nodes) > 2 else ''}"
        )
    claim = sorted(
        node["name"] for one in given["pg_cluster_clusters"] if one["group"] == group for node in one["nodes"]
    )
    if claim != list(nodes):
        yield (
            f"the group {group} holds {', '.join(nodes)}, but pg_cluster_group is {group} for {', '.join(claim)}: a node is in one cluster only"
        )


def _clusters(given: Mapping[str, Any]) -> Iterator[str]:
    """What no two clusters of the inventory share."""
    name, group = given["pg_cluster_name"], given["pg_cluster_group"]
    place = (given["pg_cluster_vote_host"], int(given["pg_cluster_vote_port"]))
    for one in given["pg_cluster_clusters"]:
        if one["group"] == group:
            continue
        if one["name"] == name:
            yield f"the clusters in the groups {one['group']} and {group} are both called {name}: set pg_cluster_name in one of them"
        if (one["vote_host"], one["vote_port"]) == place:
            yield (
                f"the clusters {one['name']} and {name} share the vote port {place[1]} of {place[0]}: set pg_cluster_vote_port in the group of "
                "one of them"
            )


def _addresses(given: Mapping[str, Any]) -> Iterator[str]:
    for address, users in _owners(given).items():
        if len(users) > 1:
            why = " (a BMC that is the host itself could not switch it off)" if "BMC" in " ".join(users) else ""
            yield f"{address} is {' and '.join(users)}: each needs an address of its own{why}"
        if not _is_ip(address):
            yield f"{address} ({', '.join(users)}) is not an IP address: name servers may be down when it matters; set pg_cluster_address"


def _owners(given: Mapping[str, Any]) -> dict[str, list[str]]:
    """Each address of the inventory, and what has it."""
    owners: dict[str, list[str]] = {}
    clusters = given["pg_cluster_clusters"]
    foreign = set()
    for one in clusters:
        own = one["group"] == given["pg_cluster_group"]
        for node in one["nodes"]:
            owners.setdefault(node["address"], []).append(f"the address of {node['name']}")
            if node["bmc_address"]:
                owners.setdefault(node["bmc_address"], []).append(f"the BMC of {node['name']}")
            if not own:
                foreign.add(node["address"])
        vip = given["pg_cluster_vip"] if own else one["vip"]
        if vip:
            owners.setdefault(vip, []).append("the VIP" + (f" of cluster {one['name']}" if len(clusters) > 1 else ""))
    vote = given["pg_cluster_vote_address"]
    # A node of another cluster may be this one's vote host.
    if vote and vote not in foreign:
        owners.setdefault(vote, []).append("the vote host")
    return owners


def _numbers(given: Mapping[str, Any]) -> Iterator[str]:
    port, prefix = str(given["pg_cluster_port"]), str(given["pg_cluster_vip_prefix"])
    if not port.isdecimal() or not 1024 <= int(port) <= 65535:
        yield f"pg_cluster_port is '{port}': PostgreSQL, which is not root, needs a number from 1024 to 65535"
    # No network of hosts is wider; IPv4's default of 24, left for an IPv6 address, is noticed by that.
    family, widest, longest = ("IPv6", 48, 128) if ":" in str(given["pg_cluster_vip"]) else ("IPv4", 8, 32)
    if not prefix.isdecimal() or not widest <= int(prefix) <= longest:
        yield f"pg_cluster_vip_prefix is '{prefix}': the length of the VIP's network ({family}) is a number from {widest} to {longest}"


def _network(given: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[str]:
    """The VIP is an address that a host of the nodes' network can have."""
    text = f"{given['pg_cluster_vip']}/{given['pg_cluster_vip_prefix']}"
    if given["pg_cluster_vip_interface"] == "lo":
        yield "pg_cluster_vip_interface is lo, which no client reaches: set it to the interface that shall carry the VIP"
    try:
        vip = ipaddress.ip_interface(text)
    except ValueError:
        return  # _addresses and _numbers say so
    if vip.is_loopback or vip.is_multicast or vip.is_unspecified or (vip.version == 6 and vip.is_link_local):
        yield f"The VIP {vip.ip} is an address that clients cannot connect to: choose an unused one in the nodes' network"
        return
    if vip.network.prefixlen < vip.max_prefixlen - 1:
        if vip.ip == vip.network.network_address:
            yield f"The VIP {vip.ip} is the address of its network {vip.network} itself: choose an unused one in it"
        elif vip.version == 4 and vip.ip == vip.network.broadcast_address:
            yield f"The VIP {vip.ip} is the broadcast address of its network {vip.network}: choose an unused one in it"
    if where := _foreign(given, facts, vip):
        yield f"The VIP {text} is not in the network of {where}: choose an unused address there, or set pg_cluster_vip_prefix or pg_cluster_vip_interface"


def _foreign(given: Mapping[str, Any], facts: Mapping[str, Any], vip: _Interface) -> str:
    """Whose network the VIP is not in; '' where it is, or where that cannot be told."""
    name = given["pg_cluster_vip_interface"]
    if given["vip_holders"] or name == "lo":
        return ""  # it serves as it is; said already
    if told := facts.get(name) or facts.get(name.replace("-", "_")):
        networks = _networks(told, vip)  # none where the interface is for the VIP alone
        inside = not networks or any(vip.ip in network for network in networks)
        return "" if inside else f"{name} on {_HOST} ({', '.join(map(str, networks))})"
    addresses = [
        ipaddress.ip_address(node["address"])
        for one in given["pg_cluster_clusters"]
        if one["group"] == given["pg_cluster_group"]
        for node in one["nodes"]
        if _is_ip(node["address"])
    ]
    others = [str(one) for one in addresses if one.version == vip.version and one not in vip.network]
    return f"the nodes ({', '.join(others)})" if others and vip.network.prefixlen < vip.max_prefixlen else ""


def _networks(told: Mapping[str, Any], vip: _Interface) -> list[_Network]:
    """The networks of the VIP's family that an interface is in by its own addresses. told: its facts."""
    own = [told["ipv4"]] if told.get("ipv4") else []
    found = []
    for one in [*own, *told.get("ipv4_secondaries", []), *told.get("ipv6", [])]:
        address = ipaddress.ip_interface(f"{one['address']}/{one['prefix']}")
        if address.version == vip.version and address.ip != vip.ip and not address.is_link_local:
            found.append(address.network)
    return list(dict.fromkeys(found))


def _register(given: Mapping[str, Any]) -> Iterator[str]:
    kind, address, port = (given[f"pg_cluster_register{of}"] for of in ("", "_address", "_port"))
    if kind not in ("none", "vote_host", "external", "etcd"):
        yield f"pg_cluster_register is '{kind}'; it must be none, vote_host, external or etcd"
    if kind == "etcd":
        yield from _etcd(given)
    if kind not in ("vote_host", "external"):
        return
    if not str(port).isdecimal() or not 1024 <= int(port) <= 65535:
        yield f"pg_cluster_register_port is '{port}': a number from 1024 to 65535 is needed"
        return
    if not _is_ip(str(address)):
        yield f"pg_cluster_register_address is '{address}': set it to the register's IP address, as name servers may be down when it matters"
    for owned in _owners(given).get(str(address), []):
        if owned != "the vote host":
            yield f"the register {address} is {owned}: it must be on a host that does not die with a node of the cluster"
    if len(str(given["pg_cluster_name"])) > 40:
        yield f"pg_cluster_name {given['pg_cluster_name']} is longer than the 40 letters that a login of the register has room for: set a shorter one"
    if kind == "vote_host":
        yield from _register_on_vote_host(given, int(port))


def _replication(given: Mapping[str, Any]) -> Iterator[str]:
    mode = given["pg_cluster_replication"]
    if mode not in ("async", "zero_loss"):
        yield f"pg_cluster_replication is '{mode}'; it must be async or zero_loss"
    if mode == "zero_loss" and given["pg_cluster_register"] == "none":
        yield (
            "pg_cluster_replication is zero_loss, and pg_cluster_register is none: where the standby is lost nobody could be told that it must "
            "not take over; set a register (vote_host), or async"
        )


def _etcd(given: Mapping[str, Any]) -> Iterator[str]:
    """A register in an etcd, given or to be made."""
    endpoints = given["pg_cluster_register_endpoints"]
    if len(str(given["pg_cluster_name"])) > 40:
        yield f"pg_cluster_name {given['pg_cluster_name']} is longer than the 40 letters that a user of the register has room for: set a shorter one"
    if not endpoints:
        yield from _members_of_etcd(given)
        return
    for endpoint in endpoints:
        address, _, port = str(endpoint).rpartition(":")
        bare = address[1:-1] if address.startswith("[") else address
        if not _is_ip(bare) or not port.isdecimal() or not 0 < int(port) < 65536 or (":" in bare and bare == address):
            yield (
                f"pg_cluster_register_endpoints holds '{endpoint}': each is ADDRESS:PORT ([ADDRESS]:PORT for IPv6), without https://, and an IP "
                "address, as name servers may be down when it matters"
            )
        if bare == given["pg_cluster_vip"]:
            yield f"pg_cluster_register_endpoints holds the VIP {bare}: name the members of the etcd"
    if "-----BEGIN CERTIFICATE-----" not in str(given["pg_cluster_register_ca"]):
        yield "pg_cluster_register_ca is no certificate: set it to the text of the CA's file (lookup('ansible.builtin.file', …))"


def _members_of_etcd(given: Mapping[str, Any]) -> Iterator[str]:
    """Each host has one member at most, on ports that nobody else has there."""
    host, ports = given["pg_cluster_vote_host"], (given["pg_cluster_etcd_port"], given["pg_cluster_etcd_peer_port"])
    for name, port in zip(("pg_cluster_etcd_port", "pg_cluster_etcd_peer_port"), ports):
        if not str(port).isdecimal() or not 1024 <= int(port) <= 65535:
            yield f"{name} is '{port}': a number from 1024 to 65535 is needed"
            return
    if int(ports[0]) == int(ports[1]):
        yield f"pg_cluster_etcd_port and pg_cluster_etcd_peer_port are both {ports[0]}: each needs its own"
    if host not in given["vote_hosts"]:
        yield f"pg_cluster_register is etcd, but '{host}' is not in the group vote_hosts: nothing would make the third member there"
    for one in given["pg_cluster_clusters"]:
        own = one["group"] == given["pg_cluster_group"]
        if one["etcd"] and not own and {host} & {one["vote_host"], *(node["name"] for node in one["nodes"])}:
            yield (
                f"the clusters {one['name']} and {given['pg_cluster_name']} would both have a member of an etcd on {host}, which has room for one: let "
                "one of them make it, and give its members to the other as pg_cluster_register_endpoints (README of role register_etcd)"
            )
        if one["vote_host"] == host and one["vote_port"] in map(int, ports):
            yield f"the etcd's port {one['vote_port']} on {host} is the vote port of cluster {one['name']}: set another pg_cluster_etcd_port"
        if one["port"] in map(int, ports) and (own or host in [node["name"] for node in one["nodes"]]):
            yield f"the etcd's port {one['port']} is PostgreSQL's of cluster {one['name']}: set another pg_cluster_etcd_port"


def _signs(given: Mapping[str, Any]) -> Iterator[str]:
    """Signs of life go both ways or not at all; so does a lease, which needs them."""
    port = str(given["pg_cluster_signs_port"])
    if not port.isdecimal() or not 1024 <= int(port) <= 65535:
        yield f"pg_cluster_signs_port is '{port}': skyha, which is not root, needs a number from 1024 to 65535"
    group = given["pg_cluster_group"]
    nodes = [node for one in given["pg_cluster_clusters"] if one["group"] == group for node in one["nodes"]]
    if len({str(node["signs_port"]) for node in nodes}) > 1:
        yield (
            f"pg_cluster_signs_port is not the same for {' and '.join(node['name'] for node in nodes)}, and each skyha sends to the port that "
            f"it listens on itself: set it in the variables of the group {group}"
        )
    for node in nodes if given["pg_cluster_has_lease"] else ():
        if not node["watchdog_device"]:
            yield (
                f"pg_cluster_watchdog_device is empty for {node['name']} only: there is a lease for both nodes or for none; set it for both, or to "
                f"'' in the variables of the group {group}"
            )


def _register_on_vote_host(given: Mapping[str, Any], port: int) -> Iterator[str]:
    """The vote host's own register serves all its clusters, on one port that nobody else has there."""
    name, host = given["pg_cluster_name"], given["pg_cluster_vote_host"]
    if host not in given["vote_hosts"]:
        yield f"pg_cluster_register is vote_host, but '{host}' is not in the group vote_hosts: nothing would make a register there"
    if given["pg_cluster_register_address"] != given["pg_cluster_vote_address"]:
        yield (
            f"pg_cluster_register_address is {given['pg_cluster_register_address']}, but the register is on the vote host "
            f"{given['pg_cluster_vote_address']}: leave it unset, or set pg_cluster_register to external"
        )
    for one in given["pg_cluster_clusters"]:
        if one["vote_host"] == host and one["vote_port"] == port:
            yield f"the register's port {port} on {host} is the vote port of cluster {one['name']}: set another pg_cluster_register_port"
        if host in [node["name"] for node in one["nodes"]] and one["port"] == port:
            yield f"the register's port {port} on {host} is PostgreSQL's of cluster {one['name']}: set another pg_cluster_register_port"
        if one["vote_host"] == host and one["register"] == "vote_host" and one["register_port"] != port:
            yield (
                f"the clusters {one['name']} and {name} have one register on {host}, but the ports {one['register_port']} and {port}: set "
                "pg_cluster_register_port for all of them, or for none"
            )


def _versions(given: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[str]:
    version, method = str(given["pg_cluster_postgresql_version"]).strip(), given["pg_cluster_build_method"]
    is_unknown = not version and given["offline"] and _is_unknown(facts)  # the distribution's
    if version not in ("13", "14", "15", "16", "17", "18") and not is_unknown:
        yield f"pg_cluster_postgresql_version is '{version}'; supported are 13 to 18"
    if method not in ("package", "source"):
        yield f"pg_cluster_build_method is '{method}'; it must be package or source"


def _disks(given: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    host, wal_mb = given["inventory_hostname"], int(given["pg_cluster_wal_room_mb"])
    data_mb = int(given["pg_cluster_min_free_mb"]) + (wal_mb if told["one_disk"] else 0)
    needed = f"may be needed ({_ROOM}): make room, or lower these in streaming_replication_settings_extra"
    if not told["has_data"] and int(told["free_mb"]) < data_mb:
        yield f"{host} has {told['free_mb']} MB free for {given['pg_cluster_data_dir']}; {data_mb} MB {needed}"
    elif not told["has_data"] and not told["one_disk"] and int(told["wal_free_mb"]) < wal_mb:
        yield f"{host} has {told['wal_free_mb']} MB free for the WAL in {given['pg_cluster_wal_dir']}; {wal_mb} MB {needed}"


def _vip_answers(given: Mapping[str, Any], facts: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    """The interface is there, and the VIP is nobody else's."""
    host, vip, interface = (
        given[name] for name in ("inventory_hostname", "pg_cluster_vip", "pg_cluster_vip_interface")
    )
    if not told["interface"]:
        yield f"{host} has no network interface {interface}: set pg_cluster_vip_interface to the one that shall carry the VIP"
    is_new = not given["vip_holders"] and "pg_cluster_vip" not in given["pg_cluster_change"] and given["all_nodes"]
    if not is_new or not (told["vip_answers"] or told.get("vip_neighbour", False)) or [*_network(given, facts)]:
        return
    hardware, addresses = told.get("vip_hardware", ""), str(told.get("vip_hardware_has", "")).split()
    by = f" ({', '.join([hardware, *addresses])})" if hardware else ""
    if routers := [address for address in addresses if address in str(told.get("routers", "")).split()]:
        yield (
            f"The router {routers[0]} ({hardware}) answers for the VIP {vip}, which neither node holds: it has that address, or answers for other hosts "
            "(proxy ARP); choose an address that it does not answer for, or switch proxy ARP off on it"
        )
    else:
        yield f"another host answers for the VIP {vip}{by}, and neither node holds it: find that host, or choose a free address"


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def unchosen_variables(names: Sequence[str]) -> list[str]:
    """A sentence where the inventory leaves out what has no default on purpose. names: all variables of the host."""
    if "streaming_replication_client_cidrs" in names:
        return []
    return [
        "streaming_replication_client_cidrs is not set: name the networks that clients of the databases connect from, such as [192.0.2.0/24]; "
        "[] lets in the nodes only"
    ]


class FilterModule:
    """For Ansible."""

    def filters(self) -> dict[str, Any]:
        """The names."""
        return {
            "each_once": each_once,
            "placeholders": placeholders,
            "preflight_problems": preflight_problems,
            "preflight_unknown": preflight_unknown,
            "unchosen_variables": unchosen_variables,
        }

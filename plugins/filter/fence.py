# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a node is switched off (pg_cluster_fence): levels of devices, as its peer's skyha is told of them, and what speaks against them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.own import leads_home

_LINES = ("status", "off", "on", "reset")
_KEYS = ("name", "kind", "agent", "address", "port", "user", "password", "privilege", "cipher", *_LINES)
_IPMI_PASSWORD = 20


def fence_levels(fence: Any, bmc: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """The levels of a node: those of its pg_cluster_fence, or its BMC alone where it has one. What is no level or device is left out."""
    given = fence or ([[{"name": "bmc", "kind": "ipmi", **bmc}]] if bmc.get("address") else [])
    levels = [[_device(one) for one in level if isinstance(one, Mapping)] for level in given if _is_list(level)]
    return [level for level in levels if level]


def fence_problems(fence: Any, node: str, peer: Mapping[str, Any]) -> list[str]:
    """A sentence for each thing in a node's pg_cluster_fence that its peer could not use, or would switch itself off by.

    peer: its name, its addresses (its own, its BMC's, the VIP), its fences (as fence_levels has them).
    """
    if not _is_list(fence):
        return [f"pg_cluster_fence of {node} is no list: {_FORM}"]
    found = [
        f"level {number} in pg_cluster_fence of {node} is no list of devices: {_FORM}"
        for number, level in enumerate(fence, 1)
        if not _is_list(level) or not level or not all(isinstance(one, Mapping) for one in level)
    ]
    devices = [_device(one) for level in fence if _is_list(level) for one in level if isinstance(one, Mapping)]
    names = [str(device.get("name", "")) for device in devices]
    for name in sorted({name for name in names if names.count(name) > 1}):
        found.append(f"pg_cluster_fence of {node} holds {name!r} more than once: each device needs a name of its own")
    for device in devices:
        found += [
            f"{sentence} (device {device.get('name', '?')!r} in pg_cluster_fence of {node})"
            for sentence in _unusable(device)
        ]
        found += _leads_home(device, node, peer)
    return found


_FORM = "it is a list of levels, and each level a list of devices, such as [[{name: bmc, kind: ipmi, address: ..., user: ..., password: ...}]]"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _device(given: Mapping[Any, Any]) -> dict[str, Any]:
    """With its keys as texts (YAML reads a bare 'on' and 'off' as true and false), and 'agent' as the line of every verb."""
    words = {True: "on", False: "off"}
    device = {words[key] if isinstance(key, bool) else str(key): value for key, value in given.items()}
    line = device.pop("agent", None)
    return {**({"kind": "command", **dict.fromkeys(_LINES, line)} if line else {}), **device}


def _unusable(device: Mapping[str, Any]) -> Iterator[str]:
    kind, password = device.get("kind"), str(device.get("password") or "")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", str(device.get("name") or "")):
        yield "name is missing, or holds more than letters, digits and _.-: it names a file"
    for key in sorted(set(device) - set(_KEYS)):
        yield f"{key} is unknown; known: {', '.join(_KEYS)}"
    needed = {"ipmi": ("address", "user", "password"), "command": ("status", "off", "on")}.get(str(kind))
    if needed is None:
        yield "kind is neither ipmi nor command: set it, or 'agent' to a fence agent's command line"
    for key in needed or ():
        if not device.get(key):
            yield f"{key} is missing, which kind {kind} needs"
    if kind == "ipmi" and len(password.encode()) > _IPMI_PASSWORD:
        yield f"password is longer than the {_IPMI_PASSWORD} bytes that IPMI knows: set a shorter one on the BMC and here"
    if re.search(r"[\r\n]", password):
        yield "password holds a line break, which no device can be told: set another"
    if "CHANGE_ME" in password:
        yield "password is still the example's CHANGE_ME: choose your own in group_vars/all/vault.yml"


def _leads_home(device: Mapping[str, Any], node: str, peer: Mapping[str, Any]) -> Iterator[str]:
    """The peer is who uses it."""
    name = device.get("name", "?")
    home = leads_home(str(device.get("address") or ""), _way(device)[-4:], peer["name"], peer["addresses"])
    if home is not None:
        yield (
            f"pg_cluster_fence of {node} holds {name}, which leads to {home}, {peer['name']}'s own or the VIP: {peer['name']}, who is to "
            f"use it, would switch itself off instead of {node}. pg_cluster_fence says how {node} itself is switched off."
        )
    elif any(_way(device) == _way(other) for level in peer["fences"] for other in level):
        yield (
            f"pg_cluster_fence holds {name} for both {node} and {peer['name']}, with the same address and command lines: one of them "
            "would switch itself off. Say for each node how that one is switched off, in its own variables (host_vars), or by "
            "{{ inventory_hostname }} in the line."
        )


def _way(device: Mapping[str, Any]) -> tuple[str, ...]:
    """What decides whose power it is; name and credentials do not."""
    return tuple(str(device.get(key) or "") for key in ("kind", "address", "port", *_LINES))


class FilterModule:
    """For Ansible."""

    def filters(self) -> dict[str, Any]:
        """The names."""
        return {"fence_levels": fence_levels, "fence_problems": fence_problems}

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What configuration.sh (role pg_cluster) said of the nodes' servers: what waits for a restart, and what is not the same on both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Told = Mapping[str, Any]


def restart_reasons(text: str) -> list[str]:
    """What only a restart of this node's server changes. text: as the node said it, '' where it said nothing."""
    told = json.loads(text or "{}")
    if not told:
        return []
    found = [f"{name} {change['now']} -> {change['later']}" for name, change in told["pending"].items()]
    program = told["program"]
    if program["running"] != program["installed"]:
        found.append(f"program: {program['running']} runs, {program['installed']} is installed")
    return found


def configuration_differences(texts: Sequence[str], nodes: Sequence[str]) -> list[str]:
    """Each setting, or line of pg_hba.conf, that is not the same on both nodes, or not the inventory's; a silent node is not accused."""
    seen = {node: json.loads(text) for node, text in zip(nodes, texts) if text}
    found = [*_between(seen, *nodes)] if len(seen) == 2 else []
    for node, told in seen.items():
        for name, file in told["files"].items():
            if file["source"] == "ALTER SYSTEM":
                found.append(
                    f"{name} = {file['text']} was set by ALTER SYSTEM on {node} and lies over the inventory: set it there, then ALTER SYSTEM "
                    f"RESET {name}"
                )
    return found


def _between(seen: Mapping[str, Told], one: str, two: str) -> Iterator[str]:
    here, there = seen[one], seen[two]
    if here["version"] != there["version"]:
        yield f"PostgreSQL is {here['version']} on {one}, {there['version']} on {two}"
    running = [told["running"] for told in (here, there)]
    for name in sorted({*running[0], *running[1]}):
        if running[0].get(name) != running[1].get(name):
            yield f"{name} is {_value(seen, one, name)}, {_value(seen, two, name)}"
    for name in sorted({*here["files"], *there["files"]}):
        texts = [told["files"].get(name, {}).get("text", "nothing") for told in (here, there)]
        if texts[0] != texts[1] and running[0].get(name) == running[1].get(name):
            yield f"{name} differs in the files, not in use yet: {texts[0]} on {one}, {texts[1]} on {two}"
    for node, peer in ((one, two), (two, one)):
        for rule in dict.fromkeys(seen[node]["hba"]):
            if rule not in seen[peer]["hba"]:
                yield f"pg_hba.conf has on {node} only: {rule}"
    if here["hba"] != there["hba"] and sorted(here["hba"]) == sorted(there["hba"]):
        yield f"pg_hba.conf has its lines in another order on {one} than on {two}"


def _value(seen: Mapping[str, Told], node: str, name: str) -> str:
    """What runs there, and where it was set (the files know names in small letters)."""
    file = seen[node]["files"].get(name.lower())
    return f"{seen[node]['running'].get(name, 'its default')} on {node}{' (' + file['source'] + ')' if file else ''}"


class FilterModule:
    """For Ansible."""

    def filters(self) -> dict[str, Any]:
        """The names."""
        return {"configuration_differences": configuration_differences, "restart_reasons": restart_reasons}

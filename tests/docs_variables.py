# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Renders docs/variables.md from the roles' defaults and argument_specs. `python tests/docs_variables.py` writes it;
tests/unit/test_docs.py checks that it is current."""

from __future__ import annotations

import dataclasses
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config  # noqa: E402  (needs the path above)

DOC = ROOT / "docs/variables.md"
# In the order in which site.yml applies them.
ROLES = (
    "pg_cluster",
    "os_tuning",
    "pg_build",
    "streaming_replication",
    "ha_schema",
    "vote_host_balance",
    "vote_host_register",
    "register_etcd",
    "skyha_daemon",
    "nagios_nrpe",
)
HEAD = """# Variables

Made from the roles' `defaults/main.yml` and `meta/argument_specs.yml` by `make docs`; do not edit. Set them in the inventory
(`inventory/prod/group_vars/all/`). A default in `code` that holds `{{ … }}` is worked out from other variables; a long one
is left to the role's `defaults/main.yml`. Where each of the document's settings went is in [document.md](document.md).

"""
TIMING = """The keys of `skyha_daemon_timing`, and their values in the two profiles. A key that is set there is laid over the profile:
`skyha_daemon_timing: {hang_timeout: 10, fence_attempts: 30}`."""
_LONG = 70


def specs(role: str) -> Mapping[str, Any]:
    """The role's options by name."""
    data = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())
    return next(iter(data["argument_specs"].values()))


def defaults(role: str) -> Mapping[str, Any]:
    """The role's default values by name."""
    return yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text())


def rendered() -> str:
    """The whole page."""
    parts = [HEAD.rstrip("\n"), "", *(f"* [{role}](#{role}): {_first(specs(role))}" for role in ROLES), ""]
    for role in ROLES:
        spec, values = specs(role), defaults(role)
        parts += [f"## {role}", "", _text(spec.get("description", "")), ""]
        readme = ROOT / "roles" / role / "README.md"
        if readme.exists():
            parts += [f"More: [the role's README](../roles/{role}/README.md).", ""]
        parts += ["| variable | type | default | what it is |", "| --- | --- | --- | --- |"]
        parts += list(_rows(spec["options"], values))
        parts.append("")
    parts += ["## skyha_daemon_timing", "", TIMING, ""]
    parts += ["| key | unit | `fast` | `document` | what it is |", "| --- | --- | --- | --- | --- |", *_timing(), ""]
    return "\n".join(parts)


def _timing() -> Iterator[str]:
    fast, document = config.PROFILES["fast"], config.PROFILES["document"]
    source = Path(config.__file__).read_text()
    types = typing.get_type_hints(config.Timing)
    for field in dataclasses.fields(config.Timing)[1:]:  # without the profile itself
        unit = "count" if types[field.name] is int else "s"
        told = re.search(rf"^    {field.name}: .*?# (.*)$", source, re.MULTILINE)
        assert told, f"config.py says nothing of {field.name}"
        values = " | ".join(f"{getattr(profile, field.name):g}" for profile in (fast, document))
        yield f"| `{field.name}` | {unit} | {values} | {_cell(told.group(1))} |"


def _rows(options: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[str]:
    for name, option in options.items():
        default = "" if name not in values else _value(values[name])
        if option.get("required") and default in ("", '`""`'):
            default = "**required**"
        text = _text(option.get("description", ""))
        if "choices" in option:
            text += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
        yield f"| `{name}` | {_type(option)} | {default} | {_cell(text)} |"
        for sub, inner in option.get("options", {}).items():
            must = ", required" if inner.get("required") else ""
            told = _text(inner.get("description", ""))
            if "choices" in inner:
                told += " One of " + ", ".join(f"`{choice}`" for choice in inner["choices"]) + "."
            yield f"| &nbsp;&nbsp;`{sub}` | {_type(inner)}{must} | | {_cell(told)} |"


def _type(option: Mapping[str, Any]) -> str:
    kind = str(option.get("type", "str"))
    return f"list of {option['elements']}" if kind == "list" and "elements" in option else kind


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict) and len(str(value)) > _LONG:
        return f"{len(value)} entries"
    if isinstance(value, (dict, list)):
        text = yaml.safe_dump(value, default_flow_style=True, width=10000, sort_keys=False).strip()
    else:
        text = '""' if value == "" else " ".join(str(value).split())
    return "worked out" if len(text) > _LONG else f"`{_cell(text)}`"


def _first(spec: Mapping[str, Any]) -> str:
    return str(spec["short_description"])


def _text(description: Any) -> str:
    lines = description if isinstance(description, list) else [description]
    text = " ".join(" ".join(str(line).split()) for line in lines)
    return re.sub(r"\b[CO]\(([^)]*)\)", r"`\1`", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    DOC.write_text(rendered())

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Renders a role's templates and variables with Ansible's own engine, without a host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLES = Path(__file__).parents[3] / "roles"

FACTS: dict[str, dict[str, Any]] = {
    "Debian": {"os_family": "Debian", "distribution": "Debian", "distribution_major_version": "12"},
    "RedHat": {"os_family": "RedHat", "distribution": "Rocky", "distribution_major_version": "9"},
}
COMMON: dict[str, Any] = {
    "service_mgr": "systemd",
    "architecture": "x86_64",
    "python_version": "3.11.2",
    "default_ipv4": {"interface": "eth0"},
    "eth0": {"macaddress": "52:54:00:00:00:01"},
    "env": {"PATH": "/usr/bin:/bin"},
}
# The document's cluster with passwords.
CLUSTER: dict[str, Any] = {
    "pg_cluster_register": "none",  # a test that is about one names it
    "pg_cluster_vip": "198.51.100.116",
    "pg_cluster_superuser_password": "super",
    "pg_cluster_replication_password": "repl",
    "pg_cluster_ha_password": "ha",
    "pg_cluster_bmc_user": "test",
    "nagios_nrpe_web_password": "web",
    "streaming_replication_client_cidrs": ["198.51.100.0/24"],
}
HOSTS: dict[str, dict[str, Any]] = {
    "node1": {
        "pg_cluster_address": "198.51.100.110",
        "pg_cluster_bmc_address": "198.51.100.213",
        "pg_cluster_bmc_password": "bmc1",
    },
    "node2": {
        "pg_cluster_address": "198.51.100.111",
        "pg_cluster_bmc_address": "198.51.100.212",
        "pg_cluster_bmc_password": "bmc2",
    },
    "vote": {"pg_cluster_address": "198.51.100.35"},
    "monitor": {"pg_cluster_address": "198.51.100.36"},
    "backup": {"pg_cluster_address": "198.51.100.37"},
}
GROUPS = {
    "pg_nodes": ["node1", "node2"],
    "vote_hosts": ["vote"],
    "monitoring_hosts": ["monitor"],
    "backup_hosts": ["backup"],
}

_loader = DataLoader()


def variables(
    role: str,
    *,
    family: str = "Debian",
    major: str = "",
    host: str = "node1",
    addresses: dict[str, str] | None = None,
    **given: Any,
) -> dict[str, Any]:
    """What the role sees on `host`: shared and own defaults and vars, a distribution's facts, and `given` from the inventory.

    addresses: host -> its address, where not the document's.
    """
    hosts = {name: {**CLUSTER, **given, **values, "inventory_hostname": name} for name, values in HOSTS.items()}
    for name, address in (addresses or {}).items():
        hosts[name]["pg_cluster_address"] = address
    facts = {**COMMON, **FACTS[family], **({"distribution_major_version": major} if major else {})}
    found: dict[str, Any] = {}
    files = [ROLES / one / part / "main.yml" for part in ("defaults", "vars") for one in ("pg_cluster", role)]
    files.append(ROLES / role / "vars" / f"{family}.yml")
    for file in files:
        if file.exists():
            found.update(_loader.load_from_file(str(file), cache="all", trusted_as_template=True) or {})
    return {
        **found,
        **hosts[host],
        "ansible_facts": facts,
        "ansible_check_mode": False,
        "ansible_managed": "Managed by Ansible",
        "ansible_play_hosts_all": list(HOSTS),
        "ansible_search_path": [str(ROLES / role)],
        "groups": GROUPS,
        "hostvars": hosts,
        "role_path": str(ROLES / role),
    }


def template(role: str, name: str, known: dict[str, Any]) -> str:
    """The role's template `name` as the template action would write it."""
    path = ROLES / role / "templates" / name
    templar = Templar(_loader, known).copy_with_new_env(searchpath=[str(path.parent)], available_variables=known)
    overrides = {"trim_blocks": True}
    text = trust_as_template(path.read_text(encoding="utf-8"))
    rendered = templar.template(text, escape_backslashes=False, overrides=overrides)
    return "" if rendered is None else str(rendered)


def value(name: str, known: dict[str, Any]) -> Any:
    """One variable, resolved."""
    return Templar(_loader, known).template(trust_as_template("{{ " + name + " }}"))

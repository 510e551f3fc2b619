# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Debian and RHEL family: every variable resolves, every template renders, and each says what that family needs."""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import STOP_LIMIT
from render import ROLES, template, value, variables

NAMES = sorted(path.name for path in ROLES.iterdir() if (path / "tasks").is_dir())
FAMILIES = ["Debian", "RedHat"]
# Rendered by others (imported, or looked up), or with what only a run finds out: tested elsewhere.
NOT_ALONE = {"objects.sql.j2"}
NOT_ALONE |= {"job.service.j2", "job.timer.j2", "stanza.env.j2", "pgbackrest.conf.j2"}  # test_backup.py
NOT_ALONE |= {"drill.html.j2", "drill.txt.j2", "drill.nft.j2", "restart_plan.j2"}  # test_operations.py
# What only a run finds out.
FOUND = {
    "__skyha_daemon_packed",
    "__skyha_daemon_new.results",
    "__skyha_daemon_probe",
    "__pg_build_stat",
    "__pg_build_probe",
    "__os_tuning_probe",
    "__vote_host_register_probe",
    "__register_etcd_probe",
}
FOUND |= {"__streaming_replication_found", "pg_cluster_primary", "__pg_cluster_told", "ansible_facts.date_time"}
FOUND |= {
    "ansible_play_hosts",
    "__pg_operations_drill_saw",
    "__pg_operations_drill_events",
    "__pg_operations_drill_story",
}
FOUND |= {"__pg_backup_version", "__pg_backup_skyha", "__pg_backup_record"}
FOUND |= {"__pg_cluster_configuration", "__ha_schema_directory", "__skyha_daemon_signs_read"}
# A role that does nothing unless the inventory asks for it; and one that the preflight refuses on the other family.
ASKED_FOR = {
    "register_etcd": {"pg_cluster_register": "etcd"},
    "pg_backup": {"pg_cluster_backup": "host", "pg_backup_cipher_pass": "a long pass phrase"},
}
DEBIAN_ONLY = {"register_etcd"}
# What the operator names on the command line.
FOUND |= {"extension_name"}
TEMPLATES = [
    (path.parents[1].name, path.name) for path in sorted(ROLES.glob("*/templates/*.j2")) if path.name not in NOT_ALONE
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("role", "name"), TEMPLATES)
def test_every_template_renders(role: str, name: str, family: str) -> None:
    asked_for = variables(role, family=family, **ASKED_FOR.get(role, {}))
    known = {**asked_for, "item": "iptables", "os_tuning_ntp_servers": ["ntp.example"]}
    known["__vote_host_register_probe"] = {"stdout": "bin: /usr/bin"}
    text = template(role, name, known)
    assert text.strip()
    assert "{{" not in text
    assert not any(line.rstrip().endswith("None") for line in text.splitlines())
    if name.endswith((".service.j2", ".path.j2")):
        unit = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=False)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read_string(text)
        assert "Unit" in unit


def needs_a_run(text: str, known: dict[str, Any], seen: frozenset[str] = frozenset()) -> bool:
    """Does this value lean on something that only a run finds out?"""
    if any(name in text for name in FOUND):
        return True
    names = [name for name in known if name.startswith("__") and name in text and name not in seen]
    return any(needs_a_run(str(known[name]), known, seen | {name}) for name in names)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("role", NAMES)
def test_every_variable_resolves(role: str, family: str) -> None:
    known = variables(role, family=family, **ASKED_FOR.get(role, {}))
    own = [name for name in known if name.startswith((role, f"__{role}"))]
    assert own or role == "pg_cluster"
    for name in own:
        if name not in FOUND and not needs_a_run(f"{name} {known[name]}", known, frozenset({name})):
            value(name, {**known, "os_tuning_ntp_servers": ["ntp.example"]})


@pytest.mark.parametrize("role", NAMES)
def test_what_one_family_defines_the_other_has_too(role: str) -> None:
    keys = {}
    for name in ("main", *FAMILIES):
        file = ROLES / role / "vars" / f"{name}.yml"
        keys[name] = set(yaml.safe_load(file.read_text()) or ()) if file.exists() else set()
    helpers = {"__pg_build_appstream", "__pg_build_pgdg"}  # used in that file only
    assert keys["Debian"] - keys["RedHat"] - keys["main"] == set()
    assert keys["RedHat"] - keys["Debian"] - keys["main"] - helpers == set()


def tasks(entries: list[dict[str, Any]], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in entries:
        when = f"{above} {entry.get('when', '')}"
        yield when, entry
        for part in ("block", "rescue", "always"):
            yield from tasks(entry.get(part, []), when)


@pytest.mark.parametrize("path", sorted(ROLES.glob("*/tasks/*.yml")), ids=lambda path: "/".join(path.parts[-3:]))
def test_packages_are_installed_by_each_family_its_own_way(path: Any) -> None:
    """A task for one family only says so, and stands beside one for the other."""
    found: dict[str, list[Any]] = {"Debian": [], "RedHat": []}
    for when, task in tasks(yaml.safe_load(path.read_text()) or []):
        for module, family in (
            ("apt", "Debian"),
            ("deb822_repository", "Debian"),
            ("dnf", "RedHat"),
            ("yum", "RedHat"),
        ):
            if f"ansible.builtin.{module}" in task:
                assert f"'{family}'" in when, task["name"]
                # dnf reads the repositories again as it installs; for apt that can be a task of its own.
                if "name" in task[f"ansible.builtin.{module}"]:
                    found[family].append(task[f"ansible.builtin.{module}"]["name"])
    assert len(found["Debian"]) == len(found["RedHat"]) or path.parts[-3] in DEBIAN_ONLY


@pytest.mark.parametrize(
    ("major", "version", "flavour", "packages", "home"),
    [
        ("9", "13", "appstream", ["postgresql-server", "postgresql-contrib"], "/usr"),
        ("9", "16", "appstream", ["@postgresql:16/server", "postgresql-contrib"], "/usr"),
        ("10", "16", "appstream", ["postgresql16-server", "postgresql16-contrib"], "/usr"),
        ("10", "18", "appstream", ["postgresql18-server", "postgresql18-contrib"], "/usr"),
        ("9", "17", "pgdg", ["postgresql17-server", "postgresql17-contrib"], "/usr/pgsql-17"),
    ],
)
def test_rhel_installs_the_servers_packages_where_the_units_look(
    major: str, version: str, flavour: str, packages: list[str], home: str
) -> None:
    given = {"pg_cluster_postgresql_version": version, "pg_cluster_rhel_flavour": flavour}
    known = {**variables("pg_build", family="RedHat", major=major), **given}
    assert value("__pg_build_packages", known) == packages
    assert value("pg_cluster_pg_home", known) == home
    units = {**variables("streaming_replication", family="RedHat", major=major), **given}
    assert f"ExecStart={home}/bin/postgres -D" in template("streaming_replication", "sky-postgresql.service.j2", units)


def test_skyha_waits_for_a_stop_as_long_as_systemd_does() -> None:
    known = variables("streaming_replication", family="RedHat", major="9")
    assert f"TimeoutStopSec={STOP_LIMIT / 60:g}min\n" in template(
        "streaming_replication", "sky-postgresql.service.j2", known
    )


@pytest.mark.parametrize(("major", "version"), [("9", "16"), ("10", "16")])
def test_rhel_default_version_is_the_releases_own(major: str, version: str) -> None:
    known = variables("pg_build", family="RedHat", major=major)
    assert str(value("pg_cluster_postgresql_version", known)).strip() == version


@pytest.mark.parametrize("major", ["9", "10"])
def test_rhel_daemon_takes_pyghmi_alone_from_an_index_and_in_a_named_version(major: str) -> None:
    known = variables("skyha_daemon", family="RedHat", major=major)
    assert value("skyha_daemon_install_method", known) == "pip"
    assert value("skyha_daemon_pip_packages", known) == ["pyghmi==1.6.19"]
    assert {"python3-psycopg2", "python3-packaging", "python3-cryptography", "python3-dateutil"} <= set(
        value("__skyha_daemon_packages", known)
    )


def test_rhel_names_of_services_and_places() -> None:
    known = variables("os_tuning", family="RedHat", os_tuning_ntp_servers=["ntp.example"])
    assert value("__os_tuning_chrony_service", known) == "chronyd"
    assert "driftfile /var/lib/chrony/drift\n" in template("os_tuning", "chrony.conf.j2", known)
    nrpe = variables("nagios_nrpe", family="RedHat")
    assert "include_dir=/etc/nrpe.d" in template("nagios_nrpe", "nrpe.cfg.j2", nrpe)
    assert "/usr/lib64/nagios/plugins/check_tcp" in template("nagios_nrpe", "nagios-objects.cfg.j2", nrpe)
    assert value("__nagios_nrpe_packages", {**nrpe, "nagios_nrpe_server": False}) == ["nrpe"]


def test_rhel_vip_alias_is_the_documents() -> None:
    known = {**variables("os_tuning", family="RedHat"), "__os_tuning_probe": {"stdout_lines": ["network-scripts"]}}
    text = template("os_tuning", "ifcfg-alias.j2", known)
    assert "DEVICE=eth0:1\nONBOOT=no\n" in text
    assert "IPADDR=198.51.100.116\nNETMASK=255.255.255.0\n" in text
    assert "NOPASSWD: /sbin/ifup eth0\\:1, /sbin/ifdown eth0\\:1" in template("os_tuning", "sudoers.j2", known)

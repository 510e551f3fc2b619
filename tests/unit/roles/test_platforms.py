# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a platform needs beside packages: firewalld, SELinux, FIPS, and programs that upgrade and restart by themselves."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from ansible_collections.sky.pg_cluster.plugins.filter.htdigest import htdigest
from inventory_samples import problems
from render import ROLES, template, value, variables

ENABLED = "(ansible_facts.selinux | default({})).status | default('') == 'enabled'"


def opened(host: str, **given: Any) -> set[str]:
    known = variables("os_tuning", family="RedHat", host=host, **given)
    service = ElementTree.fromstring(template("os_tuning", "firewalld.xml.j2", known))
    return {f"{port.get('port')}/{port.get('protocol')}" for port in service.iter("port")}


def test_firewalld_opens_on_a_node_what_the_roles_own_rules_speak_of() -> None:
    assert opened("node1") == {"1921/tcp", "8008/tcp", "8009/udp", "5666/tcp"}
    assert opened("node1", pg_cluster_port=5433, pg_cluster_backup="host") >= {"5433/tcp", "8432/tcp"}


def test_firewalld_opens_vote_port_and_register_on_the_vote_host() -> None:
    assert opened("vote") == {"11921/tcp", "5666/tcp"}
    assert opened("vote", pg_cluster_register="vote_host") >= {"11921/tcp", "11920/tcp"}


def tasks(path: Path) -> list[dict[str, Any]]:
    found = yaml.safe_load(path.read_text()) or []
    return [inner for task in found for inner in (task, *task.get("block", []))]


def labelled() -> dict[str, dict[str, Any]]:
    """Role -> what it tells SELinux."""
    found = {}
    shared = yaml.safe_load((ROLES / "pg_cluster/vars/main.yml").read_text())
    assert shared["pg_cluster_has_selinux"] == f"{{{{ {ENABLED} }}}}"
    for path in ROLES.glob("*/tasks/*.yml"):
        for task in tasks(path):
            if (task.get("ansible.builtin.include_role") or {}).get("tasks_from") == "selinux.yml":
                assert task["when"] == "pg_cluster_has_selinux | bool"
                found[path.parts[-3]] = task["vars"]
    return found


def test_selinux_hears_of_every_place_and_port_that_its_policy_does_not_know() -> None:
    known = variables("streaming_replication", family="RedHat", pg_cluster_wal_dir="/wal/sky/pg_wal")
    places = {place["path"]: place["type"] for place in value("__streaming_replication_selinux_places", known)}
    assert places == {
        "/var/applog/pg_log/sky/1921": "postgresql_log_t",
        "/data/pgdata": "postgresql_db_t",
        "/wal/sky": "postgresql_db_t",
        "/run/sky-postgresql": "postgresql_var_run_t",
    }
    assert set(labelled()) == {"streaming_replication", "ha_schema", "vote_host_register", "pg_backup", "nagios_nrpe"}
    plugins = labelled()["nagios_nrpe"]["pg_cluster_selinux_places"]
    assert {"path": "{{ __nagios_nrpe_libexec }}", "type": "nagios_unconfined_plugin_exec_t"} in plugins


def test_a_directory_at_the_top_is_not_given_to_postgresql_as_a_whole() -> None:
    known = variables("streaming_replication", family="RedHat", pg_cluster_data_dir="/data/pg_root")
    assert "/data/pg_root" in [place["path"] for place in value("__streaming_replication_selinux_places", known)]


def test_the_password_file_is_where_selinux_lets_the_wal_receiver_read_it() -> None:
    known = variables("streaming_replication", family="RedHat")
    assert value("__streaming_replication_pgpass", known) == "/var/lib/pgsql/.pgpass"
    debian = variables("streaming_replication", family="Debian")
    assert value("__streaming_replication_pgpass", debian) == "/home/postgres/.pgpass"


def test_selinux_modules_find_their_library() -> None:
    packages = {
        name
        for file in ("pg_operations/tasks/selinux.yml", "vote_host_balance/tasks/main.yml")
        for task in tasks(ROLES / file)
        for name in [(task.get("ansible.builtin.package") or {}).get("name", [])]
        for name in ([name] if isinstance(name, str) else name)
    }
    assert packages == {"python3-policycoreutils", "python3-libsemanage"}


def test_digest_is_the_one_that_apache_computes() -> None:
    digest = hashlib.md5(b"nagiosadmin:Nagios4:secret").hexdigest()
    assert htdigest("secret", "nagiosadmin", "Nagios4") == f"nagiosadmin:Nagios4:{digest}"


def test_digest_is_made_where_fips_forbids_md5(monkeypatch: pytest.MonkeyPatch) -> None:
    real = hashlib.md5

    def fips(data: bytes, *, usedforsecurity: bool = True) -> Any:
        if usedforsecurity:
            raise ValueError("[digital envelope routines] unsupported")
        return real(data)

    monkeypatch.setattr(hashlib, "md5", fips)
    assert htdigest("secret", "nagiosadmin", "Nagios4").startswith("nagiosadmin:Nagios4:")


def test_md5_passwords_are_refused_on_a_host_in_fips_mode() -> None:
    assert "has no md5" in " ".join(problems(facts={"fips": True}, pg_cluster_auth_method="md5"))
    assert problems(facts={"fips": True}) == problems(facts={"fips": False}, pg_cluster_auth_method="md5") == []


def test_xinetd_is_refused_where_there_is_none() -> None:
    known = variables("nagios_nrpe", family="RedHat", nagios_nrpe_form="xinetd")
    assert "nagios_nrpe_form is xinetd" in " ".join(value("__nagios_nrpe_problems", known))
    debian = variables("nagios_nrpe", family="Debian", nagios_nrpe_form="xinetd")
    assert value("__nagios_nrpe_problems", debian) == []


def guarded(unit: str) -> bool:
    text = template("os_tuning", "needrestart.conf.j2", variables("os_tuning"))
    found = re.search(r"qr\((.*)\)\} = 0;$", text, re.MULTILINE)
    assert found
    return re.search(found[1], unit) is not None


@pytest.mark.parametrize("unit", ["skyha", "sky-postgresql", "sky-vote-proxy", "sky-register", "sky-etcd"])
def test_needrestart_leaves_the_clusters_services_alone(unit: str) -> None:
    assert guarded(f"{unit}.service")


@pytest.mark.parametrize("unit", ["ssh", "skyhawk", "sky-backup-server"])
def test_needrestart_restarts_all_others(unit: str) -> None:
    assert not guarded(f"{unit}.service")


def is_kept(package: str, host: str = "node1") -> bool:
    """Does unattended-upgrades leave it alone? It matches patterns at the beginning of a name."""
    text = template("os_tuning", "apt-automatic.conf.j2", variables("os_tuning", host=host))
    assert 'Unattended-Upgrade::Automatic-Reboot "false";' in text
    return any(re.match(pattern, package) for pattern in re.findall(r'^    "(.*)";$', text, re.MULTILINE))


@pytest.mark.parametrize(
    "package", ["postgresql-15", "postgresql-client-17", "postgresql-plpython3-16", "postgresql-14-cron"]
)
def test_the_servers_packages_wait_for_minor_upgrade(package: str) -> None:
    assert is_kept(package)
    assert not is_kept(package, host="vote")


@pytest.mark.parametrize("package", ["postgresql-common", "libpq5", "openssl", "linux-image-6.1"])
def test_all_other_packages_are_upgraded(package: str) -> None:
    assert not is_kept(package)


def test_what_dnf_automatic_leaves_alone_already_is_kept(tmp_path: Path) -> None:
    """The sed line of probe.sh, on a file of settings."""
    file = tmp_path / "automatic.conf"
    file.write_text(
        "[commands]\nexclude = no\n\n[base]\ndebuglevel = 1\nexcludepkgs = kernel*, glibc\n\n[email]\nexclude = no\n"
    )
    line = next(
        line for line in (ROLES / "os_tuning/files/probe.sh").read_text().splitlines() if "dnf-excludes /" in line
    )
    script = line.replace("/etc/dnf/automatic.conf", str(file))
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == "dnf-excludes kernel*\ndnf-excludes glibc\n"

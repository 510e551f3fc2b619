# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the roles leave on each host: services, files, users, kernel and firewall."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from tests.lab import lab

SERVICES = [("vote", "sky-vote-proxy"), ("node1", "skyha"), ("node2", "skyha")]


@pytest.mark.parametrize(("name", "unit"), SERVICES)
def test_service_runs_now_and_after_a_boot(hosts: dict[str, Host], name: str, unit: str) -> None:
    service = hosts[name].service(unit)
    assert service.is_running
    assert service.is_enabled


@pytest.mark.parametrize("node", lab.NODES)
def test_postgresql_never_starts_at_boot_by_itself(hosts: dict[str, Host], node: str) -> None:
    assert hosts[node].service("sky-postgresql").is_running
    for unit in ("sky-postgresql", "postgresql"):
        # "static": there is nothing in the unit by which it could be enabled.
        assert hosts[node].run(f"systemctl is-enabled {unit}").stdout.strip() in ("static", "disabled", "masked", "")


@pytest.mark.parametrize("node", lab.NODES)
@pytest.mark.parametrize(
    ("path", "user"), [("/home/postgres/.pgpass", "postgres"), ("/etc/skyha/bmc.password", "skyha")]
)
def test_secrets_are_readable_by_one_user_alone(hosts: dict[str, Host], node: str, path: str, user: str) -> None:
    file = hosts[node].file(path)
    assert file.user == user
    assert file.mode & 0o077 == 0


@pytest.mark.parametrize("node", lab.NODES)
def test_data_directory_is_closed_to_others(hosts: dict[str, Host], node: str) -> None:
    assert hosts[node].file("/data/pgdata/pg_root").mode == 0o700


def test_vote_port_and_database_port_listen(hosts: dict[str, Host]) -> None:
    assert hosts["vote"].socket("tcp://0.0.0.0:11921").is_listening
    for node in lab.NODES:
        assert hosts[node].socket("tcp://0.0.0.0:1921").is_listening


@pytest.mark.parametrize("node", lab.NODES)
def test_kernel_settings_of_the_document_are_set(hosts: dict[str, Host], node: str) -> None:
    assert hosts[node].check_output("sysctl -n net.ipv4.ip_local_port_range").split() == ["9000", "65000"]
    written = hosts[node].file("/etc/sysctl.d/60-sky-pg.conf").content_string
    for key in ("kernel.sem", "fs.file-max", "net.core.rmem_max", "vm.overcommit_memory"):
        assert key in written


@pytest.mark.parametrize("node", lab.NODES)
def test_profile_of_the_postgres_user_points_at_the_cluster(hosts: dict[str, Host], node: str) -> None:
    out = hosts[node].check_output("runuser -u postgres -- bash -lc 'echo $PGPORT $PGDATA $PGHOST'")
    assert out == f"1921 /data/pgdata/pg_root {lab.SOCKET}"


@pytest.mark.parametrize("node", lab.NODES)
def test_firewall_lets_the_cluster_in_and_drops_the_rest(hosts: dict[str, Host], node: str) -> None:
    rules = hosts[node].check_output("nft list ruleset")
    assert "1921" in rules
    assert "drop" in rules

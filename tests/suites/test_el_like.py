# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts that answer as the RHEL family's do: what the roles do there, and only there, was done."""

from __future__ import annotations

import pytest

from tests.lab import lab

Expected = tuple[str, str, str]
HOSTS = (*lab.NODES, "vote")
# The register is on the vote host by default.
PORTS = {"node1": {"1921/tcp", "8008/tcp", "8009/udp", "5666/tcp"}, "vote": {"11921/tcp", "11920/tcp", "5666/tcp"}}
PORTS["node2"] = PORTS["node1"]


@pytest.fixture(autouse=True)
def el_like(expected: Expected) -> None:
    if expected[0] != "el-like":
        pytest.skip("hosts of the Debian family")


@pytest.mark.parametrize("host", HOSTS)
def test_packages_came_by_dnf(host: str) -> None:
    wanted = {"node1": "postgresql15-server", "node2": "postgresql15-server", "vote": "haproxy"}[host]
    assert lab.on(host, "rpm", "-q", "--qf", "%{NAME}", wanted) == wanted
    assert lab.on(host, "sh", "-c", "command -v apt-get dpkg-query || true") == ""


@pytest.mark.parametrize("host", HOSTS)
def test_firewalld_runs_and_has_the_clusters_ports_and_no_others(host: str) -> None:
    assert lab.on(host, "firewall-cmd", "--state").strip() == "running"
    zone = lab.on(host, "firewall-cmd", "--get-default-zone").strip()
    for when in ([], ["--permanent"]):
        assert "sky-pg-cluster" in lab.on(host, "firewall-cmd", *when, f"--zone={zone}", "--list-services").split()
        told = lab.on(host, "firewall-cmd", *when, "--service=sky-pg-cluster", "--get-ports") if when else ""
        assert not when or set(told.split()) == PORTS[host]
    # Without that the packet that our own rules let in would be dropped all the same.
    rules = lab.on(host, "nft", "list", "ruleset")
    assert "table inet firewalld" in rules
    assert "table inet sky_pg_cluster" in rules


def test_firewalld_lets_the_cluster_in_after_a_reload_and_drops_the_rest() -> None:
    for host in HOSTS:
        lab.on(host, "firewall-cmd", "--reload")
    lab.wait_for("the cluster is whole", lab.is_whole, 60)
    probe = "timeout 2 bash -c '</dev/tcp/{}/{}' 2>/dev/null && echo open || echo shut"
    node2 = lab.HOSTS["node2"]["pg_cluster_address"]
    assert lab.on("node1", "sh", "-c", probe.format(node2, 1921)).strip() == "open"
    # NRPE is for monitoring hosts only: firewalld lets it in, our own rules do not.
    assert lab.on("node1", "sh", "-c", probe.format(node2, 5666)).strip() == "shut"


def test_the_password_file_is_in_the_home_of_the_familys_packages() -> None:
    for node in lab.NODES:
        assert lab.on(node, "stat", "-c", "%U %a", "/var/lib/pgsql/.pgpass").strip() == "postgres 600"
        assert lab.on(node, "sh", "-c", "test ! -e /home/postgres && echo none").strip() == "none"


def test_skyha_runs_in_its_own_environment_with_the_pinned_pyghmi() -> None:
    for node in lab.NODES:
        told = lab.on(node, "/opt/skyha/venv/bin/python", "-m", "pip", "list", "--format=freeze")
        assert "pyghmi==1.6.19" in told.split()
        where = "import psycopg2, pyghmi; print(psycopg2.__file__, pyghmi.__file__)"
        driver, ipmi = lab.on(node, "/opt/skyha/venv/bin/python", "-c", where).split()
        assert driver.startswith("/usr/lib/python3")
        assert ipmi.startswith("/opt/skyha/venv/")


def test_a_node_without_epel_is_built_without_nrpe() -> None:
    assert lab.on("node1", "systemctl", "is-active", "nrpe.service").strip() == "active"
    assert lab.on("node2", "sh", "-c", "test ! -e /usr/sbin/nrpe && echo none").strip() == "none"
    assert lab.status("node2")

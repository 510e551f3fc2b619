# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Upgrades that nobody ordered, on both nodes at once: unattended-upgrades brings a newer OpenSSL, and needrestart, told to restart
services by itself (what Ubuntu 24.04 does unasked), runs after it. The cluster's services go on as the processes they were.

The newer versions are the installed packages' own files under a higher number, in a repository on the node.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import lab
from tests.operations.plays import play

REPOSITORY = "/var/tmp/lab-upgrades"
SOURCES = "/etc/apt/sources.list.d/lab-upgrades.list"
SETTINGS = {
    "/etc/needrestart/conf.d/50-lab.conf": "$nrconf{restart} = 'a';\n",
    "/etc/apt/apt.conf.d/70lab-upgrades": 'Unattended-Upgrade::Origins-Pattern { "origin=LabUpgrades"; };\n',
}
SERVER = "postgresql-15"
# The server is linked with it, and psycopg2 in skyha's process, too.
LIBRARY = "libssl3"
PACKAGES = (LIBRARY, SERVER)
MAKE = f"""
set -e
rm -rf {REPOSITORY} && mkdir -p {REPOSITORY} && cd {REPOSITORY}
for package in {" ".join(PACKAGES)}; do
    apt-get download -q $package >/dev/null && dpkg-deb -R $package*.deb tree && rm $package*.deb
    sed -i 's/^Version: .*/&+lab1/' tree/DEBIAN/control
    dpkg-deb -Znone -b tree $package.deb >/dev/null
    {{ cat tree/DEBIAN/control; echo "Filename: ./$package.deb"; echo "Size: $(stat -c %s $package.deb)"
       echo "SHA256: $(sha256sum $package.deb | cut -d' ' -f1)"; echo; }} >>Packages
    rm -rf tree
done
printf 'Origin: LabUpgrades\\nSuite: lab\\nDate: %s\\nSHA256:\\n %s %s Packages\\n' \\
    "$(date -Ru)" "$(sha256sum Packages | cut -d' ' -f1)" "$(stat -c %s Packages)" >Release
echo 'deb [trusted=yes] file:{REPOSITORY} ./' >{SOURCES}
apt-get update -q
"""
QUIET = "export DEBIAN_FRONTEND=noninteractive LC_ALL=C; "


def shell(node: str, script: str) -> str:
    return lab.on(node, "sh", "-c", f"{{ {QUIET}{script}\n}} 2>&1", timeout=600)


def processes(node: str) -> dict[str, str]:
    """The main process of each of the cluster's services."""
    units = ("sky-postgresql.service", "skyha.service")
    return {unit: lab.on(node, "systemctl", "show", "-p", "MainPID", "--value", unit).strip() for unit in units}


def version(node: str, package: str) -> str:
    return lab.on(node, "dpkg-query", "-W", "-f", "${Version}", package)


def servers(node: str) -> list[str]:
    """Data directories of all the PostgreSQL servers that run."""
    postmasters = "ps -C postgres -o args= | sed -n 's/.* -D \\([^ ]*\\).*/\\1/p'"
    return shell(node, postmasters).split()


@pytest.fixture
def with_upgrades() -> Iterator[None]:
    """Both nodes upgrade and restart by themselves, and there is something newer."""
    had = {node: {package: version(node, package) for package in PACKAGES} for node in lab.NODES}
    for node in lab.NODES:
        shell(node, "apt-get update -q; apt-get install -y -q --no-install-recommends needrestart unattended-upgrades")
        for path, text in SETTINGS.items():
            lab.on(node, "sh", "-c", f"cat >{path}", stdin=text)
        shell(node, MAKE)
    yield
    for node in lab.NODES:
        shell(
            node,
            f"rm -f {SOURCES} {' '.join(SETTINGS)}; apt-get purge -y -q needrestart unattended-upgrades; apt-get update -q",
        )
        names = " ".join(f"{package}={had[node][package]}" for package in PACKAGES)
        shell(node, f"apt-get install -y -q --no-install-recommends --allow-downgrades {names}; rm -rf {REPOSITORY}")
    play("rolling_restart")


@pytest.mark.long
def test_upgrades_by_themselves_restart_nothing_of_the_cluster(with_upgrades: None) -> None:
    before = {node: processes(node) for node in lab.NODES}
    server = version(lab.NODES[0], SERVER)
    for node in lab.NODES:
        told = shell(node, "unattended-upgrade -v")
        assert version(node, LIBRARY).endswith("+lab1"), told
        # PostgreSQL itself waits for minor_upgrade.yml.
        assert version(node, SERVER) == server, told
        assert processes(node) == before[node], told
        # It would have restarted them, and says that it did not.
        told = shell(node, "needrestart -r a")
        deferred = told.partition("Service restarts being deferred:")[2]
        assert "sky-postgresql.service" in deferred, told
        assert "skyha.service" in deferred, told
        assert processes(node) == before[node], told
    print(told)
    lab.wait_for("the cluster is whole", lab.is_whole, 30)


@pytest.mark.long
def test_a_server_that_an_administrator_upgrades_goes_on_and_none_is_made_beside_it(with_upgrades: None) -> None:
    before = {node: processes(node) for node in lab.NODES}
    for node in lab.NODES:
        told = shell(node, f"apt-get install -y -q --no-install-recommends {SERVER}")
        assert version(node, SERVER).endswith("+lab1"), told
        assert processes(node) == before[node], told
        assert servers(node) == ["/data/pgdata/pg_root"], told
        assert shell(node, "pg_lsclusters -h") == ""
    lab.wait_for("the cluster is whole", lab.is_whole, 30)

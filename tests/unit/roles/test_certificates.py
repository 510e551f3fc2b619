# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TLS as the roles write it: who is let in when, whom the nodes believe, and what the preflight refuses."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import real_etcd
from ansible_collections.sky.pg_cluster.plugins.filter.tls import tls_problems
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config_file
from psycopg2.extensions import parse_dsn
from readers import hba
from readers import settings as read_settings
from render import ROLES, template, value, variables

OF_NODES = {("replication", "replica"), ("sky_pg_cluster", "sky_pg_cluster"), ("postgres", "sky_pg_cluster")}
GIVEN = ROLES / "pg_cluster/files/given.sh"


def known(now: str = "", last: bool = False, **given: Any) -> dict[str, Any]:
    """What the role sees; now: what state.sh says of the files as they are."""
    found = variables("streaming_replication", **given)
    found["__streaming_replication_found"] = {"stdout": f"floor: {{}}\n{now}"}
    found["__streaming_replication_tls_last"] = last
    return found


def lines(of: dict[str, Any]) -> list[list[str]]:
    return [[word for word, _quoted in line] for line in hba(template("streaming_replication", "pg_hba.conf.j2", of))]


def kinds(of: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The kinds of lines for nodes and skyha, and of those for clients; loopback's aside."""
    far = [line for line in lines(of) if line[0] != "local" and line[3] != "127.0.0.1/32" and line[-1] != "reject"]
    nodes = {line[0] for line in far if (line[1], line[2]) in OF_NODES}
    return nodes, {line[0] for line in far if (line[1], line[2]) not in OF_NODES}


def ssl(of: dict[str, Any]) -> bool:
    """Is there TLS? By a file that only this node has: a copy of its data on another host starts without."""
    settings = read_settings(template("streaming_replication", "postgresql.conf.j2", of))
    assert not [name for name in settings if name.startswith("ssl")]
    assert read_settings(template("streaming_replication", "tls.conf.j2", of))["ssl"] == "on"
    return bool(value("__streaming_replication_tls_offered", of))


OFFERED, REQUIRED = "tls_offered: true\ntls_required: false", "tls_offered: true\ntls_required: true"


def test_running_cluster_gets_tls_offered_first_and_required_last() -> None:
    first, last = known(), known(OFFERED, last=True)
    assert (ssl(first), kinds(first)) == (True, ({"host"}, {"host"}))
    assert (ssl(last), kinds(last)) == (True, ({"hostssl"}, {"hostssl"}))
    again = known(REQUIRED)
    assert kinds(again) == ({"hostssl"}, {"hostssl"}), "a later run never lets anybody in without, not for a moment"


def test_running_cluster_loses_tls_in_the_opposite_order() -> None:
    first, last = (known(REQUIRED, pg_cluster_tls="none"), known(OFFERED, last=True, pg_cluster_tls="none"))
    assert (ssl(first), kinds(first)) == (True, ({"host"}, {"host"}))
    assert (ssl(last), kinds(last)) == (False, ({"host"}, {"host"}))
    assert "sslmode" not in template("streaming_replication", "node.conf.j2", first)


@pytest.mark.parametrize(
    ("asked", "kind"), [("require", "hostssl"), ("allow", "host"), ("off", "hostnossl"), (False, "hostnossl")]
)
def test_clients_are_asked_for_what_the_inventory_says_and_nodes_always_for_tls(asked: object, kind: str) -> None:
    assert kinds(known(REQUIRED, streaming_replication_client_tls=asked)) == ({"hostssl"}, {kind})


def test_loopback_stays_without_and_the_ha_role_is_let_in_from_nowhere_else() -> None:
    found = lines(known(REQUIRED))
    assert {line[0] for line in found if line[3:4] == ["127.0.0.1/32"]} == {"host"}
    assert ["host", "all", "sky_pg_cluster", "all", "reject"] in found


def test_nodes_believe_a_server_only_by_its_certificate() -> None:
    of = known()
    dsn = parse_dsn(read_settings(template("streaming_replication", "node.conf.j2", of))["primary_conninfo"])
    assert (dsn["sslmode"], dsn["sslrootcert"]) == ("verify-full", "/etc/sky-postgresql/ca.crt")
    assert value("__streaming_replication_tls_environment", of) == {
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/etc/sky-postgresql/ca.crt",
    }
    daemon = template("skyha_daemon", "skyha.conf.j2", variables("skyha_daemon"))
    read = config_file.parse(daemon).postgresql
    assert (read.sslmode, read.sslrootcert) == ("verify-full", "/etc/sky-postgresql/ca.crt")
    plain = config_file.parse(
        template("skyha_daemon", "skyha.conf.j2", variables("skyha_daemon", pg_cluster_tls="none"))
    )
    assert (plain.postgresql.sslmode, plain.postgresql.sslrootcert) == ("disable", "")


def test_certificate_names_address_vip_and_host() -> None:
    names = value("__streaming_replication_tls_names", known(streaming_replication_tls_names=["db.example.org"]))
    assert names == "198.51.100.110,198.51.100.116,node1,db.example.org"


# --- what the preflight refuses


def told(**given: Any) -> list[str]:
    of = variables("streaming_replication", **given)
    return tls_problems(value("__streaming_replication_tls_given", of))


def test_defaults_are_fine() -> None:
    assert told() == told(pg_cluster_tls="none") == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"pg_cluster_tls": True}, "pg_cluster_tls is 'True': set made, given or none"),
        ({"streaming_replication_client_tls": "always"}, "client_tls is 'always': set require, allow or off"),
        ({"pg_cluster_tls": "none", "streaming_replication_client_tls": "require"}, "no TLS for clients"),
        (
            {"streaming_replication_settings_extra": {"ssl_cert_file": "/x"}},
            "holds ssl_cert_file, which pg_cluster_tls",
        ),
        ({"streaming_replication_conninfo": {"sslmode": "disable"}}, "holds a sslmode without TLS"),
        ({"streaming_replication_upstream_host": "10.0.0.2"}, "streams from 10.0.0.2"),
        ({"streaming_replication_tls_days": 365}, "tls_days is 365: a certificate is made again in its last year"),
        ({"streaming_replication_tls_ca_host": "elsewhere"}, "'elsewhere', which is no host of the inventory"),
        ({"streaming_replication_tls_names": ["a,b"]}, "holds 'a,b', which is no address"),
        ({"pg_cluster_tls": "given"}, "streaming_replication_tls_key of node1 is not set"),
        ({"pg_cluster_tls": "given", "streaming_replication_tls_key": "/etc/key.pem"}, "tls_key of node1 is no PEM"),
    ],
)
def test_what_would_not_end_well_is_named(given: dict[str, Any], says: str) -> None:
    found = told(**given)
    assert any(says in one for one in found), found
    assert not any("/etc/key.pem" in one for one in found), "no secret in a message"


# --- certificates that are given


class Place:
    """A node's directory, and what is given for it: a CA, a certificate and its key."""

    def __init__(self, root: Path) -> None:
        self.directory, self.made = root / "node", root / "made"
        self.directory.mkdir()
        self.made.mkdir()
        real_etcd.certificates(self.made, "198.51.100.110")
        parts = [(self.made / name).read_text().strip() for name in ("ca.crt", "member.crt", "member.key")]
        self.ca, self.certificate, self.key = parts

    def put(self, *, addresses: str = "198.51.100.110", check: str = "false", **other: str) -> tuple[int, str]:
        """What the script says when these are given."""
        parts = {"ca": self.ca, "certificate": self.certificate, "key": self.key, **other}
        group = subprocess.run(["id", "-gn"], capture_output=True, text=True, check=True).stdout.strip()
        words = [self.directory, "server", self.directory / "ca.crt", group, addresses, check]
        done = subprocess.run(
            ["/bin/sh", "-c", GIVEN.read_text(), "given", *map(str, words)],
            input="\n--\n".join(parts.values()) + "\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, (done.stdout + done.stderr).strip()

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text().strip() for path in self.directory.iterdir()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_given_certificate_takes_its_place_once(place: Place) -> None:
    assert place.put(check="true") == (0, "a new certificate")
    assert place.files() == {}
    assert place.put() == (0, "a new certificate")
    assert place.files() == {"ca.crt": place.ca, "server.crt": place.certificate, "server.key": place.key}
    assert (place.directory / "server.key").stat().st_mode & 0o7777 == 0o640
    assert place.put() == (0, "")


def test_given_that_does_not_fit_together_changes_nothing(place: Place, tmp_path: Path) -> None:
    place.put()
    before = place.files()
    (tmp_path / "other").mkdir()
    other = Place(tmp_path / "other")
    for wrong, why in (
        ({"key": other.key}, "the key that is given is not the certificate's"),
        ({"ca": other.ca}, "is not of the CA that is given"),
        ({"certificate": "nonsense"}, "the certificate that is given is none"),
        ({"key": "nonsense"}, "the key that is given is none"),
        ({"ca": ""}, "is empty"),
        ({"addresses": "198.51.100.110,198.51.100.116"}, "does not name 198.51.100.116"),
    ):
        code, said = place.put(**wrong)
        assert (code, why in said) == (1, True), said
        assert place.key.splitlines()[1] not in said
    assert place.files() == before

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever names, passwords and addresses the inventory holds: they reach the programs as they are, or are refused."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config_file
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import program
from psycopg2.extensions import parse_dsn
from readers import hba, pgpass
from readers import settings as read_settings
from real_postgres import RealPostgres, bin_dir, make_root
from render import ROLES, template, value, variables

FEW = settings(max_examples=15, deadline=None)
# What a YAML file and a command line can hold; a template's own signs would be Ansible's to read.
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"], exclude_characters="{}"),
    min_size=1,
    max_size=12,
) | st.sampled_from(
    ["a b", "o'clock", 'say "x"', "back\\slash", "a:b", "#a", "x'; drop table y; --", "%h", "$(id)", " a "]
)
SIX = {"node1": "2001:db8::110", "node2": "2001:db8::111", "vote": "2001:db8::35", "monitor": "2001:db8::36"}
VIP6 = "2001:db8::116"


@FEW
@given(password=TEXT, user=TEXT, database=TEXT)
def test_password_file_holds_them_as_they_are(password: str, user: str, database: str) -> None:
    known = variables(
        "streaming_replication",
        pg_cluster_ha_password=password,
        pg_cluster_ha_user=user,
        pg_cluster_database=database,
        pg_cluster_replication_password=password[::-1],
    )
    lines = pgpass(template("streaming_replication", "pgpass.j2", known))
    assert ["198.51.100.116", "1921", database, user, password] in lines
    assert ["198.51.100.35", "11921", database, user, password] in lines
    assert ["198.51.100.111", "1921", "replication", "replica", password[::-1]] in lines


@FEW
@given(user=TEXT, passfile=TEXT)
def test_conninfo_of_the_standby_is_read_back(user: str, passfile: str) -> None:
    known = variables("streaming_replication", pg_cluster_replication_user=user)
    known["streaming_replication_conninfo"] = {"connect_timeout": 5, "sslkey": passfile}
    read = read_settings(template("streaming_replication", "node.conf.j2", known))
    dsn = parse_dsn(read["primary_conninfo"])
    assert (dsn["user"], dsn["sslkey"], dsn["host"]) == (user, passfile, "198.51.100.111")
    assert read["primary_slot_name"] == "node1"


@FEW
@given(text=TEXT)
def test_setting_is_read_back(text: str) -> None:
    known = variables("streaming_replication")
    known["streaming_replication_settings_extra"] = {"log_line_prefix": text, "archive_mode": False}
    read = read_settings(template("streaming_replication", "postgresql.conf.j2", known))
    assert (read["log_line_prefix"], read["archive_mode"], read["port"]) == (text, "off", "1921")


@FEW
@given(user=TEXT | st.sampled_from(["all", "+group", "@file", "replication"]), database=TEXT)
def test_names_in_hba_are_names_and_no_keywords(user: str, database: str) -> None:
    known = variables("streaming_replication", pg_cluster_ha_user=user, pg_cluster_database=database)
    lines = hba(template("streaming_replication", "pg_hba.conf.j2", known))
    line = next(line for line in lines if line[0][0] == "host" and line[1][0] == database)
    assert line[2][0] == user
    assert line[2][1] or user.replace("_", "").isalnum()
    assert line[3:] == [("127.0.0.1/32", False), ("scram-sha-256", False)]


# The daemon's reader strips the blanks around a value and a quoted one is JSON: names are looked at as it reads them.
@FEW
@given(name=TEXT, user=TEXT, command=TEXT)
def test_daemon_reads_what_the_role_wrote(name: str, user: str, command: str) -> None:
    known = variables("skyha_daemon", pg_cluster_database=name, pg_cluster_ha_user=user, pg_cluster_bmc_user=user)
    known["skyha_daemon_hook_role_change"] = command
    read = config_file.parse(template("skyha_daemon", "skyha.conf.j2", known))
    assert (read.postgresql.database, read.postgresql.user) == (name, user)
    assert (read.agents[0].user, read.hooks.role_change) == (user, command)
    assert (read.peer.address, read.vip.address, read.agents[0].address) == (
        "198.51.100.111",
        "198.51.100.116",
        "198.51.100.212",
    )


# A node that was not asked anything.
UNASKED: dict[str, Any] = {"__pg_cluster_node": {}, "__pg_cluster_holders": [], "ansible_play_hosts_all": []}


def problems(**given: Any) -> list[str]:
    addresses, node = given.pop("addresses", None), given.pop("node", {})
    known = {
        **variables("pg_cluster", addresses=addresses, **given),
        **UNASKED,
        "__pg_cluster_node": node,
    }
    return value("__pg_cluster_found", known)


def test_documents_inventory_has_no_problems() -> None:
    assert problems() == []


def test_ipv6_inventory_has_no_problems() -> None:
    assert problems(addresses=SIX, pg_cluster_vip=VIP6) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"pg_cluster_ha_password": ""}, "pg_cluster_ha_password is not set"),
        ({"pg_cluster_ha_password": "a\nb"}, "holds a line break"),
        ({"pg_cluster_ha_password": "CHANGE_ME_1"}, "still the example's"),
        ({"pg_cluster_ha_password": 12345}, "is not a text: put it in quotes"),
        ({"pg_cluster_ha_user": "a\nb"}, "pg_cluster_ha_user is empty or holds a line break"),
        ({"pg_cluster_name": 'the "sky"'}, "pg_cluster_name is 'the \"sky\"'"),
        ({"pg_cluster_name": "a\\b"}, "pg_cluster_name is 'a\\b'"),
        ({"pg_cluster_data_dir": "/data/my files"}, "pg_cluster_data_dir is '/data/my files'"),
        ({"pg_cluster_vip": "vip.example"}, "vip.example (the VIP) is not an IP address"),
        ({"pg_cluster_vip": '"; reboot'}, '"; reboot (the VIP) is not an IP address'),
        ({"pg_cluster_vip": "198.51.100.256"}, "198.51.100.256 (the VIP) is not an IP address"),
        ({"pg_cluster_vip": "198.51.100"}, "198.51.100 (the VIP) is not an IP address"),
        ({"pg_cluster_vip": ":0"}, ":0 (the VIP) is not an IP address"),
        ({"pg_cluster_vip": "198.51.100.35"}, "is the VIP and the vote host"),
        ({"pg_cluster_port": 543}, "pg_cluster_port is '543'"),
        ({"pg_cluster_port": "high"}, "pg_cluster_port is 'high'"),
        ({"pg_cluster_vip_prefix": 33}, "a number from 1 to 32"),
        ({"pg_cluster_postgresql_version": "9.3"}, "supported are 13 to 18"),
        ({"pg_build_method": "source"}, "pg_build_method is called pg_cluster_build_method now"),
    ],
)
def test_each_bad_value_is_refused_with_a_sentence(given: dict[str, Any], sentence: str) -> None:
    assert sentence in "\n".join(problems(**given))


NODE: dict[str, Any] = {
    "interface": True,
    "vip_answers": False,
    "has_data": False,
    "free_mb": 40000,
    "wal_free_mb": 40000,
    "one_disk": True,
}


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        ({"free_mb": 40960}, ""),
        # 2,100 MB hold a fresh server, and not the 38 GB of WAL that it may keep.
        ({"free_mb": 2100}, "40960 MB may be needed"),
        ({"one_disk": False, "free_mb": 2100}, ""),
        ({"one_disk": False, "free_mb": 2100, "wal_free_mb": 2100}, "2100 MB free for the WAL in /wal; 38912 MB"),
        ({"has_data": True, "free_mb": 5}, ""),
    ],
)
def test_disk_must_hold_the_wal_that_the_settings_keep(node: dict[str, Any], sentence: str) -> None:
    known = {"pg_cluster_wal_room_mb": 38912, "pg_cluster_wal_dir": "/wal"}
    found = "\n".join(problems(node={**NODE, **node}, **known))
    assert sentence in found
    assert bool(found) == bool(sentence)


def test_defaults_of_postgresql_need_what_they_keep() -> None:
    known = variables("streaming_replication")
    assert value("__streaming_replication_wanted | sky.pg_cluster.wal_room_mb", known) == 38912


def test_agent_of_both_nodes_is_refused() -> None:
    pdu = [{"name": "pdu", "kind": "command", "off": "pdu off", "status": "pdu status"}]
    known = {**variables("skyha_daemon", skyha_daemon_agents=pdu), "pg_cluster_peer": "node2"}
    assert "would switch off the node itself" in "\n".join(value("__skyha_daemon_agent_problems", known))


def test_node_names_must_make_slots_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for first, second, sentence in (
        ("a" * 64, "node2", "longer than the 63 letters"),
        ("db-1", "db_1", "would both have the slot db_1"),
    ):
        known = {**variables("pg_cluster"), **UNASKED}
        known["hostvars"] = {
            first: {**known["hostvars"]["node1"], "inventory_hostname": first},
            second: {**known["hostvars"]["node2"], "inventory_hostname": second},
            "vote": known["hostvars"]["vote"],
            "monitor": known["hostvars"]["monitor"],
        }
        known["groups"] = {**known["groups"], "pg_nodes": [first, second]}
        known["inventory_hostname"] = first
        assert sentence in "\n".join(value("__pg_cluster_found", known))


@pytest.mark.parametrize(
    "role", ["streaming_replication", "skyha_daemon", "os_tuning", "vote_host_balance", "nagios_nrpe"]
)
def test_inventory_with_ansible_host_only_gives_the_same(role: str) -> None:
    """pg_cluster_address is ansible_host by default, of the other hosts as well: what is written is the same."""
    host = {"vote_host_balance": "vote", "nagios_nrpe": "monitor"}.get(role, "node1")
    known, bare = variables(role, host=host), variables(role, host=host)
    for name, of in bare["hostvars"].items():
        of["ansible_host"] = of.pop("pg_cluster_address")
        if name == host:
            bare["ansible_host"] = of["ansible_host"]
            bare["pg_cluster_address"] = of["ansible_host"]  # this host's own default is seen
    for path in sorted((ROLES / role / "templates").glob("*.j2")):
        if path.name in ("addresses.j2", "restart_plan.j2"):
            continue
        texts = [
            template(role, path.name, {**one, "item": "iptables", "os_tuning_ntp_servers": ["ntp.example"]})
            for one in (known, bare)
        ]
        assert texts[0] == texts[1], path.name
    assert value("pg_cluster_vote_address", bare) == "198.51.100.35"
    assert value("pg_cluster_clusters", bare) == value("pg_cluster_clusters", known)


def test_no_other_hosts_address_is_read_but_in_one_place() -> None:
    """Another host's role defaults cannot be seen in hostvars, so everybody asks pg_cluster_addresses."""
    files = [*ROLES.glob("*/*/*.yml"), *ROLES.glob("*/templates/*.j2")]
    wrong = re.compile(
        r"""hostvars\[[^]]*\]\.pg_cluster_address\b|extract', hostvars, 'pg_cluster_address'|attribute='pg_cluster_address'"""
    )
    assert [str(path) for path in files if wrong.search(path.read_text())] == []


def test_bmc_password_longer_than_ipmi_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**variables("pg_cluster"), **UNASKED}
    known["pg_cluster_bmc_password"] = "x" * 21
    assert "longer than the 20 bytes" in "\n".join(value("__pg_cluster_found", known))
    known["pg_cluster_bmc_password"] = "x" * 20
    assert "longer than the 20 bytes" not in "\n".join(value("__pg_cluster_found", known))


@FEW
@given(vip=TEXT, name=TEXT, directory=TEXT)
def test_whatever_is_wrong_the_list_of_problems_is_whole(vip: str, name: str, directory: str) -> None:
    found = problems(pg_cluster_vip=vip, pg_cluster_name=name, pg_cluster_socket_dir=directory)
    assert all(isinstance(problem, str) and len(problem) > 20 for problem in found)
    # YAML's reader leaves JSON's surrogate pairs apart; such a letter in a message may look odd.
    # What is made of an address' characters only may be one.
    unnamed = max(vip) > "\uffff" or set(vip) <= set("0123456789abcdefABCDEF:.")
    assert unnamed or any(vip in problem for problem in found)


# --- IPv6 all over ------------------------------------------------------------------------------------------------


def six(role: str, **given: Any) -> dict[str, Any]:
    return variables(role, addresses=SIX, pg_cluster_vip=VIP6, pg_cluster_vip_prefix=64, **given)


def test_ipv6_postgresql_listens_and_lets_the_peer_in() -> None:
    known = six("streaming_replication")
    assert read_settings(template("streaming_replication", "postgresql.conf.j2", known))["listen_addresses"] == "*"
    lines = [
        [word for word, _quoted in line] for line in hba(template("streaming_replication", "pg_hba.conf.j2", known))
    ]
    for address in (VIP6, SIX["node1"], SIX["node2"]):
        assert ["host", "replication", "replica", f"{address}/128", "scram-sha-256"] in lines
    assert ["host", "sky_pg_cluster", "sky_pg_cluster", f"{SIX['vote']}/128", "scram-sha-256"] in lines
    assert [VIP6, "1921", "replication", "replica", "repl"] in pgpass(
        template("streaming_replication", "pgpass.j2", known)
    )
    read = read_settings(template("streaming_replication", "node.conf.j2", known))
    assert parse_dsn(read["primary_conninfo"])["host"] == SIX["node2"]


def test_ipv6_vote_proxy_listens_on_both_families() -> None:
    text = template("vote_host_balance", "haproxy.cfg.j2", {**six("vote_host_balance", host="vote")})
    assert "bind :::11921 v4v6 " in text
    assert f"server vip {VIP6}:1921 " in text  # haproxy takes what follows the last colon for the port


def test_ipv4_vote_proxy_needs_no_ipv6() -> None:
    assert "bind *:11921 tcp-ut" in template(
        "vote_host_balance", "haproxy.cfg.j2", variables("vote_host_balance", host="vote")
    )


def test_ipv6_daemon_reads_its_addresses() -> None:
    read = config_file.parse(template("skyha_daemon", "skyha.conf.j2", six("skyha_daemon")))
    assert (read.vip.address, read.vip.prefix, read.vote.address) == (VIP6, 64, SIX["vote"])
    assert read.http.listen == ("127.0.0.1:8008", f"[{SIX['node1']}]:8008")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may ask nft, which only checks")
@pytest.mark.parametrize("addresses", [{}, SIX])
def test_firewall_rules_are_understood_by_nft(addresses: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "rules.nft"
    file.write_text(template("os_tuning", "firewall.nft.j2", variables("os_tuning", addresses=addresses)))
    done = subprocess.run(
        ["unshare", "-n", program("nft"), "-c", "-f", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["firewall.nft.j2", "firewall.iptables.j2"])
def test_firewall_opens_the_ports_that_sshd_listens_on(name: str) -> None:
    known = {**variables("os_tuning"), "item": "iptables", "ansible_port": 22}
    known["__os_tuning_probe"] = {"stdout_lines": ["sudo", "ssh 2222", "ssh 22"]}
    text = template("os_tuning", name, known)
    assert "tcp dport { 22, 2222 } accept" in text or "--dport 2222 -j ACCEPT" in text
    assert text.count("2222") == 1


def test_probe_finds_the_ports_of_sshd(tmp_path: Path) -> None:
    """Of a listing as `ss -Hltnp` gives it."""
    listing = (
        'LISTEN 0 128 0.0.0.0:2222 0.0.0.0:* users:(("sshd",pid=12,fd=3))\n'
        'LISTEN 0 128 [::]:2200 [::]:* users:(("sshd",pid=13,fd=4))\n'
        'LISTEN 0 244 0.0.0.0:1921 0.0.0.0:* users:(("postgres",pid=14,fd=6))\n'
    )
    (tmp_path / "ss").write_text(f"#!/bin/sh\ncat <<'EOF'\n{listing}EOF\n")
    socket_unit = (
        'case "$*" in *is-active*ssh.socket) exit 0;; *show*) echo "Listen=[::]:2022 (Stream)"; exit 0;; esac; exit 3'
    )
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\n{socket_unit}\n")
    for name in ("ss", "systemctl"):
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", ROLES / "os_tuning/files/probe.sh", "", "nobody", "chain"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line for line in done.stdout.splitlines() if line.startswith("ssh ")] == [
        "ssh 2022",
        "ssh 2200",
        "ssh 2222",
    ]


# --- a real server ------------------------------------------------------------------------------------------------

ODD: dict[str, Any] = {
    "pg_cluster_ha_user": "ha \"user' é:\\",
    "pg_cluster_ha_password": 'it\'s \\ a "pass:word" $x -- é',
    "pg_cluster_database": "My data'base",
    "pg_cluster_replication_user": "re plica'\"",
    "pg_cluster_replication_password": "a'b\\c:d e",
}


@pytest.fixture(scope="module")
def server() -> Iterator[RealPostgres]:
    root = make_root()
    server = RealPostgres(root, "odd")
    try:
        server.run(
            ["initdb", "-D", str(server.data_dir), "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C"]
        )
        server._configure()
        server.start()
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(root, ignore_errors=True)


def psql(port: int, *arguments: str, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [bin_dir() / "psql", "-XAtw", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port), *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **environment},
    )


def test_odd_names_and_passwords_work_on_a_real_server(server: RealPostgres, tmp_path: Path) -> None:
    """The roles' SQL makes the roles, and their password file and pg_hba.conf let exactly them in."""
    known = variables("streaming_replication", pg_cluster_port=server.port, **ODD)
    schema = variables("ha_schema", pg_cluster_port=server.port, **ODD)
    scripts = [
        template("streaming_replication", "primary.sql.j2", known),
        template("ha_schema", "ha_schema.sql.j2", schema),
    ]
    for script in scripts:
        arguments = ("-U", "postgres", "-v", "login=false", "-v", f"database={ODD['pg_cluster_database']}", "-f", "-")
        done = psql(server.port, *arguments, text=script)
        assert done.returncode == 0, done.stderr
    (server.data_dir / "pg_hba.conf").write_text(template("streaming_replication", "pg_hba.conf.j2", known))
    server.run(["pg_ctl", "-D", str(server.data_dir), "reload"])
    passfile = tmp_path / "pgpass"
    passfile.write_text(template("streaming_replication", "pgpass.j2", known))
    passfile.chmod(0o600)
    query = f"select {value('__ha_schema_schema', schema)}.cluster_keepalive_test()"
    login = ("-U", ODD["pg_cluster_ha_user"], "-d", ODD["pg_cluster_database"], "-c", query)
    done = psql(server.port, *login, PGPASSFILE=str(passfile))
    assert done.returncode == 0, done.stderr
    done = psql(server.port, *login, PGPASSWORD="wrong")
    assert "password authentication failed" in done.stderr
    dsn = "dbname=replication replication=true"
    user = {"PGUSER": ODD["pg_cluster_replication_user"], "PGPASSFILE": str(passfile)}
    done = psql(server.port, "-c", "IDENTIFY_SYSTEM", dsn, **user)
    assert done.returncode == 0, done.stderr

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses of both families reach every file; the firewall opens what is used."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config_file
from programs import program
from psycopg2.extensions import parse_dsn
from readers import hba, pgpass
from readers import settings as read_settings
from render import ROLES, template, variables
from value_samples import SIX, VIP6


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
        ["/bin/sh", ROLES / "os_tuning/files/probe.sh", "", "198.51.100.110", "nobody", "chain"],
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

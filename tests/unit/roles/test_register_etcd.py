# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What role register_etcd makes, for real: members by its settings, certificates, users and what they may; and what is asked before
skyha is told of an etcd."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.error
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import guard
import pytest
import real_etcd
import yaml
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config_file
from render import ROLES, template, value, variables

ASK = ROLES / "skyha_daemon/files/etcd.py"
MADE: dict[str, Any] = {
    "pg_cluster_register": "etcd",
    "pg_cluster_register_password": "secret sky",
    "pg_cluster_etcd_root_password": real_etcd.ROOT,
}
GIVEN = {
    **MADE,
    "pg_cluster_register_endpoints": ["203.0.113.1:2379", "[2001:db8::1]:2379"],
    "pg_cluster_register_ca": "PEM",
}


@pytest.fixture(scope="module")
def etcd() -> Iterator[real_etcd.Etcd]:
    with real_etcd.served(members=1) as served:
        yield served


# --- certificates


@pytest.fixture
def member(tmp_path: Path) -> Path:
    real_etcd.certificates(tmp_path)
    return tmp_path


def asked(member: Path, address: str = real_etcd.HOST, check: str = "false") -> str:
    return real_etcd.script("request.sh", member, "member", address, "node1", real_etcd.ca_of(member), check)


def test_second_run_makes_neither_ca_nor_certificate(member: Path) -> None:
    assert real_etcd.script("ca.sh", member, "sky", 400, "false") == ""
    assert asked(member) == ""


def test_secrets_are_for_their_owner_only(member: Path) -> None:
    assert [(member / name).stat().st_mode & 0o077 for name in ("ca.key", "member.key")] == [0, 0]


def test_another_address_another_ca_and_the_last_year_need_a_new_certificate_and_key(member: Path) -> None:
    key = (member / "member.key").read_bytes()
    assert "BEGIN CERTIFICATE REQUEST" in asked(member, f"{real_etcd.HOST},2001:db8::2")
    request = asked(member, "127.0.0.2")
    assert (member / "member.key").read_bytes() == key, "in use until its certificate is signed"
    real_etcd.put(member, real_etcd.script("sign.sh", member, real_etcd.HOST, 360, stdin=request))
    assert (member / "member.key").read_bytes() != key
    assert asked(member), "it lasts 360 days"
    real_etcd.certificates(member)
    for name in ("ca.key", "ca.crt"):
        (member / name).unlink()
    assert real_etcd.script("ca.sh", member, "sky", 400, "true") == f"made the CA in {member}\n"
    assert not (member / "ca.key").exists(), "check mode"
    real_etcd.script("ca.sh", member, "sky", 400, "false")
    assert asked(member)


def test_certificate_names_hosts_too_and_a_key_that_is_not_its_own_is_seen(member: Path) -> None:
    wanted = f"{real_etcd.HOST},2001:db8::2,node_1,db.example.org"
    request = asked(member, wanted)
    real_etcd.put(member, real_etcd.script("sign.sh", member, wanted, 400, "true", stdin=request))
    assert asked(member, wanted) == ""
    assert asked(member, f"{wanted},db2.example.org")
    assert "BEGIN CERTIFICATE REQUEST" in real_etcd.script(
        "request.sh", member, "member", wanted, "node1", real_etcd.ca_of(member), "false", "true"
    ), "renewed in any case"
    (member / "member.next.key").replace(member / "member.key")
    assert asked(member, wanted), "the key is another certificate's"


def test_ca_in_its_last_year_goes_on_with_the_same_key(tmp_path: Path) -> None:
    real_etcd.script("ca.sh", tmp_path, "tests", 100, "false")
    old = real_etcd.ca_of(tmp_path)
    request = asked(tmp_path)
    real_etcd.put(tmp_path, real_etcd.script("sign.sh", tmp_path, real_etcd.HOST, 400, stdin=request))
    again = f"made the certificate of the CA in {tmp_path} again\n"
    assert real_etcd.script("ca.sh", tmp_path, "other", 4000, "true") == again
    assert real_etcd.ca_of(tmp_path) == old, "check mode"
    assert real_etcd.script("ca.sh", tmp_path, "other", 4000, "false") == again
    assert real_etcd.ca_of(tmp_path) != old
    assert real_etcd.script("ca.sh", tmp_path, "other", 4000, "false") == ""
    assert asked(tmp_path) == "", "what the older one signed is good"
    by_new = real_etcd.script("sign.sh", tmp_path, real_etcd.HOST, 400, stdin=request)
    (tmp_path / "new.crt").write_text(by_new)
    (tmp_path / "old.crt").write_bytes(b64decode(old))
    verified = ["openssl", "verify", "-CAfile", str(tmp_path / "old.crt"), str(tmp_path / "new.crt")]
    assert subprocess.run(verified, capture_output=True, check=False).returncode == 0, (
        "hosts with the older one trust it"
    )


def test_check_mode_makes_no_key(member: Path) -> None:
    for name in ("member.key", "member.crt"):
        (member / name).unlink()
    assert asked(member, check="true") == "a new certificate\n"
    assert not (member / "member.key").exists()


# --- users


def test_second_run_changes_nothing(etcd: real_etcd.Etcd) -> None:
    assert etcd.make() == []
    assert etcd.make(check=True, passwords={**real_etcd.PASSWORDS, "register_new": "x", "register_sky": "y"}) == [
        "gave a new password to user register_sky",
        "made user register_new",
    ]
    assert etcd.make() == []


def test_new_password_counts_and_the_old_one_no_more(etcd: real_etcd.Etcd) -> None:
    old = real_etcd.PASSWORDS["register_sky"]
    assert etcd.make(passwords={"register_sky": "new"}) == ["gave a new password to user register_sky"]
    with pytest.raises(urllib.error.HTTPError):
        etcd.call(etcd.names[0], "/v3/auth/authenticate", {"name": "register_sky", "password": old})
    assert etcd.make() == ["gave a new password to user register_sky"]


def test_nobody_is_let_in_without_a_password(etcd: real_etcd.Etcd) -> None:
    with pytest.raises(urllib.error.HTTPError):
        etcd.call(etcd.names[0], "/v3/kv/range", {"key": "Lw=="})


def test_user_goes_with_its_keys_and_others_stay(etcd: real_etcd.Etcd) -> None:
    etcd.make(passwords={"register_gone": "secret"})
    for name in ("gone", "gone2"):
        etcd.put(f"/sky.pg_cluster/{name}/row", b"{}")
    assert etcd.make(remove=["register_gone", "register_never"]) == ["removed user register_gone and its keys"]
    assert etcd.value("/sky.pg_cluster/gone/row") is None
    assert etcd.value("/sky.pg_cluster/gone2/row") == b"{}"
    assert etcd.make(remove=["register_gone"]) == []
    assert etcd.make(passwords={"register_gone": "secret"}) == ["made user register_gone"], "it can come back"


def test_another_root_password_is_said(etcd: real_etcd.Etcd) -> None:
    done = etcd.made(root_password="other")
    assert done.returncode == 1
    assert "has another password than pg_cluster_etcd_root_password" in done.stderr


def test_run_that_broke_off_is_finished_by_the_next() -> None:
    with real_etcd.served(members=1, made=False) as etcd:
        name = etcd.names[0]
        etcd.call(name, "/v3/auth/user/add", {"name": "root", "password": "broken off"})
        etcd.call(name, "/v3/auth/role/add", {"name": "register_sky"})
        etcd.call(name, "/v3/auth/user/add", {"name": "register_sky", "password": "broken off"})
        assert etcd.make(check=True) == [
            "made root, and passwords are asked for",
            "made user register_sky",
            "made user register_moon",
        ]
        assert etcd.make() == [
            "made root, and passwords are asked for",
            "gave user register_sky its keys",
            "gave a new password to user register_sky",
            "made user register_moon",
        ]
        assert etcd.make() == []
        assert ask(etcd)[0] == 0


# --- what is asked before skyha is told


def ask(etcd: real_etcd.Etcd, **changes: Any) -> tuple[int, str]:
    given = {
        "endpoints": list(etcd.endpoints),
        "cafile": str(etcd.cafile),
        "user": "register_sky",
        "password": real_etcd.PASSWORDS["register_sky"],
        "cluster": "sky",
        **changes,
    }
    done = subprocess.run([sys.executable, ASK], input=json.dumps(given), capture_output=True, text=True, timeout=60)
    assert "secret" not in done.stdout + done.stderr
    return done.returncode, done.stderr


def test_an_etcd_that_can_be_leaned_on(etcd: real_etcd.Etcd) -> None:
    etcd.make()
    assert ask(etcd) == (0, "")
    assert ask(etcd, endpoints=["127.0.0.1:1", *etcd.endpoints]) == (0, ""), "another member may be down"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"password": "wrong"}, "invalid user ID or password"),
        ({"cluster": "moon"}, "permission denied"),
        ({"user": "root", "password": real_etcd.ROOT}, "may read the keys of other clusters"),
        ({"endpoints": ["127.0.0.1:1"]}, "127.0.0.1:1: "),
        ({"cafile": "/nonexistent"}, "No such file"),
    ],
)
def test_an_etcd_that_cannot_is_said_to_be_none(etcd: real_etcd.Etcd, changes: dict[str, Any], sentence: str) -> None:
    code, said = ask(etcd, **changes)
    assert code == 1
    assert sentence in said


# --- settings


def known(host: str, **given: Any) -> dict[str, Any]:
    return {**variables("register_etcd", host=host, **{**MADE, **given})}


def test_members_as_the_role_sets_them_up_answer_as_one() -> None:
    root = Path(tempfile.mkdtemp(prefix=guard.prefix("etcd"), dir="/tmp"))
    addresses = {"node1": "127.0.0.2", "node2": "127.0.0.3", "vote": "127.0.0.4"}
    etcd = real_etcd.Etcd(root, 0)
    try:
        for name, address in addresses.items():
            place = root / name
            place.mkdir()
            shutil.copy(root / "ca.crt", place)
            request = real_etcd.script(
                "request.sh", place, "member", f"{address},127.0.0.1", name, real_etcd.ca_of(root), "false"
            )
            real_etcd.put(place, real_etcd.script("sign.sh", root, f"{address},127.0.0.1", 400, stdin=request))
            settings = {"__register_etcd_settings": str(place), "pg_cluster_etcd_cafile": str(place / "ca.crt")}
            of = {**known(name, pg_cluster_etcd_port=21923, pg_cluster_etcd_peer_port=21924), **settings}
            of = {**of, "register_etcd_data_dir": str(place / "data")}
            for host, where in addresses.items():
                of["hostvars"][host]["pg_cluster_address"] = where
            of["pg_cluster_address"] = address
            text = template("register_etcd", "etcd.yml.j2", of)
            assert yaml.safe_load(text)["name"] == name
            (place / "etcd.yml").write_text(text)
            etcd.start_by(name, place / "etcd.yml", (address, 21923))
        assert etcd.leader() in addresses
        assert etcd.make(endpoint="127.0.0.4:21923") == [
            "made root, and passwords are asked for",
            "made user register_sky",
            "made user register_moon",
        ]
        assert ask(etcd, endpoints=["127.0.0.2:21923"]) == (0, "")
    finally:
        etcd.stop()
        shutil.rmtree(root, ignore_errors=True)


def test_nodes_and_vote_host_are_its_members_and_nobody_else() -> None:
    for host in ("node1", "node2", "vote"):
        members = value("__register_etcd_members", known(host))
        assert [member["name"] for member in members] == ["node1", "node2", "vote"]
    assert value("__register_etcd_cluster", known("monitor")) == {}
    assert value("__register_etcd_cluster", variables("register_etcd", host="vote", **GIVEN)) == {}
    assert value("__register_etcd_cluster", variables("register_etcd", host="node1")) == {}


def test_node_may_come_from_its_vip() -> None:
    assert value("__register_etcd_sources", known("node1")) == "198.51.100.110,198.51.100.116"
    assert value("__register_etcd_sources", known("vote")) == "198.51.100.35"


def test_skyha_asks_the_member_on_its_own_host_first() -> None:
    read = config_file.parse(template("skyha_daemon", "skyha.conf.j2", variables("skyha_daemon", host="node2", **MADE)))
    assert read.register.engine == "etcd"
    assert read.register.endpoints == ("198.51.100.111:11923", "198.51.100.110:11923", "198.51.100.35:11923")
    assert (read.register.cafile, read.register_user) == ("/etc/sky-etcd/ca.crt", "register_sky")
    assert read.register.password_file == "/etc/skyha/register.password"


def test_skyha_asks_the_members_that_are_given() -> None:
    read = config_file.parse(template("skyha_daemon", "skyha.conf.j2", variables("skyha_daemon", **GIVEN)))
    assert read.register.endpoints == ("203.0.113.1:2379", "[2001:db8::1]:2379")
    assert read.register.cafile == "/etc/skyha/register-ca.crt"

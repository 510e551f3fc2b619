# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What role pg_backup makes of an inventory: settings of pgBackRest on nodes and backup host, who may ask whom, jobs, and what is refused."""

from __future__ import annotations

import configparser
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.filter.restore import restore_place, restore_target
from render import ROLES, template, value, variables

SECRET = "a long pass phrase: #;$"


def known(host: str = "node1", kind: str = "host", **given: Any) -> dict[str, Any]:
    return variables("pg_backup", host=host, **{"pg_cluster_backup": kind, "pg_backup_cipher_pass": SECRET, **given})


def settings(host: str, kind: str = "host", for_restore: bool = False, **given: Any) -> dict[str, dict[str, str]]:
    text = template("pg_backup", "pgbackrest.conf.j2", {**known(host, kind, **given), "for_restore": for_restore})
    parser = configparser.ConfigParser(interpolation=None, comment_prefixes=["#"], delimiters=["="])
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


# --- who has what


def test_node_asks_the_backup_host_and_does_not_know_the_pass_phrase() -> None:
    node = settings("node1")
    assert node["sky"]["repo1-host"] == "198.51.100.37"
    assert node["sky"]["pg1-path"] == "/data/pgdata/pg_root"
    assert SECRET not in str(node)
    assert not [name for name in node["sky"] if name.startswith("pg2")]


def test_backup_host_knows_both_nodes_and_the_pass_phrase_as_it_is() -> None:
    keeper = settings("backup")
    assert keeper["sky"]["repo1-cipher-pass"] == SECRET
    assert [keeper["sky"][f"pg{number}-host"] for number in (1, 2)] == ["198.51.100.110", "198.51.100.111"]
    assert not [name for name in settings("backup", for_restore=True)["sky"] if "host" in name]


@pytest.mark.parametrize("kind", ["posix", "s3"])
def test_without_a_backup_host_each_node_has_the_repository_and_its_peer(kind: str) -> None:
    s3 = {f"pg_backup_s3_{name}": f"the {name}" for name in ("bucket", "endpoint", "key", "key_secret")}
    node = settings("node2", kind, **s3)["sky"]
    assert node["repo1-cipher-pass"] == SECRET
    assert node["pg2-host"] == "198.51.100.110"
    assert ("repo1-s3-bucket" in node) is (kind == "s3")
    assert ("repo1-bundle" in node) is (kind == "s3")
    assert value("__pg_backup_stanzas", known("backup", kind)) == []


def test_each_lets_in_whom_it_must_and_nobody_else() -> None:
    def clients(host: str, kind: str = "host") -> list[tuple[str, str]]:
        return [(one["name"], one["stanza"]) for one in value("__pg_backup_clients", known(host, kind))]

    assert clients("backup") == [("node1", "sky"), ("node2", "sky")]
    assert clients("node1") == [("backup", "sky")]
    assert clients("node1", "posix") == [("node2", "sky")]
    assert clients("vote") == []


def test_jobs_are_where_backups_are_taken() -> None:
    units = [one["unit"] for one in value("__pg_backup_jobs", known("backup"))]
    assert units == [f"sky-backup-sky-{job}" for job in ("full", "diff", "incr", "check")]
    assert value("__pg_backup_jobs", known("node1")) == []
    assert len(value("__pg_backup_jobs", known("node1", "posix"))) == 4


def test_without_backups_nothing_is_configured_and_nothing_says_that_it_archives() -> None:
    given = known("node1", "none")
    assert value("__pg_backup_stanzas", given) == []
    assert value("pg_cluster_archive_command", given) == ""
    server = variables("streaming_replication", pg_cluster_backup="none")
    assert value("streaming_replication_settings", server)["archive_mode"] is False


def test_job_has_a_unit_and_a_timer_where_it_has_an_hour() -> None:
    given = known("backup")
    full, _diff, incr, check = value("__pg_backup_jobs", given)
    assert "ExecStart=/usr/local/sbin/sky-backup full sky" in template(
        "pg_backup", "job.service.j2", {**given, "item": full}
    )
    assert "OnCalendar=Sun 01:00" in template("pg_backup", "job.timer.j2", {**given, "item": full})
    assert incr["calendar"] == ""
    assert "LimitSTACK=16M" in template("pg_backup", "job.service.j2", {**given, "item": check}), (
        "as the server's own unit"
    )


@pytest.mark.parametrize(("host", "kind", "is_node"), [("backup", "host", "false"), ("node1", "posix", "true")])
def test_what_the_program_knows_survives_the_shell(host: str, kind: str, is_node: str) -> None:
    query = "SELECT 'it''s' || \"a\" FROM $b `c`"
    given = known(host, kind, pg_backup_check_query=query)
    text = template("pg_backup", "stanza.env.j2", {**given, "item": value("__pg_backup_stanzas", given)[0]})
    told = subprocess.run(
        ["sh", "-c", f'{text}\nprintf "%s|%s" "$CHECK_QUERY" "$IS_NODE"'], capture_output=True, text=True, check=True
    )
    assert told.stdout == f"{query}|{is_node}"


@pytest.mark.parametrize(("host", "kind"), [("backup", "host"), ("node1", "posix")])
def test_what_loops_go_through_and_print_holds_no_pass_phrase(host: str, kind: str) -> None:
    given = known(host, kind)
    assert SECRET not in repr([value(name, given) for name in ("__pg_backup_stanzas", "__pg_backup_jobs")])
    assert list(value("__pg_backup_secrets", given).values()) == [SECRET]


@pytest.mark.parametrize("host", ["node1", "backup"])
def test_place_in_the_repository_is_called_alike_by_all(host: str) -> None:
    given = known(host, pg_cluster_name="shop (new)")
    assert value("pg_cluster_backup_stanza", given) == "shop__new_"
    if host == "node1":
        assert value("__pg_backup_stanzas", given)[0]["name"] == "shop__new_"


def test_host_of_two_clusters_has_a_place_and_a_pass_phrase_for_each_and_lets_nobody_into_the_others() -> None:
    given = known("backup")
    for name, address in (("node3", "198.51.100.120"), ("node4", "198.51.100.121")):
        given["hostvars"][name] = {
            "inventory_hostname": name,
            "pg_cluster_address": address,
            "pg_cluster_group": "moon",
            "pg_cluster_backup": "host",
            "pg_backup_cipher_pass": "another pass phrase",
        }
    given["groups"] = {**given["groups"], "pg_nodes": ["node1", "node2", "node3", "node4"]}
    assert [one["name"] for one in value("__pg_backup_stanzas", given)] == ["sky", "moon"]
    assert value("__pg_backup_secrets", given) == {"sky": SECRET, "moon": "another pass phrase"}
    assert [(one["name"], one["stanza"]) for one in value("__pg_backup_clients", given)] == [
        ("node1", "sky"),
        ("node2", "sky"),
        ("node3", "moon"),
        ("node4", "moon"),
    ]
    assert {one["unit"].rsplit("-", 1)[0] for one in value("__pg_backup_jobs", given)} == {
        "sky-backup-sky",
        "sky-backup-moon",
    }
    # When sky is decommissioned, moon keeps the host's server and CA.
    of_sky = {**given, "inventory_hostname": "node1"}
    assert [one["name"] for one in value("__pg_backup_others", of_sky)] == ["moon"]


# What pgBackRest's info says -> what is printed of it for make, say and look; None: it fails.
PLACES = {
    "none": (1, "a place for sky is made", "a place for sky is made", ""),
    "made, without a backup": (2, "", "", "no backup yet"),
    "with a backup": (0, "", "", ""),
    "unreadable": (99, None, None, ""),
}


@pytest.mark.parametrize("case", PLACES)
def test_place_is_made_only_where_none_is(case: str, tmp_path: Path) -> None:
    code, *wanted = PLACES[case]
    told = json.dumps([{"name": "sky", "status": {"code": code, "message": case, "lock": {"backup": {"held": False}}}}])
    program = tmp_path / "pgbackrest"
    program.write_text(f"#!/bin/sh\ncase $* in *stanza-create*) touch {tmp_path}/made ;; *) echo '{told}' ;; esac\n")
    program.chmod(0o755)
    for job, text in zip(("say", "look", "make"), (wanted[1], wanted[2], wanted[0])):
        done = subprocess.run(
            ["sh", "-s", "--", "sky", "conf", job],
            input=(ROLES / "pg_backup/files/stanza.sh").read_text(),
            capture_output=True,
            text=True,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            check=False,
        )
        assert (done.stdout.strip() if done.returncode == 0 else None) == text, (job, done.stderr)
        assert (tmp_path / "made").exists() is (job == "make" and code == 1)


# --- what is refused


def problems(host: str = "backup", kind: str = "host", **given: Any) -> list[str]:
    return value("__pg_backup_problems", known(host, kind, **given))


def test_good_inventory_has_no_problems() -> None:
    assert [problems(host) for host in ("node1", "node2", "backup", "vote")] == [[], [], [], []]


@pytest.mark.parametrize(
    "secret", ["", "short", "CHANGE_ME_to_a_long_one", "has a\nline break in it", " begins with a blank"]
)
def test_pass_phrase_that_protects_nothing_or_cannot_be_written(secret: str) -> None:
    assert len(problems(pg_backup_cipher_pass=secret)) == 1
    assert "pg_backup_cipher_pass" in problems(pg_backup_cipher_pass=secret)[0]
    assert problems(pg_backup_cipher_pass=secret, pg_backup_encryption=False) == []


def test_repository_on_a_node_or_nowhere() -> None:
    assert "would destroy its backups" in problems("node1", pg_cluster_backup_host="node2")[0]
    assert "no host in group backup_hosts" in problems("node1", pg_cluster_backup_host="")[0]


def test_object_storage_without_its_key() -> None:
    assert problems("node1", "s3", pg_backup_s3_bucket="b", pg_backup_s3_endpoint="e") == [
        "pg_cluster_backup is s3, and pg_backup_s3_key, pg_backup_s3_key_secret are not set"
    ]


# --- restore.yml


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("latest", ["--type=default"]),
        ("2026-11-27 09:15:00+00", ["--type=time", "--target=2026-11-27 09:15:00+00", "--target-action=promote"]),
        ("2026-11-27T09:15:00Z", ["--type=time", "--target=2026-11-27 09:15:00+00", "--target-action=promote"]),
        (
            "2026-11-27 09:15:00.5 +02:00",
            ["--type=time", "--target=2026-11-27 09:15:00.5 +02:00", "--target-action=promote"],
        ),
        ("0/5000060", ["--type=lsn", "--target=0/5000060", "--target-action=promote"]),
        ("before_the_release", ["--type=name", "--target=before_the_release", "--target-action=promote"]),
    ],
)
def test_target_is_what_it_looks_like(target: str, options: list[str]) -> None:
    assert restore_target(target) == {"options": options, "problem": ""}


@pytest.mark.parametrize("target", ["", "2026-11-27 09:15:00", "2026-11-27", "2026-11-27 half past nine+00"])
def test_target_that_could_mean_another_time_is_refused(target: str) -> None:
    found = restore_target(target)
    assert found["problem"]
    assert found["options"] == []


def test_kind_that_is_given_counts() -> None:
    assert restore_target("2026-11-27", "name")["options"][0] == "--type=name"
    assert restore_target("latest", "immediate")["options"] == ["--type=immediate", "--target-action=promote"]
    assert "pg_backup_restore_type" in restore_target("latest", "tiem")["problem"]


def told(node1: dict[str, Any], node2: dict[str, Any]) -> dict[str, dict[str, str]]:
    """role and timeline: of the record; holder and epoch: of the register's row as that node saw it last."""
    found = {}
    for node, said in (("node1", node1), ("node2", node2)):
        row = {key: said[key] for key in ("holder", "epoch") if key in said}
        record = {key: said[key] for key in ("role", "timeline") if key in said}
        status = {"here": {"status": {"node": node, "role": "none", "register": row or None}}}
        found[node] = {"status": json.dumps(status), "record": json.dumps({"record": record})}
    return found


def test_place_is_where_the_register_lets_serve() -> None:
    said = told(
        {"role": "primary", "timeline": 9, "holder": "node2", "epoch": 4},
        {"role": "standby", "holder": "node1", "epoch": 3},
    )
    assert restore_place(said)["node"] == "node2"
    assert "register says that node2" in restore_place(said, "node1")["problem"]


def test_place_without_a_register_is_the_newest_primary() -> None:
    both = told({"role": "primary", "timeline": 3}, {"role": "primary", "timeline": 4})
    assert restore_place(both)["node"] == "node2"
    assert restore_place(both, "node1")["node"] == "node1"


NOTHING = {"status": "", "record": ""}


@pytest.mark.parametrize(
    "said",
    [
        {"node1": NOTHING, "node2": NOTHING},
        {"node1": {"status": "no json", "record": "[]"}, "node2": NOTHING},
        told({"role": "standby"}, {"role": "unknown"}),
    ],
)
def test_place_that_nobody_knows_is_asked_for(said: dict[str, dict[str, str]]) -> None:
    assert "pg_backup_restore_node" in restore_place(said)["problem"]
    assert restore_place(said, "node1") == {"node": "node1", "problem": ""}
    assert restore_place(said, "node3")["problem"]

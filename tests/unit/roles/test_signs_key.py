# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyha is told of the signs of life, and both nodes have one key for them, made by the role (signs.yml)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from ansible.template import trust_as_template
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import config_file
from render import ROLES, template, value, variables

TASKS = ROLES / "skyha_daemon/tasks"
LEASE: dict[str, Any] = {"pg_cluster_register": "vote_host", "pg_cluster_register_password": "reg"}
NODES = ("node1", "node2")
BMC = ("pg_cluster_bmc_address", "pg_cluster_bmc_user", "pg_cluster_bmc_password")
A, B = "a" * 64, "b" * 64


def tasks(name: str) -> list[dict[str, Any]]:
    """The tasks of a file of the role."""
    return yaml.safe_load((TASKS / name).read_text())


# --- what skyha is told -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "has_lease"), [({}, False), (LEASE, True)])
def test_skyha_is_told_of_port_and_key(given: dict[str, Any], has_lease: bool) -> None:
    config = config_file.parse(template("skyha_daemon", "skyha.conf.j2", variables("skyha_daemon", **given)))
    assert (config.has_lease, config.signs.port, config.signs.keyfile) == (has_lease, 8009, "/etc/skyha/signs.key")
    known = variables("skyha_daemon", pg_cluster_signs_port=9009, **LEASE)
    assert config_file.parse(template("skyha_daemon", "skyha.conf.j2", known)).signs.port == 9009


def without_bmc(**given: Any) -> dict[str, Any]:
    """What the role sees where neither node has a BMC, or an agent of another kind."""
    known = variables("skyha_daemon", **given)
    for name in BMC:
        known[name] = ""
        for host in known["hostvars"].values():
            host.pop(name, None)
    return known


def against(known: dict[str, Any]) -> list[str]:
    """The conditions of the role's preflight that do not hold."""
    conditions = tasks("preflight.yml")[0]["ansible.builtin.assert"]["that"]
    return [one for one in conditions if not value(one, known)]


def test_node_without_a_bmc_needs_a_lease() -> None:
    assert against(variables("skyha_daemon")) == []
    assert against(without_bmc(**LEASE)) == []
    assert len(against(without_bmc())) == 1
    assert len(against(without_bmc(**LEASE, pg_cluster_watchdog_device=""))) == 1


def test_skyha_reads_a_configuration_without_any_agent() -> None:
    config = config_file.parse(template("skyha_daemon", "skyha.conf.j2", without_bmc(**LEASE)))
    assert config.agents == ()


# --- the key ------------------------------------------------------------------------------------------------------


class Refused(Exception):
    """The role has stopped there."""


GONE = {"unreachable": True, "msg": "Failed to connect to the host via ssh"}
NOT_ROOT = {"failed": False, "msg": "Missing sudo password"}


def asked(folder: Path, node: str, kept: dict[str, str]) -> dict[str, Any]:
    """What the first task finds on that node."""
    file = folder / f"{node}.key"
    file.unlink(missing_ok=True)
    if node in kept:
        file.write_bytes(kept[node].encode("latin-1"))
    command = tasks("signs.yml")[0]["ansible.builtin.command"]["argv"]
    done = subprocess.run([*command[:-1], str(file)], stdout=subprocess.PIPE, check=False)
    return {"rc": done.returncode, "stdout": done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")}


def run(
    kept: dict[str, str],
    hosts: tuple[str, ...] = NODES,
    renew: bool = False,
    silent: dict[str, dict[str, Any]] | None = None,
) -> dict[str, str]:
    """What both nodes' files hold after a run on `hosts`. kept: what those that are there held before; silent: who does not tell."""
    _, known_enough, new, written = tasks("signs.yml")
    with TemporaryDirectory() as folder:
        results = [{"item": node, **((silent or {}).get(node) or asked(Path(folder), node, kept))} for node in NODES]
    seen = {node: variables("skyha_daemon", host=node, **LEASE) for node in hosts}
    made = {}
    for node, known in seen.items():
        known["__skyha_daemon_signs_read"] = {"results": results}
        known["ansible_play_hosts"] = list(hosts)
        known["__skyha_daemon_signs_renew"] = renew
        if not value(known_enough["ansible.builtin.assert"]["that"], known):
            message = known_enough["ansible.builtin.assert"]["fail_msg"]
            raise Refused(value("text", {**known, "text": trust_as_template(message)}))
        if all(value(condition, known) for condition in new["when"]):
            text = new["ansible.builtin.set_fact"]["__skyha_daemon_signs_new"]
            made[node] = value("made", {**known, "made": trust_as_template(text)})
    after = dict(kept)
    for node, known in seen.items():
        for maker, key in made.items():
            known["hostvars"][maker]["__skyha_daemon_signs_new"] = key
        content = written["ansible.builtin.copy"]["content"]
        after[node] = value("content", {**known, "content": trust_as_template(content)})
    return after


def test_new_cluster_gets_one_key_for_both_and_a_second_run_changes_nothing() -> None:
    after = run({})
    assert after["node1"] == after["node2"]
    assert re.fullmatch("[0-9a-f]{64}\n", after["node1"])
    assert run(after) == after
    assert run({}) != after, "each cluster gets another one"


@pytest.mark.parametrize("has_it", NODES)
def test_key_of_one_node_is_copied_to_the_other(has_it: str) -> None:
    assert run({has_it: A + "\n"}) == {"node1": A + "\n", "node2": A + "\n"}


def test_of_two_keys_the_first_nodes_counts() -> None:
    assert run({"node1": B + "\n", "node2": A + "\n"}) == {"node1": B + "\n", "node2": B + "\n"}


@pytest.mark.parametrize("broken", ["", "\n", A[1:], A.upper(), "\xff\xfe"])
def test_file_that_holds_no_key_counts_for_none(broken: str) -> None:
    assert run({"node1": broken, "node2": A + "\n"}) == {"node1": A + "\n", "node2": A + "\n"}
    after = run({"node1": broken})
    assert after["node1"] == after["node2"] != broken


@pytest.mark.parametrize("limit", NODES)
def test_limit_changes_nothing_of_the_answer(limit: str) -> None:
    other = next(node for node in NODES if node != limit)
    assert run({other: A + "\n"}, (limit,)) == {"node1": A + "\n", "node2": A + "\n"}
    first = run({}, (limit,))
    assert list(first) == [limit]
    assert run(first) == {"node1": first[limit], "node2": first[limit]}


@pytest.mark.parametrize("why", [GONE, NOT_ROOT, {"rc": 1, "stdout": ""}], ids=["off", "not root", "cat failed"])
@pytest.mark.parametrize("node", NODES)
def test_a_node_that_did_not_tell_is_not_taken_for_one_without_a_key(node: str, why: dict[str, Any]) -> None:
    other = next(one for one in NODES if one != node)
    for hosts in (NODES, (other,)):
        with pytest.raises(Refused, match=f"could not be read on {node},.*openssl rand -hex 32 > /etc/skyha/signs.key"):
            run({}, hosts, silent={node: why})
    with pytest.raises(Refused):
        run({other: A + "\n"}, renew=True, silent={node: why})


@pytest.mark.parametrize("node", NODES)
def test_the_key_of_the_node_that_told_stays(node: str) -> None:
    other = next(one for one in NODES if one != node)
    assert run({other: A + "\n"}, (other,), silent={node: GONE}) == {other: A + "\n"}


def test_another_one_is_made_where_that_is_asked_for() -> None:
    before = {"node1": A + "\n", "node2": A + "\n"}
    after = run(before, renew=True)
    assert after["node1"] == after["node2"] != before["node1"]
    (asked,) = [task for task in tasks("rotate_signs.yml") if "ansible.builtin.include_tasks" in task]
    assert asked["vars"] == {"__skyha_daemon_signs_renew": True}


def test_key_is_skyhas_users_only_and_shown_nowhere() -> None:
    written = tasks("signs.yml")[-1]
    given = {key: text for key, text in written["ansible.builtin.copy"].items() if key != "content"}
    known = variables("skyha_daemon", **LEASE)
    file = {key: value("text", {**known, "text": trust_as_template(text)}) for key, text in given.items()}
    assert file == {"dest": "/etc/skyha/signs.key", "owner": "skyha", "group": "skyha", "mode": "0600"}
    assert written["notify"] == "Restart skyha"
    # What is refused is told, and tells no key: it names none of the variables that hold one but to count them.
    hidden, shown = [
        [task for task in tasks("signs.yml") if ("no_log" in task) is is_hidden] for is_hidden in (True, False)
    ]
    assert all(task["no_log"] is True for task in hidden)
    assert [list(task["ansible.builtin.assert"]) for task in shown] == [["that", "fail_msg", "quiet"]]
    assert not re.search(r"_signs_(key|found|new|read)\b(?! \| length)", str(shown))

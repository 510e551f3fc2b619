# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every alarm that the source can raise has its severity, its meaning and its next step, and all who show it agree."""

from __future__ import annotations

import ast
from pathlib import Path as File

import pytest
import yaml
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.alarms import ALARMS, Severity, of
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.metrics import REASONS
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Do, Path

ROOT = File(__file__).parents[2]
SKYHA = ROOT / "plugins/module_utils/skyha"
# Where alarms and reasons are made: dictionaries from a code to a sentence.
SOURCES = (*sorted((SKYHA / "policy").glob("*.py")), SKYHA / "daemon/loop.py", SKYHA / "daemon/status.py")
NAMES = ("alarms", "found", "reasons", "against", "stopped", "_failures")
# Such keys that are no code: the evidence of an event (policy/patience.py), fields of the record on disk (policy/record.py).
FACTS = {"receive_lsn", "version", "by_operator", "intent"}


def codes_in(file: File) -> set[str]:
    """Every alarm code that a module raises: keys put into `alarms` (and so on), and dictionaries given as such."""
    tree, in_policy = ast.parse(file.read_text()), file.parent.name == "policy"
    facts = {id(part) for call in calls(tree, "Event") for part in ast.walk(call)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Subscript) and name_of(target.value) in NAMES:
                    found |= texts([target.slice])
                if name_of(target) in NAMES and node.value is not None:
                    found |= keys(node.value)
        if isinstance(node, ast.Call):
            found |= {key for word in node.keywords if word.arg == "alarms" for key in keys(word.value)}
            if name_of(node.func) == "Decision" and id(node) not in facts:
                found |= {key for value in node.args[5:] for key in keys(value)}
            if name_of(node.func) == "Obstacle":
                found |= texts(node.args[:1])
        if isinstance(node, ast.Return) and isinstance(node.value, (ast.Dict, ast.DictComp, ast.IfExp)) and in_policy:
            found |= keys(node.value)
    return found - FACTS


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    """Every call of `name`."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node.func) == name]


def name_of(node: ast.AST) -> str:
    """The last part of a name: `_failures` of `self._failures`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def keys(value: ast.AST) -> set[str]:
    """The constant keys of the dictionaries in an expression."""
    dicts = [node for node in ast.walk(value) if isinstance(node, ast.Dict)]
    made = [node.key for node in ast.walk(value) if isinstance(node, ast.DictComp)]
    return texts([key for one in dicts for key in one.keys if key is not None] + made)


def texts(nodes: list[ast.expr]) -> set[str]:
    """Constant strings; of an f-string its beginning and a star."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            found.add(f"{node.values[0].value}*")
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.stem)
def test_every_code_raised_has_its_entry(file: File) -> None:
    """A code without one: add it to ALARMS in plugins/module_utils/skyha/alarms.py."""
    for code in codes_in(file):
        begins = code.rstrip("*")
        assert any(known == code or (code.endswith("*") and known.startswith(begins)) for known in ALARMS), code


def test_the_search_finds_what_is_raised() -> None:
    """Else the test above could pass without having looked."""
    found = {code for file in SOURCES for code in codes_in(file)}
    assert {"down", "no_failover", "promotion", "evidence", "fence_failed", "cut_off", "path_*", "too_late"} <= found


def test_codes_made_of_a_path_or_an_action_have_theirs() -> None:
    assert {f"path_{path.value}" for path in Path} | {f"action_{do.value}" for do in Do} <= set(ALARMS)


@pytest.mark.parametrize("code", sorted(ALARMS))
def test_entry_is_whole(code: str) -> None:
    alarm = ALARMS[code]
    assert alarm.meaning.endswith(".")
    assert alarm.next
    assert not alarm.next.endswith(".")


def test_code_of_another_version_is_taken_seriously() -> None:
    assert of("novel").severity is Severity.CRITICAL


@pytest.mark.parametrize("code", ["fence_failed", "cut_off", "no_failover", "down", "two_primaries", "promotion"])
def test_what_leaves_clients_without_a_database_is_critical(code: str) -> None:
    assert of(code).severity is Severity.CRITICAL


def rules() -> dict[str, str]:
    """The alert rules for Prometheus: name -> expression."""
    groups = yaml.safe_load((ROOT / "monitoring/prometheus-rules.yml").read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def test_every_alarm_has_one_rule_in_prometheus() -> None:
    """Its own, where the metric names one, or one of the two that show all others."""
    for name in ("SkyhaDanger", "SkyhaAlarm"):
        assert 'rule=""' in rules()[name]
    assert {alarm.rule for alarm in ALARMS.values() if alarm.rule} <= set(rules())


def test_a_metric_tells_each_reason_against_a_failover() -> None:
    assert {"vote_path", "bmc", "lag", "evidence", "cut_off", "fence_failed"} <= set(REASONS)


def test_every_check_named_exists() -> None:
    commands = (ROOT / "roles/nagios_nrpe/vars/main.yml").read_text()
    for alarm in ALARMS.values():
        assert f"  {alarm.check}: " in commands

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plugins and the alert rules understand what skyha really writes, not only the fixtures."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path as File
from typing import Any

import pytest
import yaml
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.backup_report import Told
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon import status
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.board import Board
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.metrics import metrics
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import from_json, to_json
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.decision import Decision, Readiness, Wants
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Record
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.rhythm import noted
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Local,
    Look,
    Path,
    Power,
    Role,
    Seen,
    Server,
    Sight,
)
from backup_samples import GOOD
from nagios_samples import NOW, PLUGINS, PRIMARY, STANDBY
from node_samples import BMC_OF_NODE1, NODE2, configured, remembered
from programs import program

# What PostgreSQL says of the archive, by its role.
ARCHIVER = {role: dataclasses.replace(GOOD.archiver, in_recovery=role is Role.STANDBY) for role in Role}  # type: ignore[type-var]
ROOT = File(__file__).parents[3]
CONFIG = configured(NODE2, agents=(BMC_OF_NODE1,))


def real(role: Role, failover: dict[str, Any] | None = None) -> dict[str, Any]:
    """A snapshot as the daemon makes it, of a node in good order."""
    local = Local(
        Server.UP,
        role,
        timeline=1,
        write_lsn=99,
        receive_lsn=99,
        replay_lsn=99,
        replay_paused=False,
        streaming=role is Role.STANDBY,
        peer_streaming=role is Role.PRIMARY,
        vip_held=role is Role.PRIMARY,
    )
    memory = remembered(
        Record("boot", role=role),
        NOW - 600,
        heard={
            "at": {Path.VIP: NOW - 1, Path.VOTE: NOW - 1},
            "recorded_at": NOW - 1,
            "sampled_at": NOW - 1,
            "covered_at": NOW - 1,
            "answers": noted({}, {path: Look(Sight.OK, latency=0.003) for path in Path}),
        },
        stream={"at": NOW - 1},
        upkeep={"bmc_ok_at": NOW - 20, "bmc_on_at": NOW - 20, "record_ok_at": NOW - 20},
    )
    board = Board(
        looks={path: (NOW - 1, Look(Sight.OK)) for path in Path},
        power=Power.ON,
        bmc_at=NOW - 20,
        counts={("events", "promoted"): 1, ("cycles",): 9},
        backup=Told(dataclasses.replace(GOOD, archiver=ARCHIVER[role]), 10.0),
    )
    made = status.snapshot(
        CONFIG,
        memory,
        Seen(local),
        Decision(memory, "fine", Wants(1.0), readiness=Readiness({}) if role is Role.STANDBY else None),
        board,
        status.Moment(NOW - 0.5, 1.7e9, 1.6e9, 42),
        (),
        failover,
    )
    return to_json(made)


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("role", [Role.PRIMARY, Role.STANDBY])
def test_a_real_snapshot_in_good_order_is_ok(ask: Callable[..., tuple[int, str]], name: str, role: Role) -> None:
    code, line = ask(name, status.as_text(real(role)).encode())
    assert code == 0, line


def test_the_fixtures_have_the_fields_of_a_real_snapshot() -> None:
    for fixture, role in ((STANDBY, Role.STANDBY), (PRIMARY, Role.PRIMARY)):
        assert set(fixture) <= set(real(role))


def names_in(text: str) -> set[str]:
    """Every metric of skyha that a rule or panel names."""
    return set(re.findall(r"\bskyha_[a-z_]+\b", text))


def exported() -> set[str]:
    """Every metric that skyha can export."""
    story = {"wall": 1.7e9, "seconds": 4.0, "phases": {"fence": 1.0}}
    both = [real(role, story) for role in (Role.PRIMARY, Role.STANDBY)]
    both[0]["alarms"] = {"down": "down"}
    both[0]["replication"] = {"mode": "zero_loss", "protected": True, "waiting": 0.0}
    return {
        name for one in both for name in re.findall(r"^(skyha_[a-z_]+)", metrics(from_json(one), 0.5), re.MULTILINE)
    }


def test_alert_rules_name_only_metrics_that_exist() -> None:
    rules = yaml.safe_load((ROOT / "monitoring/prometheus-rules.yml").read_text())
    expressions = [rule.get("expr", "") for group in rules["groups"] for rule in group["rules"]]
    assert names_in(" ".join(expressions)) - exported() == set()
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("critical", "warning")
            assert set(rule["annotations"]) == {"summary", "description"}


def test_dashboard_names_only_metrics_that_exist() -> None:
    board = json.loads((ROOT / "monitoring/grafana-dashboard.json").read_text())
    targets = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    assert targets
    assert names_in(" ".join(targets)) - exported() == set()
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


def test_alerts_fire_when_they_should_and_only_then() -> None:
    done = subprocess.run(
        [program("promtool"), "test", "rules", File(__file__).with_name("rules_test.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("role", [Role.PRIMARY, Role.STANDBY])
def test_promtool_finds_nothing_wrong_with_the_metrics(role: Role) -> None:
    text = metrics(from_json(real(role, {"wall": 1.7e9, "seconds": 4.0, "phases": {"fence": 1.0}})), 0.5)
    assert "# TYPE skyha_answer_seconds histogram" in text
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")

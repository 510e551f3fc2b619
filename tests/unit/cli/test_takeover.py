# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator reads before he orders a takeover: what is known is said, and what is not is said to be unknown."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.cli.takeover import known, power
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.daemon.published import Bmc, from_json

SILENT = {"sight": "unreachable", "detail": "", "ok_age": None}
STANDBY: dict[str, Any] = {
    "node": "node2",
    "peer": "node1",
    "role": "standby",
    "server": "up",
    "timeline": 5,
    "lsn": {"write": None, "receive": 0xE220F98, "replay": 0xE220F00},
    "lag": {"seconds": None, "bytes": None},
    "paths": {"vip": SILENT, "vote": SILENT},
    "peer_seen": None,
    "not_armed": {},
    "failover": {"distrusted": ""},
}


def test_standby_that_has_heard_nothing_says_so() -> None:
    text = "\n".join(known(from_json(STANDBY)))
    assert "last heartbeat of node1: unknown" in text
    assert "behind: unknown" in text
    assert "own address not looked at" in text
    assert "timeline 5, WAL up to 0/E220F98, replayed 0/E220F00" in text
    assert "what stopped" not in text


def test_standby_that_has_heard_its_primary_says_when_and_how_far_behind_it_was() -> None:
    heard = {"sight": "dropped", "detail": "no backend", "ok_age": 84.2}
    status = {
        **STANDBY,
        "paths": {"vip": SILENT, "vote": heard},
        "lag": {"seconds": 1.25, "bytes": 176},
        "not_armed": {"lag": "this standby was behind"},
        "peer_seen": {"server": "unreachable"},
    }
    text = "\n".join(known(from_json(status)))
    assert "last heartbeat of node1: 84 s ago" in text
    assert "1.2 s (176 bytes) behind" in text
    assert "vote path dropped (no backend)" in text
    assert "own address PostgreSQL unreachable" in text
    assert "what stopped a failover: this standby was behind" in text


def test_heir_of_zero_loss_says_until_when_it_has_all() -> None:
    heard = {"sight": "dropped", "detail": "no backend", "ok_age": 84.2}
    status = {**STANDBY, "paths": {"vip": SILENT, "vote": heard}, "replication": {"heir": True, "complete_age": 21.0}}
    text = "\n".join(known(from_json(status)))
    assert "last heartbeat of node1: 84 s ago; when the register was last read, 21 s ago, node2 was the heir" in text
    assert "all that node1 had acknowledged by then" in text
    assert "since then is not here" not in text


def test_one_that_is_not_the_heir_tells_what_it_lacks() -> None:
    status = {**STANDBY, "replication": {"heir": False, "for": 60.0}, "not_armed": {"heir": "not the heir: 1.2 MB"}}
    text = "\n".join(known(from_json(status)))
    assert "what stopped a failover: not the heir: 1.2 MB" in text
    assert "was the heir" not in text


def test_former_primary_cannot_know_what_its_peer_did() -> None:
    lsn = {"write": None, "receive": None, "replay": None}
    text = "\n".join(known(from_json({**STANDBY, "role": "primary", "server": "down", "timeline": None, "lsn": lsn})))
    assert "whether node1 was promoted meanwhile and took commits: unknown" in text
    assert "timeline unknown, WAL up to unknown" in text


@pytest.mark.parametrize(
    ("bmc", "role", "said"),
    [
        ({"error": "", "power": "off"}, "standby", "says that it is off"),
        ({"error": "", "power": "on"}, "standby", "skyha switches it off first"),
        ({"error": "", "power": "on"}, "primary", "skyha refuses until it is off"),
        ({"error": "no answer", "power": "unknown"}, "standby", "takes your word that node1 is off"),
        (None, "standby", "takes your word that node1 is off"),
    ],
)
def test_what_the_bmc_says_and_what_follows_from_it(bmc: dict[str, Any] | None, role: str, said: str) -> None:
    assert said in power("node1", None if bmc is None else Bmc(**bmc), from_json({**STANDBY, "role": role}))


def test_bmc_that_is_not_believed_is_said_to_be_left_alone() -> None:
    status = from_json({**STANDBY, "failover": {"distrusted": "it answered"}})
    text = power("node1", Bmc(error="", power="on"), status)
    assert "is not believed (it answered): skyha takes your word" in text

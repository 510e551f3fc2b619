# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fence process: its agents, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.fencing.child import handle

BROKEN = {"name": "idrac", "kind": "ipmi", "address": "127.0.0.1", "user": "test", "password_file": "/nonexistent"}
IS_OFF = {"name": "switch", "kind": "command", "off": "true", "status": "echo Status: OFF"}


def request(*levels: Sequence[Mapping[str, object]], verb: str = "off") -> Mapping[str, object]:
    return handle({"verb": verb, "deadline": 5.0, "levels": levels})


def test_agent_by_command_fences(tmp_path: Path) -> None:
    power = tmp_path / "power"
    lines = {"off": f"sh -c 'touch {power}'", "status": f"sh -c 'test ! -e {power} || echo Status: OFF'"}
    answer = request([{"name": "switch", "kind": "command", **lines}])
    assert (answer["power"], answer["proof"], answer["changed"]) == ("off", True, True)


def test_broken_first_agent_does_not_hide_a_sound_second_one() -> None:
    assert request([BROKEN], [IS_OFF])["proof"] is True


def test_level_with_a_broken_agent_is_no_level_without_it() -> None:
    assert "/nonexistent" in str(request([BROKEN, IS_OFF])["error"])
    assert "/nonexistent" in str(request([IS_OFF], [BROKEN], verb="status")["warning"])


def test_every_reason_is_told_where_nothing_works() -> None:
    error = str(request([BROKEN], [{**IS_OFF, "status": "false"}])["error"])
    assert "/nonexistent" in error
    assert "fence agent switch: status failed with exit code 1" in error
    assert "/nonexistent" in str(request([BROKEN])["error"])


def test_command_is_told_no_port_but_a_given_one(tmp_path: Path) -> None:
    """Each fence agent has one of its own: IPMI's would lead a fence_redfish astray."""
    program = tmp_path / "fence_switch"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/told\necho Status: ON\n")
    program.chmod(0o700)
    lines = dict.fromkeys(("off", "on", "status"), str(program))
    for given, told in (({}, False), ({"port": 8443}, True)):
        request([{"name": "switch", "kind": "command", **lines, **given}], verb="status")
        assert ("ipport=8443" in (tmp_path / "told").read_text()) is told
        assert "ipport=623" not in (tmp_path / "told").read_text()

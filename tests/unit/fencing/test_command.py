# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fence agents as command lines."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import FenceError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.fencing.command import CommandAgent
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Power

SECRET = "FEFETESTe12345112"


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a program; its path."""

    def write(name: str, body: str) -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return write


def agent(**lines: str) -> CommandAgent:
    return CommandAgent("ilo", lines, "198.51.100.212", "test", SECRET, 623)


class TestStatus:
    """On is 0, off is 2, and words must not contradict."""

    @pytest.mark.parametrize(
        ("body", "power"),
        [
            ("exit 0", Power.ON),
            ("echo 'Status: ON'", Power.ON),
            ("echo 'Status: OFF'; exit 2", Power.OFF),
            ("echo 'Chassis Power is on'", Power.ON),
            ("echo 'Chassis Power is off'", Power.OFF),
            ("echo 'Status: ON'; exit 2", Power.UNKNOWN),
            ("echo 'Power is on'; echo 'Power is off'", Power.UNKNOWN),
            ("echo 'the power off timer is on'", Power.ON),
            ("echo 'Status: UNKNOWN'", Power.UNKNOWN),
        ],
    )
    def test_power(self, script: Callable[[str, str], str], body: str, power: Power) -> None:
        assert agent(status=script("probe", body)).status(5.0) is power

    def test_any_other_exit_code_is_an_error(self, script: Callable[[str, str], str]) -> None:
        with pytest.raises(FenceError, match="exit code 1: cannot connect"):
            agent(status=script("probe", "echo cannot connect; exit 1")).status(5.0)

    def test_fence_agent_need_not_say_off_in_words(self, script: Callable[[str, str], str]) -> None:
        assert agent(status=script("fence_ilo", "exit 2")).status(5.0) is Power.OFF

    def test_fence_agent_that_names_another_status_did_not_say_off(self, script: Callable[[str, str], str]) -> None:
        assert agent(status=script("fence_ilo", "echo 'Status: STOPPING'; exit 2")).status(5.0) is Power.UNKNOWN

    @pytest.mark.parametrize("line", ["python3 /nowhere.py", "sh -c 'exit 2'", "grep x /nowhere"])
    def test_program_that_was_called_wrongly_is_no_proof(self, line: str) -> None:
        with pytest.raises(FenceError, match="exit code 2"):
            agent(status=line).status(5.0)


class TestFenceAgents:
    """They are told everything on standard input."""

    def test_options_come_on_standard_input_and_no_argument_does(
        self, script: Callable[[str, str], str], tmp_path: Path
    ) -> None:
        line = script("fence_ilo", f"test $# = 0 || exit 9; cat > {tmp_path}/told")
        agent(off=f"{line} ssl=1 power_wait=2").order("off", 5.0)
        told = dict(row.split("=", 1) for row in (tmp_path / "told").read_text().splitlines())
        assert told == {
            "action": "off",
            "ipaddr": "198.51.100.212",
            "login": "test",
            "passwd": SECRET,
            "ipport": "623",
            "ssl": "1",
            "power_wait": "2",
        }

    def test_reset_is_their_reboot(self, script: Callable[[str, str], str], tmp_path: Path) -> None:
        agent(reset=script("fence_rsa", f"cat > {tmp_path}/told")).order("reset", 5.0)
        assert "action=reboot" in (tmp_path / "told").read_text().splitlines()

    def test_line_with_arguments_is_left_as_it_is(self, script: Callable[[str, str], str], tmp_path: Path) -> None:
        line = script("fence_ilo", f'echo "$@" > {tmp_path}/told')
        agent(off=f"{line} -a {{address}} -l {{user}} -o off --ssl=1").order("off", 5.0)
        assert (tmp_path / "told").read_text().split() == ["-a", "198.51.100.212", "-l", "test", "-o", "off", "--ssl=1"]


class TestOtherPrograms:
    """ipmitool and the like."""

    def test_placeholders_are_filled_and_the_password_is_in_the_environment_only(
        self, script: Callable[[str, str], str], tmp_path: Path
    ) -> None:
        line = script("ipmitool", f'echo "$@ $IPMI_PASSWORD $SKYHA_FENCE_PASSWORD" > {tmp_path}/told')
        agent(off=f"{line} -E -H {{address}} -U {{user}} power off").order("off", 5.0)
        assert (tmp_path / "told").read_text().split() == [
            "-E",
            "-H",
            "198.51.100.212",
            "-U",
            "test",
            "power",
            "off",
            SECRET,
            SECRET,
        ]

    def test_failure_tells_the_words_without_the_password(self, script: Callable[[str, str], str]) -> None:
        with pytest.raises(FenceError, match="exit code 4") as caught:
            agent(off=script("tool", 'echo "login with $IPMI_PASSWORD failed"; exit 4')).order("off", 5.0)
        assert SECRET not in str(caught.value)
        assert "login with *** failed" in str(caught.value)

    def test_program_that_hangs_is_ended_with_its_children(self, script: Callable[[str, str], str]) -> None:
        began = time.monotonic()
        with pytest.raises(FenceError, match="did not end within"):
            agent(off=script("tool", "sleep 60 & sleep 60")).order("off", 0.3)
        assert time.monotonic() - began < 5

    def test_missing_program_is_named(self) -> None:
        with pytest.raises(FenceError, match="no-such-tool cannot be run"):
            agent(off="no-such-tool").order("off", 1.0)


def test_missing_line_is_named() -> None:
    with pytest.raises(FenceError, match=r"fence agent ilo at 198\.51\.100\.212: has no command line for on"):
        agent(off="true").order("on", 1.0)


@pytest.mark.parametrize("line", ["echo 'open", "   "])
def test_line_that_cannot_be_split_is_refused_at_once(line: str) -> None:
    with pytest.raises(FenceError, match="the command line of off"):
        agent(off=line)


def test_password_with_a_line_break_is_refused() -> None:
    with pytest.raises(FenceError, match="line break"):
        CommandAgent("ilo", {}, password="a\nb")

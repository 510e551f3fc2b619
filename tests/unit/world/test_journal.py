# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines reach the journal with their fields, or else the log."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.world.journal import Journal


def test_fields_and_lines_are_as_the_journal_wants_them(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(5)
        Journal(path).send("alarm", "one\ntwo", {"SKYHA_KIND": "fencing"})
        data = server.recv(65536)
    assert b"MESSAGE\n" + struct.pack("<Q", 7) + b"one\ntwo\n" in data
    assert b"PRIORITY=3\n" in data
    assert b"SKYHA_KIND=fencing\n" in data


def test_without_a_journal_the_log_has_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Journal(str(tmp_path / "none")).send("alarm", "fenced", {})
    assert "fenced" in caplog.text

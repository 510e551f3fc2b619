# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module tls_probe. (What a PostgreSQL with TLS shows is in probes/test_tls.py.)"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import real_etcd
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Certificate, Shown
from ansible_collections.sky.pg_cluster.plugins.modules import tls_probe
from module_runner import run
from real_postgres import RealPostgres


def test_server_without_tls_is_an_answer(
    capsys: pytest.CaptureFixture[str], postgres: RealPostgres, tmp_path: Path
) -> None:
    real_etcd.certificates(tmp_path)
    where = {"address": "127.0.0.1", "port": postgres.port, "cafile": str(tmp_path / "ca.crt")}
    answer = run(tls_probe, capsys, check=True, **where)
    assert (answer["shown"], answer["changed"], "failed" in answer) == ("plain", False, False)
    missing = run(tls_probe, capsys, **{**where, "cafile": "/missing"})
    assert missing["shown"] == "error"


def test_what_ends_first_counts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Certificate(Shown.GOOD, "", time.time() + 864000, time.time() + 432000, "1F")
    monkeypatch.setattr(tls_probe.certificate, "look", lambda *_where: seen)
    answer = run(tls_probe, capsys, address="198.51.100.1", port=1921, cafile="/x")
    assert (answer["days"], answer["serial"]) == (5.0, "1F")

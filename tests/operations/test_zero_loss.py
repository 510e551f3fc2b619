# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A running cluster is switched to zero loss and back by site.yml, beside a writing client."""

from __future__ import annotations

import pytest

from tests.lab import lab, register
from tests.operations.plays import no_commit_lost

pytestmark = pytest.mark.skipif(register.ENGINE == "none", reason="zero loss needs a register")


def switched_to(mode: str, protected: bool | None) -> None:
    lab.playbook("site.yml", "-e", f"pg_cluster_replication={mode}")
    lab.wait_for(mode, lambda: lab.status(lab.primary())["replication"]["mode"] == mode, 30)
    lab.wait_for("the heir", lambda: lab.status(lab.primary())["replication"]["protected"] is protected, 60)


def test_to_and_fro_without_a_restart(primary: str) -> None:
    before = lab.sql(primary, "SELECT pg_postmaster_start_time()")
    began = lab.status(primary)["replication"]["mode"]
    with no_commit_lost("async, zero loss, async"):
        switched_to("async", None)
        switched_to("zero_loss", True)
        assert lab.sql(primary, "SHOW synchronous_standby_names") != ""
        switched_to("async", None)
        assert lab.sql(primary, "SHOW synchronous_standby_names") == ""
    assert lab.primary() == primary
    assert lab.sql(primary, "SELECT pg_postmaster_start_time()") == before
    lab.playbook("site.yml", "-e", f"pg_cluster_replication={began}")

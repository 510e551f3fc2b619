# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster on another distribution, and with a PostgreSQL of another origin: it is what it should be, and it fails over."""

from __future__ import annotations

import time

import pytest

from tests.lab import faults, lab
from tests.lab.watch import Watch

Expected = tuple[str, str, str]
# The document's, and what Debian's packages are built with.
WAL_BLOCK_SIZE = {"source": "16384", "packages": "8192"}


@pytest.mark.parametrize("node", lab.NODES)
def test_node_runs_the_suite_and_the_server_that_were_asked_for(node: str, expected: Expected) -> None:
    suite, major, method = expected
    words = 'ID="rhel"\n' if suite == "el-like" else f"VERSION_CODENAME={suite}\n"
    assert words in lab.on(node, "cat", "/etc/os-release")
    assert lab.sql(node, "SHOW server_version").split(".")[0] == major
    assert lab.sql(node, "SHOW wal_block_size") == WAL_BLOCK_SIZE[method]
    server = lab.on(node, "sh", "-c", "readlink -f /proc/$(head -1 /data/pgdata/pg_root/postmaster.pid)/exe")
    assert server.startswith("/opt/pgsql-" if method == "source" else "/usr/lib/postgresql/")


def test_nodes_without_a_compiler_run_the_one_build(expected: Expected) -> None:
    if expected[2] != "source":
        pytest.skip("nothing was built")
    builds = {node: lab.on(node, "cat", "/opt/pgsql/.sky_build_id") for node in lab.NODES}
    assert len(set(builds.values())) == 1, builds
    assert lab.on("node2", "sh", "-c", "command -v gcc || true") == ""


def test_extensions_and_languages_of_the_build_are_there(expected: Expected) -> None:
    wanted = {"pg_stat_statements", "plpgsql"} | (
        {"plperl", "plpython3u", "pltcl"} if expected[2] == "source" else set()
    )
    there = set(lab.sql(lab.primary(), "SELECT name FROM pg_available_extensions").split())
    assert wanted <= there


def test_lost_primary_is_replaced_and_comes_back_as_standby() -> None:
    faults.make_whole()
    primary = lab.primary()
    standby = lab.other(primary)
    with Watch() as watch:
        cut = time.monotonic()
        faults.power_loss(primary)
        lab.wait_for(f"{standby} as primary", lambda: lab.holds_vip(standby) and lab.is_writable(standby), 60)
        lab.wait_for("the client's next commit", lambda: watch.resumed(cut + 0.5), 30)
        faults.make_whole()
    print(f"\noutage {watch.report.outage:.2f} s")
    watch.report.check()
    assert lab.primary() == standby
    assert "rewind_failed" not in [event["kind"] for event in watch.report.history[primary]]

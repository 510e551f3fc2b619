# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""minor_upgrade.yml with a server that was built from source: another build, another version, beside the one that runs."""

from __future__ import annotations

import pytest

from tests.lab import faults, lab
from tests.operations.plays import kinds, no_commit_lost, play


def builds(node: str) -> tuple[str, str, str]:
    """What runs, what the link names for the next start, and the version that answers."""
    runs = lab.on(node, "sh", "-c", "readlink -f /proc/$(head -1 /data/pgdata/pg_root/postmaster.pid)/exe").strip()
    return runs.removesuffix("/bin/postgres"), lab.on(node, "readlink", "-f", "/opt/pgsql").strip(), version(node)


def version(node: str) -> str:
    return lab.sql(node, "SHOW server_version").split()[0]


@pytest.mark.long
def test_next_build_comes_standby_first_with_one_pause(source: dict[str, str]) -> None:
    faults.make_whole()
    primary = lab.primary()
    standby = lab.other(primary)
    before = builds(primary)
    assert before == builds(standby)
    # The same tarball, told to give itself another version: a second tarball of this major version is not always to be had.
    wanted = {
        **source,
        "pg_build_method": "source",
        "pg_build_extra_flags": ["CFLAGS=-O0", "--with-extra-version=-next"],
        "pg_build_nice": 0,
    }
    with no_commit_lost("the next build") as watch:
        play("minor_upgrade", **wanted)
    assert lab.primary() == standby
    assert kinds(watch).count("switched") == 1
    assert "fencing" not in kinds(watch)
    after = builds(standby)
    assert after == builds(primary)
    assert after[0] == after[1] != before[0]
    assert after[2] == f"{before[2]}-next"
    assert lab.changed(play("minor_upgrade", **wanted)) == 0

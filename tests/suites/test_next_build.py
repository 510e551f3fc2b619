# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""minor_upgrade.yml where the server was built from source: another version, put beside the build that runs.

The next version is not compiled here (the scenario has compiled one already): it is a copy of the packed build that calls
itself by another number, under the name that the play looks for.
"""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.lab import faults, lab
from tests.operations.plays import kinds, no_commit_lost, play

Expected = tuple[str, str, str]


def running(node: str) -> tuple[str, str]:
    """The directory of the build that runs, and its version."""
    server = lab.on(node, "sh", "-c", "readlink -f /proc/$(head -1 /data/pgdata/pg_root/postmaster.pid)/exe").strip()
    return server.removesuffix("/bin/postgres"), lab.sql(node, "SHOW server_version").split()[0]


def renumber(old: Path, new: Path, before: str, after: str) -> None:
    """Copy a packed build; its programs tell another version of the same length."""
    keys = [path.name.removeprefix("pgsql-").removesuffix(".tar.gz") for path in (old, new)]
    with tarfile.open(old) as source, tarfile.open(new, "w:gz", compresslevel=1) as target:
        for member in source:
            member.name = member.name.replace(*keys)
            file = source.extractfile(member) if member.isreg() else None
            if file is None:
                target.addfile(member)
                continue
            data = file.read().replace(before.encode(), after.encode()).replace(keys[0].encode(), keys[1].encode())
            member.size = len(data)
            target.addfile(member, io.BytesIO(data))


def planned(said: str) -> dict[str, str]:
    """Node -> what it has to get, by the play's words."""
    return dict(re.findall(r"(node\d) has (.+?) to get and", said))


def test_next_build_comes_standby_first_with_one_pause(expected: Expected, tmp_path: Path) -> None:
    if expected[2] != "source":
        pytest.skip("installed from packages: operations/test_minor_upgrade.py upgrades those")
    faults.make_whole()
    primary = lab.primary()
    standby = lab.other(primary)
    folder, version = running(primary)
    later = version[:-1] + str((int(version[-1]) + 1) % 10)
    tarball = tmp_path / f"postgresql-{later}.tar.bz2"
    tarball.write_bytes(b"stands for the source of the next version")
    wanted: dict[str, Any] = {
        "pg_cluster_build_method": "source",
        "pg_build_source_tarball": str(tarball),
        "pg_build_cache_dir": str(tmp_path),
    }
    plan = planned(play("minor_upgrade", "--check", **wanted))
    assert plan["node1"] == plan["node2"]
    key = plan["node1"].removeprefix("build ")
    present = lab.on(primary, "cat", "/opt/pgsql/.sky_build_id").strip()
    assert key not in ("no build", present)
    assert [running(node) for node in lab.NODES] == [(folder, version)] * 2

    renumber(lab.ROOT / f".cache/pg_build/pgsql-{present}.tar.gz", tmp_path / f"pgsql-{key}.tar.gz", version, later)
    with no_commit_lost(f"from {version} to {later}, by source") as watch:
        play("minor_upgrade", **wanted)
    assert lab.primary() == standby
    assert kinds(watch).count("switched") == 1
    assert "fencing" not in kinds(watch)
    assert [running(node) for node in lab.NODES] == [(f"/opt/pgsql-{key}", later)] * 2

    again = play("minor_upgrade", **wanted)
    assert lab.changed(again) == 0
    assert planned(again) == {"node1": "no build", "node2": "no build"}
    assert lab.primary() == standby

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""failover_rebuild.yml with the WAL in a directory of its own (the other ways of a rebuild: tests/comeback)."""

from __future__ import annotations

from tests.lab import lab
from tests.operations.plays import no_commit_lost, play

DATA, SPACE = "/data/pgdata/pg_root", "/data/lab_wal"
WAL = f"{SPACE}/wal"


def rebuild(node: str, wal: str) -> str:
    """A new base backup of this standby, which stood still."""
    lab.on(node, "systemctl", "stop", "skyha", "sky-postgresql")
    told = play("failover_rebuild", pg_cluster_wal_dir=wal)
    lab.wait_for("the whole cluster", lab.is_whole, 120, every=0.5)
    return told


def link(node: str) -> str:
    return lab.on(node, "readlink", "-f", f"{DATA}/pg_wal").strip()


def entries(node: str, folder: str) -> list[str]:
    return lab.on(node, "ls", folder).split()


def test_wal_directory_is_moved_aside_like_the_data(primary: str, standby: str) -> None:
    # As site.yml makes it; and what a broken-off rebuild left there, or a stranger: it is not the old data's.
    lab.on(standby, "install", "-d", "-o", "postgres", "-g", "postgres", SPACE, WAL)
    lab.on(standby, "touch", f"{WAL}/precious")
    try:
        with no_commit_lost("rebuilds with a WAL directory"):
            told = rebuild(standby, WAL)
            assert link(standby) == WAL
            (kept,) = [name for name in entries(standby, SPACE) if name != "wal"]
            assert kept.startswith("wal.left-")
            assert f"{SPACE}/{kept}" in "".join(told.split())
            assert entries(standby, f"{SPACE}/{kept}") == ["precious"]
            # Now it is full of the old data's WAL.
            assert entries(standby, WAL)
            rebuild(standby, WAL)
            assert link(standby) == WAL
            assert sorted(entries(standby, SPACE)) == ["wal", kept], (
                "the old one is given up once the new standby streams"
            )
        assert not [name for name in entries(standby, "/data/pgdata") if name.startswith("pg_root.")]
        assert lab.primary() == primary
    finally:
        rebuild(standby, "")
        lab.on(standby, "rm", "-rf", SPACE)
    assert link(standby) == f"{DATA}/pg_wal"

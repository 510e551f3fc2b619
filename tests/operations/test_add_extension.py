# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""add_extension.yml: the files are on both nodes before CREATE EXTENSION."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import lab
from tests.operations.plays import no_commit_lost, play

WANTED = {
    "extension_name": "prefix",
    "extension_databases": ["postgres"],
    "extension_packages": ["postgresql-15-prefix"],
}


@pytest.fixture(autouse=True)
def no_extension(whole_cluster: None) -> Iterator[None]:
    """It is gone afterwards."""
    yield
    for database in ("postgres", "sky_pg_cluster"):
        lab.sql(lab.primary(), "DROP EXTENSION IF EXISTS prefix; DROP EXTENSION IF EXISTS lab_answer", database)


def test_packaged_extension_works_on_both_nodes(primary: str, standby: str) -> None:
    with no_commit_lost("add_extension"):
        play("add_extension", **WANTED)
    query = "SELECT '123'::prefix_range @> '123456'"
    assert lab.sql(primary, query) == "t"
    # The standby loads the module itself: after a failover it must be there.
    assert lab.sql(standby, query) == "t"
    assert lab.changed(play("add_extension", **WANTED)) == 0


def test_check_mode_creates_nothing(primary: str) -> None:
    packages = [lab.on(node, "dpkg-query", "-W") for node in lab.NODES]
    play("add_extension", "--check", **WANTED)
    assert lab.sql(primary, "SELECT count(*) FROM pg_extension WHERE extname = 'prefix'") == "0"
    assert [lab.on(node, "dpkg-query", "-W") for node in lab.NODES] == packages


@pytest.mark.long
def test_extension_from_source_is_built_once_for_both_nodes(primary: str, standby: str, tmp_path: Path) -> None:
    source = tmp_path / "lab_answer-1.0.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        archive.add(Path(__file__).parent / "lab_answer", "lab_answer-1.0")
    # PGXS without the compilers that the distribution's package wants with it: this extension has no C.
    lab.on(
        standby,
        "sh",
        "-c",
        "cd /tmp && apt-get download -qq postgresql-server-dev-15 && dpkg -x postgresql-server-dev-15_*.deb /",
        timeout=300,
    )
    wanted = {
        "extension_name": "lab_answer",
        "extension_databases": ["postgres", "sky_pg_cluster"],
        "extension_source": str(source),
        "pg_build_extension_packages": ["make"],
        "pg_build_cache_dir": str(tmp_path),
    }
    with no_commit_lost("add_extension from source"):
        play("add_extension", **wanted)
    for node in (primary, standby):
        assert lab.sql(node, "SELECT lab_answer()") == "42"
    assert lab.changed(play("add_extension", **wanted)) == 0


def test_extension_whose_files_are_missing_is_refused(primary: str) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)its\s+files\s+are\s+missing\s+there"):
        play("add_extension", extension_name="lab_nowhere", extension_databases=["postgres"])
    with pytest.raises(RuntimeError, match="has no database nowhere"):
        play("add_extension", extension_name="prefix", extension_databases=["nowhere"])

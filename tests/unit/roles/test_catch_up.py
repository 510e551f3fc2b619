# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A standby that cannot stream takes its WAL from the repository; one that streams, and a promotion, never wait for that."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from render import ROLES

SCRIPTS = ROLES / "pg_backup/files"
SEGMENT, HISTORY = "000000010000000000000026", "00000003.history"


class Host:
    """Both programs with their places below a directory, and with what they call."""

    def __init__(self, root: Path) -> None:
        self.root, self.flag = root, root / "run/catch-up"
        (root / "run").mkdir()
        (root / "bin").mkdir()
        (root / "sky.env").write_text(f"BIN_DIR={root}/bin SOCKET_DIR=/s PORT=1 SUPERUSER=p\n")
        self.program("pgbackrest", 1)
        self.program("psql", 2)
        self.program("pg_isready", 2)

    def program(self, name: str, code: int, says: str = "") -> None:
        file = self.root / "bin" / name
        file.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
        file.chmod(0o755)

    def run(self, name: str, *words: str) -> int:
        text = (SCRIPTS / f"{name}.sh").read_text()
        text = text.replace("/run/sky-backup", f"{self.root}/run").replace("/etc/sky-backup", str(self.root))
        path = f"{self.root}/bin:/usr/bin:/bin"
        return subprocess.run(
            ["sh", "-s", "--", *words], input=text, text=True, capture_output=True, env={"PATH": path}, check=False
        ).returncode

    def watch(self, times: int = 2) -> None:
        for _ in range(times):
            assert self.run("sky-backup", "watch", "sky") == 0

    def wal(self, name: str) -> int:
        return self.run("sky-restore-wal", "conf", "sky", name, "pg_wal/x")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_nothing_is_asked_of_the_repository_without_the_flag(host: Host) -> None:
    host.program("pgbackrest", 0)
    assert host.wal(SEGMENT) == 1
    host.flag.touch()
    assert host.wal(SEGMENT) == 0
    assert host.flag.exists()


def test_what_the_repository_lacks_ends_the_catching_up(host: Host) -> None:
    host.flag.touch()
    assert host.wal(SEGMENT) == 1
    assert not host.flag.exists()


def test_timeline_that_does_not_exist_is_no_end_of_the_wal(host: Host) -> None:
    """It is asked for before any WAL: a standby restored from a backup waited for streaming forever."""
    host.flag.touch()
    assert host.wal(HISTORY) == 1
    assert host.flag.exists()


@pytest.mark.parametrize(
    ("psql", "isready", "wanted"),
    [
        ((0, "t"), 0, True),
        ((0, "f"), 0, False),
        ((2, ""), 1, True),  # it lets nobody in yet
        ((2, ""), 2, False),  # none runs
    ],
)
def test_flag_is_for_a_standby_that_does_not_stream_for_two_looks(
    host: Host, psql: tuple[int, str], isready: int, wanted: bool
) -> None:
    host.program("psql", *psql)
    host.program("pg_isready", isready)
    host.watch(1)
    assert not host.flag.exists()
    host.watch(1)
    assert host.flag.exists() is wanted


def test_flag_goes_once_it_streams(host: Host) -> None:
    host.flag.touch()
    host.program("psql", 0, "f")
    host.watch(1)
    assert not host.flag.exists()

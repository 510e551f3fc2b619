# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reports of backups in good order, what pgBackRest 2.45 really said of a repository, and a real one."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.backup_report import (
    Archiver,
    Backup,
    Check,
    Pushed,
    Report,
    Repository,
    Spool,
    Told,
    WalDisk,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from node_samples import NODE1, NODE2, configured
from programs import program
from real_postgres import RealPostgres

WALL = 1_795_818_700.0
HOUR, DAY = 3600.0, 86400.0
SEGMENT = "000000010000000000000005"
OF_NODE1 = configured(NODE1, backup={"stanza": "sky"})
OF_NODE2 = configured(NODE2, backup={"stanza": "sky"})
GOOD = Report(
    written=WALL,
    written_monotonic=100.0,
    stanza="sky",
    wal_disk=WalDisk(total=100_000_000_000, free=60_000_000_000, fills=0.0),
    repository=Repository(
        newest=Backup("20261127-222441F_20261127-222448D", "diff", WALL - 3 * HOUR, 26_621_610, 578_381, False),
        oldest_stop=WALL - 9 * DAY,
        backups=2,
        bytes=3_621_837,
        wal_from="000000010000000000000001",
        wal_to=SEGMENT,
        verified_at=WALL - 2 * DAY,
        verified_label="20261127-222441F",
    ),
    archiver=Archiver(
        in_recovery=False, mode="on", pushes=True, done=Pushed(5, SEGMENT, WALL - 20.0), waiting=0, waiting_for=None
    ),
    spool=Spool(files=0, bytes=0),
    check=Check(),
)
ONLY_DISK = Report(written=WALL, written_monotonic=100.0, wal_disk=GOOD.wal_disk)


def told(**parts: Any) -> Told:
    """A report of ten seconds ago, good but for what is named; a dictionary changes fields of that part."""
    changed = {
        name: dataclasses.replace(getattr(GOOD, name), **value) if isinstance(value, dict) else value
        for name, value in parts.items()
    }
    return Told(dataclasses.replace(GOOD, **changed), 10.0)


def as_json(report: Report) -> str:
    return json.dumps(dataclasses.asdict(report))


# What 'pgbackrest --output=json info' printed: of a stanza with a full and a differential backup ...
TWO_BACKUPS = (
    '[{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":"000000010000000000000005","min":"000000010000000000000001"}],'
    '"backup":[{"annotation":{"sky-who":"x"},"archive":{"start":"000000010000000000000002","stop":"000000010000000000000002"},'
    '"backrest":{"format":5,"version":"2.45"},"database":{"id":1,"repo-key":1},"error":false,"info":{"delta":22992554,'
    '"repository":{"delta":3043456,"size":3043456},"size":22992554},"label":"20261127-222441F","lsn":{"start":"0/2000028",'
    '"stop":"0/2000100"},"prior":null,"reference":null,"timestamp":{"start":1795818281,"stop":1795818287},"type":"full"},'
    '{"annotation":{"sky-verified":"2026-11-27T22:30:00Z"},"archive":{"start":"000000010000000000000004",'
    '"stop":"000000010000000000000005"},"backrest":{"format":5,"version":"2.45"},"database":{"id":1,"repo-key":1},"error":false,'
    '"info":{"delta":5038346,"repository":{"delta":578381,"size":3460079},"size":26621610},'
    '"label":"20261127-222441F_20261127-222448D","lsn":{"start":"0/4000028","stop":"0/5000050"},"prior":"20261127-222441F",'
    '"reference":["20261127-222441F"],"timestamp":{"start":1795818288,"stop":1795818290},"type":"diff"}],"cipher":"none",'
    '"db":[{"id":1,"repo-key":1,"system-id":7712980780557570444,"version":"15"}],"name":"sky","repo":[{"cipher":"none","key":1,'
    '"status":{"code":0,"message":"ok"}}],"status":{"code":0,"lock":{"backup":{"held":false}},"message":"ok"}}]'
)
# ... after stanza-create ...
NO_BACKUP = (
    '[{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":null,"min":null}],"backup":[],"cipher":"none",'
    '"db":[{"id":1,"repo-key":1,"system-id":7712980780557570444,"version":"15"}],"name":"sky","repo":[{"cipher":"none","key":1,'
    '"status":{"code":2,"message":"no valid backups"}}],"status":{"code":2,"lock":{"backup":{"held":false}},'
    '"message":"no valid backups"}}]'
)
# ... and before it. The exit code was 0 each time.
NO_STANZA = (
    '[{"archive":[],"backup":[],"cipher":"none","db":[],"name":"sky","repo":[{"cipher":"none","key":1,"status":{"code":1,'
    '"message":"missing stanza path"}}],"status":{"code":1,"lock":{"backup":{"held":false}},"message":"missing stanza path"}}]'
)


class RealBackups:
    """A real server with a real repository beside it, and a `pgbackrest` for the PATH that runs as the server's user."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.server = RealPostgres(root, "node1")
        self.conf = root / "pgbackrest.conf"
        self.spool = root / "spool"
        for directory in ("repo", "spool", "lock", "log"):
            self._mine(root / directory)
        self.conf.write_text(
            f"[global]\nrepo1-path={root}/repo\nrepo1-retention-full=2\nspool-path={root}/spool\nlock-path={root}/lock\n"
            f"log-path={root}/log\nstart-fast=y\n[sky]\npg1-path={self.server.data_dir}\npg1-port={self.server.port}\n"
            f"pg1-socket-path={root}\n"
        )
        real = program("pgbackrest")
        self.path = root / "path"
        self.path.mkdir()
        wrapper = self.path / "pgbackrest"
        wrapper.write_text(f'#!/bin/sh\nexec {" ".join(self.server._as)} {real} "$@"\n')
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        self.server.initdb(
            f"archive_mode = on\narchive_command = '{real} --config={self.conf} --stanza=sky archive-push %p'\n"
        )

    def config(self, stanza: str = "sky") -> Config:
        backup = {"stanza": stanza, "config": str(self.conf), "queue_directory": str(self.spool)}
        return configured(NODE1, postgresql=self.server.settings, backup=backup)

    def run(self, *words: str) -> None:
        """pgbackrest, of this stanza."""
        command = [str(self.path / "pgbackrest"), f"--config={self.conf}", "--stanza=sky", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")
        assert done.returncode == 0, done.stdout + done.stderr

    def _mine(self, directory: Path) -> None:
        directory.mkdir()
        os.chown(directory, self.root.stat().st_uid, self.root.stat().st_gid)

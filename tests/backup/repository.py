# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tests ask of the lab's repository, and a client whose rows say when they were committed."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2

from tests.lab import lab
from tests.operations.plays import play

HOST = "backup"
CONFIG = "/etc/sky-backup/pgbackrest.conf"
PATH = "/var/lib/pgbackrest"
DATA = "/data/pgdata/pg_root"
RESTORE = 600.0


def keeper() -> str:
    """The host that is asked: the backup host, or where there is none (posix, s3) a node."""
    return HOST if os.environ.get("LAB_BACKUP", "host") == "host" else lab.NODES[0]


def backrest(*words: str, host: str = "", check: bool = True, timeout: float = 120.0) -> str:
    """pgBackRest, as the user that runs it."""
    command = " ".join(["pgbackrest", f"--config={CONFIG}", "--stanza=sky", *words])
    return lab.on(
        host or keeper(),
        "runuser",
        "-u",
        "postgres",
        "--",
        "sh",
        "-c",
        f"cd /; {command}",
        check=check,
        timeout=timeout,
    )


def info(host: str = "") -> dict[str, Any]:
    """What it knows of the cluster."""
    (found,) = json.loads(backrest("--output=json", "info", host=host))
    return dict(found)


def backups() -> list[str]:
    """Labels of the whole ones, oldest first."""
    return [one["label"] for one in info().get("backup", []) if not one["error"]]


def wait_for_a_backup() -> None:
    """site.yml begins the first one."""
    lab.wait_for("a first backup", backups, 120, every=1.0)


def archived_up_to_now() -> None:
    """What was committed before this call is in the repository afterwards."""
    node = lab.primary()
    segment = lab.sql(node, "SELECT pg_walfile_name(pg_switch_wal())")

    def done() -> bool:
        return lab.sql(node, "SELECT last_archived_wal FROM pg_stat_archiver") >= segment

    lab.wait_for(f"{segment} in the archive", done, 60, every=0.5)


def now() -> str:
    """The primary's clock, as restore.yml takes it."""
    return lab.sql(
        lab.primary(), "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'"
    )


def restore(to: str = "latest", **variables: Any) -> str:
    """restore.yml, as an operator without a terminal runs it."""
    return play("restore", pg_backup_restore_to=to, pg_backup_restore_confirm="sky", **variables)


def verify() -> str:
    """pgBackRest's own look at all that it keeps: every file's checksum, every gap of the archive."""
    return backrest("--output=text", "--verbose", "verify", timeout=600)


def gaps() -> list[str]:
    """Holes between the first and the last segment of each timeline in the archive, by pgBackRest's verify."""
    text = verify()
    return re.findall(r"missing: [1-9]\d*|checksum invalid: [1-9]\d*|size invalid: [1-9]\d*|other: [1-9]\d*", text)


class Client:
    """Commits numbers all the time through the VIP, and remembers which were acknowledged, and when (the server's clock)."""

    def __init__(self) -> None:
        self.acknowledged: list[tuple[int, str]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def _write(self) -> None:
        connection, number = None, 0
        while not self._over.wait(0.02):
            try:
                connection = connection or lab.connect(timeout=2)
                with connection.cursor() as cursor:
                    cursor.execute("SET statement_timeout = '2s'")
                    cursor.execute("INSERT INTO told VALUES (%s) RETURNING at::text", (number,))
                    self.acknowledged.append((number, cursor.fetchone()[0]))
                    number += 1
            except psycopg2.Error:
                if connection is not None:
                    connection.close()
                connection = None
                number += 1

    def wait_for(self, more: int) -> None:
        """So many further commits are acknowledged."""
        goal = len(self.acknowledged) + more
        lab.wait_for(f"{more} more commits", lambda: len(self.acknowledged) >= goal, 60)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)


@contextmanager
def client() -> Iterator[Client]:
    """One, with its table."""
    node = lab.primary()
    lab.sql(
        node,
        "DROP TABLE IF EXISTS told; CREATE TABLE told (number bigint PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())",
    )
    with Client() as one:
        yield one
    lab.sql(lab.primary(), "DROP TABLE IF EXISTS told")


def numbers(node: str) -> set[int]:
    """Those that are in the database."""
    return set(map(int, lab.sql(node, "SELECT number FROM told").split()))


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Prints how long it took: a figure for docs, nothing is asserted of it."""
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.0f} s")

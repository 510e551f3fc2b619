# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real PostgreSQL servers for the tests that need one."""

from __future__ import annotations

import os
import pwd
import socket
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import guard
import pytest
from programs import program

OBJECTS = """
CREATE SCHEMA sky_pg_cluster;
CREATE TABLE sky_pg_cluster.cluster_status (id int unique default 1, last_alive timestamp);
INSERT INTO sky_pg_cluster.cluster_status VALUES (1, now());
CREATE TABLE sky_pg_cluster.cluster_control (id int PRIMARY KEY, standby_recorded boolean NOT NULL DEFAULT false,
  recorded_timeline int, switching boolean NOT NULL DEFAULT false, paused boolean NOT NULL DEFAULT false,
  paused_until timestamptz);
INSERT INTO sky_pg_cluster.cluster_control VALUES (1);
CREATE FUNCTION sky_pg_cluster.cluster_keepalive_test() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF pg_is_in_recovery() THEN RETURN; END IF;
  UPDATE sky_pg_cluster.cluster_status SET last_alive = now();
END $$;
"""
_SETTINGS = """
listen_addresses = '127.0.0.1'
fsync = off
wal_log_hints = on
max_wal_senders = 5
max_connections = 30
shared_buffers = 4MB
wal_keep_size = 64MB
lc_messages = 'C'
"""


def bin_dir() -> Path:
    """PostgreSQL's programs: the newest of Debian's, or those on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    return (found[-1] if found else Path(program("initdb"))).resolve().parent


class RealPostgres:
    """One server in a directory of its own, run by the user postgres where the tests run as root."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self.data_dir = root / name
        self.port = _free_port()
        self._as = (
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"] if os.geteuid() == 0 else []
        )
        self.bin_dir = _programs(root, self._as)

    @property
    def settings(self) -> dict[str, object]:
        """What skyha.conf's section [postgresql] says of it."""
        places = {"bin_dir": self.bin_dir, "data_dir": self.data_dir, "socket_dir": self.root}
        return {"port": self.port, **{key: str(place) for key, place in places.items()}}

    def initdb(self, settings: str = "") -> None:
        """A primary with the cluster's database; `settings`: more lines of postgresql.conf."""
        self.run(
            ["initdb", "-D", str(self.data_dir), "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C"]
        )
        self._configure()
        with (self.data_dir / "postgresql.conf").open("a") as file:
            file.write(settings)
        self.start()
        self.sql("CREATE ROLE sky_pg_cluster SUPERUSER LOGIN", "postgres")
        self.sql("CREATE DATABASE sky_pg_cluster", "postgres")
        self.sql(OBJECTS)

    def clone(self, primary: RealPostgres, moved: Mapping[Path, Path] | None = None) -> None:
        """A standby of `primary`; moved: where its tablespaces are -> where they are to be here."""
        self.run(
            [
                "pg_basebackup",
                "-D",
                str(self.data_dir),
                "-h",
                "127.0.0.1",
                "-p",
                str(primary.port),
                "-U",
                "postgres",
                "-c",
                "fast",
                "-X",
                "stream",
                *(word for there, here in (moved or {}).items() for word in ("-T", f"{there}={here}")),
            ]
        )
        self._configure(primary)
        (self.data_dir / "standby.signal").touch()
        self.start()

    def follow(self, primary: RealPostgres) -> None:
        """Write primary_conninfo for a later start as a standby."""
        self._configure(primary)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.run(
            ["pg_ctl", "-D", str(self.data_dir), "-l", str(self.root / f"{self.name}.log"), "-w", "-t", "30", "start"]
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop it, if it runs."""
        self.run(["pg_ctl", "-D", str(self.data_dir), "-m", mode, "-w", "-t", "30", "stop"], check=False)

    def sql(self, text: str, database: str = "sky_pg_cluster") -> str:
        """The answer of one statement, as psql -At prints it."""
        done = subprocess.run(
            [
                "psql",
                "-XAtq",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                "-U",
                "postgres",
                "-d",
                database,
                "-c",
                text,
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def run(self, command: Sequence[str], check: bool = True) -> None:
        """Run one of PostgreSQL's programs."""
        done = subprocess.run(
            [str(self.bin_dir / command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            timeout=60,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"

    def _configure(self, primary: RealPostgres | None = None) -> None:
        lines = (
            f"port = {self.port}\nunix_socket_directories = '{self.root}'\ncluster_name = '{self.name}'\n" + _SETTINGS
        )
        if primary is not None:
            lines += (
                f"primary_conninfo = 'host=127.0.0.1 port={primary.port} user=postgres application_name={self.name}'\n"
                "wal_retrieve_retry_interval = 200ms\n"
            )
        (self.data_dir / "postgresql.conf").write_text(lines)


def make_root() -> Path:
    """A short path (a Unix socket's is limited) that PostgreSQL's user may write in."""
    root = Path(tempfile.mkdtemp(prefix=guard.prefix("sky"), dir="/tmp"))
    if os.geteuid() == 0:
        user = _postgres_user()
        os.chown(root, user.pw_uid, user.pw_gid)
    return root


def _postgres_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        pytest.fail(
            "PostgreSQL refuses to run as root, and this machine has no user postgres: make one, then try again"
        )


def _programs(root: Path, prefix: Sequence[str]) -> Path:
    """PostgreSQL's programs; as root, each behind a line that runs it as the user postgres."""
    real = bin_dir()
    if not prefix:
        return real
    wrapped = root / "bin"
    wrapped.mkdir(exist_ok=True)
    for name in (
        "initdb",
        "pg_ctl",
        "pg_basebackup",
        "pg_controldata",
        "pg_rewind",
        "pg_waldump",
        "pg_receivewal",
        "pg_recvlogical",
        "postgres",
    ):
        script = wrapped / name
        script.write_text(f'#!/bin/sh\nexec {" ".join(prefix)} {real / name} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return wrapped


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

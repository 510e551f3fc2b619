# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of the register on the lab's vote host, done for real. See register.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import lab, small_disk

HOME = "/var/lib/sky-register"
COPY = "/var/lib/sky-register.copy"
UNIT = "sky-register"
PORT = 11920


def stopped() -> None:
    """The register is stopped."""
    lab.on("vote", "systemctl", "stop", UNIT)


def hung() -> None:
    """All its processes stand still; its kernel still accepts TCP."""
    lab.on("vote", "systemctl", "kill", "-s", "STOP", UNIT)


def copied() -> None:
    """A copy is made as it is now, which `restored` brings back."""
    _while_down(f"rm -rf {COPY} && cp -a {HOME} {COPY}")


def restored() -> None:
    """The register is again what it was when it was copied."""
    _while_down(f"find {HOME} -mindepth 1 -delete && cp -a {COPY}/. {HOME}/")


def other_password(password: str = "another") -> None:
    """The cluster's login has another password than the nodes know; sessions that are open end."""
    login = f"register_{lab.CLUSTER}"
    _sql(
        f"alter role \"{login}\" password '{password}'; select pg_terminate_backend(pid) from pg_stat_activity where usename = '{login}'"
    )


def right_password() -> None:
    """The inventory's again."""
    _sql(f"alter role \"register_{lab.CLUSTER}\" password '{lab.SETTINGS['pg_cluster_register_password']}'")


def heal() -> None:
    """What hangs goes on, and what is stopped is started."""
    lab.on("vote", "sh", "-c", f"systemctl kill -s CONT {UNIT}; systemctl start {UNIT}")


def is_whole() -> bool:
    """It has no parts that could be missing. (Whether it answers its rows see for themselves.)"""
    return True


@contextmanager
def on_a_small_disk(_primary: str) -> Iterator[None]:
    """The register lives on a file system of its own meanwhile, of some 250 MB, as `before` of a row wants it."""
    _while_down(small_disk.onto(HOME, 250))
    lab.wait_for("the cluster with the register on that disk", lab.is_whole, 60, every=0.5)
    try:
        yield
    finally:
        free()
        _while_down(small_disk.back(HOME))


def fill() -> str:
    """Not a byte is left on that disk, and WAL is written until the register cannot go on; what it said of that."""
    since = time.time()
    # Else what WAL needs is always there: old segments become new ones.
    _sql("alter system set wal_keep_size = '4GB'")
    _sql("select pg_reload_conf()")
    lab.on("vote", "sh", "-c", small_disk.fill(HOME))
    step = "select pg_logical_emit_message(true, 'lab', 'x'); select pg_switch_wal();"  # a segment of 16 MB each
    psql = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "/run/sky-register", "-p", str(PORT), "-d", "postgres")
    lab.on("vote", "runuser", "-u", "postgres", "--", *psql, stdin=step * 40, check=False)
    return lab.wait_for(
        "the register without space", lambda: lab.logged("vote", UNIT, since, "No space left on device"), 20, every=0.5
    )


def free() -> None:
    """It has space again."""
    lab.on("vote", "sh", "-c", small_disk.free(HOME))
    lab.wait_for("the register that keeps no WAL any more", lambda: _sql("alter system reset wal_keep_size") == "", 60)
    _sql("select pg_reload_conf()")


def beat() -> int | None:
    """The beat in this cluster's row, asked on the vote host itself; None: the register does not tell."""
    try:
        return int(_of_row("beat"))
    except (RuntimeError, ValueError):
        return None


def holder() -> str:
    """Who holds, asked on the vote host itself."""
    return _of_row("holder")


def _of_row(column: str) -> str:
    return _sql(f"select {column} from sky_register.register where cluster = '{lab.CLUSTER}'", "sky_register")


def _while_down(command: str) -> None:
    lab.on("vote", "sh", "-c", f"systemctl stop {UNIT} && {command}; done=$?; systemctl start {UNIT}; exit $done")


def _sql(sql: str, database: str = "postgres") -> str:
    psql = ("psql", "-XAtq", "-h", "/run/sky-register", "-p", str(PORT), "-d", database, "-c", sql)
    return lab.on("vote", "runuser", "-u", "postgres", "--", *psql).strip()

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults of the register on the lab's vote host (LAB_REGISTER=vote_host), done for real; and what the hosts' watchdogs did."""

from __future__ import annotations

from pathlib import Path

from tests.lab import lab

HOME = "/var/lib/sky-register"
COPY = "/var/lib/sky-register.copy"
UNIT = "sky-register"
WATCHDOGS = Path("/run/sky-lab/watchdog")


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


def is_guarded(node: str) -> bool:
    """Does the host's watchdog run, and is it in order?"""
    told = lab.lab("watchdog", node, "status").strip()
    return told.startswith("bites in ") and "," not in told


def is_at_rest(node: str) -> bool:
    """Is the host's watchdog at rest?"""
    return lab.lab("watchdog", node, "status").strip() == "at rest"


def bites(node: str) -> int:
    """How many times the host's watchdog has reset it."""
    return (WATCHDOGS / node / "log").read_text().count(" bites: ")


def _while_down(command: str) -> None:
    lab.on("vote", "sh", "-c", f"systemctl stop {UNIT} && {command}; done=$?; systemctl start {UNIT}; exit $done")


def _sql(sql: str) -> None:
    psql = ("psql", "-XAtq", "-h", "/run/sky-register", "-p", "11920", "-c", sql)
    lab.on("vote", "runuser", "-u", "postgres", "--", *psql)

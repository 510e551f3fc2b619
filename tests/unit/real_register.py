# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register as role vote_host_register makes it, in a real server of the tests."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from real_postgres import RealPostgres, make_root

FILES = Path(__file__).parents[2] / "roles/vote_host_register/files"
PASSWORDS = {"register_sky": "secret sky", "register_moon": "secret moon"}


def make(server: RealPostgres, **changes: Any) -> list[str]:
    """What the role's script says that it changed."""
    order = {
        "psql": "psql",
        "socket": str(server.root),
        "port": server.port,
        "check": False,
        "sql": (FILES / "register.sql").read_text(),
        "passwords": PASSWORDS,
        **changes,
    }
    done = subprocess.run(
        [sys.executable, str(FILES / "clusters.py")],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout + done.stderr
    return done.stdout.splitlines()


def let_in_by_password(server: RealPostgres) -> None:
    """The role's rule: a login with its password, from where it may."""
    rules = "local all postgres trust\nhost all postgres 127.0.0.1/32 trust\nhost sky_register all 127.0.0.1/32 scram-sha-256\n"
    (server.data_dir / "pg_hba.conf").write_text(rules)
    server.sql("select pg_reload_conf()", "postgres")


@contextmanager
def served() -> Iterator[RealPostgres]:
    """A register with two clusters' logins and no row."""
    root = make_root()
    server = RealPostgres(root, "register")
    try:
        server.initdb()
        make(server)
        let_in_by_password(server)
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(root, ignore_errors=True)


def dsn(server: RealPostgres, login: str = "register_sky", password: str | None = None) -> Mapping[str, Any]:
    """libpq's parameters of a cluster's login."""
    return {
        "hostaddr": "127.0.0.1",
        "port": server.port,
        "dbname": "sky_register",
        "user": login,
        "password": PASSWORDS.get(login, "") if password is None else password,
        "application_name": "node1",
    }

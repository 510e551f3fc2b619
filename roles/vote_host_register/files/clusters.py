# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the register's database, functions and logins what they should be. Prints what it changed, a line each.

Reads an order from stdin, as JSON: psql, socket, port; check (only say it); sql (register.sql), or empty to leave the functions
as they are; passwords (login -> password); remove (logins that go, with their cluster's row).
Runs as the instance's superuser, who needs no password on its socket. A password reaches neither the server nor its log: it is
sent as SCRAM's verifier."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import unicodedata

DATABASE = "sky_register"
PREFIX = "register_"


def psql(order: dict, sql: str, database: str = DATABASE, **variables: str) -> str:
    """The answer of psql; its variables are quoted by it."""
    words = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
    done = subprocess.run(
        [order["psql"], "-XAtq", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse", *words, "-h", order["socket"], "-p", str(order["port"]),
         "-U", "postgres", "-d", database],
        input=sql, text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"the register's database refuses: {done.stderr.strip()}")
    return done.stdout.strip()


def keys(password: str, salt: bytes, rounds: int) -> tuple[bytes, bytes]:
    """SCRAM's stored key and server key (RFC 5802)."""
    salted = hashlib.pbkdf2_hmac("sha256", unicodedata.normalize("NFKC", password).encode(), salt, rounds)
    client = hmac.new(salted, b"Client Key", "sha256").digest()
    return hashlib.sha256(client).digest(), hmac.new(salted, b"Server Key", "sha256").digest()


def verifier(password: str) -> str:
    """What pg_authid keeps of a password."""
    salt, rounds = os.urandom(16), 4096
    stored, server = (base64.b64encode(key).decode() for key in keys(password, salt, rounds))
    return f"SCRAM-SHA-256${rounds}:{base64.b64encode(salt).decode()}${stored}:{server}"


def is_verifier_of(text: str, password: str) -> bool:
    """Does `text`, of pg_authid, belong to the password?"""
    try:
        _, head, tail = text.split("$")
        rounds, salt = head.split(":")
        return base64.b64decode(tail.split(":")[0]) == keys(password, base64.b64decode(salt), int(rounds))[0]
    except ValueError:
        return False


def make_database(order: dict) -> list[str]:
    """The database, closed to everybody, and the group of logins."""
    if psql(order, f"select count(*) from pg_database where datname = '{DATABASE}'", "postgres") == "1":
        return []
    if order["check"]:
        return [f"made database {DATABASE}"]
    psql(
        order,
        f"create role register_clusters nologin; create database {DATABASE} template template0;"
        f" revoke all on database {DATABASE} from public; grant connect on database {DATABASE} to register_clusters",
        "postgres",
    )
    return [f"made database {DATABASE}"]


def make_functions(order: dict) -> list[str]:
    """The table and its functions, where register.sql is another than when they were made last."""
    mark = f"register.sql {hashlib.sha256(order['sql'].encode()).hexdigest()}"
    known = psql(order, "select coalesce(obj_description(to_regnamespace('sky_register'), 'pg_namespace'), '')")
    if not order["sql"] or known == mark:
        return []
    if not order["check"]:
        psql(order, f"begin; {order['sql']}; comment on schema sky_register is :'mark'; commit", mark=mark)
    return ["made the functions"]


def make_logins(order: dict) -> list[str]:
    """Each cluster's login with its password."""
    lines = psql(
        order,
        f"select rolname, coalesce(rolpassword, '') from pg_authid where rolname like '{PREFIX}%' and rolcanlogin",
    )
    known = dict(line.rsplit("|", 1) for line in lines.splitlines())
    said = []
    for login, password in order["passwords"].items():
        if login in known and is_verifier_of(known[login], password):
            continue
        said.append(f"{'gave a new password to' if login in known else 'made'} login {login}")
        if order["check"]:
            continue
        if login not in known:
            psql(order, 'create role :"login" login connection limit 10 in role register_clusters', login=login)
        # By stdin, not as a variable: those stand in the process list.
        psql(order, f"alter role :\"login\" password '{verifier(password)}'", login=login)
    return said


def remove_logins(order: dict) -> list[str]:
    """Logins that go, with their cluster's row."""
    said = []
    for login in order["remove"]:
        if psql(order, "select count(*) from pg_roles where rolname = :'login'", login=login) != "1":
            continue
        said.append(f"removed login {login} and its row")
        if not order["check"]:
            # What is connected is ended first: nothing may write the row again.
            psql(
                order,
                "alter role :\"login\" nologin; select pg_terminate_backend(pid) from pg_stat_activity where usename = :'login';"
                " delete from sky_register.register where 'register_' || cluster = :'login'; drop role :\"login\"",
                login=login,
            )
    return said


def main() -> None:
    """Do what the order says."""
    order = {"sql": "", "passwords": {}, "remove": [], **json.load(sys.stdin)}
    said = make_database(order)
    if not (said and order["check"]):
        said += make_functions(order) + make_logins(order) + remove_logins(order)
    for line in said:
        print(line)


if __name__ == "__main__":
    main()

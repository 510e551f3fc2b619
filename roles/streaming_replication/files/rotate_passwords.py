# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts new passwords of the database roles into use, on both nodes at the same time.

A role has one password, so the password file must change when the database does. The primary's copy of this script
waits until the standby's copy stands ready, changes all roles in one transaction and its own password file at once; the
standby's copy watches its own server and changes its file when the change has been replayed there: so what is in a
node's file is what that node's own database takes, also when the primary dies in between. Running connections
are not touched. Broken off at any point, it can simply be run again.

Runs as the database's user. Standard input: a JSON object
  roles       role name -> new password
  pgpass      the whole new password file
  passfile, socket_dir, port, superuser
  replication_user, ha_user, database
  peer_address, watcher (the standby's application_name), wait (seconds), check (change nothing)
  tls         how the peer's server is believed: libpq's sslmode and sslrootcert
Prints what was changed, one word a line: roles, pgpass. Exit code 1: what went wrong is on standard error.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import sys
import tempfile
import time

import psycopg2
from psycopg2.extras import PhysicalReplicationConnection

POLL = 0.01
# What the server answers to a wrong password, or to one that is not set.
REFUSED = "password authentication failed"


class Failed(Exception):
    """What went wrong, for people."""


def local(given):
    """The superuser's connection over the node's own socket."""
    connection = psycopg2.connect(
        host=given["socket_dir"],
        port=given["port"],
        user=given["superuser"],
        dbname="postgres",
        application_name="rotate_passwords",
    )
    connection.autocommit = True
    return connection


def one(connection, query, values=()):
    """The first row of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchone()


def is_accepted(given, passfile):
    """Does this node's own server take every new password, as it stands in `passfile`?"""
    common = {"host": "127.0.0.1", "port": given["port"], "passfile": passfile, "connect_timeout": 5}
    logins = [
        {"user": given["replication_user"], "connection_factory": PhysicalReplicationConnection},
        {"user": given["ha_user"], "dbname": given["database"]},
    ]
    for login in logins:
        try:
            psycopg2.connect(**{**common, **login}).close()
        except psycopg2.OperationalError as error:
            if REFUSED in str(error) or "no password supplied" in str(error):
                return False
            raise
    return True


def is_in_force(connection, given, passfile):
    """All new passwords. The superuser may not be allowed to log in by TCP: its secret is looked at instead."""
    name = given["superuser"]
    stored = one(connection, "SELECT rolpassword FROM pg_authid WHERE rolname = %s", (name,))[0]
    return is_secret_of(stored or "", name, given["roles"][name]) and is_accepted(given, passfile)


def is_secret_of(stored, user, password):
    """Was `stored` (pg_authid.rolpassword) made of this password?"""
    if not stored.startswith("SCRAM-SHA-256$"):
        return stored == "md5" + hashlib.md5((password + user).encode()).hexdigest()
    rounds, salt, keys = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([^$]+)\$(.+)", stored).groups()
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    client = hmac.new(salted, b"Client Key", "sha256").digest()
    return base64.b64encode(hashlib.sha256(client).digest()).decode() == keys.split(":")[0]


def secrets(connection, given):
    """The roles' secrets as the database stores them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY(%s) ORDER BY 1", (list(given["roles"]),)
        )
        return dict(cursor.fetchall())


def set_passwords(connection, passwords):
    """All of them in one transaction. They must reach neither the server's log nor pg_stat_statements."""
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SET LOCAL log_statement = 'none'; SET LOCAL log_min_duration_statement = -1; "
                "SET LOCAL log_min_error_statement = 'panic'; SET LOCAL pg_stat_statements.track_utility = off"
            )
            for role, password in passwords.items():
                cursor.execute("SELECT format('ALTER ROLE %%I PASSWORD %%L', %s, %s)", (role, password))
                cursor.execute(cursor.fetchone()[0])
        connection.commit()
    finally:
        connection.rollback()
        connection.autocommit = True


def wait_for_watcher(connection, given):
    """Until the standby's copy of this script stands ready."""
    until = time.monotonic() + given["wait"]
    while not one(connection, "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (given["watcher"],))[
        0
    ]:
        if time.monotonic() > until:
            raise Failed(
                "the standby did not get ready within {wait} s, nothing was changed; both nodes must be in the play, "
                "with at least 2 forks".format(**given)
            )
        time.sleep(POLL)


def on_primary(connection, given, new):
    """Change the roles, then the file; put the old ones back where a login does not succeed."""
    if is_in_force(connection, given, new):
        return False
    if given["check"]:
        return True
    before = secrets(connection, given)
    wait_for_watcher(connection, given)
    set_passwords(connection, given["roles"])
    old = swap(given["passfile"], new)
    if not is_in_force(connection, given, given["passfile"]):
        set_passwords(connection, before)
        os.replace(write_beside(given, old), given["passfile"])
        raise Failed("the server does not take a new password that it was just given; the old ones were put back")
    return True


def on_standby(connection, given, new):
    """Stand ready at the primary, and change the file when the change has been replayed here."""
    if given["check"] or is_in_force(connection, given, new):
        return
    ready = psycopg2.connect(
        host=given["peer_address"],
        port=given["port"],
        user=given["ha_user"],
        dbname=given["database"],
        passfile=given["passfile"],
        application_name=given["watcher"],
        connect_timeout=5,
        **given.get("tls", {}),
    )
    try:
        before = secrets(connection, given)
        until = time.monotonic() + given["wait"]
        while secrets(connection, given) == before:
            if time.monotonic() > until:
                raise Failed(
                    "the primary's change did not arrive within {wait} s; nothing was changed here".format(**given)
                )
            time.sleep(POLL)
        # At once: until then the file here does not fit. Then it is verified.
        old = swap(given["passfile"], new)
        if not is_in_force(connection, given, given["passfile"]):
            os.replace(write_beside(given, old), given["passfile"])
            raise Failed("the passwords were changed, but not to the ones wanted; the password file is as it was")
    finally:
        ready.close()


def swap(passfile, new):
    """Put the new file in the place of the present one, whose text is returned."""
    with open(passfile, encoding="utf-8") as file:
        old = file.read()
    os.replace(new, passfile)
    return old


def write_beside(given, text):
    """A password file beside the present one; its name."""
    folder = os.path.dirname(given["passfile"])
    number, name = tempfile.mkstemp(dir=folder, prefix=".pgpass-")  # 0600
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return name


def main():
    """The whole of it."""
    given = json.load(sys.stdin)
    changed = []
    new = write_beside(given, given["pgpass"])
    try:
        with open(given["passfile"], encoding="utf-8") as file:
            is_same = file.read() == given["pgpass"]
        connection = local(given)
        if one(connection, "SELECT pg_is_in_recovery()")[0]:
            on_standby(connection, given, new)
        elif on_primary(connection, given, new):
            changed.append("roles")
        if not is_same:
            changed.append("pgpass")
            if not given["check"] and os.path.exists(new):
                os.replace(new, given["passfile"])
    except (Failed, OSError, psycopg2.Error) as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    finally:
        if os.path.exists(new):
            os.unlink(new)
    print("\n".join(changed))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

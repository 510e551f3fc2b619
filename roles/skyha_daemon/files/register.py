# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is there a register that skyha can lean on? Says so before skyha is told of it, with status 0, or 1 and what is wrong.

Reads from stdin, as JSON: address, port, user, password, cluster."""

from __future__ import annotations

import json
import sys

import psycopg2

FUNCTIONS = {
    "read": "text",
    "renew": "text, text, text, bigint",
    "take": "text, text, text, bigint, bigint",
    "set_heir": "text, text, text, bigint, bigint, text, double precision",
    "hand_over": "text, text, text, bigint, bigint",
    "found": "text, text, text, bigint, bigint, bigint",
}
# Without one of them a commit that was answered could be lost, and with it who may write.
SETTINGS = ("fsync", "full_page_writes")


def problem(given: dict) -> str:
    """What is wrong with it; empty where nothing is."""
    connection = psycopg2.connect(
        hostaddr=given["address"], port=given["port"], dbname="sky_register", user=given["user"], password=given["password"],
        connect_timeout=5, options="-c statement_timeout=5000", application_name="site.yml",
    )  # fmt: skip
    cursor = connection.cursor()
    cursor.execute("select pg_is_in_recovery()")
    if cursor.fetchone()[0]:
        return "it is a standby, which cannot be written"
    for name in SETTINGS:
        cursor.execute(f"show {name}")
        if cursor.fetchone()[0] != "on":
            return f"it runs with {name} off, so it could forget who may write: set it to on there"
    for name, types in FUNCTIONS.items():
        cursor.execute(
            "select coalesce(has_function_privilege(to_regprocedure(%s), 'execute'), false)",
            [f"sky_register.{name}({types})"],
        )
        if not cursor.fetchone()[0]:
            return f"it has no function sky_register.{name}({types}) for {given['user']}: make them from register.sql of role vote_host_register"
    cursor.execute("select * from sky_register.read(%s)", [given["cluster"]])
    return ""


def main() -> int:
    """Look, and say it."""
    given = json.load(sys.stdin)
    try:
        found = problem(given)
    except psycopg2.Error as error:
        found = " ".join(str(error).split())
    if found:
        print(f"the register {given['address']}:{given['port']} (login {given['user']}): {found}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs inside a node as a service of its own: commits on the node's own socket, also while the node is cut off.

Appends one line per commit that this node's PostgreSQL accepted: its monotonic time. Arguments: the socket directory,
the file to append to.
"""

import sys
import time

import psycopg2

socket, path, every = sys.argv[1], sys.argv[2], 0.05
connection = None
with open(path, "a", buffering=1, encoding="ascii") as out:
    while True:
        try:
            if connection is None:
                connection = psycopg2.connect(
                    host=socket,
                    port=1921,
                    user="postgres",
                    dbname="postgres",
                    application_name="lab_inside",
                    options="-c statement_timeout=2000",
                )
                connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO lab_inside (at) VALUES (clock_timestamp())")
            out.write(f"{time.monotonic():.6f}\n")
        except psycopg2.errors.ReadOnlySqlTransaction:
            time.sleep(0.1)
        except psycopg2.Error:
            if connection is not None:
                connection.close()
            connection = None
        time.sleep(every)

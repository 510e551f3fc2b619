# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A client that commits through the VIP and notes each acknowledgement.

Run as a process of its own, so that the test's work does not delay it: one line per acknowledged commit on stdout,
`<monotonic seconds> <sequence number>`. It reconnects at once and gives up on an answer after half a second.

python -m tests.lab.writer [EVERY [NUMBER]]     a commit every so many seconds (0.02; 0: at full speed), as the client of that number
"""

from __future__ import annotations

import itertools
import select
import signal
import sys
import time
from typing import Any

import psycopg2
from psycopg2 import extensions

from tests.lab import lab

EVERY = 0.02
MOST_CLIENTS = 8
PATIENCE = 0.5
TABLE = "CREATE TABLE IF NOT EXISTS lab_writer (seq bigint PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())"


def _finish(connection: Any, deadline: float) -> None:
    """Drive an asynchronous psycopg2 connection until its present work is done; raises psycopg2.Error."""
    while True:
        state = connection.poll()
        if state == extensions.POLL_OK:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise psycopg2.OperationalError("no answer in time")
        descriptor = [connection.fileno()]
        reading = descriptor if state == extensions.POLL_READ else []
        select.select(reading, [] if reading else descriptor, [], left)


def _open(deadline: float) -> Any:
    connection = psycopg2.connect(
        hostaddr=lab.VIP,
        host=lab.VIP,
        port=lab.PORT,
        user="postgres",
        dbname="postgres",
        password=lab.SETTINGS["pg_cluster_superuser_password"],
        application_name="lab_writer",
        async_=1,
    )
    try:
        _finish(connection, deadline)
    except BaseException:
        connection.close()
        raise
    return connection


def main(every: float = EVERY, number: int = 0) -> int:
    """Write until SIGTERM."""
    going = [True]
    signal.signal(signal.SIGTERM, lambda *_: going.clear())
    connection: Any = None
    start = time.time_ns() // 1_000_000
    for seq in itertools.count(start * 1000 * MOST_CLIENTS + number, MOST_CLIENTS):
        if not going:
            break
        began = time.monotonic()
        try:
            if connection is None:
                connection = _open(began + PATIENCE)
            cursor = connection.cursor()
            cursor.execute("INSERT INTO lab_writer (seq) VALUES (%s)", (seq,))
            _finish(connection, time.monotonic() + PATIENCE)
            sys.stdout.write(f"{time.monotonic():.6f} {seq}\n")
            sys.stdout.flush()
        except psycopg2.Error:
            if connection is not None:
                connection.close()
                connection = None
        time.sleep(max(0.0, began + every - time.monotonic()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*map(float, sys.argv[1:2]), *map(int, sys.argv[2:3])))

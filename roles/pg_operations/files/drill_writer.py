# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A client for the failover drill: commits through the VIP every 50 ms, and notes what was acknowledged.

drill_writer.py RESULT VIP PORT DATABASE USER PASSFILE SECONDS

Runs until the file RESULT.stop is there, SECONDS at most. Then it looks which acknowledged rows are missing, empties its
table (role ha_schema makes it), and writes RESULT: a JSON object with acknowledged, lost, server (its version),
errors, gaps (the holes of more than half a second: begin and end on the
wall clock, seconds on the monotonic one), began, ended. While it runs RESULT.progress tells how many were acknowledged.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time

import psycopg2
from psycopg2 import extensions

TABLE = "sky_pg_cluster.failover_drill"
EVERY = 0.05
PATIENCE = 0.5  # for a connection, and for one answer
GAP = 0.5
LAST_PATIENCE = 60.0


def finish(connection, until):
    """Drive an asynchronous connection until its present work is done."""
    while True:
        state = connection.poll()
        if state == extensions.POLL_OK:
            return
        left = until - time.monotonic()
        if left <= 0:
            raise psycopg2.OperationalError("no answer in time")
        number = [connection.fileno()]
        reading = number if state == extensions.POLL_READ else []
        select.select(reading, [] if reading else number, [], left)


class Writer:
    """The client, and what it saw."""

    def __init__(self, dsn):
        self._dsn = dsn
        self._connection = None
        self.acknowledged = []
        self.errors = {}
        self.gaps = []
        self._last = None  # (monotonic, wall) of the newest acknowledgement

    def ask(self, query, values=(), patience=PATIENCE):
        """One statement, committed; raises psycopg2.Error."""
        until = time.monotonic() + patience
        try:
            if self._connection is None:
                self._connection = psycopg2.connect(async_=1, **self._dsn)
                finish(self._connection, until)
            cursor = self._connection.cursor()
            cursor.execute(query, values)
            finish(self._connection, until)
            return cursor
        except psycopg2.Error:
            self.close()
            raise

    def write(self, seq):
        """One commit; an error is counted, the next one is tried on a new connection."""
        try:
            self.ask(f"INSERT INTO {TABLE} VALUES (%s)", (seq,))
        except psycopg2.Error as error:
            text = (" ".join(str(error).split()) or type(error).__name__)[:120]
            self.errors[text] = self.errors.get(text, 0) + 1
            return
        now = (time.monotonic(), time.time())
        if self._last is not None and now[0] - self._last[0] > GAP:
            self.gaps.append({"seconds": round(now[0] - self._last[0], 3), "begin": self._last[1], "end": now[1]})
        self._last = now
        self.acknowledged.append(seq)

    def lost(self):
        """How many acknowledged rows are not there."""
        cursor = self.ask(f"SELECT array_agg(seq) FROM {TABLE}", patience=LAST_PATIENCE)
        return len(set(self.acknowledged) - set(cursor.fetchone()[0] or ()))

    def close(self):
        """Give the connection up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def put(path, value):
    """Write a JSON file in one step."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(path + ".new", path)


def main(result, vip, port, database, user, passfile, seconds):
    """Write, count, tell."""
    dsn = {"host": vip, "hostaddr": vip, "port": port, "dbname": database, "user": user, "passfile": passfile}
    writer = Writer({**dsn, "application_name": "failover_drill"})
    for name in (result, result + ".stop", result + ".progress"):
        if os.path.exists(name):
            os.unlink(name)
    writer.ask(f"TRUNCATE {TABLE}", patience=LAST_PATIENCE)
    began, until, seq, told = time.time(), time.monotonic() + float(seconds), 0, 0.0
    while time.monotonic() < until and not os.path.exists(result + ".stop"):
        at = time.monotonic()
        seq += 1
        writer.write(seq)
        if at - told > 0.5:
            told = at
            put(result + ".progress", {"acknowledged": len(writer.acknowledged), "gaps": len(writer.gaps)})
        time.sleep(max(0.0, at + EVERY - time.monotonic()))
    ended = time.time()
    lost = writer.lost()
    server = writer.ask("SHOW server_version", patience=LAST_PATIENCE).fetchone()[0]
    writer.ask(f"TRUNCATE {TABLE}", patience=LAST_PATIENCE)
    writer.close()
    put(
        result,
        {
            "acknowledged": len(writer.acknowledged),
            "lost": lost,
            "server": server,
            "errors": writer.errors,
            "gaps": writer.gaps,
            "began": began,
            "ended": ended,
        },
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The process that waits for a checkpoint of this node's PostgreSQL, which may take minutes.

request: dsn (libpq's parameters). The answer tells how many seconds it took.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from . import child


def handle(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ask for a checkpoint now, and wait for its end."""
    import psycopg2  # where it is missing, that is the answer

    began = time.monotonic()
    try:
        connection = psycopg2.connect(**request["dsn"])
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
        connection.close()
    except psycopg2.Error as error:
        return {"error": " ".join(str(error).split())}
    seconds = time.monotonic() - began
    return {"ok": True, "detail": f"it took {seconds:.1f} s", "numbers": {"seconds": seconds}}


def main() -> int:
    """Serve one request."""
    return child.serve(handle)


if __name__ == "__main__":
    raise SystemExit(main())

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The process that tries whether the record could be written: in quiet times, so that a full or dead disk is not found out in
the failover, and beside the daemon, since it may hang. One request on standard input, answered with one line.

request: state_dir.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from . import child

SIZE = 4096  # more than a record


def handle(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Do what store.py does, with a file beside the record."""
    directory = str(request["state_dir"])
    path = os.path.join(directory, "state.json.trial")
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640), "wb") as file:
            file.write(b"." * SIZE)
            file.flush()
            os.fsync(file.fileno())
        os.unlink(path)
    except OSError as error:
        return {"ok": False, "detail": f"{path}: {error}; see to the space and the rights of {directory}"}
    return {"ok": True}


def main() -> int:
    """Serve one request."""
    return child.serve(handle)


if __name__ == "__main__":
    raise SystemExit(main())

"""Says how far a backup is that is under way, by pgBackRest's info on stdin; nothing where it does not tell."""

import json
import sys

for stanza in json.load(sys.stdin):
    lock = stanza.get("status", {}).get("lock", {}).get("backup", {})
    done, size = lock.get("size-cplt"), lock.get("size")
    if lock.get("held") and done is not None and size:
        print(f"{done / 1048576:.0f} of {size / 1048576:.0f} MB, {100 * done / size:.0f} %")

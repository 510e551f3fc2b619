# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packs skyha's runtime on the control node: pack.py SOURCE SALT -> {"hash": ..., "path": ..., "version": ...} as JSON.

The same sources give the same archive and the same hash, whatever their times and owners. SALT is what else decides how
it is installed; it goes into the hash.
"""

import glob
import hashlib
import io
import json
import os
import re
import sys
import tarfile
import time

KEEP = 86400.0  # seconds that an archive nobody asks for any more is kept


def main(source: str, salt: str) -> int:
    """Prints the description of the archive and makes it where it is missing."""
    names = sorted(
        os.path.relpath(os.path.join(directory, name), source)
        for directory, _directories, files in os.walk(source)
        for name in files
        if name.endswith(".py")
    )
    files = []
    for name in names:
        with open(os.path.join(source, name), "rb") as file:
            files.append((name, file.read()))
    digest = hashlib.sha256(salt.encode())
    for name, data in files:
        digest.update(b"%s\0%d\0" % (name.encode(), len(data)) + data)
    version = re.search(rb'__version__ = "([0-9A-Za-z.+-]+)"', dict(files)["__init__.py"])
    label = f"{version.group(1).decode() if version else '0'}-{digest.hexdigest()[:12]}"
    cache = os.path.join(os.path.expanduser("~"), ".cache", "sky.pg_cluster")
    path = os.path.join(cache, f"skyha-{label}.tar.gz")
    if not os.path.exists(path):
        os.makedirs(cache, mode=0o700, exist_ok=True)
        temporary = f"{path}.{os.getpid()}"
        with tarfile.open(temporary, "w:gz") as archive:
            # The directories as well: where they come without a mode, root's umask decides who may read the runtime.
            for directory in sorted({os.path.dirname(f"skyha/{name}") for name in names}):
                entry = tarfile.TarInfo(directory)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
            for name, data in files:
                entry = tarfile.TarInfo(f"skyha/{name}")
                entry.size, entry.mode = len(data), 0o644
                archive.addfile(entry, io.BytesIO(data))
        os.replace(temporary, path)
        for old in glob.glob(os.path.join(glob.escape(cache), "skyha-*")):
            if time.time() - os.stat(old).st_mtime > KEEP:
                os.unlink(old)
    sys.stdout.write(json.dumps({"hash": label, "path": path}) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))

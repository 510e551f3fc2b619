# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's watchdog device for the unit tests: the same file as a lab host has, but a bite only leaves a mark.

As a program it serves the device in the directory that is its argument; the host's boot is what the file `boot` there says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LAB = Path(__file__).parents[2] / "lab"


class LabWatchdog:
    """The device, its faults and what it did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = str(folder / "watchdog0")
        self.classes = str(folder / "class")

    def fault(self, name: str, value: str = "") -> None:
        (self.folder / name).write_text(value)
        if name == "nowayout":
            (self.folder / "class/watchdog0/nowayout").write_text("1\n")

    def heal(self, name: str) -> None:
        (self.folder / name).unlink()

    def restart_host(self) -> None:
        (self.folder / "boot").write_text("2")

    def has_bitten(self, within: float = 0.0) -> bool:
        until = time.monotonic() + within
        while not (self.folder / "bitten").exists() and time.monotonic() < until:
            time.sleep(0.02)
        return (self.folder / "bitten").exists()

    def log(self) -> list[str]:
        """What it noted, without the times."""
        return [line.split(" ", 1)[1] for line in (self.folder / "log").read_text().splitlines()]


@contextmanager
def served(folder: Path) -> Iterator[LabWatchdog]:
    """The device in `folder`, for as long as the context lasts; skips where FUSE cannot be used."""
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("the lab's watchdog is a FUSE file, which needs root and /dev/fuse")
    (folder / "boot").write_text("1")
    server = subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield LabWatchdog(folder)
    finally:
        server.kill()
        server.wait(10)
        subprocess.run(["umount", "-l", str(folder / "watchdog0")], check=True)


def main() -> None:
    """Serve until killed."""
    sys.path.insert(0, str(LAB))
    from skylab.watchdog import Device, serve

    folder = Path(sys.argv[1])
    serve([Device(folder, lambda: int((folder / "boot").read_text()), lambda _boot: (folder / "bitten").touch())])


if __name__ == "__main__":
    main()

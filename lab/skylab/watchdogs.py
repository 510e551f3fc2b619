# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The process that serves the hosts' watchdogs (watchdog.py), and their faults."""

from __future__ import annotations

import json
import pathlib
import sys
import threading
import time
from collections.abc import Callable

from . import hosts, machine, process
from .config import ALL_HOSTS, LAB_DIR, Host, LabError
from .shell import run
from .watchdog import FAULTS, FOLDER, Device, serve, show_nowayout

PID_FILE = FOLDER / "pid"
WORD = "lab-watchdogs"
FUSE = pathlib.Path("/dev/fuse")


def watch() -> None:
    """The watchdogs of the lab's hosts (`lab/lab watchdogs`)."""
    serve([Device(FOLDER / host.name, *_host(host)) for host in ALL_HOSTS], _inside())


def _host(host: Host) -> tuple[Callable[[], int], Callable[[int], None]]:
    def reset(boot: int) -> None:
        try:
            with hosts.power_lock(host):
                # It may have been switched off, and on, while we waited for the lock.
                if hosts.pid_of(host) == boot:
                    hosts.reset(host)
        except (LabError, OSError) as error:
            print(f"{time.strftime('%F %T')} {host.name}: {error}", flush=True)

    # Beside the loop: the others must be fed meanwhile.
    return (
        lambda: hosts.pid_of(host),
        lambda boot: threading.Thread(target=reset, args=(boot,), daemon=True).start(),
    )


def start(timeout: float = 10) -> bool:
    """Serve the watchdogs; False if they are served already."""
    if process.find(PID_FILE, WORD):
        return False
    unmount()
    if not FUSE.exists():
        run("modprobe", "fuse", check=False)
    FOLDER.mkdir(exist_ok=True)
    log = FOLDER / "output"
    child = process.spawn([sys.executable, str(LAB_DIR / "lab"), "watchdogs", WORD], PID_FILE, log)
    deadline = time.monotonic() + timeout
    while "ready" not in log.read_text():
        if child.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"the watchdogs do not come up: {log.read_text()[-400:]}")
        time.sleep(0.02)
    return True


def stop() -> None:
    process.stop(PID_FILE, WORD)
    unmount()


def unmount() -> None:
    """Take the files away that a server left behind."""
    for device in FOLDER.glob("*/watchdog0"):
        run(*_inside(), "umount", "-l", str(device), check=False)


def _inside() -> list[str]:
    """Podman must see what is mounted."""
    return ["nsenter", f"--mount={machine.NAMESPACE}"] if machine.NAMESPACE.exists() else []


def set_fault(host: Host, name: str, value: str = "") -> None:
    """Set one of FAULTS."""
    (FOLDER / host.name / name).write_text(value)
    show_nowayout(FOLDER / host.name)


def heal(host: Host) -> None:
    for name in FAULTS:
        (FOLDER / host.name / name).unlink(missing_ok=True)
    show_nowayout(FOLDER / host.name)


def state(host: Host) -> str:
    """at rest, or how long it still runs; with what is wrong on purpose."""
    if not process.find(PID_FILE, WORD):
        return "down"
    folder = FOLDER / host.name
    words = [_running(folder, hosts.pid_of(host))]
    for name in FAULTS:
        if (folder / name).exists():
            words.append(f"{name} {(folder / name).read_text()}".strip())
    return ", ".join(words)


def _running(folder: pathlib.Path, boot: int) -> str:
    try:
        picture = json.loads((folder / "state").read_text())
    except FileNotFoundError:
        return "at rest"
    if picture["deadline"] is None or picture["boot"] != boot:
        return "at rest"
    left = picture["deadline"] - time.monotonic()
    return f"bites in {left:.1f} of {picture['timeout']} s" + ("" if picture["open"] else ", closed without 'V'")

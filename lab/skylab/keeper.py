# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keeper: switches a host on again that rebooted itself. For podman a reboot is only an end."""

from __future__ import annotations

import os
import select
import sys
import time

from . import hosts, process
from .config import ALL_HOSTS, LAB_DIR, RUN, Host, LabError
from .shell import podman

PID_FILE = RUN / "keeper.pid"
WORD = "lab-keeper"
# How init ends (the kernel's doing in a pid namespace): SIGHUP for a reboot, SIGINT for a power off.
REBOOT_EXIT_CODE = 128 + 1
LOOK_EVERY = 0.5
# How long podman may take to note an end; seconds.
NOTED_AFTER = 10


def start() -> None:
    """Start the keeper; on a running one: nothing."""
    if not process.find(PID_FILE, WORD):
        process.spawn([sys.executable, str(LAB_DIR / "lab"), "keeper", WORD], PID_FILE, RUN / "keeper.log")


def stop() -> None:
    process.stop(PID_FILE, WORD)


def end_of(host: Host) -> int:
    """Exit code of the host that has ended; -1 while podman has not noted it yet."""
    done = podman("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", host.container, check=False)
    words = done.stdout.split()
    return int(words[1]) if words[:1] == ["exited"] else -1


def bring_back(host: Host, dead_pid: int) -> None:
    """Switch the host on if it ended by rebooting itself."""
    deadline = time.monotonic() + NOTED_AFTER
    while time.monotonic() < deadline:
        with hosts.power_lock(host):
            if hosts.pid_of(host) not in (0, dead_pid):  # somebody was faster
                return
            code = end_of(host)
            if code == REBOOT_EXIT_CODE:
                print(f"{time.strftime('%F %T')} {host.name} rebooted", flush=True)
                hosts.power_on(host)
            if code >= 0:
                return
        time.sleep(0.1)


def watch() -> None:
    """Wait for hosts to end, until we are killed. A pidfd wakes us: no work while nothing happens."""
    held: dict[int, tuple[Host, int]] = {}
    while RUN.exists():
        for host in ALL_HOSTS:
            pid = hosts.pid_of(host)
            if pid and (host, pid) not in held.values():
                try:
                    held[os.pidfd_open(pid)] = (host, pid)
                except ProcessLookupError:
                    continue
        ended, _, _ = select.select(list(held), [], [], LOOK_EVERY)
        for file in ended:
            os.close(file)
            try:
                bring_back(*held.pop(file))
            except LabError as error:
                print(f"{time.strftime('%F %T')} {error}", flush=True)

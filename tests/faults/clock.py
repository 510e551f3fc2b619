# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A wall clock of its own for a node's skyha and PostgreSQL; the monotonic clock stays as it is, as when a host's clock is set.

The lab's hosts share one kernel and so one clock: libfaketime shows PostgreSQL another time of day, and a line for Python's
start-up shows it to skyha.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import faults, lab

OFFSET = "/etc/lab-clock"
DROP_IN = f"""[Service]
Environment=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME_TIMESTAMP_FILE={OFFSET}
Environment=FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1
"""
PATCH = f"""import time
real = time.time
time.time = lambda: real() + int(open("{OFFSET}").read())
"""
FILES = {
    "/etc/systemd/system/sky-postgresql.service.d/lab-clock.conf": DROP_IN,
    "/usr/lib/python3/dist-packages/lab_clock.py": PATCH,
    "/usr/lib/python3/dist-packages/lab_clock.pth": "import lab_clock\n",
}


@contextmanager
def jumping(_node: str) -> Iterator[None]:
    """Both nodes' clocks can be set meanwhile."""
    install = "dpkg -s libfaketime >/dev/null 2>&1 || { apt-get -qq update; apt-get -qq install -y libfaketime; }"
    for node in lab.NODES:
        lab.on(node, "sh", "-c", f"({install}) >/dev/null 2>&1; echo +0 > {OFFSET}", timeout=300)
        for path, text in FILES.items():
            lab.on(node, "sh", "-c", f"mkdir -p $(dirname {path}); cat > {path}", stdin=text)
    _restart()
    try:
        yield
    finally:
        for node in lab.NODES:
            lab.on(node, "rm", "-f", *FILES)
        _restart()


def jump(node: str, seconds: int) -> None:
    """Set the node's clock; AssertionError when its PostgreSQL or its skyha does not see that."""
    set_to(node, seconds)
    now = "SELECT extract(epoch FROM clock_timestamp())"
    away = float(lab.sql(node, now)) - float(lab.sql(lab.other(node), now))
    assert abs(away - seconds) < 600, f"PostgreSQL's clock on {node} is {away:.0f} s away from the other's"

    def is_told() -> bool:
        return abs(lab.status(node)["written"] - lab.status(lab.other(node))["written"] - seconds) < 600

    lab.wait_for("the jump in skyha's status", is_told, 20)


def set_to(node: str, seconds: int) -> None:
    """Set the node's clock, so far from the true time."""
    lab.on(node, "sh", "-c", f"echo {seconds:+d} > {OFFSET}")


def _restart() -> None:
    """The standby first; without skyha, that would take it for a fault."""
    for node in lab.NODES:
        lab.on(node, "sh", "-c", "systemctl daemon-reload; systemctl stop skyha")
    for node in lab.NODES:
        lab.on(node, "systemctl", "restart", "sky-postgresql", timeout=120)
    faults.make_whole()

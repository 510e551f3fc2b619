# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A wall clock of its own for a node's skyha and PostgreSQL. The lab's hosts share one kernel, so libfaketime shows them another
time of day; the monotonic clock stays as it is, as it does when a host's clock is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import faults, lab

OFFSET = "/etc/lab-clock"
UNITS = ("skyha", "sky-postgresql")
DROP_IN = f"""[Service]
Environment=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME_TIMESTAMP_FILE={OFFSET}
Environment=FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1
"""


@contextmanager
def jumping(_node: str) -> Iterator[None]:
    """Both nodes' clocks can be set meanwhile."""
    for node in lab.NODES:
        install = "dpkg -s libfaketime >/dev/null 2>&1 || { apt-get -qq update; apt-get -qq install -y libfaketime; }"
        lab.on(node, "sh", "-c", f"{install} >/dev/null 2>&1; echo +0 > {OFFSET}", timeout=300)
        for unit in UNITS:
            folder = f"/etc/systemd/system/{unit}.service.d"
            lab.on(node, "sh", "-c", f"mkdir -p {folder}; cat > {folder}/lab-clock.conf", stdin=DROP_IN)
    _restart()
    try:
        yield
    finally:
        for node in lab.NODES:
            files = " ".join(f"/etc/systemd/system/{unit}.service.d/lab-clock.conf" for unit in UNITS)
            lab.on(node, "rm", "-f", *files.split())
        _restart()


def jump(node: str, seconds: int) -> None:
    """Set the node's clock; AssertionError when its PostgreSQL does not see that."""
    lab.on(node, "sh", "-c", f"echo {seconds:+d} > {OFFSET}")
    told = "SELECT extract(epoch FROM clock_timestamp())"
    outside = "SELECT extract(epoch FROM clock_timestamp())"
    away = float(lab.sql(node, told)) - float(lab.sql(lab.other(node), outside))
    assert abs(abs(away) - abs(seconds)) < 600, f"{node}'s clock is {away:.0f} s away from the other's"


def _restart() -> None:
    for node in lab.NODES:
        lab.on(node, "sh", "-c", "systemctl daemon-reload; systemctl stop skyha; systemctl restart sky-postgresql")
    faults.make_whole()

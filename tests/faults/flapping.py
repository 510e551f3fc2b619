# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's cable that is pulled and plugged in again every second: at the lab's bridge, out of the host's reach."""

from __future__ import annotations

import json
import subprocess
import time

from tests.lab import lab


def flap(host: str, times: int, every: float = 1.0) -> None:
    """Down for `every` seconds, then up for as long, so many times."""
    port = port_of(host)
    try:
        for _ in range(times):
            for state in ("down", "up"):
                subprocess.run(["ip", "link", "set", port, state], check=True)
                time.sleep(every)
    finally:
        subprocess.run(["ip", "link", "set", port, "up"], check=True)


def port_of(host: str) -> str:
    """The machine's end of the host's cable."""
    index = int(lab.on(host, "cat", "/sys/class/net/eth0/iflink"))
    links = json.loads(subprocess.run(["ip", "-j", "link"], check=True, capture_output=True, text=True).stdout)
    return next(link["ifname"] for link in links if link["ifindex"] == index)

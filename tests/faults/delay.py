# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All that a host sends arrives later, as over a long line: on the machine's side of its cable, out of the host's reach.

python -m tests.faults.delay PORT MAC SECONDS      holds back what comes in by that port of the lab's bridge, until it is ended

nftables redirects the frames to a tap of the same bridge, from which this process reads them and into which it writes them back when their
time has come. What is for the host comes out of that tap too, and is passed on at once.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.flapping import port_of
from tests.lab import lab

TAP = "sky-delay0"
TABLE = "sky_lab_delay"
BRIDGE = "sky-lab0"
_TUNSETIFF, _TAP, _NO_HEADER = 0x400454CA, 0x0002, 0x1000  # linux/if_tun.h
_MOST = 65536


@contextmanager
def delayed(host: str, seconds: float) -> Iterator[None]:
    """Meanwhile what the host sends arrives so much later."""
    port, mac = port_of(host), lab.on(host, "cat", "/sys/class/net/eth0/address").strip()
    command = [sys.executable, "-m", "tests.faults.delay", port, mac, str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=lab.ROOT)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n", "the delay did not begin"
        yield
    finally:
        process.terminate()
        process.wait(10)
        _nft(f"table netdev {TABLE}\ndelete table netdev {TABLE}\n")
        _ip("link", "set", port, "type", "bridge_slave", "isolated", "off")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _nft(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def _tap() -> int:
    """The tap's descriptor; the tap goes with it."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", TAP.encode(), _TAP | _NO_HEADER))
    _ip("link", "set", TAP, "master", BRIDGE, "up")
    return tap


def hold_back(port: str, mac: str, seconds: float) -> None:
    """Until it is ended."""
    tap, own = _tap(), bytes.fromhex(mac.replace(":", ""))
    cable = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    cable.bind((port, 0))
    for one in (port, TAP):  # what the host sends is not to come back to it
        _ip("link", "set", one, "type", "bridge_slave", "isolated", "on")
    hook = f'type filter hook ingress device "{port}" priority 0'
    _nft(f'table netdev {TABLE} {{\n chain held {{\n {hook}\n fwd to "{TAP}"\n }}\n}}\n')
    print("at work", flush=True)
    waiting: deque[tuple[float, bytes]] = deque()
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            os.write(tap, waiting.popleft()[1])
        left = waiting[0][0] - now if waiting else 1.0
        if not select.select([tap], [], [], left)[0]:
            continue
        frame = os.read(tap, _MOST)
        if frame[6:12] == own:
            waiting.append((time.monotonic() + seconds, frame))
        elif frame[:6] == own:
            cable.send(frame)


if __name__ == "__main__":
    hold_back(sys.argv[1], sys.argv[2], float(sys.argv[3]))

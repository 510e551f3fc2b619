# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One line of JSON to a Unix socket, and the line that comes back."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from typing import Any

MOST_BYTES = 1 << 20


def exchange(path: str, question: Mapping[str, Any], deadline: float) -> bytes:
    """What was answered within `deadline` seconds, b'' where the other side hung up; raises OSError."""
    until, data = time.monotonic() + deadline, b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(deadline)
        channel.connect(path)
        channel.sendall(json.dumps(question).encode() + b"\n")
        while not data.endswith(b"\n") and len(data) < MOST_BYTES:
            channel.settimeout(max(0.001, until - time.monotonic()))
            part = channel.recv(65536)
            if not part:
                break
            data += part
    return data

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The process that asks every member of the register's etcd how it is: skyha itself speaks to one of them, and would go on with another, so
the loss of one is seen by nobody else. Beside the daemon, since handshakes cost it time. One request on standard input, answered with one line.

request: endpoints (ADDRESS:PORT), cafile, deadline (seconds). A member says how it is without a login (etcd's Maintenance.Status).
"""

from __future__ import annotations

import select
import time
from collections.abc import Mapping
from typing import Any

from ..config import place
from ..probes.gateway import Channel
from . import child

STATUS = "/v3/maintenance/status"


def handle(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ask them all at once. detail: what is wrong with each that does not answer well."""
    until = time.monotonic() + float(request["deadline"])
    channels = {
        str(one): Channel(*place(str(one)), str(request["cafile"]), time.monotonic()) for one in request["endpoints"]
    }
    asked: set[str] = set()
    while True:
        waiting = [name for name, channel in channels.items() if channel.reply is None and channel.failure is None]
        for name in waiting:
            if channels[name].ready and name not in asked:
                asked.add(name)
                channels[name].ask(STATUS, {}, "", time.monotonic())
        left = until - time.monotonic()
        if not waiting or left <= 0:
            break
        poller = select.poll()
        for name in waiting:
            poller.register(channels[name].fileno(), channels[name].wants)
        poller.poll(1000 * left)
        for name in waiting:
            channels[name].advance(time.monotonic())
    problems = [f"{name}: {text}" for name, text in ((name, _problem(one)) for name, one in channels.items()) if text]
    return {"ok": not problems, "detail": "; ".join(problems)}


def _problem(channel: Channel) -> str:
    """What is wrong with this member; empty: nothing is."""
    if channel.failure is not None:
        return channel.failure.detail
    if channel.reply is None:
        return "no answer in time"
    if not channel.reply.ok:
        return channel.reply.error
    errors = channel.reply.body.get("errors") or []
    if errors:
        return ", ".join(map(str, errors))
    return "" if channel.reply.body.get("leader") else "it has no leader: the majority of the members is not there"


def main() -> int:
    """Serve one request."""
    return child.serve(handle)


if __name__ == "__main__":
    raise SystemExit(main())

#!/usr/bin/python3 -ES
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the virtual IP where it should be?

OK        the primary holds it; or this node is a standby, does not hold it, and the primary answers behind it
WARNING   this node is a standby, and nobody answers behind the VIP
CRITICAL  the primary does not hold it, another host answers for it, or a node that is no primary holds it

-w and -c are ranges of the seconds since a heartbeat last came through the VIP; they count on a standby.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import sky_plugin as sky


def check(options: argparse.Namespace, load: Callable[[], sky.Snapshot]) -> tuple[int, str, Sequence[str]]:
    """See the module's text."""
    status = load()
    vip, held = status.get("vip.address", str), status.get("vip.held", bool, type(None))
    if held is None:
        return sky.UNKNOWN, f"whether the VIP {vip} is up here could not be asked of the kernel; see skyha's log", ()
    items = [sky.perf("held", int(held), "", "", "", 0)]
    if status.get("vip.taken", bool):
        return sky.CRITICAL, f"another host answers for the VIP {vip}: find it (arping {vip})", items
    if status.role == "primary":
        if status.get("server", str) != "up":
            return sky.CRITICAL, f"PostgreSQL of this primary is {status.get('server', str)}; {_here(vip, held)}", items
        if held:
            return sky.OK, f"the VIP {vip} is up on this primary", items
        return sky.CRITICAL, f"the VIP {vip} is not up on this primary: {status.get('sentence', str)}", items
    if held:
        return sky.CRITICAL, f"the VIP {vip} is up on this node, which is no primary (role {status.role})", items
    return _standby(options, status, vip, items)


def _standby(
    options: argparse.Namespace,
    status: sky.Snapshot,
    vip: str,
    items: list[str],
) -> tuple[int, str, Sequence[str]]:
    silent = status.get("paths.vip.ok_age", float, type(None))
    items.append(sky.perf("last_heartbeat", silent, "s", options.warning, options.critical or "", 0))
    if silent is None:
        return (
            sky.WARNING,
            f"not here, as it should be, but no heartbeat came through the VIP {vip} since skyha started",
            items,
        )
    state = sky.judge(silent, options.warning, options.critical)
    if state == sky.OK:
        return state, f"the VIP {vip} is not on this {status.role} and answers elsewhere, as it should", items
    sight = status.get("paths.vip.sight", str, type(None)) or "not looked at"
    return (
        state,
        f"nothing came through the VIP {vip} for {silent:.0f} s ({sight}); see check_sky_pg_clusterd on both nodes",
        items,
    )


def _here(vip: str, held: bool) -> str:
    return f"the VIP {vip} is {'up here all the same' if held else 'down'}"


def parser() -> sky.Parser:
    """The options."""
    made = sky.Parser("check_vip", __doc__ or "")
    made.thresholds("seconds since the last heartbeat through the VIP", "15", "")
    return made


if __name__ == "__main__":
    sky.main("VIP", parser, check)

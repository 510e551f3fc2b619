#!/usr/bin/python3 -ES
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Would a failover work now, and if not, what would stop it? A primary answers for its standby, by what its skyha says.

OK        the standby is armed, or only waits until a second failover may follow; or this primary cannot ask it at all
WARNING   what stops a failover was ordered or passes by itself (paused, switchover, catching up); or one is under way; or
          the standby's skyha does not answer this primary
CRITICAL  something that a failover needs does not work; or skyha does not run, so that there would be none

-w and -c are ranges of the number of reasons; what skyha calls a warning counts for -w only.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import sky_plugin as sky

# A failover is told by its new primary, once; this reason of the other node belongs to it and passes by itself.
FAILOVER = "flap_guard"


def check(options: argparse.Namespace, load: Callable[[], sky.Snapshot]) -> tuple[int, str, Sequence[str]]:
    """See the module's text."""
    try:
        status = load()
    except sky.Unreadable as error:
        return sky.CRITICAL, f"nothing would fail over to this node: {error}", ()
    if status.role != "primary":
        return _standby(options, status)
    peer, problem = status.of_peer()
    who = f"its standby {status.get('peer', str)}"
    if problem:
        return sky.WARNING, f"this node is the primary, and whether {who} would take over is not known: {problem}", ()
    if peer is None:
        return sky.OK, f"this node is the primary; ask {who}", ()
    state, text, items = _standby(options, peer)
    return state, f"this node is the primary, and {who} says: {text}", items


def _standby(options: argparse.Namespace, status: sky.Snapshot) -> tuple[int, str, Sequence[str]]:
    armed, reasons = status.get("armed", bool, type(None)), status.texts("not_armed")
    event = reasons.pop(FAILOVER, "")
    count = max(len(reasons), 0 if armed or event else 1)
    items = [sky.perf("reasons", count, "", options.warning, options.critical, 0)]
    stage = status.get("intent", dict, type(None))
    if stage is not None:
        state = sky.CRITICAL if any(status.is_critical(code) for code in reasons) else sky.WARNING
        return state, f"under way: {status.get('intent.stage', str)}; {status.get('sentence', str)}", items
    if armed is None:
        return sky.CRITICAL, f"this node is no standby (role {status.role}): {status.get('sentence', str)}", items
    lasting = sum(status.is_critical(code) for code in reasons) if reasons else count
    state = sky.worst([sky.judge(count, options.warning, None), sky.judge(lasting, None, options.critical)])
    if event and not reasons:
        return state, f"not armed for the moment, as after every failover (its new primary tells of it): {event}", items
    if armed:
        return state, "armed: a failover to this standby would work now", items
    return state, "not armed: " + "; ".join(reasons.values() or [status.get("sentence", str)]), items


def parser() -> sky.Parser:
    """The options."""
    made = sky.Parser("check_skyha_armed", __doc__ or "")
    made.thresholds("number of reasons against a failover", "0", "0")
    return made


if __name__ == "__main__":
    sky.main("ARMED", parser, check)

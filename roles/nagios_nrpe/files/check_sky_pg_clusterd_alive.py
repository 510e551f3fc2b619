#!/usr/bin/python3 -ES
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the cluster's daemon alive on this node, in what role, and does it want to tell something?

OK        its last cycle is not older than the thresholds allow; the line says the node's role
WARNING   the last cycle is old, or a failover was not acknowledged yet (skyctl acknowledge), or an alarm is on that no
          other plugin of the cluster shows
CRITICAL  skyha does not run, hangs, or has an alarm that it calls critical (two primaries, PostgreSQL down, the primary
          is silent and could not be fenced ...); docs/alarms.md lists them all
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import sky_plugin as sky

# Told below in words of its own, with the time.
FAILOVER = "failover"
# Others show these. What check_skyha_armed shows are the reasons of a standby, so a primary's are shown here.
ELSEWHERE = ("check_standby_lag", "check_fence", "check_vip", "check_sky_backup")
ARMED = "check_skyha_armed"


def check(options: argparse.Namespace, load: Callable[[], sky.Snapshot]) -> tuple[int, str, Sequence[str]]:
    """See the module's text."""
    options.max_age = 86400.0  # here the thresholds judge the age
    try:
        status = load()
    except sky.Unreadable as error:
        return sky.CRITICAL, str(error), ()
    age = sky.judge(status.age, options.warning, options.critical)
    items = [sky.perf("heartbeat_age", round(status.age, 2), "s", options.warning, options.critical, 0)]
    if age == sky.CRITICAL:
        return age, f"skyha has not completed a cycle for {status.age:.0f} s: journalctl -u skyha", items
    alarms = status.texts("alarms")
    reasons = status.texts("not_armed")
    mine = {
        code: text
        for code, text in alarms.items()
        if code != FAILOVER
        and status.shown_by(code) not in ELSEWHERE
        and not (code in reasons and status.shown_by(code) == ARMED)
    }
    dangers = [text for code, text in mine.items() if status.is_critical(code)]
    others = [text for code, text in mine.items() if not status.is_critical(code)]
    states, texts = [age], [*dangers]
    if dangers:
        states.append(sky.CRITICAL)
    if not status.get("failover.noted", bool):
        states.append(sky.WARNING)
        texts.append(_failover(status))
    if others:
        states.append(sky.WARNING)
        texts += others
    items.append(sky.perf("alarms", len(alarms), "", "", "", 0))
    who = f"{status.get('node', str)} is {status.role}, last cycle {status.age:.1f} s ago"
    if not texts and status.get("server", str) != "up":
        states.append(sky.WARNING)
        texts.append(status.get("sentence", str))
    return sky.worst(states), "; ".join([who, *texts]), items


def _failover(status: sky.Snapshot) -> str:
    last = status.get("failover.last", dict, type(None)) or {}
    try:
        when = time.strftime(" at %Y-%m-%d %H:%M:%S", time.localtime(last["wall"]))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        when = ""  # the time is an extra; without it the warning is just as true
    return f"a failover took place{when}: read 'skyctl history', then 'skyctl acknowledge'"


def parser() -> sky.Parser:
    """The options."""
    made = sky.Parser("check_sky_pg_clusterd_alive", __doc__ or "")
    made.thresholds("age of the last cycle in seconds", "10", "30")
    return made


if __name__ == "__main__":
    sky.main("SKYHA", parser, check)

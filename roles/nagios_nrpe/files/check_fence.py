#!/usr/bin/python3 -ES
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does the BMC of the peer answer, so that this node could fence it?

skyha asks it for an authenticated power status at its interval; this plugin reads what came of that.

OK        the last answer is good and not older than the thresholds allow; or the peer has no BMC
WARNING   the last good answer is old; or the BMC says that the peer is switched off
CRITICAL  the last check failed, or there was none for too long

-w and -c are ranges of the seconds since the last good answer. Without them: 1.5 and 2.5 intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import sky_plugin as sky

INTERVAL = 60.0  # skyha's own default, where the snapshot does not tell


def check(options: argparse.Namespace, load: Callable[[], sky.Snapshot]) -> tuple[int, str, Sequence[str]]:
    """See the module's text."""
    status = load()
    peer, power = status.get("peer", str), status.get("bmc.power", str)
    error, age = status.get("bmc.error", str), status.get("bmc.ok_age", float, type(None))
    if power == "none":
        return sky.OK, f"{peer} has no BMC; whether a lease makes up for it check_skyha_armed tells", []
    interval = status.get("bmc.interval", float) if "interval" in status.get("bmc", dict) else INTERVAL
    warning = options.warning or sky.Range(sky.number(1.5 * max(interval, 0.0)))
    critical = options.critical or sky.Range(sky.number(2.5 * max(interval, 0.0)))
    items = [sky.perf("last_answer", age, "s", warning, critical, 0)]
    if error:
        since = (
            "there was no good answer since skyha started"
            if age is None
            else f"the last good answer came {age:.0f} s ago"
        )
        return sky.CRITICAL, f"the BMC of {peer} cannot be used: {error}; {since}; try 'skyctl fence-test'", items
    if age is None:
        return sky.WARNING, f"the BMC of {peer} was not asked yet since skyha started", items
    state = sky.judge(age, warning, critical)
    texts = [f"the BMC of {peer} answered {age:.0f} s ago, power {power}"]
    if power != "on":
        state = sky.worst([state, sky.WARNING])
        texts.append(f"{peer} is switched off" if power == "off" else "the power state is not known")
    return state, "; ".join(texts), items


def parser() -> sky.Parser:
    """The options."""
    made = sky.Parser("check_fence", __doc__ or "")
    made.thresholds("seconds since the last good answer", "", "")
    return made


if __name__ == "__main__":
    sky.main("FENCE", parser, check)

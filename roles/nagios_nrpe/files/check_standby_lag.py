#!/usr/bin/python3 -ES
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far is the standby behind its primary, in seconds and in bytes of WAL?

On the standby the lag itself is judged, as skyha does before a failover: on this node's own clock, not by comparing
two hosts' clocks. On the primary it is judged whether a standby streams at all.

Without -w and -c the limit of skyha's configuration counts: WARNING from half of it on, CRITICAL above it. Bytes are
judged only where --warning-bytes or --critical-bytes (or a limit in bytes in skyha's configuration) is given.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import sky_plugin as sky


def check(options: argparse.Namespace, load: Callable[[], sky.Snapshot]) -> tuple[int, str, Sequence[str]]:
    """See the module's text."""
    status = load()
    streaming = status.get("streaming", bool, type(None))
    if streaming is None and status.get("server", str) == "up":
        return (
            sky.UNKNOWN,
            f"PostgreSQL here does not tell skyha whether replication streams: {status.get('detail', str)}",
            (),
        )
    if status.role == "primary":
        if streaming:
            return sky.OK, "this node is the primary, its standby streams", ()
        return (
            sky.CRITICAL,
            "this node is the primary and no standby streams: if it dies now, nothing can take over",
            (),
        )
    if status.role != "standby":
        return sky.CRITICAL, f"this node is no standby (role {status.role}): {status.get('sentence', str)}", ()
    server = status.get("server", str)
    if server != "up":
        return sky.CRITICAL, f"PostgreSQL of this standby is {server}: {status.get('sentence', str)}", ()
    return _standby(options, status, streaming)


def _standby(
    options: argparse.Namespace, status: sky.Snapshot, streaming: bool | None
) -> tuple[int, str, Sequence[str]]:
    limit, limit_bytes = status.get("limits.lag_seconds", float), status.get("limits.lag_bytes", int)
    warning = options.warning or sky.Range(sky.number(max(limit / 2, 0.0)))
    critical = options.critical or sky.Range(sky.number(max(limit, 0.0)))
    critical_bytes = options.critical_bytes or (sky.Range(str(limit_bytes)) if limit_bytes > 0 else None)
    lag, lag_bytes = status.get("lag.seconds", float, type(None)), status.get("lag.bytes", int, type(None))
    items = [
        sky.perf("lag", lag, "s", warning, critical, 0),
        sky.perf("lag_bytes", lag_bytes, "B", options.warning_bytes or "", critical_bytes or "", 0),
    ]
    states, texts = [], []
    if not streaming:
        states.append(sky.CRITICAL)
        texts.append("replication does not stream; see PostgreSQL's log here")
    if status.get("replay_paused", bool, type(None)):
        states.append(sky.WARNING)
        texts.append("WAL replay is paused; pg_wal_replay_resume() ends it")
    if lag is None:
        states.append(sky.WARNING)
        texts.append("this standby has not caught up with the primary since skyha started")
    else:
        states.append(sky.judge(lag, warning, critical))
        texts.append(f"{lag:.1f} s behind, skyha's limit is {limit:g} s")
    if lag_bytes is not None:
        states.append(sky.judge(lag_bytes, options.warning_bytes, critical_bytes))
        texts.append(f"{lag_bytes} bytes of WAL not received")
    return sky.worst(states), "; ".join(texts), items


def parser() -> sky.Parser:
    """The options."""
    made = sky.Parser("check_standby_lag", __doc__ or "")
    made.thresholds("lag in seconds", "", "")
    for name in ("warning", "critical"):
        made.add_argument(
            f"--{name}-bytes", type=sky.as_range, default=None, metavar="RANGE", help="lag in bytes of WAL"
        )
    return made


if __name__ == "__main__":
    sky.main("LAG", parser, check)

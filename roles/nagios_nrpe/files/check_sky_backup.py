#!/usr/bin/python3 -ES
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Are the backups in order, and has the WAL room? skyha judges, this plugin tells.

The primary answers for the backups and the archive, each node for its own way to the repository and the disk of its WAL.

OK        skyha has no alarm of the backups; or none are configured
WARNING   an alarm that can wait until the morning: a backup that is old, a repository that does not answer, WAL that is not
          archived, a restore that was not tried lately
CRITICAL  an alarm that skyha calls critical: the disk of the WAL is nearly full, a backup found damaged pages
UNKNOWN   the report of the backups is missing, old or cannot be read

The limits are skyha's own ([backup] in skyha.conf). -w and -c are ranges of the newest backup's age in seconds, besides.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import sky_plugin as sky

REPORT = "backup_report"


def check(options: argparse.Namespace, load: Callable[[], sky.Snapshot]) -> tuple[int, str, Sequence[str]]:
    """See the module's text."""
    status = load()
    alarms = {
        code: text for code, text in status.texts("alarms").items() if status.shown_by(code) == "check_sky_backup"
    }
    states = [
        sky.UNKNOWN if code == REPORT else sky.CRITICAL if status.is_critical(code) else sky.WARNING for code in alarms
    ]
    critical_first = sorted(alarms, key=lambda code: not status.is_critical(code))
    texts = [alarms[code] for code in critical_first]
    if status.get("backup", dict, type(None)) is None:
        return sky.worst(states), "; ".join([*texts, "no backups are configured"]), ()
    if status.get("backup.report", dict, type(None)) is None or status.get("backup.problem", str):
        text = status.get("backup.problem", str) or "skyha has just started, and there is no report of the backups yet"
        return sky.worst([sky.UNKNOWN, *states]), "; ".join(texts or [text]), ()
    items = [_room(status)]
    if not status.get("backup.report.stanza", str):
        return sky.worst(states), "; ".join([*texts, "no backups are configured"]), items
    age, said = _newest(status)
    items.append(sky.perf("newest_backup", age, "s", options.warning or "", options.critical or "", 0))
    states.append(sky.OK if age is None else sky.judge(age, options.warning, options.critical))
    if age is None and not alarms and status.role == "primary":
        states.append(sky.UNKNOWN)
    return sky.worst(states), "; ".join([*texts, said]), items


def _newest(status: sky.Snapshot) -> tuple[float | None, str]:
    """The age of the newest backup, and what is said of it."""
    part = "backup.report.repository"
    if status.get(part, dict, type(None)) is None or status.get(f"{part}.newest", dict, type(None)) is None:
        return None, "no backup is known"
    age = max(0.0, status.get("written", float) - status.get(f"{part}.newest.stop", float))
    return age, f"newest backup {status.get(f'{part}.newest.kind', str)}, {_time(age)} ago"


def _room(status: sky.Snapshot) -> str:
    return sky.perf("wal_disk_free", status.get("backup.report.wal_disk.free", int, type(None)), "B", "", "", 0)


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} d"


def parser() -> sky.Parser:
    """The options."""
    made = sky.Parser("check_sky_backup", __doc__ or "")
    made.thresholds("seconds since the newest backup ended", "", "")
    return made


if __name__ == "__main__":
    sky.main("BACKUP", parser, check)

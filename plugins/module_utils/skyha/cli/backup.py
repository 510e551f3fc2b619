# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl backup: what is known of this node's backups, in plain words; skyctl backup-report: make that report anew."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from typing import TextIO

from ..alarms import of as meaning_of
from ..backup.collect import collect
from ..backup_report import DIRECTORY, FILE, Archiver, Backup, Part, Report, Repository, Told, WalDisk
from ..config import Config
from ..daemon.backups import BackupFile
from ..daemon.page import bytes_text
from ..errors import WorldError
from . import sources
from .text import Paint, clean, duration, wrap

CHECK = "check_sky_backup"
NAME = 20
PATH = os.path.join(DIRECTORY, FILE)


def make(config: Config, out: TextIO, paint: Paint, directory: str = DIRECTORY) -> int:
    """Look at the backups and write the report, as the timer does each minute. 1: it cannot be written; 5: by the wrong user."""
    if os.geteuid() == 0:
        user = config.postgresql.superuser
        text = f"Not permitted: PostgreSQL and pgBackRest answer the database's user only: sudo -u {user} skyctl backup-report"
        out.write(paint(wrap(text), "bad") + "\n")
        return 5
    try:
        path = collect(config, directory)
    except WorldError as error:
        out.write(paint(wrap(error), "bad") + "\n")
        return 1
    out.write(f"{path} is written.\n")
    return 0


def show(config: Config, as_json: bool, out: TextIO, paint: Paint, path: str = PATH) -> int:
    """What the report says, and what skyha makes of it. 0: no alarm; 4: one, or nothing is known."""
    told = BackupFile(config, time.monotonic, path).told()
    view = sources.here(config.paths.run_dir, config.http.listen)
    alarms = {}
    if view.is_live and view.status is not None:
        raised = view.status.verdict.alarms
        alarms = {code: text for code, text in raised.items() if meaning_of(code).check == CHECK}
    if as_json:
        data = {"configured": config.has_backup, "alarms": alarms, **({} if told is None else dataclasses.asdict(told))}
        out.write(json.dumps(data, indent=2) + "\n")
    else:
        out.write("\n".join(_text(config, told, alarms, view, paint)) + "\n")
    is_known = told is None or (told.report is not None and not told.problem)
    return 0 if is_known and view.is_live and not alarms else 4


def _text(config: Config, told: Told | None, alarms: dict[str, str], view: sources.View, paint: Paint) -> list[str]:
    lines = []
    if not config.has_backup:
        lines.append("No backups are configured ([backup] in skyha.conf).")
    if told is not None and told.problem:
        lines.append(paint(wrap(told.problem), "bad"))
    if told is not None and told.report is not None:
        when = "" if told.age is None else f", as of {duration(told.age)} ago"
        title = f"Backups of stanza {clean(told.report.stanza)}" if told.report.stanza else "The disk of the WAL"
        lines += [paint(title, "bold") + when, *_lines(told, told.report, time.time())]
    elif config.has_backup and not (told and told.problem):
        lines.append("There is no report yet: one is written each minute.")
    if not view.is_live:
        lines += [
            "",
            paint(wrap(f"Whether there are alarms is not known: {view.problem or 'skyha does not run'}"), "warn"),
        ]
    elif alarms:
        lines += ["", paint("Alarms", "bold")]
        for code, text in alarms.items():
            meaning = meaning_of(code)
            lines.append(paint(wrap(text, "  ", "  "), "bad" if meaning.severity.value == "critical" else "warn"))
            lines.append(wrap(f"Next: {meaning.next}.", "    ", "    "))
    elif told is not None:
        lines += ["", paint("No alarms.", "good")]
    return lines


def _lines(told: Told, report: Report, wall: float) -> list[str]:
    rows: list[tuple[str, str]] = []
    if report.repository is not None:
        rows += _repository(report.repository, wall)
        rows.append(("verified", verified(told, wall)))
    if report.check is not None:
        done = report.check
        trial = "none" if done.at is None else f"{'good' if done.ok else 'FAILED'}, {_ago(done.at, wall)}"
        detail = f" ({done.label}): {done.detail}" if done.at is not None and (done.label or done.detail) else ""
        rows.append(("trial on this node", _known(done, trial + detail)))
    if report.archiver is not None:
        rows += _archive(report.archiver, wall)
    if report.spool is not None:
        rows.append(
            ("spool", _known(report.spool, f"{_count(report.spool.files, 'file')}, {bytes_text(report.spool.bytes)}"))
        )
    rows.append(("disk of the WAL", _known(report.wal_disk, disk(report.wal_disk))))
    return [wrap(text, name.ljust(NAME), " " * NAME) for name, text in rows]


def _archive(one: Archiver, wall: float) -> list[tuple[str, str]]:
    if one.in_recovery:
        return [("archive", _known(one, "the primary archives, this node does not"))]
    waits = "" if one.waiting_for is None else f", the oldest for {duration(one.waiting_for)}"
    last = f", last {_ago(one.failed.at, wall)} for {one.failed.wal}" if one.failed.wal else ""
    return [
        ("archived up to", _known(one, f"{one.done.wal or 'nothing'}, {_ago(one.done.at, wall)}")),
        ("waiting", _known(one, f"{_count(one.waiting, 'file')}{waits}")),
        ("failures", _known(one, f"{one.failed.count}{last}")),
    ]


def _repository(one: Repository, wall: float) -> list[tuple[str, str]]:
    many = "" if one.backups is None else f"{_count(one.backups, 'backup')}, {bytes_text(one.bytes)}; "
    span = f"WAL {one.wal_from or 'none'} to {one.wal_to or 'none'}"
    back = "nothing" if one.oldest_stop is None else _ago(one.oldest_stop, wall)
    return [
        ("repository", _known(one, f"answers: {many}{span}")),
        (
            "newest backup",
            newest(one.newest, wall)
            + (
                ""
                if one.newest is None
                else f" ({one.newest.label}), {bytes_text(one.newest.size)}, {bytes_text(one.newest.added)} in the repository"
            ),
        ),
        ("restore reaches", f"back to {back}" if one.oldest_stop is not None else back),
    ]


def newest(one: Backup | None, wall: float) -> str:
    """Its kind and age."""
    if one is None:
        return "none"
    return f"{one.kind}, {_ago(one.stop, wall)}" + (", DAMAGED pages" if one.damaged else "")


def verified(told: Told, wall: float) -> str:
    """When a backup was last tried by a restore, and was good."""
    at = told.verified_at
    return "never" if at is None else _ago(at, wall)


def disk(one: WalDisk) -> str:
    """What is free, and how long that lasts."""
    if one.free is None or not one.total:
        return "not known"
    full = "" if one.full_in is None else f", full in {duration(one.full_in)} at this rate"
    return f"{bytes_text(one.free)} of {bytes_text(one.total)} free ({one.free / one.total:.0%}){full}"


def _known(one: Part, text: str) -> str:
    """What was seen; where it could not be looked at why not."""
    return f"NOT KNOWN for {duration(one.error_for)}: {one.error}" if one.error else text


def _ago(then: float | None, wall: float) -> str:
    if then is None:
        return "never"
    return f"{duration(wall - then)} ago" if wall >= then else f"{duration(then - wall)} from now, by its clock"


def _count(number: int | None, what: str) -> str:
    return f"{what}s not counted" if number is None else f"{number} {what}" + ("" if number == 1 else "s")

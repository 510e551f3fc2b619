# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the backups, as alarms. Nothing here is a reason against a failover, and the decision does not see it: the
loop adds these alarms once all is decided and done.

What holds for the cluster (the backups, the archive) the primary tells; what holds for a node (its way to the repository, its disk,
its report, a trial that failed on it) each node. Unknown is an alarm of its source, once it lasts: a look that fails once, a
repository that is restarted, is none.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..backup_report import Part, Report, Repository, Told, WalDisk
from ..config import Config
from ..words import Local, Role, Server
from .wal import size

PATIENCE = 150.0  # seconds that a part may be unknown: three reports in a row
AHEAD = 3600.0  # a time that lies so far in the future is none: a clock is wrong
HOUR = 3600.0
LITTLE, HARDLY_ANY = 0.10, 0.03  # of the WAL's disk
SOON, AT_ONCE = 6 * HOUR, HOUR  # until it is full


def backup_alarms(config: Config, told: Told | None, local: Local, wall: float) -> Mapping[str, str]:
    """code -> sentence. `told`: None where there is nothing to look at; `wall`: this host's clock, seconds since 1970."""
    if told is None:
        return {}
    if told.problem:
        return {"backup_report": told.problem}
    if told.report is None:
        return {}
    found = dict(_wal_disk(told.report.wal_disk))
    if config.has_backup:
        missing = _missing(config, told.report)
        if missing:
            return {**found, "backup_report": missing}
        found.update(_of_node(told))
        if local.role is Role.PRIMARY:
            found = {**_of_cluster(config, told, local, wall), **found}
    return found


def _missing(config: Config, report: Report) -> str:
    if report.stanza != config.backup.stanza:
        return (
            f"the report of the backups is about stanza {report.stanza or 'none'}, and skyha was started with {config.backup.stanza}: "
            "restart skyha, or see that sky-backup-report.timer runs skyctl with the same skyha.conf"
        )
    parts = {"repository": report.repository, "archiver": report.archiver, "spool": report.spool, "check": report.check}
    absent = [name for name, part in parts.items() if part is None]
    return f"the report of the backups says nothing of {', '.join(absent)}" if absent else ""


def _lasting(part: Part | None) -> str:
    """Why nothing is known of it, once that lasts."""
    return part.error if part is not None and part.error_for >= PATIENCE else ""


def _of_node(told: Told) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if told.report is None:
        return found
    repository, check = told.report.repository, told.report.check
    if _lasting(repository):
        found["backup_repository"] = f"from this node the backups cannot be read: {_lasting(repository)}"
    elif other := _another(told.report):
        found["backup_repository"] = (
            f"what the repository has of {told.report.stanza} is of another server (system identifier {other}), and of this one it takes "
            "nothing: restore.yml makes this cluster that one again; to begin a new one move the repository away and run site.yml"
        )
    gap = told.report.gap
    if gap is not None:
        found["archive"] = (
            f"the archive lacks WAL: PostgreSQL was told that {gap.wal} is in it, and the newest in the repository was "
            f"{gap.newest or 'none'}. No restore gets beyond it, until there is a newer backup"
        )
    if _lasting(check):
        found["backup_unverified"] = (
            f"how the last trial of a backup on this node ended cannot be read: {_lasting(check)}"
        )
    elif check is not None and check.ok is False and (check.at or 0.0) > (told.verified_at or 0.0):
        found["backup_unverified"] = (
            f"the last trial failed: the backup {check.label or '(no label)'} could not be restored or is not good: "
            f"{check.detail or 'no reason given'}"
        )
    return found


def _another(report: Report) -> str:
    """The system identifier of the server that the repository is of, where that is known and is not this one."""
    there = "" if report.repository is None else report.repository.server
    here = "" if report.archiver is None else report.archiver.server
    return there if there and here and there != here else ""


def _of_cluster(config: Config, told: Told, local: Local, wall: float) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if told.report is None or told.report.repository is None or told.report.check is None:
        return found
    repository = told.report.repository
    if repository.newest is not None:
        late = _too_old("the newest backup ended", repository.newest.stop, config.backup.max_age, wall)
        if late:
            found["backup_old"] = late
        if repository.newest.damaged:
            found["backup_damaged"] = (
                f"the newest backup ({repository.newest.label}) found pages of the database with wrong checksums"
            )
        unverified = _unverified(config, told, repository, wall)
        if unverified:
            found["backup_unverified"] = unverified
    elif not repository.error and not repository.is_busy:
        found["backup_old"] = "there is no backup of this cluster yet"
    if local.server is Server.UP:
        found.update(_archive(config, told))
    return found


def _unverified(config: Config, told: Told, repository: Repository, wall: float) -> str:
    """Why nobody knows that a backup is good; where none was tried yet, once there was time for it."""
    verified, failed = told.verified_at, repository.failed_at
    if failed is not None and failed > (verified or 0.0):
        return (
            f"the last trial failed: the backup {repository.failed_label} could not be restored, or is not good; the journal of "
            f"sky-backup-{config.backup.stanza}-check on the host that takes backups says why"
        )
    if verified is not None:
        return _too_old("a backup was last tried by a restore", verified, config.backup.verify_max_age, wall)
    oldest = repository.oldest_stop
    is_due = oldest is None or wall - oldest > config.backup.verify_max_age
    return "no backup that is kept was ever tried by a restore" if is_due else ""


def _too_old(what: str, then: float, limit: float, wall: float) -> str:
    age = wall - then
    if age < -AHEAD:
        return f"{what} {_time(-age)} from now, says its time: a clock is wrong, so how old it is cannot be told"
    return f"{what} {_time(age)} ago, and {_time(limit)} are allowed" if age > limit else ""


def _archive(config: Config, told: Told) -> Mapping[str, str]:
    """Of a primary that runs. A failure of the archiver leaves the file waiting, so its waiting time is that of the failure."""
    found: dict[str, str] = {}
    report = told.report
    if report is None or report.archiver is None:
        return found
    archiver, waits = report.archiver, report.archiver.waiting_for
    unknown = _lasting(archiver) or _lasting(report.spool)
    if unknown:
        found["archive"] = f"whether WAL gets into the archive is not known: {unknown}"
    if archiver.error or archiver.in_recovery is not False:
        return found  # the report is of before the promotion, or a restart: the next one tells
    if archiver.mode == "off" or not archiver.pushes:
        why = (
            "archive_mode is off" if archiver.mode == "off" else "archive_command does not call pgbackrest archive-push"
        )
        found["archive_off"] = f"no WAL gets into the archive, though backups are configured: {why}"
        return found
    if waits is not None and waits + (told.age or 0.0) > config.backup.archive_max_age:
        last = (
            f"; the archiver failed {archiver.failed.count} times, last for {archiver.failed.wal}"
            if archiver.failed.wal
            else ""
        )
        found["archive"] = f"{archiver.waiting} files of WAL wait for the archive, the oldest for {_time(waits)}{last}"
    return found


def _wal_disk(disk: WalDisk) -> Mapping[str, str]:
    if _lasting(disk):
        return {"wal_disk": f"how full the disk of the WAL is cannot be told: {_lasting(disk)}"}
    if disk.free is None or not disk.total:
        return {}
    left, part = disk.full_in, disk.free / disk.total
    if part >= LITTLE and (left is None or left > SOON):
        return {}
    text = f"{size(disk.free)} of {size(disk.total)} are free on the disk of the WAL ({part:.0%})"
    if left is not None and left <= SOON:
        text += f", and in {_time(left)} it is full if it fills on like this"
    text += ": a PostgreSQL that cannot write WAL stops"
    return {"wal_disk_full" if part < HARDLY_ANY or (left is not None and left < AT_ONCE) else "wal_disk": text}


def _time(seconds: float) -> str:
    for length, unit in ((86400.0, "days"), (HOUR, "hours"), (60.0, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of this node's backups: the report that `skyctl backup-report` writes each minute (room backup/), and skyha reads.

Each part stands alone. One that could not be looked at holds why (`error`) and for how long that has been so (`error_for`); what else
stands in it is what was seen last. Times named `at`, `stop` and `written` are seconds since 1970; None means unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

FORMAT = 1
DIRECTORY = "/run/sky-backup"
FILE = "report.json"
STALE_AFTER = 180.0  # seconds: it is written each minute, which may take nearly one


@dataclass(frozen=True)
class Part:
    """What all parts have."""

    error: str = ""
    error_for: float = 0.0  # seconds, when the report was written


@dataclass(frozen=True)
class Backup:  # one backup in the repository
    label: str = ""
    kind: str = ""  # full, diff, incr
    stop: float = 0.0
    size: int | None = None  # bytes of the database
    added: int | None = None  # bytes that it added to the repository
    damaged: bool | None = None  # it found pages whose checksum is wrong


@dataclass(frozen=True)
class Repository(Part):
    """What pgBackRest says."""

    server: str = ""  # system identifier of the PostgreSQL that it is of
    newest: Backup | None = None
    oldest_stop: float | None = None  # a restore can go back so far
    backups: int | None = None
    bytes: int | None = None
    wal_from: str = ""
    wal_to: str = ""
    verified_at: float | None = (
        None  # the newest annotation sky-verified: a restore of a backup was tried, and it is good ...
    )
    verified_label: str = ""  # ... this one
    failed_at: float | None = None  # the newest annotation sky-failed: it was tried, and is not good
    failed_label: str = ""
    is_busy: bool | None = None  # a backup is under way


@dataclass(frozen=True)
class Pushed:  # what PostgreSQL's archiver counts of its successes, or of its failures
    count: int = 0
    wal: str = ""
    at: float | None = None


@dataclass(frozen=True)
class Archiver(Part):
    """What PostgreSQL here says."""

    server: str = ""  # its system identifier
    in_recovery: bool | None = None
    mode: str = ""  # archive_mode
    pushes: bool | None = None  # archive_command is pgBackRest's
    done: Pushed = Pushed()
    failed: Pushed = Pushed()
    waiting: int | None = None  # files that wait for the archive
    waiting_for: float | None = None  # seconds that the oldest one waits


@dataclass(frozen=True)
class Sample:  # at: monotonic seconds
    at: float = 0.0
    free: int = 0


@dataclass(frozen=True)
class WalDisk(Part):
    """The file system of pg_wal."""

    total: int | None = None
    free: int | None = None  # as PostgreSQL's user may use it
    fills: float | None = None  # bytes per second over the last minutes; None: not known yet
    samples: tuple[Sample, ...] = ()

    @property
    def full_in(self) -> float | None:
        """Seconds until it is full if it goes on like that; None: it does not fill, or that is not known."""
        return None if self.free is None or self.fills is None or self.fills <= 0 else self.free / self.fills


@dataclass(frozen=True)
class Spool(Part):
    """What pgBackRest has queued on this node."""

    files: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Check(Part):
    """The last trial of a backup by a restore that ran on this node; `at` None: none did."""

    at: float | None = None
    label: str = ""
    ok: bool | None = None
    detail: str = ""


@dataclass(frozen=True)
class Gap:  # PostgreSQL was told that this is archived, and it was not; at: when that was seen
    wal: str = ""
    newest: str = ""  # in the repository
    at: float = 0.0


@dataclass(frozen=True)
class Report:
    """All of it. Without [backup] only the disk of the WAL is looked at."""

    format: int = FORMAT
    written: float = 0.0
    written_monotonic: float = 0.0
    stanza: str = ""
    wal_disk: WalDisk = WalDisk()
    repository: Repository | None = None
    archiver: Archiver | None = None
    spool: Spool | None = None
    check: Check | None = None
    gap: Gap | None = None  # until a backup that ended later


@dataclass(frozen=True)
class Told:
    """What the report says now. `problem`: why that is nothing; neither that nor a report: there was no time to write one yet."""

    report: Report | None = None
    age: float | None = None
    problem: str = ""

    @property
    def verified_at(self) -> float | None:
        """When a backup was last tried by a restore, and was good: by the repository, or by a trial on this node."""
        if self.report is None:
            return None
        repository, check = self.report.repository, self.report.check
        known = [] if repository is None or repository.verified_at is None else [repository.verified_at]
        if check is not None and check.at is not None and check.ok:
            known.append(check.at)
        return max(known, default=None)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pgBackRest's `info` says of the repository.

Its exit code is 0 for a repository that it cannot read, too: the status in its answer counts. Annotations are in the JSON output
of every version that has them (2.41 and newer).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ..backup_report import Backup, Repository
from ..config import Config
from ..errors import WorldError

# Annotations: when a restore of that backup was tried, and was good, or not; ISO time, UTC.
VERIFIED, FAILED = "sky-verified", "sky-failed"
_OK, _NO_BACKUPS = 0, 2  # pgBackRest's codes of a stanza in which nothing is wrong
MOST_TEXT = 200  # of an error


def look(config: Config, seconds: float) -> Repository:
    """Ask pgBackRest; raises WorldError."""
    command = ["pgbackrest", f"--config={config.backup.config}", f"--stanza={config.backup.stanza}", "--output=json"]
    command += ["--log-level-console=off", "--log-level-stderr=error", "info"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False, cwd="/"
        )
    except subprocess.TimeoutExpired:
        raise WorldError(f"pgbackrest info gave no answer within {seconds:.0f} s") from None
    except (OSError, ValueError) as error:
        raise WorldError(f"pgbackrest cannot be run: {error}") from error
    if done.returncode != 0:
        raise WorldError(f"pgbackrest info fails: {_first_line(done.stderr) or f'exit code {done.returncode}'}")
    return understood(done.stdout, config.backup.stanza)


def understood(text: str, stanza: str) -> Repository:
    """The answer of `info --output=json`; raises WorldError where it tells of an error, or is none."""
    try:
        told = json.loads(text)
        found = next((one for one in told if one["name"] == stanza), None)
        if found is None:
            raise WorldError(f"pgBackRest knows no stanza {stanza}")
        if found["status"]["code"] not in (_OK, _NO_BACKUPS):
            raise WorldError(_problem(found))
        return _repository(found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WorldError(
            f"what pgbackrest info says is not understood ({type(error).__name__}: {_first_line(str(error))})"
        ) from error


def _problem(found: Mapping[str, Any]) -> str:
    """What each repository that is not well says; pgBackRest's own summary may be 'other' or 'mixed'."""
    said = [
        f"repository {one['key']}: {_first_line(str(one['status']['message']))}"
        for one in found.get("repo", ())
        if one["status"]["code"] not in (_OK, _NO_BACKUPS)
    ]
    return "; ".join(said) or _first_line(str(found["status"]["message"]))


def _repository(found: Mapping[str, Any]) -> Repository:
    backups = sorted(map(_backup, found["backup"]), key=lambda one: one.stop)
    added = [one.added for one in backups]
    current = max((one["database"]["id"] for one in found["archive"]), default=None)
    archives = [one for one in found["archive"] if one["database"]["id"] == current]
    at, label = _newest(found, VERIFIED)
    failed_at, failed_label = _newest(found, FAILED)
    busy = found["status"].get("lock", {}).get("backup", {}).get("held")
    servers = {one["id"]: str(one.get("system-id", "")) for one in found.get("db", ())}
    return Repository(
        server=servers[max(servers)] if servers else "",
        newest=backups[-1] if backups else None,
        oldest_stop=backups[0].stop if backups else None,
        backups=len(backups),
        bytes=None if None in added else sum(one for one in added if one is not None),
        wal_from=min((str(one["min"]) for one in archives if one["min"]), default=""),
        wal_to=max((str(one["max"]) for one in archives if one["max"]), default=""),
        verified_at=at,
        verified_label=label,
        failed_at=failed_at,
        failed_label=failed_label,
        is_busy=busy if isinstance(busy, bool) else None,
    )


def _newest(found: Mapping[str, Any], annotation: str) -> tuple[float | None, str]:
    """Its newest time, and the backup that has it."""
    times = [
        (at, str(one["label"]))
        for one in found["backup"]
        if (at := _time((one.get("annotation") or {}).get(annotation))) is not None
    ]
    return max(times, default=(None, ""))


def _backup(one: Mapping[str, Any]) -> Backup:
    info, damaged = one["info"], one.get("error")
    added = info.get("repository", {}).get("delta")
    return Backup(
        label=str(one["label"]),
        kind=str(one["type"]),
        stop=float(one["timestamp"]["stop"]),
        size=int(info["size"]),
        added=None if added is None else int(added),
        damaged=damaged if isinstance(damaged, bool) else None,
    )


def _time(text: object) -> float | None:
    """Seconds since 1970 of an ISO time, which is UTC where it does not say; None for what is none."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:MOST_TEXT] if lines else ""

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A status as Prometheus reads it (text format 0.0.4), named by its conventions: base units, `_total` for counters."""

from __future__ import annotations

import math
import resource
from collections.abc import Mapping
from typing import Any

from ..alarms import ALARMS
from ..alarms import of as meaning_of
from ..backup_report import Report
from ..policy.record import Stage
from ..words import ANSWER_BOUNDS, Path, Role, Server, Sight, Task
from .published import Status
from .status import STALE_AFTER, is_serving

# The reasons against a failover. Each is always there, 0 or 1, so that an alert can name it before it happens.
REASONS = tuple(code for code, alarm in ALARMS.items() if alarm.disarms)


class _Text:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def family(self, name: str, kind: str, text: str, samples: list[tuple[Mapping[str, object], Any]]) -> None:
        """One metric; samples whose value is None are left out, and the metric with them when none is left."""
        known = [(labels, value) for labels, value in samples if value is not None]
        if not known:
            return
        self.lines += [f"# HELP skyha_{name} {text}", f"# TYPE skyha_{name} {kind}"]
        self.lines += [f"skyha_{name}{_labels(labels)} {_number(value)}" for labels, value in known]

    def gauge(self, name: str, text: str, value: Any) -> None:
        """A gauge of one sample."""
        self.family(name, "gauge", text, [({}, value)])

    def each(self, name: str, kind: str, text: str, label: str, values: Mapping[str, Any]) -> None:
        """One sample for each value of a label."""
        self.family(name, kind, text, [({label: one}, value) for one, value in values.items()])

    def counter(self, name: str, text: str, value: Any) -> None:
        """A counter of one sample."""
        self.family(name, "counter", text, [({}, value)])

    def histogram(
        self, name: str, text: str, samples: list[tuple[Mapping[str, object], tuple[int, ...], float]]
    ) -> None:
        """samples: labels, the counts as words.ANSWER_BOUNDS has them, the sum of the values."""
        if not samples:
            return
        self.lines += [f"# HELP skyha_{name} {text}", f"# TYPE skyha_{name} histogram"]
        for labels, counts, total in samples:
            for number, bound in enumerate((*map(str, ANSWER_BOUNDS), "+Inf")):
                self.lines.append(f"skyha_{name}_bucket{_labels({**labels, 'le': bound})} {sum(counts[: number + 1])}")
            self.lines.append(f"skyha_{name}_sum{_labels(labels)} {_number(total)}")
            self.lines.append(f"skyha_{name}_count{_labels(labels)} {sum(counts)}")

    def states(self, name: str, text: str, label: str, states: list[str], current: object) -> None:
        """One sample per state: 1 for the current one."""
        self.family(name, "gauge", text, [({label: state}, int(state == current)) for state in states])


def metrics(status: Status, age: float) -> str:
    """The metrics; `age`: seconds since the last completed cycle."""
    out = _Text()
    wall, place = status.run.written, status.place
    names = {"cluster": place.cluster, "node": place.node, "peer": place.peer, "profile": place.profile}
    out.family("info", "gauge", "Version and names; always 1.", [({"version": status.run.version, **names}, 1)])
    out.gauge(
        "running",
        "1 while the decision loop completes its cycles.",
        int(status.run.state == "running" and age <= STALE_AFTER),
    )
    out.gauge("last_cycle_timestamp_seconds", "When the last cycle was completed.", wall)
    out.gauge("start_time_seconds", "When this skyha started.", status.run.started)
    if status.run.state == "running":
        _node(out, status)
        _register(out, status)
        _zero_loss(out, status)
        _paths(out, status, wall)
        _readiness(out, status)
        _fencing(out, status, wall)
        _failovers(out, status)
        _backups(out, status, wall)
        _certificate(out, status, wall)
    _process(out)
    return "\n".join(out.lines) + "\n"


def _node(out: _Text, status: Status) -> None:
    out.states("role", "Role of this node's PostgreSQL.", "role", [role.value for role in Role], status.postgres.role)
    out.states(
        "postgresql_state",
        "State of this node's PostgreSQL.",
        "state",
        [server.value for server in Server if server is not Server.UNREACHABLE],
        status.postgres.server,
    )
    out.gauge("serving", "1 while this node lawfully serves as primary.", int(is_serving(status)))
    out.gauge("timeline", "Timeline of this node's PostgreSQL.", status.postgres.timeline)
    text = "WAL position: written (primary), received and replayed (standby)."
    out.each("wal_position_bytes", "gauge", text, "kind", vars(status.postgres.lsn))
    out.gauge(
        "replication_streaming",
        "1 while replication streams: from the peer (standby) or to it (primary).",
        status.postgres.streaming,
    )
    out.gauge(
        "replication_lag_seconds",
        "How long before it was last heard the primary had last written what is not replayed here.",
        status.postgres.lag.seconds,
    )
    out.gauge(
        "replication_lag_bytes", "WAL bytes of the primary that were not received here.", status.postgres.lag.bytes
    )
    out.family(
        "replication_slot_kept_bytes",
        "gauge",
        "WAL from what a replication slot of this node keeps up to the newest.",
        [
            ({"slot": slot.name, "kind": "logical" if slot.logical else "physical"}, slot.kept)
            for slot in status.postgres.slots or ()
        ],
    )
    out.gauge("vip_held", "1 while the virtual IP is up on this node.", status.around.vip.held)
    out.gauge("vip_conflict", "1 while another host answers for the virtual IP.", int(status.around.vip.taken))


def _register(out: _Text, status: Status) -> None:
    register = status.around.register
    if register is None:
        return
    node = status.place.node
    where = ", ".join(register.endpoints) or f"{register.address}:{register.port}"
    out.family(
        "register_info",
        "gauge",
        "Engine and addresses of the register; always 1.",
        [({"engine": register.engine, "where": where}, 1)],
    )
    out.gauge("register_answer_age_seconds", "Since the register last answered with a row that counts.", register.age)
    out.gauge("register_epoch", "Counts the nodes that have held the register.", register.epoch)
    if register.holder is not None:
        out.gauge(
            "register_holder", "1 while the register says that this node may write.", int(register.holder == node)
        )
        out.gauge(
            "register_heir", "1 while the register says that this node may take over.", int(register.heir == node)
        )
    lease = register.lease
    if lease is not None:
        out.gauge(
            "lease_term_seconds", "After so long the heir may take over by time alone; 0: not at all.", lease.term
        )
        out.gauge("lease_left_seconds", "For how long this node may write on without an answer.", lease.left)
        out.gauge("watchdog_fed", "1 while this host's watchdog runs and is fed.", int(lease.watchdog == "fed"))


def _zero_loss(out: _Text, status: Status) -> None:
    """Of a primary whose commits are to wait for the standby."""
    here = status.postgres.replication
    out.gauge("zero_loss_protected", "1 while the heir has all that is acknowledged here.", here.protected)
    out.gauge(
        "commits_waiting_seconds",
        "For how long the oldest commit may have waited for a standby that was not quick enough.",
        here.waiting,
    )


def _paths(out: _Text, status: Status, wall: float) -> None:
    paths = status.around.paths.by_name
    out.family(
        "path_sight",
        "gauge",
        "What the last look along a path saw.",
        [
            ({"path": name, "sight": sight.value}, int(path.sight == sight.value))
            for name, path in paths.items()
            for sight in Sight
        ],
    )
    latency = {name: path.latency for name, path in paths.items()}
    out.each("path_latency_seconds", "gauge", "How long the last look along a path took.", "path", latency)
    out.histogram(
        "answer_seconds",
        "How long the answers along a path took, since skyha plays this role.",
        [({"path": name}, path.answers, path.answers_seconds) for name, path in paths.items() if any(path.answers)],
    )
    deadlines = {name: path.gives_up_after for name, path in paths.items()}
    out.each("look_deadline_seconds", "gauge", "How long a look along a path waits for an answer.", "path", deadlines)
    heard = {name: None if path.ok_age is None else round(wall - path.ok_age, 3) for name, path in paths.items()}
    text = "When a heartbeat was last committed along a path."
    out.each("path_last_heartbeat_timestamp_seconds", "gauge", text, "path", heard)
    counts = status.tally.counts
    out.family(
        "path_looks_total",
        "counter",
        "Looks along a path by what they saw.",
        [
            ({"path": path.value, "sight": sight.value}, counts.get(f"looks.{path.value}.{sight.value}", 0))
            for path in Path
            for sight in Sight
        ],
    )


def _readiness(out: _Text, status: Status) -> None:
    if status.verdict.armed is not None:
        out.gauge("armed", "1 when a failover to this standby would work now.", int(status.verdict.armed))
        reasons = {reason: reason in status.verdict.not_armed for reason in (*REASONS, *status.verdict.not_armed)}
        text = "1 for each thing that would stop a failover now."
        out.each("not_armed_reason", "gauge", text, "reason", reasons)
    out.family(
        "alarm",
        "gauge",
        "1 for each alarm that is on; rule: the alert rule of its own that shows it.",
        [
            ({"alarm": code, "severity": meaning_of(code).severity.value, "rule": meaning_of(code).rule}, 1)
            for code in sorted(status.verdict.alarms)
        ],
    )
    out.gauge("alarms", "How many alarms are on.", len(status.verdict.alarms))
    out.gauge("paused", "1 while the cluster is paused.", int(bool(status.verdict.paused.on)))
    stage = status.verdict.intent.stage if status.verdict.intent else ""
    out.states("stage", "What is under way.", "stage", [stage.value for stage in Stage], stage)
    out.gauge("trouble", "1 while the primary shows no life on any path.", int(status.verdict.trouble is not None))


def _fencing(out: _Text, status: Status, wall: float) -> None:
    bmc, counts = status.around.bmc, status.tally.counts
    out.gauge(
        "bmc_up",
        "1 when the peer's BMC answered the last authenticated status.",
        int(bmc.ok_age is not None and not bmc.error),
    )
    out.gauge(
        "bmc_last_ok_timestamp_seconds",
        "When the peer's BMC last answered an authenticated status.",
        None if bmc.ok_age is None else round(wall - bmc.ok_age, 3),
    )
    out.family(
        "tasks_total",
        "counter",
        "Fence attempts, BMC checks, power-ons, trials of the record and rewinds by result.",
        [
            ({"task": task.value, "result": result}, counts.get(f"tasks.{task.value}.{result}", 0))
            for task in Task
            for result in ("ok", "failed")
        ],
    )


def _failovers(out: _Text, status: Status) -> None:
    counts, failover = status.tally.counts, status.verdict.failover
    out.counter("failovers_total", "Failovers to this node since skyha started.", counts.get("events.promoted", 0))
    out.gauge("failover_unacknowledged", "1 after a failover until 'skyctl acknowledge'.", int(not failover.noted))
    last = failover.last
    if last is not None:
        out.gauge(
            "last_failover_timestamp_seconds",
            "When the trouble began that led to the last failover to this node.",
            last.wall,
        )
        out.gauge("last_failover_seconds", "How long the last failover to this node took.", last.seconds)
        text = "How long each phase of the last failover to this node took."
        out.each("last_failover_phase_seconds", "gauge", text, "phase", last.phases)
    out.counter("cycles_total", "Completed cycles.", counts.get("cycles", 0))
    out.gauge("cycle_seconds", "How long the last cycle took, without the pause after it.", status.tally.cycle_seconds)
    events = {key[len("events.") :]: number for key, number in counts.items() if key.startswith("events.")}
    out.each("events_total", "counter", "Events by kind since skyha started.", "kind", events)


def _certificate(out: _Text, status: Status, wall: float) -> None:
    one = status.around.certificate
    if one is None:
        return
    good = None if one.good is None else int(one.good)
    out.gauge("certificate_good", "1 when the certificate that PostgreSQL shows is one to believe.", good)
    left = None if one.ends is None else round(one.ends - wall)
    out.gauge("certificate_ends_seconds", "Until PostgreSQL's certificate, or that of its CA, ends.", left)


def _backups(out: _Text, status: Status, wall: float) -> None:
    told = status.around.backup
    if told is None:
        return
    is_known = told.report is not None and not told.problem
    out.gauge(
        "backup_report_known",
        "1 while what is said of the backups and of the disk of the WAL is of now.",
        int(is_known),
    )
    out.gauge("backup_report_age_seconds", "Age of the report of the backups.", told.age)
    if told.report is None or not is_known:
        return
    repository = told.report.repository
    if repository is not None:
        out.gauge(
            "backup_repository_up", "1 when the repository answered the last question.", int(not repository.error)
        )
        newest = None if repository.newest is None else wall - repository.newest.stop
        out.gauge("backup_newest_age_seconds", "Since the newest backup ended.", _rounded(newest))
        reach = None if repository.oldest_stop is None else wall - repository.oldest_stop
        out.gauge(
            "backup_oldest_age_seconds", "Since the oldest backup ended: a restore can go back so far.", _rounded(reach)
        )
        out.gauge("backup_backups", "How many backups the repository holds.", repository.backups)
        out.gauge(
            "backup_repository_bytes", "What the backups take in the repository, without the WAL.", repository.bytes
        )
        verified = None if told.verified_at is None else wall - told.verified_at
        out.gauge(
            "backup_verified_age_seconds",
            "Since a backup was last tried by a restore, and was good.",
            _rounded(verified),
        )
    _archive(out, told.report, wall)


def _archive(out: _Text, report: Report, wall: float) -> None:
    archiver, spool, disk = report.archiver, report.spool, report.wal_disk
    if archiver is not None and not archiver.error and archiver.in_recovery is False:
        age = None if archiver.done.at is None else wall - archiver.done.at
        out.gauge("backup_archive_age_seconds", "Since this primary last archived WAL.", _rounded(age))
        out.gauge("backup_archive_waiting_files", "Files of WAL that wait for the archive.", archiver.waiting)
        out.gauge(
            "backup_archive_waiting_seconds",
            "How long the oldest of them waits; 0: there is none.",
            archiver.waiting_for or 0.0,
        )
        out.counter("backup_archive_failures_total", "Failures of PostgreSQL's archiver.", archiver.failed.count)
    if spool is not None and not spool.error:
        out.gauge("backup_spool_files", "Files in pgBackRest's spool on this node.", spool.files)
        out.gauge("backup_spool_bytes", "Bytes in pgBackRest's spool on this node.", spool.bytes)
    if not disk.error:
        out.gauge("wal_disk_bytes", "Size of the disk of the WAL.", disk.total)
        out.gauge("wal_disk_free_bytes", "What is free on the disk of the WAL.", disk.free)
        out.gauge(
            "wal_disk_full_seconds", "Until it is full if it fills on as in the last minutes.", _rounded(disk.full_in)
        )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _process(out: _Text) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = round(usage.ru_utime + usage.ru_stime, 3)
    out.counter("cpu_seconds_total", "CPU time of this skyha, without its children.", seconds)
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            resident: int | None = int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        resident = None
    out.gauge("resident_memory_bytes", "Resident memory of this skyha.", resident)


def _labels(labels: Mapping[str, object]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
    return repr(value) if isinstance(value, float) else str(int(value))

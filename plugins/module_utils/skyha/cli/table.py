# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl status: both nodes side by side, in 80 columns."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..alarms import Severity
from ..alarms import of as meaning_of
from ..config import slot_of
from ..daemon.page import ABSENT, backup_text, has_backup, lease_text, register_text, replication, zero_loss_text
from ..daemon.published import NO_BMC, Bmc, Lsn, Status, Way
from ..daemon.status import is_well, role_text, wanting
from .sources import View, acquainted
from .text import Paint, clean, duration, fit, lsn_text, wrap

NAME = 13
CELL = 32

Cell = Sequence[str]  # (text, kind of colour)


def table(mine: View, theirs: View, paint: Paint) -> str:
    """The whole answer of `skyctl status`."""
    status = mine.status
    others = [theirs.status] if theirs.is_live and theirs.status is not None and theirs.status.has_looked else []
    if status is None or not status.has_looked:
        lines = [not_running(mine, paint)]
        if others:
            lines += ["", paint("The peer's skyha answers:", "bold"), *_grid(others, [""], paint)]
        return "\n".join(lines)
    lines = [
        paint(clean(f"Cluster {status.place.cluster}"), "bold")
        + f", {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(status.run.written))}"
    ]
    if not mine.is_live:
        lines += [not_running(mine, paint), f"Below is how {clean(status.place.node)} saw it {duration(mine.age)} ago."]
    both = sorted([status, *others], key=lambda one: one.place.node)
    marks = {status.place.node: " (this node)"}
    lines += ["", *_grid(both, [marks.get(one.place.node, "") for one in both], paint)]
    if len(both) == 1:
        lines += ["", paint(wrap(f"{status.place.peer}: {theirs.problem}"), "warn")]
    if mine.is_live:
        lines += _alarms(acquainted(mine, theirs), paint)
    return "\n".join(lines)


def not_running(view: View, paint: Paint) -> str:
    """Why this node's skyha does not run, and the next step."""
    if view.is_unknown:
        return paint(wrap(view.problem), "warn")
    run = Status().run if view.status is None else view.status.run
    head = f"skyha is {run.state}:" if run.problems else view.problem or "skyha does not run"
    lines = [paint(wrap(head), "bad"), *(wrap(problem, "  - ") for problem in run.problems)]
    lines.append(
        wrap("Next: 'systemctl status skyha', 'journalctl -u skyha -n 50'; then 'systemctl start skyha'.", "", "")
    )
    return "\n".join(lines)


def _grid(both: Sequence[Status], marks: Sequence[str], paint: Paint) -> list[str]:
    lines = [
        " " * NAME
        + "".join(paint(fit(f"{one.place.node}{mark}", CELL) + " ", "bold") for one, mark in zip(both, marks)).rstrip()
    ]
    cells = [_cells(one) for one in both]
    for name in dict.fromkeys(name for cell in cells for name in cell):
        row = [paint(fit(text, CELL), kind) for text, kind in (cell.get(name, ABSENT) for cell in cells)]
        lines.append(fit(name, NAME) + " ".join(row).rstrip())
    cut = [
        wrap(cell[name][0], f"  {clean(one.place.node)}, {name}: ", "    ")
        for one, cell in zip(both, cells)
        for name in cell
        if len(clean(cell[name][0])) > CELL
    ]
    return lines + (["", *cut] if cut else [])


def _cells(status: Status) -> dict[str, Cell]:
    here, verdict = status.postgres, status.verdict
    lag, is_up = here.lag, here.server == "up"
    cells: dict[str, Cell] = {
        "role": (role_text(status), "bold" if here.role in ("primary", "standby") and here.server != "down" else "bad"),
        "PostgreSQL": (
            here.server + (f": {here.detail}" if here.detail else ""),
            "good" if is_up else "bad",
        ),
        "replication": replication(status),
        "zero loss": zero_loss_text(status),
        "timeline": (str(here.timeline or "unknown"), ""),
        "WAL": (_wal(here.lsn), ""),
        "lag": ("-", "")
        if here.role != "standby"
        else (
            "unknown"
            if lag.seconds is None
            else f"{lag.seconds:.1f} s" + ("" if lag.bytes is None else f", {lag.bytes} bytes"),
            "good" if status.keeps_up else "bad",
        ),
        "VIP": {True: ("held", "good"), False: ("-", ""), None: ("not known", "warn")}[status.around.vip.held],
    }
    for name, path in status.around.paths.by_name.items():
        cells[f"{name} path"] = _path(path)
    cells["peer's BMC"] = _bmc(status.around.bmc)
    if status.around.register is not None:
        cells["register"] = register_text(status.around.register)
        cells["lease"] = lease_text(status.around.register)
    if has_backup(status):
        cells["backup"] = backup_text(status)
    cells["armed"] = (
        ("-", "")
        if verdict.armed is None
        else ("a failover is under way", "warn")
        if verdict.armed and verdict.is_under_way
        else ("yes", "good")
        if verdict.armed
        else ("NO: " + ", ".join(verdict.not_armed), "bad")
    )
    cells["paused"] = (
        ("no", "")
        if not verdict.paused.on
        else (
            "yes" + ("" if verdict.paused.left is None else f", {duration(verdict.paused.left)} left"),
            "warn",
        )
    )
    waiting = here.pending_restart
    cells["restart due"] = ("not known" if waiting is None else ", ".join(waiting) or "no", "warn" if waiting else "")
    others = [
        slot.name for slot in here.slots or () if slot.name not in map(slot_of, (status.place.node, status.place.peer))
    ]
    cells["other slots"] = ("not known" if here.slots is None else ", ".join(others) or "no", "")
    cells["under way"] = ("-", "")
    if verdict.intent is not None:
        since = duration(verdict.intent.for_ or 0.0)
        cells["under way"] = (f"{verdict.intent.stage.replace('_', ' ')}, {since}", "bad")
    cells["skyha"] = (
        f"{status.run.version}, for {duration(status.run.written - status.run.started)}, {status.place.profile}",
        "",
    )
    return cells


def _wal(lsn: Lsn) -> str:
    return (
        ", ".join(f"{kind} {lsn_text(value)}" for kind, value in vars(lsn).items() if value and kind != "receive")
        or "-"
    )


def _path(path: Way) -> Cell:
    if path.sight is None:
        return "not looked at yet", "dim"
    sight = path.sight
    if sight != "ok":
        ok = "never ok" if path.ok_age is None else f"ok {duration(path.ok_age)} ago"
        return f"{sight}, {ok}", "bad" if sight not in ("alive", "sick", "unknown") else "warn"
    return f"{sight} {(path.latency or 0.0) * 1000:.1f} ms, {duration(path.age or 0.0)} ago", "good"


def _bmc(bmc: Bmc) -> Cell:
    if bmc.power == NO_BMC:
        return "none", ""
    if bmc.error:
        return f"fails: {bmc.error}", "bad"
    if bmc.ok_age is None:
        return "not asked yet", "warn"
    return f"answers, {bmc.power}, {duration(bmc.ok_age)} ago", "good"


def _alarms(both: Sequence[Status], paint: Paint) -> list[str]:
    lines = []
    for status in both:
        for code, text in status.verdict.alarms.items():
            kind = "bad" if meaning_of(code).severity is Severity.CRITICAL else "warn"
            lines.append(paint(wrap(text, f"  {status.place.node}: ", "    "), kind))
    if lines:
        return ["", paint("Alarms", "bold"), *lines]
    wants = [f"{status.place.node}: {wanting(status)}." for status in both if not is_well(status)]
    if not wants:
        return ["", paint("No alarms.", "good")]
    return ["", *(paint(wrap(text, "No alarms, but ", "  "), "warn") for text in wants)]

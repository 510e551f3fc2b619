# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl status: both nodes side by side, in 80 columns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..alarms import Severity
from ..alarms import of as meaning_of
from ..config import slot_of
from ..daemon.page import lsn_text, replication
from ..daemon.status import is_well, role_text, wanting
from .sources import Status, View, acquainted
from .text import Paint, clean, duration, fit, wrap

NAME = 13
CELL = 32

Cell = Sequence[str]  # (text, kind of colour)


def table(mine: View, theirs: View, paint: Paint) -> str:
    """The whole answer of `skyctl status`."""
    status = mine.status
    if status is None or "role" not in status:
        lines = [not_running(mine, paint)]
        if theirs.is_live:
            lines += ["", paint("The peer's skyha answers:", "bold")] + _grid([theirs.status], [""], paint)  # type: ignore[list-item]
        return "\n".join(lines)
    lines = [
        paint(clean(f"Cluster {status['cluster']}"), "bold")
        + f", {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(status['written']))}"
    ]
    if not mine.is_live:
        lines += [not_running(mine, paint), f"Below is how {clean(status['node'])} saw it {duration(mine.age)} ago."]
    both = [status] + (
        [theirs.status] if theirs.is_live and theirs.status is not None and "role" in theirs.status else []
    )
    marks = {status["node"]: " (this node)"}
    both.sort(key=lambda one: str(one["node"]))
    lines += ["", *_grid(both, [marks.get(one["node"], "") for one in both], paint)]
    if len(both) == 1:
        lines += ["", paint(wrap(f"{status['peer']}: {theirs.problem}"), "warn")]
    if mine.is_live:
        lines += _alarms(acquainted(mine, theirs), paint)
    return "\n".join(lines)


def not_running(view: View, paint: Paint) -> str:
    """Why this node's skyha does not run, and the next step."""
    if view.is_unknown:
        return paint(wrap(view.problem), "warn")
    problems = (view.status or {}).get("problems", ())
    head = f"skyha is {(view.status or {}).get('state')}:" if problems else view.problem or "skyha does not run"
    lines = [paint(wrap(head), "bad"), *(wrap(problem, "  - ") for problem in problems)]
    lines.append(
        wrap("Next: 'systemctl status skyha', 'journalctl -u skyha -n 50'; then 'systemctl start skyha'.", "", "")
    )
    return "\n".join(lines)


def _grid(both: Sequence[Status], marks: Sequence[str], paint: Paint) -> list[str]:
    lines = [
        " " * NAME
        + "".join(paint(fit(f"{one['node']}{mark}", CELL) + " ", "bold") for one, mark in zip(both, marks)).rstrip()
    ]
    cells = [_cells(one) for one in both]
    for name in cells[0]:
        row = [paint(fit(cell[name][0], CELL), cell[name][1]) for cell in cells]
        lines.append(fit(name, NAME) + " ".join(row).rstrip())
    cut = [
        wrap(cell[name][0], f"  {clean(one['node'])}, {name}: ", "    ")
        for one, cell in zip(both, cells)
        for name in cell
        if len(clean(cell[name][0])) > CELL
    ]
    return lines + (["", *cut] if cut else [])


def _cells(status: Status) -> dict[str, Cell]:
    up, role = status["server"] == "up", status["role"]
    lag = status["lag"]
    cells: dict[str, Cell] = {
        "role": (role_text(status), "bold" if role in ("primary", "standby") and status["server"] != "down" else "bad"),
        "PostgreSQL": (
            status["server"] + (f": {status['detail']}" if status["detail"] else ""),
            "good" if up else "bad",
        ),
        "replication": replication(status),
        "timeline": (str(status["timeline"] or "unknown"), ""),
        "WAL": (_wal(status["lsn"]), ""),
        "lag": ("-", "")
        if role != "standby"
        else (
            "unknown"
            if lag["seconds"] is None
            else f"{lag['seconds']:.1f} s" + ("" if lag["bytes"] is None else f", {lag['bytes']} bytes"),
            _lag_kind(status),
        ),
        "VIP": {True: ("held", "good"), False: ("-", "")}.get(status["vip"]["held"], ("not known", "warn")),
    }
    for name, path in status["paths"].items():
        cells[f"{name} path"] = _path(path)
    cells["peer's BMC"] = _bmc(status["bmc"])
    cells["armed"] = (
        ("-", "")
        if status["armed"] is None
        else ("a failover is under way", "warn")
        if status["armed"] and (status["trouble"] or status["intent"])
        else ("yes", "good")
        if status["armed"]
        else ("NO: " + ", ".join(status["not_armed"]), "bad")
    )
    cells["paused"] = (
        ("no", "")
        if not status["paused"]["on"]
        else (
            "yes" + ("" if status["paused"]["left"] is None else f", {duration(status['paused']['left'])} left"),
            "warn",
        )
    )
    waiting = status["pending_restart"]
    cells["restart due"] = ("not known" if waiting is None else ", ".join(waiting) or "no", "warn" if waiting else "")
    others = [
        slot["name"]
        for slot in status.get("slots") or ()
        if slot["name"] not in map(slot_of, (status["node"], status["peer"]))
    ]
    cells["other slots"] = ("not known" if status.get("slots") is None else ", ".join(others) or "no", "")
    if status["intent"]:
        cells["under way"] = (
            f"{status['intent']['stage'].replace('_', ' ')}, {duration(status['intent']['for'])}",
            "bad",
        )
    else:
        cells["under way"] = ("-", "")
    cells["skyha"] = (
        f"{status['version']}, for {duration(status['written'] - status['started'])}, {status['profile']}",
        "",
    )
    return cells


def _lag_kind(status: Status) -> str:
    seconds = status["lag"]["seconds"]
    return "good" if seconds is not None and seconds <= status["limits"]["lag_seconds"] else "bad"


def _wal(lsn: Any) -> str:
    return ", ".join(f"{kind} {lsn_text(value)}" for kind, value in lsn.items() if value and kind != "receive") or "-"


def _path(path: Any) -> Cell:
    if path["sight"] is None:
        return "not looked at yet", "dim"
    sight = path["sight"]
    if sight != "ok":
        ok = "never ok" if path["ok_age"] is None else f"ok {duration(path['ok_age'])} ago"
        return f"{sight}, {ok}", "bad" if sight not in ("alive", "sick", "unknown") else "warn"
    return f"{sight} {path['latency'] * 1000:.1f} ms, {duration(path['age'])} ago", "good"


def _bmc(bmc: Any) -> Cell:
    if bmc["error"]:
        return f"fails: {bmc['error']}", "bad"
    if bmc["ok_age"] is None:
        return "not asked yet", "warn"
    return f"answers, {bmc['power']}, {duration(bmc['ok_age'])} ago", "good"


def _alarms(both: Sequence[Status], paint: Paint) -> list[str]:
    lines = []
    for status in both:
        for code, text in status["alarms"].items():
            kind = "bad" if meaning_of(code).severity is Severity.CRITICAL else "warn"
            lines.append(paint(wrap(text, f"  {status['node']}: ", "    "), kind))
    if lines:
        return ["", paint("Alarms", "bold"), *lines]
    wants = [f"{status['node']}: {wanting(status)}." for status in both if not is_well(status)]
    if not wants:
        return ["", paint("No alarms.", "good")]
    return ["", *(paint(wrap(text, "No alarms, but ", "  "), "warn") for text in wants)]

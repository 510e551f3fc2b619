# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells the story of failovers and switchovers from the events of the history: what was seen, what was done, how long.

Pure functions of events as plain data: {"wall": seconds since 1970, "monotonic", "kind", "level", "text",
"facts"}, as world/history.py keeps them. A failover is told by the node that took over, a switchover by both, each its own part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Entry = Mapping[str, Any]

# kind of story -> its phases: (phase, event that begins it, event that ends it)
PHASES: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "failover": (
        ("detect", "trouble", "fencing"),
        ("fence", "fencing", "fenced"),
        ("promote", "fenced", "promoted"),
        ("vip", "promoted", "vip_taken"),
    ),
    "switchover": (("hand_over", "switchover", "switched"),),
    "taking over": (("vip", "found_primary", "vip_taken"),),
}
_BEGIN = {"trouble": "failover", "fencing": "failover", "switchover": "switchover", "found_primary": "taking over"}
_END = {
    "failover": ("vip_taken", "called_off", "recovered"),
    "switchover": ("switched", "switchover_failed"),
    "taking over": ("vip_taken",),
}
# The fact of a 'started' event that names what this daemon took up, begun by the one before it.
GOES_ON = "goes_on"


@dataclass(frozen=True)
class Story:
    """One failover or switchover, or the beginning of one."""

    kind: str  # a key of PHASES
    entries: tuple[Entry, ...]
    result: str  # done, called off, failed, broken off, under way

    @property
    def at(self) -> float:
        """When it began."""
        return float(self.entries[0]["wall"])

    @property
    def phases(self) -> Mapping[str, float]:
        """Seconds of each phase that was completed."""
        first: dict[str, float] = {}
        last: dict[str, float] = {}
        for entry in self.entries:
            at = moment(entry)
            first.setdefault(entry["kind"], at)
            last[entry["kind"]] = at
        found = {}
        for phase, begin, end in PHASES[self.kind]:
            # A fence that had to be tried again: the phase ends when it was proven at last.
            if begin in first and end in last and last[end] >= first[begin]:
                found[phase] = round(last[end] - first[begin], 3)
        return found

    @property
    def seconds(self) -> float:
        """From the first event to the last that belongs to a phase."""
        wanted = {end for _phase, _begin, end in PHASES[self.kind]} | set(_END[self.kind])
        ends = [moment(entry) for entry in self.entries if entry["kind"] in wanted]
        return round(max(ends) - moment(self.entries[0]), 3) if ends else 0.0


def moment(entry: Entry) -> float:
    """When it was, for differences within one story: by the clock that never jumps, where that is known."""
    value = entry.get("monotonic")
    return float(value if isinstance(value, (int, float)) else entry["wall"])


def stories(entries: Iterable[Entry]) -> list[Story]:
    """All stories in the events, oldest first. A trouble that passed before anybody was fenced is none."""
    found: list[Story] = []
    current: list[Entry] = []
    kind = ""
    for entry in entries:
        what = str(entry.get("kind", ""))
        if not isinstance(entry.get("wall"), (int, float)):
            continue
        if current and what == "started" and not _goes_on(entry):
            if kind != "failover" or _fenced(current):
                found.append(Story(kind, tuple(current), "broken off"))
            current, kind = [], ""
        if not current:
            if what in _BEGIN:
                current, kind = [entry], _BEGIN[what]
            continue
        if what == "switchover" and kind == "failover" and not _fenced(current):
            current, kind = [entry], "switchover"
            continue
        current.append(entry)
        if what in _END[kind] and not (kind == "failover" and what == "vip_taken" and not _has(current, "promoted")):
            if kind != "failover" or _fenced(current):
                found.append(Story(kind, tuple(current), _result(what)))
            current, kind = [], ""
    if current and (kind != "failover" or _fenced(current)):
        found.append(Story(kind, tuple(current), "under way"))
    return found


def _goes_on(entry: Entry) -> bool:
    facts = entry.get("facts")
    return isinstance(facts, Mapping) and GOES_ON in facts


def _result(kind: str) -> str:
    return {"called_off": "called off", "recovered": "called off", "switchover_failed": "failed"}.get(kind, "done")


def _has(entries: Iterable[Entry], kind: str) -> bool:
    return any(entry["kind"] == kind for entry in entries)


def _fenced(entries: Iterable[Entry]) -> bool:
    return _has(entries, "fencing")


def last_failover(entries: Iterable[Entry]) -> dict[str, Any] | None:
    """The newest failover that was carried out: {"wall", "seconds", "phases"}; None when there was none."""
    done = [story for story in stories(entries) if story.kind == "failover" and story.result == "done"]
    if not done:
        return None
    story = done[-1]
    return {"wall": story.at, "seconds": story.seconds, "phases": dict(story.phases)}

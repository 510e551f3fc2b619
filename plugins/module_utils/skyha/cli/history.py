# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl history: the last events; and the timeline of one failover with its evidence and its phases."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..daemon.timeline import Entry, Story, moment, stories
from .text import Paint, clean, fit, lsn_text, wrap

_KIND = {"info": "", "warning": "warn", "alarm": "bad"}
BAR = 40


def events(entries: Sequence[Entry], number: int, paint: Paint) -> str:
    """The newest `number` events, and the list of failovers and switchovers."""
    shown = [entry for entry in entries if isinstance(entry.get("wall"), (int, float))]
    if not shown:
        return "No events are on record."
    lines = []
    for entry in shown[-number:]:
        text = wrap(entry.get("text", ""), f"{_clock(entry['wall'])} ", " " * 20)
        lines.append(paint(text, _KIND.get(str(entry.get("level")), "")))
    found = stories(shown)
    if found:
        lines += ["", paint("Failovers and switchovers ('skyctl history N' tells one)", "bold")]
        for index, story in enumerate(reversed(found[-20:]), 1):
            phases = ", ".join(f"{phase} {seconds:.2f}" for phase, seconds in story.phases.items())
            lines.append(
                wrap(
                    f"{_clock(story.at)} {story.kind}, {story.result}, {story.seconds:.2f} s"
                    + (f" ({phases})" if phases else ""),
                    f"{index:3d}  ",
                    " " * 5,
                )
            )
    return "\n".join(lines)


def one(entries: Sequence[Entry], number: int, paint: Paint) -> str | None:
    """The story counted `number` from the newest (1); None when there are not so many."""
    found = stories(entries)
    if not 1 <= number <= len(found):
        return None
    story = found[-number]
    lines = [paint(f"{story.kind} of {_clock(story.at)}: {story.result}, {story.seconds:.3f} s", "bold"), ""]
    began = moment(story.entries[0])
    for entry in story.entries:
        head = f"{moment(entry) - began:+9.3f} s  {fit(entry.get('kind', ''), 16)} "
        lines.append(paint(wrap(entry.get("text", ""), head, " " * 14), _KIND.get(str(entry.get("level")), "")))
        facts = entry.get("facts")
        if isinstance(facts, dict) and facts:
            lines.append(paint(wrap("; ".join(_fact(name, value) for name, value in facts.items()), " " * 14), "dim"))
    lines += _bars(story)
    return "\n".join(lines)


def _fact(name: str, value: Any) -> str:
    is_lsn = name.endswith("lsn") and isinstance(value, int)
    return f"{name}: {lsn_text(value) if is_lsn else clean(value)}"


def _bars(story: Story) -> list[str]:
    total = sum(story.phases.values())
    if not total:
        return []
    lines, before = ["", "phase      seconds"], 0.0
    for phase, seconds in story.phases.items():
        start, end = (
            int(BAR * before / total),
            max(int(BAR * (before + seconds) / total), int(BAR * before / total) + 1),
        )
        before += seconds
        lines.append(f"{fit(phase, 10)} {seconds:7.3f}  " + " " * start + "#" * (end - start))
    lines.append(f"{fit('all', 10)} {total:7.3f}")
    return lines


def as_data(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """All stories as plain data, the newest first."""
    return [
        {
            "kind": story.kind,
            "result": story.result,
            "wall": story.at,
            "seconds": story.seconds,
            "phases": dict(story.phases),
            "events": list(story.entries),
        }
        for story in reversed(stories(entries))
    ]


def _clock(wall: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))

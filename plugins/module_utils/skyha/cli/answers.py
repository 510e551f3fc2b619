# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The part of `skyctl explain` on how quickly the primary answers, and what that means for how soon its silence is seen."""

from __future__ import annotations

from ..config import Config
from ..daemon.published import Status, Way
from ..words import ANSWER_BOUNDS
from .text import wrap

WIDTH = 30  # of the longest bar
ENOUGH = 60  # answers, before they tell anything


def answers(config: Config | None, status: Status) -> list[str]:
    """Its lines; none before enough answers came."""
    ways = {name: way for name, way in status.around.paths.by_name.items() if sum(way.recent) >= ENOUGH}
    if config is None or not ways:
        return []
    lines = ["", "How quickly the primary answered lately:"]
    for name, way in ways.items():
        lines += _picture(config, name, way)
    return [*lines, wrap(_meaning(config, ways))]


def _picture(config: Config, name: str, way: Way) -> list[str]:
    """One line for each time that answers took, with the thresholds between them."""
    marks = [
        (way.gives_up_after or config.timing.look_deadline, "a look gives up"),
        (config.timing.look_deadline, "look_deadline, which it never outlasts"),
    ]
    lines, most = [f"  {name} path"], max(way.recent)
    slowest = max(place for place, count in enumerate(way.recent) if count)
    bounds = [*ANSWER_BOUNDS, float("inf")]
    for place, (count, bound) in enumerate(zip(way.recent, bounds)):
        lines += [
            f"    -- {at * 1000:.0f} ms: {what}"
            for at, what in marks
            if _before(place) <= at < bound and place <= slowest
        ]
        if count:
            bar = "#" * max(1, round(WIDTH * count / most))
            what = (
                f"over {ANSWER_BOUNDS[-1] * 1000:.0f} ms" if bound == float("inf") else f"up to {bound * 1000:.0f} ms"
            )
            lines.append(f"    {what:>13} {count:>5} {bar}")
    return [*lines, *(f"    -- {at * 1000:.0f} ms: {what}" for at, what in marks if at >= bounds[slowest])]


def _before(place: int) -> float:
    return ANSWER_BOUNDS[place - 1] if place else 0.0


def _meaning(config: Config, ways: dict[str, Way]) -> str:
    usual = [way.usual for way in ways.values()]
    slowest = max((one for one in usual if one is not None), default=None)
    if slowest is None or None in usual:
        return (
            f"More than one answer in a hundred took over {ANSWER_BOUNDS[-1] * 1000:.0f} ms: a look waits as long as it may. What makes them so "
            "slow (the disk under the WAL, the network, the processor) makes a failover slow, too."
        )
    gives_up = max(way.gives_up_after or config.timing.look_deadline for way in ways.values())
    return (
        f"99 % came within {slowest * 1000:.0f} ms, and a look gives up after {gives_up * 1000:.0f} ms. With a look_deadline below "
        f"{slowest * 1000:.0f} ms one look in a hundred or more could fail. A smaller failures_before_failover would fence sooner, and for a "
        "shorter break of the link; a larger one later, and only for a longer break."
    )

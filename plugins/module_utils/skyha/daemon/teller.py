# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Passes each event on to the history (disk and journal), and keeps the last few for the status."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ..words import Event
from .board import MAX_EVENTS, Noted
from .loop import Chronicle
from .timeline import last_failover


class Teller:
    """The Chronicle that the loop is given. `entries`: what the history holds already, oldest first."""

    def __init__(
        self,
        history: Chronicle,
        entries: Iterable[Mapping[str, Any]] = (),
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._history = history
        self._wall, self._monotonic = wall, monotonic
        self._entries: deque[Mapping[str, Any]] = deque((entry for entry in entries if _is_whole(entry)), maxlen=500)
        self._last: deque[Noted] = deque(maxlen=MAX_EVENTS)
        self.seq = 0
        for entry in list(self._entries)[-MAX_EVENTS:]:
            self._note(
                float(entry["wall"]),
                Event(
                    str(entry["kind"]), str(entry["text"]), str(entry.get("level", "info")), entry.get("facts") or {}
                ),
            )
        self._story = last_failover(self._entries)
        self._fresh: list[Event] = []

    def add(self, event: Event) -> None:
        """Append one event; never raises."""
        at = self._wall()
        self._history.add(event)
        self._note(at, event)
        entry = {
            "wall": at,
            "monotonic": self._monotonic(),
            "kind": event.kind,
            "text": event.text,
            "facts": event.facts,
        }
        self._entries.append(entry)
        self._fresh.append(event)
        if event.kind == "vip_taken":
            self._story = last_failover(self._entries)

    def last(self, number: int = 20) -> tuple[Noted, ...]:
        """The newest events, oldest first."""
        return tuple(self._last)[-number:]

    def last_failover(self) -> Mapping[str, Any] | None:
        """As timeline.last_failover."""
        return self._story

    def take_fresh(self) -> tuple[Event, ...]:
        """The events that were added since the last call."""
        fresh, self._fresh = tuple(self._fresh), []
        return fresh

    def _note(self, at: float, event: Event) -> None:
        self.seq += 1
        self._last.append(Noted(self.seq, at, event))


def _is_whole(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry.get("wall"), (int, float)) and "kind" in entry and "text" in entry

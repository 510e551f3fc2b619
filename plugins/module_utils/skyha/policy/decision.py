# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one cycle decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..words import Action, Event, Food, Path, Verb
from .memory import Memory


@dataclass(frozen=True)
class Wants:
    """What the next cycle shall look at, and when."""

    delay: float
    paths: tuple[Path, ...] = ()
    deadline: float = 1.0
    fresh: tuple[Path, ...] = ()  # along these a new connection must be let in as well
    peer: bool = False
    yields: bool = False  # the look along the paths may be ended by news; it has seen nothing then, nor of the peer
    vip_conflict: bool = False
    register: Verb | None = None  # what to ask it
    promise_until: float = 0.0  # so long the heir promises to take nothing by the lease
    beat: tuple[int, int] | None = None  # that the holder tells its heir
    food: Food | None = None  # this host's watchdog is fed; None: it rests


@dataclass(frozen=True)
class Readiness:
    """Would this standby take over if its primary died now? Judged in armed.py alone."""

    reasons: Mapping[str, str]  # what would stop it: code -> sentence

    @property
    def armed(self) -> bool:
        """Nothing would."""
        return not self.reasons


@dataclass(frozen=True)
class Decision:
    """What one cycle decided."""

    memory: Memory
    sentence: str  # the state in one line, for the log and the status
    wants: Wants
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    alarms: Mapping[str, str] = field(default_factory=dict)  # what is wrong now: code -> sentence
    readiness: Readiness | None = None  # None: this node is no standby

    def after(self, *events: Event) -> Decision:
        """The same, told after these."""
        return replace(self, events=events + self.events)

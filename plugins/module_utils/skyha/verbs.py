# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the register can be asked. probes/register.py has the line to it, policy/book.py the rules, words.py what it answers."""

from __future__ import annotations

from typing import Protocol

from .words import Verb


class Version(Protocol):
    """A row, as far as an order names the one that it knows."""

    @property
    def epoch(self) -> int:
        """Counts holders."""

    @property
    def beat(self) -> int:
        """Counts changes."""


def read() -> Verb:
    """The row."""
    return Verb("read")


def renew(identifier: str, holder: str, epoch: int) -> Verb:
    """The holder writes on."""
    return Verb("renew", (identifier, holder, epoch))


def take(identifier: str, heir: str, seen: Version) -> Verb:
    """The heir becomes the holder, if nothing happened since `seen` was read."""
    return Verb("take", (identifier, heir, seen.epoch, seen.beat))


def set_heir(identifier: str, holder: str, seen: Version, heir: str | None, term: float = 0.0) -> Verb:
    """The holder says who may take over (None: nobody), and the term of the lease that it obeys meanwhile (0: none)."""
    return Verb("set_heir", (identifier, holder, seen.epoch, seen.beat, heir, term))


def hand_over(identifier: str, holder: str, seen: Version) -> Verb:
    """The holder's own word, after PostgreSQL was verified down: the heir holds now."""
    return Verb("hand_over", (identifier, holder, seen.epoch, seen.beat))


def found(identifier: str, holder: str, epoch: int, seen: Version | None) -> Verb:
    """A new row, where there is none or instead of `seen`, with a higher epoch."""
    epoch_and_beat = (None, None) if seen is None else (seen.epoch, seen.beat)
    return Verb("found", (identifier, holder, epoch, *epoch_and_beat))

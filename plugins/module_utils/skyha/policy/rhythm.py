# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How quickly the primary usually answers along each path, and so how long a look waits for it: on a quick network silence is seen sooner.

How long it is waited until somebody is fenced does not go by it (patience.py), only how long one look lasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..config import Config
from ..margins import LEAST_LOOK
from ..words import ANSWER_BOUNDS, Look, Path, Sight

GENERATION = 600  # answers: the recent ones are those of this generation and of the one before
ENOUGH = 60  # answers, before they tell anything
USUAL = 0.99  # a share
SLACK = 4.0  # a look waits so many times longer than what is usual
_NONE = (0,) * (len(ANSWER_BOUNDS) + 1)


@dataclass(frozen=True)
class Answers:
    """Of one path, counted by how long they took. Never forgotten: what is recent is told by two older counts."""

    counts: tuple[int, ...] = _NONE
    seconds: float = 0.0  # together
    older: tuple[int, ...] = _NONE
    newer: tuple[int, ...] = _NONE

    @property
    def recent(self) -> tuple[int, ...]:
        """The counts of the last one or two generations."""
        return tuple(now - then for now, then in zip(self.counts, self.older))

    @property
    def usual(self) -> float | None:
        """Within so many seconds came nearly all recent answers; None: too few came, or they are slower than any bound."""
        recent, so_far = self.recent, 0
        for count, bound in zip(recent, ANSWER_BOUNDS):
            so_far += count
            if so_far >= USUAL * sum(recent) and sum(recent) >= ENOUGH:
                return bound
        return None


def noted(known: Mapping[Path, Answers], looks: Mapping[Path, Look]) -> Mapping[Path, Answers]:
    """With the answers of these looks."""
    answered = {path: look.latency for path, look in looks.items() if look.sight is Sight.OK}
    return {**known, **{path: _with(known.get(path, Answers()), took) for path, took in answered.items()}}


def _with(answers: Answers, took: float) -> Answers:
    place = sum(took > bound for bound in ANSWER_BOUNDS)
    counts = tuple(count + (number == place) for number, count in enumerate(answers.counts))
    answers = replace(answers, counts=counts, seconds=answers.seconds + took)
    if sum(counts) - sum(answers.newer) < GENERATION:
        return answers
    return replace(answers, older=answers.newer, newer=counts)


def look_deadline(config: Config, known: Mapping[Path, Answers]) -> float:
    """How long a look along the paths lasts at the longest: never longer than is set, since the times of safety are made of that."""
    usual = [known.get(path, Answers()).usual for path in Path]
    slowest = max((one for one in usual if one is not None), default=None)
    if slowest is None or None in usual:
        return config.timing.look_deadline
    return min(config.timing.look_deadline, max(LEAST_LOOK, SLACK * slowest))

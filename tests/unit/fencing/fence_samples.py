# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Agents whose answers are given, and a clock that only moves when somebody waits."""

from __future__ import annotations

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import FenceError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Power


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Host:
    """An agent whose answers are given: each is a power, or an error. The last one repeats."""

    def __init__(
        self, *answers: Power | str, refuses: str = "", takes: float = 0.0, clock: Clock | None = None
    ) -> None:
        self.where = "BMC test"
        self.answers, self.refuses, self.takes = list(answers), refuses, takes
        self.clock = clock
        self.orders: list[str] = []
        self.closed = False

    def status(self, deadline: float) -> Power:
        if self.clock is not None:
            self.clock.now += min(self.takes, deadline)
            if self.takes > deadline:
                raise FenceError("BMC test: no answer")
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not isinstance(answer, Power):
            raise FenceError(answer)
        return answer

    def order(self, verb: str, deadline: float) -> None:
        if self.refuses:
            raise FenceError(self.refuses)
        self.orders.append(verb)

    def close(self) -> None:
        self.closed = True


class Outlet:
    """A device that obeys, unless it is said not to: stuck: it takes orders and does nothing; dead: it does not answer."""

    def __init__(self, name: str, power: Power = Power.ON, *, stuck: bool = False, dead: bool = False) -> None:
        self.where = f"outlet {name}"
        self.power, self.stuck, self.dead = power, stuck, dead
        self.orders: list[str] = []

    def status(self, deadline: float) -> Power:
        if self.dead:
            raise FenceError(f"{self.where}: no answer")
        return self.power

    def order(self, verb: str, deadline: float) -> None:
        self.orders.append(verb)
        if not self.stuck:
            self.power = Power(verb)

    def close(self) -> None:
        """Nothing to forget."""

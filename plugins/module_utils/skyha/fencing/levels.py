# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several devices for one host: levels of them, tried in their order. A level counts as a whole or not at all.

A host with two power supplies is off when both are: every device of a level must be told, and read back, by the one rule (agents.carry_out).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Callable

from ..errors import FenceError
from ..words import Power
from .agents import Agent, Done, carry_out, left

Clock = Callable[[], float]
Level = Sequence[Agent]


class Broken:
    """A device that cannot be asked at all: its level fails, and is never taken for one without it."""

    def __init__(self, where: str, why: str) -> None:
        self.where, self._why = where, why

    def status(self, deadline: float) -> Power:
        """See agents.Agent."""
        raise FenceError(self._why)

    def order(self, verb: str, deadline: float) -> None:
        """See agents.Agent."""
        raise FenceError(self._why)

    def close(self) -> None:
        """Nothing to forget."""


class Together:
    """The devices of one level as one agent: on or off where all of them are, and else unknown."""

    def __init__(self, devices: Level, clock: Clock = time.monotonic) -> None:
        self._devices, self._clock = devices, clock
        self._powers = self._unknown

    @property
    def _unknown(self) -> tuple[Power, ...]:
        return (Power.UNKNOWN,) * len(self._devices)

    @property
    def where(self) -> str:
        """See agents.Agent."""
        return " and ".join(f"{device.where} ({power.value})" for device, power in zip(self._devices, self._powers))

    def status(self, deadline: float) -> Power:
        """See agents.Agent."""
        until, self._powers = self._clock() + deadline, self._unknown
        powers = tuple(device.status(left(until, self._clock)) for device in self._devices)
        self._powers = powers
        return powers[0] if len(set(powers)) == 1 else Power.UNKNOWN

    def order(self, verb: str, deadline: float) -> None:
        """See agents.Agent. Only for off and on: devices that are reset one after the other never end the power."""
        if verb not in ("on", "off"):
            raise FenceError(
                f"{self.where}: {verb} of several devices does not end the power; set [fence] action = off"
            )
        until = self._clock() + deadline
        for device, power in zip(self._devices, self._powers):
            if power.value == verb:
                continue
            if self._clock() >= until:  # as in carry_out: what the order leans on is too old
                raise FenceError(f"{device.where}: {verb} was not ordered, its time is over; it is tried again")
            device.order(verb, left(until, self._clock))

    def close(self) -> None:
        """See agents.Agent."""
        for device in self._devices:
            device.close()


def by_levels(
    levels: Sequence[Level],
    verb: str,
    deadline: float,
    clock: Clock = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Done:
    """Carry a verb out on a host; raises FenceError with what each device said.

    status: by every device. on: by every device, whichever had switched it off. Another: by the first level that does it.
    """
    if not any(levels):
        raise FenceError("there is no fence agent; configure one")
    if verb == "status":
        return _status(levels, deadline, clock)
    if verb == "on":
        return _on(levels, deadline, clock, sleep)
    return _first(levels, verb, deadline, clock, sleep)


def _first(levels: Sequence[Level], verb: str, deadline: float, clock: Clock, sleep: Callable[[float], None]) -> Done:
    """Each level has an equal part of what is left of the time, so that a dead one leaves some for the next."""
    until, said = clock() + deadline, []
    for number, level in enumerate(levels):
        if clock() >= until:  # as in carry_out: this host stood still meanwhile, what an order leans on is too old
            said.append(f"{verb} was not ordered by the next level, the {deadline:g} s are over; it is tried again")
            break
        agent = level[0] if len(level) == 1 else Together(level, clock)
        try:
            return carry_out(agent, verb, left(until, clock) / (len(levels) - number), True, clock, sleep)
        except FenceError as error:
            said.append(str(error))
        finally:
            agent.close()
    raise FenceError("; ".join(said))


def _on(levels: Sequence[Level], deadline: float, clock: Clock, sleep: Callable[[float], None]) -> Done:
    """The last level first: its outlets may feed the BMC of the first one. Done once all are on, so a BMC that boots is asked again."""
    devices = [device for level in reversed(levels) for device in level]
    until, said, failed, changed = clock() + deadline, [], [], False
    for number, device in enumerate(devices):
        try:
            done = carry_out(device, "on", left(until, clock) / (len(devices) - number), True, clock, sleep)
            said.append(done.detail)
            changed = changed or done.changed
        except FenceError as error:
            failed.append(str(error))
        finally:
            device.close()
    if failed:
        raise FenceError("; ".join(failed + said))
    return Done(Power.ON, False, changed, "; ".join(said))


def _status(levels: Sequence[Level], deadline: float, clock: Clock) -> Done:
    """Off where any level says so: that is what a fence would take for a proof. On where one does and none says off."""
    remaining, until = sum(map(len, levels)), clock() + deadline
    said, problems, powers = [], [], []
    for level in levels:
        told = []
        for device in level:
            try:
                told.append(carry_out(device, "status", left(until, clock) / remaining, True, clock))
            except FenceError as error:
                problems.append(str(error))
            finally:
                device.close()
            remaining -= 1
        details = " and ".join(done.detail for done in told)
        if len(told) < len(level):
            continue
        if len({done.power for done in told}) > 1:
            problems.append(
                f"{details}: they contradict each other, so one of them is not of this host, or feeds nothing"
            )
            continue
        powers.append(told[0].power)
        said.append(details)
    if not powers:
        raise FenceError("; ".join(problems))
    power = Power.OFF if Power.OFF in powers else Power.ON
    return Done(power, False, False, "; ".join(said), "; ".join(problems))

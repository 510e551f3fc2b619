# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rule of fencing: what counts as done, and what as proof.

A host is off when its power was read back as off, and for no other reason: not because an order was accepted, not
because a status could not be read. What is off already counts as switched off. A reset cannot be read back; where the
configuration asks for it, the accepted order and a power that is on again is all the proof there is (weaker).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable, Protocol

from ..errors import FenceError
from ..margins import SETTLES
from ..words import Power

VERBS = ("status", "on", "off", "cycle", "reset", "diag", "soft")
POLL = 0.1  # seconds between two looks at the power


class Agent(Protocol):
    """One way to a host's power. Both raise FenceError when the agent could not be asked."""

    @property
    def where(self) -> str:
        """The agent's name and address, for people."""

    def status(self, deadline: float) -> Power:
        """The power, within `deadline` seconds."""

    def order(self, verb: str, deadline: float) -> None:
        """Give one of VERBS but status; returns when the agent accepted it."""

    def close(self) -> None:
        """Forget the session, if there is one."""


@dataclass(frozen=True)
class Done:
    """What came of a verb. changed: an order was given. proof: the host is off, or was reset. warning: which devices cannot be used."""

    power: Power
    proof: bool
    changed: bool
    detail: str
    warning: str = ""


def carry_out(
    agent: Agent,
    verb: str,
    deadline: float,
    verify: bool = True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Done:
    """Carry one of VERBS out within `deadline` seconds; raises FenceError where it was not done, or not seen to be done.

    verify: read the power back after on, off and reset.
    """
    if verb not in VERBS:
        raise FenceError(f"{verb!r} is no power verb; known: {', '.join(VERBS)}")
    until = clock() + deadline
    power = agent.status(deadline)
    if verb == "status":
        if power is Power.UNKNOWN:
            raise FenceError(f"{agent.where}: says neither on nor off; see its own interface")
        return Done(power, False, False, f"{agent.where}: power is {power.value}")
    if verb in ("on", "off") and power.value == verb:
        return Done(power, verb == "off", False, f"{agent.where}: power is {verb} already")
    if verb == "reset" and power is Power.OFF:
        return Done(power, True, False, f"{agent.where}: power is off, there is nothing to reset")
    if verb in ("cycle", "diag", "soft") and power is Power.OFF:
        return Done(power, False, False, f"{agent.where}: power is off, {verb} would do nothing")
    if clock() >= until:
        # This host stood still meanwhile: what the order leans on is too old.
        raise FenceError(f"{agent.where}: {verb} was not ordered, its {deadline:g} s are over; it is tried again")
    agent.order(verb, left(until, clock))
    wanted = {"off": Power.OFF, "on": Power.ON, "reset": Power.ON}.get(verb)
    if wanted is None:  # cycle, diag, soft: an order that cannot be read back
        return Done(Power.UNKNOWN, False, True, f"{agent.where}: accepted {verb}")
    if not verify:
        return Done(Power.UNKNOWN, False, True, f"{agent.where}: accepted {verb}, which was not read back")
    _read_back(agent, verb, wanted, until, clock, sleep)
    is_settled = verb != "off"
    while not is_settled:
        sleep(SETTLES)
        is_settled = _read_back(agent, verb, wanted, until, clock, sleep)
    if verb == "reset":
        return Done(Power.ON, True, True, f"{agent.where}: accepted reset, power is on (weaker than off: see docs)")
    return Done(wanted, verb == "off", True, f"{agent.where}: power is {wanted.value}, read back")


def predict(power: Power, verb: str, where: str) -> Done:
    """What `carry_out` would come to on a host with this power, for a check mode."""
    if verb == "status" or power.value == verb or (power is Power.OFF and verb in ("cycle", "reset", "diag", "soft")):
        return Done(power, power is Power.OFF and verb in ("off", "reset"), False, f"{where}: power is {power.value}")
    after = {"on": Power.ON, "off": Power.OFF}.get(verb, power)
    return Done(after, False, True, f"{where}: power is {power.value}, {verb} would be ordered")


def _read_back(
    agent: Agent, verb: str, wanted: Power, until: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> bool:
    """Ask for the power until it is as wanted: True if it never was said to be otherwise. Raises FenceError at the deadline."""
    told, failed = "", ""
    while True:
        left = until - clock()
        if left <= 0:
            last = "; ".join(filter(None, (told, failed))) or "it did not say"
            raise FenceError(
                f"{agent.where}: accepted {verb}, but then: {last}; look at the host itself, its power may not be "
                "what the BMC says"
            )
        try:
            power = agent.status(left)
            if power is wanted:
                return not told
            told = f"power is still {power.value}" if power is not Power.UNKNOWN else "it says neither on nor off"
            failed = ""
        except FenceError as error:
            failed = str(error)
        sleep(min(POLL, max(0.0, until - clock())))


def left(until: float, clock: Callable[[], float]) -> float:
    """Seconds until then; never none at all, which would mean for ever to some."""
    return max(0.1, until - clock())


def as_answer(done: Done, seconds: float) -> Mapping[str, object]:
    """The answer of the fence process to the daemon."""
    return {
        "ok": True,
        "power": done.power.value,
        "proof": done.proof,
        "changed": done.changed,
        "detail": done.detail,
        "warning": done.warning,
        "numbers": {"seconds": round(seconds, 3)},
    }

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why the peer is taken not to write any more (S1): the one thing that a promotion leans on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from ..config import Config
from ..margins import PROOF_FRESH, PROOF_LATE
from ..words import Outcome, Power


class Kind(str, Enum):
    """Who says so."""

    OFF = "off"  # its BMC: the power was read back as off
    RESET = "reset"  # its BMC: it took the order to reset the host (weaker, see docs/safety.md)
    OPERATOR = "operator"  # an operator: it is off and stays off
    LEASE = "lease"  # the register: the peer's lease has run out, and its watchdog has reset its host since
    WORD = "word"  # the peer itself: it has handed over in the register, after its PostgreSQL was down


@dataclass(frozen=True)
class Proof:
    """One word that the peer does not write, as this very daemon heard it."""

    kind: Kind
    at: float  # when it was given, or last seen not to be belied
    how: str


def of_fence(outcome: Outcome, now: float) -> Proof:
    """What a fence that was carried out proves."""
    return Proof(Kind.OFF if outcome.power is Power.OFF else Kind.RESET, now, outcome.detail)


def by_operator(now: float, how: str) -> Proof:
    """An operator's word."""
    return Proof(Kind.OPERATOR, now, how)


def in_time(config: Config, outcome: Outcome, took: float) -> Outcome:
    """The end of a fence `took` seconds after it began, without a proof that comes too late to say anything of now."""
    if not outcome.proof or took <= config.timing.fence_deadline + PROOF_LATE:
        return outcome
    late = f"proven only {took:.0f} s after it began, this host stood still: {outcome.detail}"
    return replace(outcome, proof=False, detail=late)


def is_fresh(config: Config, proof: Proof | None, now: float) -> bool:
    """Does it still hold? None: it was given to another daemon, before this one started."""
    if proof is None:
        return False
    # A BMC's word is true of one moment: the peer may be switched on again. An operator's holds as long as it is checked.
    limit = config.timing.arming_window if proof.kind is Kind.OPERATOR else PROOF_FRESH
    return is_younger(proof, limit, now)


def is_younger(proof: Proof | None, seconds: float, now: float) -> bool:
    """Was it given, or last checked, within so many seconds?"""
    return proof is not None and now - proof.at <= seconds

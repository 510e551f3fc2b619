# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Chores that both roles share."""

from __future__ import annotations

from ..config import Config
from ..words import Action, Do, Seen, Task
from .memory import Memory, age


def check_bmc(config: Config, memory: Memory, seen: Seen, now: float) -> tuple[Action, ...]:
    """Ask the peer's BMC for its power status when that is due; more often after a failure."""
    timing = config.timing
    interval = timing.bmc_retry_interval if memory.bmc_error else timing.bmc_check_interval
    if Task.CHECK_BMC in seen.running or age(now, memory.bmc_asked_at) < interval:
        return ()
    return (Action(Do.RUN, Task.CHECK_BMC),)

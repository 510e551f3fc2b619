# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was begun and is on record goes on by this table (docs/failover.md shows it)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Callable, Union

from ..config import Config
from ..words import Seen
from .decision import Decision
from .fencing import fencing
from .listening import listening
from .memory import Memory
from .promoting import promoting
from .record import Intent, Stage
from .switchover import follows, handed_over, stopped, switching


class Found(str, Enum):
    """What PostgreSQL here is found to be. The value says what becomes of a stage that has no row."""

    PRIMARY = "over (after a promotion that was ordered: *promoted*)"
    STANDBY = "over"
    DOWN = "the boot table decides"


# A decision, or the memory with which the node goes on as it would without that stage.
Handler = Callable[[Config, Memory, Intent, Seen, float], Union[Decision, Memory]]

STAGES: Mapping[tuple[Stage, Found], Handler] = {
    (Stage.FENCING, Found.STANDBY): fencing,
    (Stage.LISTENING, Found.STANDBY): listening,
    (Stage.PROMOTING, Found.STANDBY): promoting,
    (Stage.SWITCHING, Found.PRIMARY): switching,
    (Stage.SWITCHING, Found.DOWN): stopped,
    (Stage.HANDED_OVER, Found.DOWN): handed_over,
    (Stage.HANDED_OVER, Found.STANDBY): follows,
}


def at_stage(found: Found, config: Config, memory: Memory, seen: Seen, now: float) -> Decision | Memory:
    """What the table says of the stage on record; the memory as it is where it says nothing."""
    intent = memory.record.intent
    handler = None if intent is None else STAGES.get((intent.stage, found))
    return memory if intent is None or handler is None else handler(config, memory, intent, seen, now)

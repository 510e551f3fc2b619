# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a takeover by this standby would lose, where it is not the heir (zero loss): what is known of that, and what is not.

The register tells whether the primary's commits wait for this node (R6). Until the last time that it did so all that was acknowledged is
here; after that only what happens to be received is. Nobody here knows what the primary wrote since it was last heard.
"""

from __future__ import annotations

import time

from ..config import Config
from ..words import Local
from .memory import Memory, Naming
from .wal import size

DATED = 43200.0  # seconds: a time of day that is longer ago comes with its date


def is_heir(memory: Memory) -> bool | None:
    """Did the register name this standby, the last time that it was asked? None: it told of no other holder yet."""
    naming = memory.register.naming
    if naming.at is None and naming.gone_at is None:
        return None
    return naming.gone_at is None


def lacks(memory: Memory, local: Local) -> int | None:
    """WAL bytes that the primary had when it was last heard and that are not received here now; None: not known.

    That it lacks nothing is known only of a position that this very skyha has heard.
    """
    heard = memory.heard
    if local.receive_lsn is None or heard.sampled_at is None:
        return None
    if heard.samples:
        return max(0, heard.samples[-1][1] - local.receive_lsn)
    return 0 if heard.covered_at == heard.sampled_at else None


def passed_by(config: Config, memory: Memory, local: Local, now: float) -> str | None:
    """Since when commits do not wait for this standby, and what a takeover would lose, in a sentence; None: they do, as far as is known."""
    naming, peer = memory.register.naming, config.peer.name
    if not config.zero_loss or naming.gone_at is None:
        return None
    ago, clock = f"{now - naming.gone_at:.0f} s", _clock(naming, naming.gone_at, now)
    seen = f"for {ago}" if clock is None else f"since {clock} ({ago})"
    return (
        f"this node is not the heir: {seen} at least {peer} commits without it; a takeover would lose what {peer} has committed"
        f"{_since(naming, now)} and this node has not received: {_how_much(config, memory, local, now)}"
    )


def _how_much(config: Config, memory: Memory, local: Local, now: float) -> str:
    number, heard_at = lacks(memory, local), memory.heard.sampled_at
    if number is None or heard_at is None:
        return f"how much that is is not known, this skyha has not heard how far {config.peer.name} is"
    when = f"when it was last heard, {now - heard_at:.0f} s ago"
    known = f"{size(number)} of WAL {when}" if number else f"nothing {when}"
    return f"{known}, and all that it wrote after that"


def _since(naming: Naming, now: float) -> str:
    """When it had all that was acknowledged, for the last time that is known."""
    if naming.at is None:
        return ""
    clock = _clock(naming, naming.at, now)
    return f" in the last {now - naming.at:.0f} s" if clock is None else f" since {clock}"


def _clock(naming: Naming, then: float, now: float) -> str | None:
    """A time for people; of another day with its date."""
    if naming.clock is None:
        return None
    pattern = "%H:%M:%S" if now - then < DATED else "%Y-%m-%d %H:%M:%S"
    return time.strftime(pattern, time.localtime(then + naming.clock))

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An operator orders this standby to take over, whatever stopped a failover: missing evidence, lag, the flap guard, a vote host
that is gone. What only an operator can know he answers for; a sign of life of the primary he cannot override.

The peer is fenced first, as in any failover. Where its BMC does not answer the order is the operator's word that it is off.
"""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..words import Event, Order, Role, Seen, Server, Task
from .armed import is_bmc_belied
from .decision import Decision, Wants
from .fencing import TASK_POLL, fence_once, reads_row
from .listening import proven
from .memory import Memory, begin
from .orders import confirmed, refused, takeover_answered
from .patience import blind, facts, living, look_at_primary
from .proof import by_operator
from .record import Intent, Stage, is_paused
from .refusal import PAUSED
from .storage import not_whole

UNDER_WAY = (Stage.LISTENING, Stage.PROMOTING)


def take_over(config: Config, memory: Memory, seen: Seen, now: float) -> Decision | None:
    """The order came to a running standby: refuse it with the reason, or begin. None: it is being promoted already."""
    old = memory.record.intent
    if old is not None and old.stage in UNDER_WAY:
        return None
    if not seen.looks or seen.peer is None:
        look = replace(look_at_primary(config, memory, 0.0), peer=True)
        return Decision(memory, f"standby, ordered to take over: one more look for {config.peer.name}", look)
    why = obstacle(config, memory, seen, now)
    memory = takeover_answered(memory)
    if why is not None:
        event = refused(Order.TAKEOVER, why)
        return Decision(memory, f"standby, {event.text}", look_at_primary(config, memory, 0.0), (), (event,))
    since = now if memory.watch.trouble is None else memory.watch.trouble.since
    attempts = 0 if old is None else old.attempts
    intent = Intent(Stage.FENCING, now, since, "an operator ordered it", attempts, takeover=True)
    memory = reads_row(begin(confirmed(memory, None), intent))
    event = Event(
        "takeover", f"an operator orders this node to take over from {config.peer.name}", "warning", facts(seen)
    )
    if memory.record.fence_distrusted or is_bmc_belied(memory):
        how = "an operator ordered the takeover, and its BMC is not believed"
        return proven(config, memory, intent, by_operator(now, how)).after(event)
    fencing = Event("fencing", f"fencing {config.peer.name}: an operator ordered it", "alarm")
    if Task.FENCE in seen.running:
        return Decision(memory, f"standby, fencing {config.peer.name} for an operator", Wants(TASK_POLL), (), (event,))
    return fence_once(config, memory, intent, now).after(event, fencing)


def obstacle(config: Config, memory: Memory, seen: Seen, now: float) -> str | None:
    """Why not even an operator's order makes this standby the primary, with the next step; None when it does."""
    peer = seen.peer
    if is_paused(memory.record, now):
        return PAUSED.text
    missing = not_whole(memory, seen.local)
    if missing is not None:
        return missing.text
    if seen.local.receive_lsn is None:
        return (
            f"PostgreSQL here does not tell what it has received: {seen.local.detail or 'no reason given'}; see its log"
        )
    life = living(seen.looks, config.failover.tablespace_policy, but_standbys=True)
    if life is not None:
        return (
            f"the primary shows life ({life}); 'skyctl switchover' on it moves it, else stop PostgreSQL and skyha there or switch "
            "its host off, then order it again (if the vote path leads elsewhere than to the VIP, stop sky-vote-proxy)"
        )
    unseen = blind(seen.looks)
    if unseen is not None:
        return f"this node cannot see whether the primary lives ({unseen}); mend that first"
    if peer is not None and peer.server is Server.UP and peer.role is not Role.STANDBY:
        return (
            f"PostgreSQL on {config.peer.name} answers at {config.peer.address} and is no standby; stop it and skyha there, or "
            "switch its host off, then order it again"
        )
    if peer is not None and peer.server is Server.UP:
        if None in (peer.timeline, peer.receive_lsn, seen.local.timeline):
            return f"{config.peer.name} runs as a standby, and it is not known which of the two has more; stop PostgreSQL and skyha there"
        if (peer.timeline, peer.receive_lsn) > (seen.local.timeline, seen.local.receive_lsn):
            return f"{config.peer.name} runs as a standby and has more than this node; order it there"
    return None

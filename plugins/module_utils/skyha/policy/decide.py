# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The decision of one cycle: what this node is decides who is asked."""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..words import ONLY_LOOK, Action, Do, Order, Role, Seen, Server
from .armed import readiness
from .belongs import adopt_cluster, foreign_peer, not_ours, only_own_cluster
from .boot import decide_down
from .decision import Decision, Wants
from .holding import asking
from .lease import is_over, stopping
from .memory import Memory
from .orders import lapsed
from .patience import not_counted
from .primary import decide_primary
from .record import is_paused
from .remember import remember
from .standby import decide_standby
from .storage import moved_on_purpose, remember_mounts
from .sync import governed
from .upkeep import undo_fence
from .vip import drop_vip


def decide(config: Config, memory: Memory, seen: Seen, now: float) -> Decision:
    """(what to remember, what to do) from what was seen at monotonic time `now`. Pure: touches nothing."""
    before, seen = memory, only_own_cluster(memory, seen)
    memory = adopt_cluster(remember(config, memory, seen, now), seen)
    if any(request.order is Order.ACKNOWLEDGE for request in seen.requests):
        memory = moved_on_purpose(
            replace(memory, record=replace(memory.record, failover_noted=True, fence_distrusted="")), seen.local
        )
    if memory.record.paused and not is_paused(memory.record, now):
        memory = replace(memory, record=replace(memory.record, paused=False, paused_until=None, paused_until_wall=None))
    memory = remember_mounts(memory, seen.local)
    decision = _by_role(config, memory, seen, now)
    told = lapsed(before, memory, decision.sentence)
    if told:
        decision = replace(decision, events=decision.events + told)
    record = decision.memory.record
    stranger = foreign_peer(config, decision.memory)
    if stranger:
        decision = replace(decision, alarms={"other_cluster": stranger, **decision.alarms})
    if record.power_on_due and record.role is not Role.PRIMARY and seen.local.server is not Server.UP:
        memory, actions, events, alarms = undo_fence(config, decision.memory, seen, now)
        decision = replace(
            decision,
            memory=memory,
            actions=decision.actions + actions,
            events=decision.events + events,
            alarms={**decision.alarms, **alarms},
        )
        record = memory.record
    if record.role is Role.PRIMARY and not record.failover_noted:  # through a restart in place, too
        text = "a failover took place and was not acknowledged (skyctl acknowledge)"
        decision = replace(decision, alarms={**decision.alarms, "failover": text})
    if is_paused(memory.record, now) and "lease_over" not in decision.alarms:
        # These only look, and keep the node armed for the end of the pause.
        looks = tuple(action for action in decision.actions if action.value in ONLY_LOOK)
        decision = replace(decision, actions=looks, alarms={"paused": "the cluster is paused", **decision.alarms})
    elif (
        seen.local.vip_held and seen.local.role is Role.STANDBY and Do.DROP_VIP not in {a.do for a in decision.actions}
    ):
        decision = replace(decision, actions=(Action(Do.DROP_VIP),) + decision.actions)
    if seen.local.role is Role.STANDBY and decision.readiness is None:
        ready = readiness(config, decision.memory, seen.local, decision.alarms, now)
        decision = replace(decision, readiness=ready)
    # A resume is what starts a stopped node: it is written down when there is a server to write to.
    request = memory.word.pause_request if memory.word.pause_written_at is None else None
    if request is not None and (request.order is Order.PAUSE or seen.local.server is Server.UP):
        decision = replace(decision, actions=decision.actions + (Action(Do.SET_PAUSE, request),))
    return asking(config, governed(config, decision, seen, now), seen, now)


def _by_role(config: Config, memory: Memory, seen: Seen, now: float) -> Decision:
    local = seen.local
    if local.role is Role.PRIMARY and local.server is not Server.DOWN and is_over(config, memory, seen, now):
        return stopping(config, memory, seen)
    obstacle = not_ours(memory, local) if local.server is Server.UP else None
    if obstacle is not None:
        # Its role, timeline and history say nothing of this node's own, so nothing of it goes on record.
        text = f"PostgreSQL runs here, and skyha has no part in it: {obstacle.text}"
        return Decision(memory, text, Wants(config.timing.interval), drop_vip(local), (), {obstacle.code: text})
    if local.server is Server.UP and local.role is Role.PRIMARY:
        return decide_primary(config, memory, seen, now)
    if local.server is Server.UP and local.role is Role.STANDBY:
        return decide_standby(config, memory, seen, now)
    if local.server is Server.DOWN:
        return decide_down(config, memory, seen, now)
    if local.server is Server.UNKNOWN:
        if memory.watch.trouble is not None:
            memory = replace(memory, watch=replace(memory.watch, trouble=not_counted(memory.watch.trouble, now)))
        text = f"this node cannot look at its own PostgreSQL: {local.detail or 'no reason given'}; it looks again"
        return Decision(memory, text, Wants(config.timing.retry_interval), alarms={"blind": text})
    waited = now - (memory.own.down_since if memory.own.down_since is not None else now)
    sentence = f"PostgreSQL here is {local.server.value} for {waited:.0f} s" + (
        f": {local.detail}" if local.detail else ""
    )
    late = waited > (config.timing.start_deadline if local.server is Server.STARTING else config.timing.look_deadline)
    return Decision(memory, sentence, Wants(config.timing.retry_interval), alarms={"down": sentence} if late else {})

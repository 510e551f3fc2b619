# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a running primary does: hold the VIP, keep the record that S3 leans on, give way to a newer timeline."""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..words import Action, Do, Event, Local, Order, Path, Role, Seen, Server, Sight, Task
from .armed import bmc_problem, record_problem
from .belongs import on_own_cluster
from .boot import PROMOTED_BY_HAND, Step, next_step
from .decision import Decision, Wants
from .holding import is_denied, overruled
from .memory import Memory, age
from .orders import confirmed, not_followed, takeover_answered
from .proof import Kind
from .record import Intent, Record, Stage, is_paused
from .stages import Found, at_stage
from .storage import not_whole
from .switchover import begin_switchover
from .upkeep import check_bmc, check_record, fence_device, is_given_up, not_switched_on, power_on, power_on_anew
from .vip import drop_vip, keep_vip
from .wal import is_lost, wal_alarms

_HELD = {True: "held", False: "not held", None: "not known to be held"}
_STREAMS = {True: "standby streaming", False: "standby NOT streaming", None: "standby not known to stream"}
CHECKPOINT_EVERY = 60.0  # seconds between two orders to checkpoint: one may take that long
YIELD_POLL, KILL_POLL = 0.2, 0.5
PEER_EVERY = 3.0  # how often a peer that does not stream is looked at directly


def decide_primary(config: Config, memory: Memory, seen: Seen, now: float) -> Decision:
    """One cycle of a primary; `memory` has taken `seen` in already."""
    newer = newer_primary(seen)
    if newer and not is_paused(memory.record, now):
        event = Event(
            "gave_way",
            f"{config.peer.name} is primary on timeline {newer}, newer than {seen.local.timeline} here: stopping at once",
            "alarm",
        )
        memory = replace(memory, record=replace(memory.record, intent=None, served_boot=""))
        return Decision(
            memory,
            f"gives way to {config.peer.name}, primary on timeline {newer}",
            Wants(YIELD_POLL, peer=True),
            (Action(Do.DROP_VIP), Action(Do.KILL_POSTGRES)),
            (event,),
        )
    if memory.word.takeover_at is not None:  # on a former primary that somebody started: the word that its peer is off
        memory = confirmed(takeover_answered(memory), now)
    if was_promoted_by_hand(config, memory, seen, now):
        return _promoted_by_hand(config, memory, seen, is_paused(memory.record, now))
    if memory.word.confirmed_off and is_denied(config, memory) and not _lawful_is_seen(seen):
        memory = overruled(memory)
    if is_denied(config, memory) and not is_paused(memory.record, now):
        return _not_holder(config, memory, seen)
    memory, events = _settle(config, memory, seen, now)
    if is_paused(memory.record, now):
        wants, alarms = _wants(config, memory, now), _alarms(config, memory, seen, now)
        return Decision(memory, "primary, paused: nothing automatic happens", wants, (), events, alarms)
    unlawful = _unlawful(config, memory, seen, now)
    if unlawful is not None:
        text = f"PostgreSQL runs as primary, but skyha did not start it and will not give it the VIP: {unlawful}"
        if seen.peer is not None:
            memory, told = not_followed(memory, unlawful)
            events += told
        wants = Wants(config.timing.interval, peer=True)
        return Decision(memory, text, wants, drop_vip(seen.local), events, {"unlawful": text})
    memory = on_own_cluster(replace(memory, record=replace(memory.record, served_boot=memory.record.boot)), seen.local)
    if memory.record.intent is None and any(request.order is Order.SWITCHOVER for request in seen.requests):
        return begin_switchover(config, memory, seen, now)
    under_way = at_stage(Found.PRIMARY, config, memory, seen, now)
    if isinstance(under_way, Decision):
        return under_way
    memory = under_way
    memory, actions = _keep_record(config, memory, seen, now)
    memory, vip_actions, delay, listen = keep_vip(config, memory, seen, now)
    memory, power_actions = _keep_power(config, memory, seen, now)
    # The VIP first: clients wait for it.
    actions = vip_actions + actions + power_actions + check_record(memory, seen, now)
    if _owes_checkpoint(seen.local) and age(now, memory.serving.checkpoint_at) >= CHECKPOINT_EVERY:
        actions += (Action(Do.CHECKPOINT),)
        memory = replace(memory, serving=replace(memory.serving, checkpoint_at=now))
    if seen.local.switching:
        actions += (Action(Do.SET_SWITCHING, False),)
    memory = confirmed(memory, None)
    wants = _wants(config, memory, now)
    wants = replace(wants, delay=min(wants.delay, delay), vip_conflict=listen)
    if wants.paths:
        memory = replace(memory, serving=replace(memory.serving, looked_at=now))
    alarms = _alarms(config, memory, seen, now)
    state = f"primary on {_timeline(seen)}, VIP {_HELD[seen.local.vip_held]}, " + _STREAMS[seen.local.peer_streaming]
    if memory.switching.checkpointing:
        state += f"; switchover to {config.peer.name}: a checkpoint first"
    return Decision(memory, "; ".join([state, *alarms.values()]), wants, actions, events, alarms)


def _not_holder(config: Config, memory: Memory, seen: Seen) -> Decision:
    """The register says that another node may write."""
    text = f"the register says that {config.peer.name} may write, not this node: stopping at once"
    memory = replace(memory, record=replace(memory.record, intent=None, served_boot=""))
    actions = (*drop_vip(seen.local), Action(Do.KILL_POSTGRES))
    event = Event("gave_way", text, "alarm")
    return Decision(memory, f"primary: {text}", Wants(KILL_POLL, peer=True), actions, (event,), {"not_holder": text})


def _owes_checkpoint(local: Local) -> bool:
    """Is this primary's last checkpoint of the timeline before its promotion? Until there is one of its own nobody can be
    rewound from it, and the one that PostgreSQL makes by itself after a promotion takes its time.
    """
    known = local.timeline is not None and local.checkpoint_timeline is not None
    return bool(local.vip_held and known and local.checkpoint_timeline != local.timeline)


def _unlawful(config: Config, memory: Memory, seen: Seen, now: float) -> str | None:
    """Why this primary may not serve: a former primary that somebody started in a new boot, unseen by the boot table.

    A first start (no record), the end of a promotion and a primary of this very boot are lawful.
    """
    record = memory.record
    if record.served_boot in ("", record.boot):
        return None
    forgotten = now - memory.started_at > config.timing.fence_forgotten_after
    step, why = next_step(
        record, Role.PRIMARY, seen.local.timeline, seen.peer, False, memory.word.confirmed_off, forgotten
    )
    return None if step is Step.START else why


def _timeline(seen: Seen) -> str:
    return "a timeline not known" if seen.local.timeline is None else f"timeline {seen.local.timeline}"


def was_promoted_by_hand(config: Config, memory: Memory, seen: Seen, now: float) -> bool:
    """Does PostgreSQL here run as primary although no skyha has promoted it: neither this one nor, in a switchover, the peer's?

    This one may have, and a pause came in between; or an operator has said that the peer is off. Neither counts beside a primary
    that is seen at work.
    """
    if memory.record.role is not Role.STANDBY or seen.local.switching is True:
        return False
    was_told = age(now, memory.fence.promote_at) <= config.timing.promote_deadline and seen.peer is not None
    return not (memory.word.confirmed_off or was_told) or _lawful_is_seen(seen)


def _promoted_by_hand(config: Config, memory: Memory, seen: Seen, paused: bool) -> Decision:
    """It gets no VIP and no word in its database. Where the lawful primary is seen at work, it is stopped at once."""
    wants = Wants(config.timing.retry_interval, (Path.VIP, Path.VOTE), config.timing.look_deadline, peer=True)
    drop = drop_vip(seen.local)
    if paused or seen.local.switching is None:
        return Decision(
            memory, f"primary, unlawful: {PROMOTED_BY_HAND}", wants, drop, (), {"unlawful": PROMOTED_BY_HAND}
        )
    if not _lawful_is_seen(seen):
        text = (
            f"{PROMOTED_BY_HAND}. That one is not seen, so this one is not stopped; it gets no VIP. If {config.peer.name} is off and stays "
            "off, 'skyctl confirm-off' here makes this node the primary"
        )
        return Decision(memory, f"primary, unlawful: {text}", wants, drop, (), {"unlawful": text})
    event = Event(
        "unlawful",
        f"somebody promoted this standby by hand, to {_timeline(seen)}, while {config.peer.name} serves: stopping it at once",
        "alarm",
    )
    actions, alarms = (*drop, Action(Do.KILL_POSTGRES)), {"unlawful": PROMOTED_BY_HAND}
    return Decision(
        memory, f"primary, unlawful: {PROMOTED_BY_HAND}", replace(wants, delay=KILL_POLL), actions, (event,), alarms
    )


def _lawful_is_seen(seen: Seen) -> bool:
    """Does the peer run as primary, or does one on another timeline than this node's answer along a path?"""
    if seen.peer is not None and seen.peer.server is Server.UP and seen.peer.role is Role.PRIMARY:
        return True
    beats = [look.beat for look in seen.looks.values() if look.beat is not None]
    return seen.local.timeline is not None and any(beat.timeline != seen.local.timeline for beat in beats)


def newer_primary(seen: Seen) -> int | None:
    """The peer's timeline when it is known to be the lawful primary on a newer timeline than this node's, else None.

    Lawful is who was promoted by skyha, or by an operator's word to it: its skyha notes that in its database. Whom somebody
    promoted by hand has no such note, and must not take the clients of the primary that serves them.
    """
    peer = seen.peer
    if (
        peer is not None
        and peer.server is Server.UP
        and peer.role is Role.PRIMARY
        and peer.noted is True
        and peer.timeline is not None
        and seen.local.timeline is not None
        and peer.timeline > seen.local.timeline
    ):
        return peer.timeline
    return None


def _settle(config: Config, memory: Memory, seen: Seen, now: float) -> tuple[Memory, tuple[Event, ...]]:
    """Bring the record up to what PostgreSQL is: the end of a promotion, or a primary found running."""
    record, intent = memory.record, memory.record.intent
    events: tuple[Event, ...] = ()
    if intent is not None and (intent.stage is Stage.PROMOTING or _was_doubted(record, intent)):
        took = now - intent.since
        text = f"this node is primary on {_timeline(seen)}, {took:.1f} s after the trouble began"
        events = (Event("promoted", text, "warning", {"timeline": seen.local.timeline, "seconds": round(took, 3)}),)
        record = replace(record, intent=None, failover_at=now, failover_noted=False)
        if intent.proven_by is Kind.WORD:  # nothing failed: the former holder went by itself
            record = replace(record, failover_at=None, failover_noted=True)
        record = replace(record, standby_recorded=False, served_boot=record.boot)
        memory = power_on_anew(memory)
    elif intent is not None and intent.stage is not Stage.SWITCHING:
        record = replace(record, intent=None)
    elif record.role is Role.STANDBY:
        # By the peer's switchover (that is written in the database): it will not serve before this node did. By a hand and
        # an operator's word to skyha: nothing is known of the peer, so the cautious value.
        events = (Event("found_primary", f"this node was made primary on {_timeline(seen)}", "warning"),)
        record = replace(record, standby_recorded=seen.local.switching is not True, served_boot=record.boot)
    timeline = record.timeline if seen.local.timeline is None else seen.local.timeline
    return replace(memory, record=replace(record, role=Role.PRIMARY, timeline=timeline)), events


def _was_doubted(record: Record, intent: Intent) -> bool:
    """Was it told to promote, and then its old proof doubted? It went through all the same."""
    return intent.stage in (Stage.FENCING, Stage.LISTENING) and record.role is Role.PRIMARY


def _keep_record(config: Config, memory: Memory, seen: Seen, now: float) -> tuple[Memory, tuple[Action, ...]]:
    """S3. The record on disk says first that a standby may be promoted, then the database tells that standby so; in
    the other direction the database first. A standby that was never told is not armed. What PostgreSQL here does not tell
    changes nothing."""
    local = seen.local
    actions: tuple[Action, ...] = ()
    if local.peer_streaming:
        if not memory.record.standby_recorded:
            memory = replace(memory, record=replace(memory.record, standby_recorded=True))
        if local.standby_recorded is False:
            actions = (Action(Do.RECORD_STANDBY, True),)
    elif memory.record.standby_recorded and _alone_for(memory, now) > config.timing.alone_after:
        if local.standby_recorded:
            actions = (Action(Do.RECORD_STANDBY, False),)
        elif local.standby_recorded is False:
            memory = replace(memory, record=replace(memory.record, standby_recorded=False))
    if local.noted is False and not actions:
        # A promotion has voided the note: the peer's skyha is to see that this one stands for the new timeline.
        actions = (Action(Do.RECORD_STANDBY, bool(local.peer_streaming)),)
    if (local.slots is not None and config.peer.slot not in local.slots) or is_lost(config, local):
        actions += (Action(Do.ENSURE_SLOT, config.peer.slot),)
    return memory, actions


def _alone_for(memory: Memory, now: float) -> float:
    """Seconds that this node has served, as far as this daemon saw it, and surely without a streaming standby."""
    return 0.0 if memory.stream.alone_since is None else now - memory.stream.alone_since


def _keep_power(config: Config, memory: Memory, seen: Seen, now: float) -> tuple[Memory, tuple[Action, ...]]:
    """Switch the fenced peer on again once this node holds the VIP; and the quiet check of its BMC."""
    if memory.record.power_on_due:
        memory, actions = power_on(memory, seen, now) if seen.local.vip_held else (memory, ())
        if actions or Task.POWER_ON in seen.running:
            return memory, actions
    return memory, check_bmc(config, memory, seen, now)


def _wants(config: Config, memory: Memory, now: float) -> Wants:
    """The primary looks along its own paths only now and then: the standby does so each cycle, and tries new connections."""
    look = age(now, memory.serving.looked_at) >= config.timing.fresh_every
    every = (
        PEER_EVERY
        if memory.heard.peer is None or memory.heard.peer.role is not Role.PRIMARY
        else config.timing.interval
    )
    peer = age(now, memory.stream.at) > 2 * config.timing.interval and age(now, memory.heard.peer_at) >= every
    paths = (Path.VIP, Path.VOTE) if look else ()
    return Wants(config.timing.interval, paths, config.timing.look_deadline, peer=peer)


def _alarms(config: Config, memory: Memory, seen: Seen, now: float) -> dict[str, str]:
    alarms = dict(wal_alarms(config, memory, seen.local, now))
    if seen.local.peer_streaming is False:
        alarms["standby"] = (
            f"no standby streams: if this node dies now, nothing can take over; look at {config.peer.name}"
        )
    if seen.local.detail:
        alarms["local"] = f"PostgreSQL here answers skyha with an error: {seen.local.detail}"
    if seen.local.peer_streaming is None:
        alarms["local"] = (
            f"PostgreSQL here does not tell skyha whether {config.peer.name} streams: {seen.local.detail or 'no reason given'}; "
            "the record keeps what it says about the standby until it does"
        )
    if seen.local.clients_left is not None and seen.local.clients_left <= 0:
        alarms["connections"] = (
            "all connections for clients are in use: new clients are refused, heartbeats go on by the reserved ones; "
            "see pg_stat_activity for who holds them"
        )
    problem = bmc_problem(config, memory)
    if problem:
        alarms["bmc"] = problem
    elif memory.upkeep.bmc_warning:
        alarms["fence_device"] = fence_device(config, memory)
    obstacle = not_whole(memory, seen.local)
    if obstacle is not None:
        alarms[obstacle.code] = obstacle.text
    problem = record_problem(memory)
    if problem:
        alarms["record"] = problem
    if memory.vip.taken:
        alarms["vip_conflict"] = (
            f"the VIP {config.vip.address} is not taken: another host answers for it (find that host), or it could not be "
            "listened for one (the log says why)"
        )
    if memory.record.fence_distrusted:
        alarms["fence_distrusted"] = memory.record.fence_distrusted
    if is_given_up(memory) and seen.local.peer_streaming is not True:
        alarms["power_on"] = not_switched_on(config)
    peer = memory.heard.peer
    if peer is not None and peer.server is Server.UP and peer.role is Role.PRIMARY:
        alarms["two_primaries"] = (
            f"{config.peer.name} runs as a primary too, on timeline {peer.timeline}"
            + ("" if peer.noted else ", promoted by hand past its skyha")
            + ": stop it there at once"
        )
    look = memory.heard.vote_look
    if look is not None and look.sight is not Sight.OK:
        alarms["path_vote"] = f"the heartbeat along the vote path fails: {look.sight.value} {look.detail}".rstrip()
    return alarms

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node does whose PostgreSQL is down: at boot, after a crash, after a fence (S3, no resurrection).

`next_step` is the boot table of docs/failover.md: one pure function of the node's own last role, its record, and what
the peer says by SQL. A starting node never fences anybody. That the peer is off proves nothing.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from ..config import Config
from ..margins import POWER_KNOWN, STOP_ORDER_COMES
from ..words import Action, Do, Event, Order, Path, Peer, Role, Seen, Server, Task
from .belongs import Obstacle, not_ours
from .decision import Decision, Wants
from .holding import in_force, keeps_vip, may_start, overruled
from .memory import Memory, Restarts, age, begin
from .orders import confirmed, refused, takeover_answered
from .record import Intent, Record, Stage, is_paused
from .resigning import asks_no_more
from .stages import Found, at_stage
from .storage import not_whole
from .vip import drop_vip

START_EVERY = 5.0  # a start that did not help counts as failed, and is tried again
ASK_AGAIN = 0.25  # systemd misses a request that comes while it reads its units: repeated until the server runs
PEER_EVERY = 0.5
START_POLL, WAIT_POLL = 0.05, 1.0
START_PAUSE = 60.0  # between two starts, once restart_attempts of them did not help
REWIND_PAUSES = (10.0, 60.0)  # between attempts; after the last one the operator decides


class Step(str, Enum):
    """What a node with PostgreSQL down does next."""

    START = "start"  # as what its data directory says
    REJOIN = "rejoin"  # pg_rewind from the peer, then start as its standby
    WAIT = "wait"  # for the peer or the operator


PROMOTED_BY_HAND = (
    "this node was a standby and somebody promoted it by hand, past skyha: the other node is the lawful primary; see "
    "'A standby was promoted by hand' in docs/operations.md"
)


def next_step(
    record: Record,
    role: Role,
    timeline: int | None,
    peer: Peer | None,
    served_in_this_boot: bool,
    confirmed_off: bool,
    fence_forgotten: bool = True,
) -> tuple[Step, str]:
    """The boot table: (what, why in a sentence). `role` and `timeline` are those of the data directory; None: not known.

    fence_forgotten: this daemon has run for longer than `fence_forgotten_after`.
    """
    alone = not record.standby_recorded and record.role is Role.PRIMARY
    if record.intent is not None and record.intent.stage is Stage.REWINDING:
        return Step.REJOIN, "a rewind was interrupted: the data directory must not be started before it is done"
    if role is Role.NONE:
        return Step.WAIT, "there is no data directory; site.yml or failover_rebuild.yml makes one"
    if role is Role.UNKNOWN:
        return Step.WAIT, "the data directory cannot be read; see the log"
    if role is Role.STANDBY:
        return Step.START, "a standby never writes: starting it is always safe"
    if peer is not None and peer.server is Server.UP and peer.role in (Role.PRIMARY, Role.STANDBY):
        if timeline is None or peer.timeline is None:
            whose = "this node" if timeline is None else "the peer"
            return (
                Step.WAIT,
                f"the peer runs as {peer.role.value}, and the timeline of {whose} could not be read; see the log",
            )
        if peer.role is Role.PRIMARY and peer.timeline > timeline and peer.noted is not True:
            return _beside_a_rogue(peer.timeline, served_in_this_boot or alone)
        return _beside(peer.role, peer.timeline, timeline, served_in_this_boot or alone or fence_forgotten)
    if record.role is Role.STANDBY and not confirmed_off:
        return Step.WAIT, PROMOTED_BY_HAND
    if served_in_this_boot:
        return Step.START, "this node was serving in this very boot: it was not fenced since"
    if alone:
        return Step.START, "this node's own record proves that no standby could have been promoted since it served"
    if confirmed_off:
        return Step.START, "an operator confirmed that the peer is off and was not promoted"
    return Step.WAIT, (
        "this node was primary and its peer may have been promoted since: waiting until the peer answers; "
        "if it never will, 'skyctl takeover' here (see 'Only the old primary comes back' in docs/operations.md)"
    )


def _beside_a_rogue(its_timeline: int, is_lawful: bool) -> tuple[Step, str]:
    """The peer is primary on a newer timeline, and no skyha stands for that. is_lawful: no skyha can have promoted it meanwhile."""
    text = f"the peer is primary on timeline {its_timeline}, promoted by hand past its skyha"
    if is_lawful:
        return Step.START, f"{text}: this node is the lawful primary"
    return Step.WAIT, (
        f"{text}: stop PostgreSQL there, or, if that one is to stay, run 'skyctl confirm-off' there while this node is down; "
        "see 'A standby was promoted by hand' in docs/operations.md"
    )


def _beside(peer: Role, its_timeline: int, timeline: int, not_fenced: bool) -> tuple[Step, str]:
    """The rows of the boot table in which the peer's PostgreSQL answers, as `peer`. not_fenced: it cannot be about to promote."""
    if peer is Role.PRIMARY:
        if its_timeline > timeline:
            return Step.REJOIN, f"the peer is primary on the newer timeline {its_timeline}: becoming its standby"
        return Step.WAIT, (
            f"the peer runs as primary on timeline {its_timeline}, not newer than {timeline} here: both "
            "may hold commits that the other lacks; an operator must choose (docs/operations.md)"
        )
    if its_timeline > timeline:
        return (
            Step.WAIT,
            f"the peer was promoted to timeline {its_timeline} and is a standby now; an operator must look",
        )
    if not_fenced:
        return Step.START, "the peer is a standby that was not promoted"
    return Step.WAIT, (
        "the peer is a standby that was not promoted; it may have fenced this node and be about to promote: "
        "waiting until it would have to fence again"
    )


def decide_down(config: Config, memory: Memory, seen: Seen, now: float) -> Decision:
    """One cycle of a node whose PostgreSQL is down; `memory` has taken `seen` in already. What an operator orders is answered."""
    order = Order.TAKEOVER if memory.word.takeover_at is not None else Order.CONFIRM_OFF
    told: tuple[Event, ...] = ()
    if memory.word.takeover_at is not None:
        # For a former primary it is the same as the word that its peer is off: nothing is fenced by a node that is down.
        why = _no_takeover(config, memory, seen, now)
        memory = confirmed(takeover_answered(memory), now if why is None else None)
        told = () if why is None else (refused(order, why),)
    if (
        memory.word.confirmed_off
        and seen.local.role is Role.PRIMARY
        and in_force(config, memory)
        and memory.register.code
    ):
        memory = overruled(memory)
    decision = _decide_down(config, memory, seen, now)
    if keeps_vip(config, decision.memory, seen, now):
        actions = tuple(action for action in decision.actions if action.do is not Do.DROP_VIP)
        decision = replace(decision, actions=actions)
    asks = in_force(config, memory) and seen.local.role is Role.PRIMARY and not may_start(config, memory, now)
    if decision.memory.word.confirmed_off and seen.peer is not None and not asks:
        told += (refused(order, decision.sentence),)
        decision = replace(decision, memory=confirmed(decision.memory, None))
    return replace(decision, events=decision.events + told)


def _no_takeover(config: Config, memory: Memory, seen: Seen, now: float) -> str | None:
    """Why a node that is down does not come up as primary, even if an operator orders it; None when it does."""
    intent = memory.record.intent
    if seen.local.role is not Role.PRIMARY and not (intent is not None and intent.stage is Stage.HANDED_OVER):
        return (
            f"PostgreSQL is down here and its role is {seen.local.role.value}; order it again when a standby runs here"
        )
    asked = age(now, memory.upkeep.bmc_ok_at)
    if asked <= POWER_KNOWN and memory.upkeep.bmc_off_at is None and not memory.record.fence_distrusted:
        return (
            f"the BMC of {config.peer.name} says that it is on, and it may have been promoted: look at it first; if it must go, "
            "switch it off and keep it off, then order it again"
        )
    return None


def _decide_down(config: Config, memory: Memory, seen: Seen, now: float) -> Decision:
    local, record = seen.local, memory.record
    wants = Wants(PEER_EVERY, peer=True)
    under_way = at_stage(Found.DOWN, config, memory, seen, now)
    if isinstance(under_way, Decision):
        return under_way
    memory = under_way
    if any(request.order is Order.REJOIN for request in seen.requests):
        restarts = replace(memory.restarts, rejoin_ordered=True, rewind_failed="", rewind_tries=0)
        memory = replace(memory, restarts=restarts)
    rewound = next((outcome for outcome in seen.outcomes if outcome.task is Task.REWIND), None)
    if rewound is not None:
        return _rewound(config, memory, rewound.ok, rewound.detail, now)
    if Task.REWIND in seen.running:
        return Decision(
            memory, "down, pg_rewind is at work", Wants(WAIT_POLL), (), (), {"down": "pg_rewind is at work"}
        )
    if seen.leaving:
        return _waiting(memory, "skyha is told to end, and starts nothing", replace(wants, delay=START_POLL))
    obstacle = not_ours(memory, local) or not_whole(memory, local)
    if obstacle is not None:
        return _untouched(memory, obstacle, wants, drop_vip(local))
    if is_paused(record, now):
        # The primary's database tells of the end of the pause, wherever that was ordered.
        look = Wants(WAIT_POLL, (Path.VIP, Path.VOTE), config.timing.look_deadline, peer=True)
        return _waiting(memory, "paused: nothing automatic happens (skyctl resume ends it)", look)
    served = record.role is Role.PRIMARY and record.served_boot == record.boot
    if seen.peer is None and local.role is Role.PRIMARY and not (served and memory.restarts.count == 0):
        return Decision(memory, "down, about to look at the peer", replace(wants, delay=0.0))
    forgotten = now - memory.started_at > config.timing.fence_forgotten_after
    step, why = next_step(record, local.role, local.timeline, seen.peer, served, memory.word.confirmed_off, forgotten)
    if seen.local.role is Role.PRIMARY and in_force(config, memory):
        step, why = _by_register(config, memory, seen, now, step, why)
    if step is Step.START:
        return _start(config, memory, seen, now, why)
    if step is Step.REJOIN:
        return _rejoin(config, memory, seen, now, why)
    decision = _waiting(memory, why, wants, drop_vip(local))
    if record.role is Role.STANDBY and local.role is Role.PRIMARY:
        return replace(decision, alarms={**decision.alarms, "unlawful": PROMOTED_BY_HAND})
    return decision


def _by_register(config: Config, memory: Memory, seen: Seen, now: float, step: Step, why: str) -> tuple[Step, str]:
    """What the register makes of the boot table's row: who holds serves, unless its peer is seen to; who does not never starts."""
    record, peer = memory.record, seen.peer
    beside_a_primary = peer is not None and peer.server is Server.UP and peer.role is Role.PRIMARY
    if may_start(config, memory, now):
        is_free = step is Step.WAIT and record.role is Role.PRIMARY and not beside_a_primary
        return (Step.START, "the register says that this node may write") if is_free else (step, why)
    if step is not Step.START:
        return step, why
    return Step.WAIT, (
        "the register has not said since then that this node may write; it is asked again and again. Where it stays silent and the "
        "peer is off for good, 'skyctl takeover' here starts it"
    )


def _waiting(memory: Memory, why: str, wants: Wants, actions: tuple[Action, ...] = ()) -> Decision:
    return Decision(memory, f"down: {why}", wants, actions, (), {"down": f"PostgreSQL is down here: {why}"})


def _untouched(memory: Memory, obstacle: Obstacle, wants: Wants, actions: tuple[Action, ...]) -> Decision:
    alarms = {"down": f"PostgreSQL is down here and is not started: {obstacle.text}", obstacle.code: obstacle.text}
    return Decision(memory, f"down: {obstacle.text}", wants, actions, (), alarms)


def _start(config: Config, memory: Memory, seen: Seen, now: float, why: str) -> Decision:
    wants = Wants(START_POLL, peer=memory.restarts.count > 0)
    if memory.restarts.count >= config.timing.restart_attempts and age(now, memory.restarts.at) < START_PAUSE:
        text = f"PostgreSQL was started {memory.restarts.count} times and did not stay up; see its log; next try in a minute"
        return _waiting(memory, text, Wants(WAIT_POLL, peer=True), drop_vip(seen.local))
    if _was_just_stopped(memory, seen, now):
        text = "it was shut down cleanly just now: started again in a moment, unless skyha is told to end as well"
        return _waiting(memory, text, Wants(START_POLL))
    alarms = {"down": "PostgreSQL is being started"}
    same_outage = age(now, memory.own.down_since) >= age(now, memory.restarts.at)
    if same_outage and age(now, memory.restarts.at) < START_EVERY:
        actions: tuple[Action, ...] = ()
        asks = not asks_no_more(config, memory, seen, now)
        if asks and age(now, memory.restarts.asked_at) >= ASK_AGAIN:
            actions = (Action(Do.START_POSTGRES),)
            memory = replace(memory, restarts=replace(memory.restarts, asked_at=now))
        return Decision(memory, "down, start asked for", wants, actions, (), alarms)
    restarts = replace(memory.restarts, at=now, asked_at=now, count=memory.restarts.count + 1)
    memory = confirmed(replace(memory, restarts=restarts), None)
    if seen.local.role is Role.PRIMARY:
        memory = replace(memory, record=replace(memory.record, role=Role.PRIMARY, served_boot=memory.record.boot))
    event = Event("starting", f"starting PostgreSQL as {seen.local.role.value}: {why}", "warning")
    return Decision(memory, f"down, starting: {why}", wants, (Action(Do.START_POSTGRES),), (event,), alarms)


def _was_just_stopped(memory: Memory, seen: Seen, now: float) -> bool:
    """May the order that stopped PostgreSQL be one for skyha, too, that has not come yet?"""
    own = memory.own
    is_clean = seen.local.clean_shutdown is True and own.lived_as is not Role.UNKNOWN
    return is_clean and age(now, own.stopped_since) < STOP_ORDER_COMES


def _rejoin(config: Config, memory: Memory, seen: Seen, now: float, why: str) -> Decision:
    drop = drop_vip(seen.local)
    if memory.restarts.rewind_failed and memory.restarts.rewind_tries > len(REWIND_PAUSES):
        return _waiting(memory, _rewind_over(memory), Wants(WAIT_POLL, peer=True), drop)
    if memory.restarts.rewind_failed:
        left = REWIND_PAUSES[memory.restarts.rewind_tries - 1] - age(now, memory.restarts.rewind_at)
        if left > 0:
            text = (
                f"pg_rewind failed ({memory.restarts.rewind_failed}); attempt {memory.restarts.rewind_tries + 1} of "
                f"{len(REWIND_PAUSES) + 1} in {left:.0f} s"
            )
            return _waiting(memory, text, Wants(WAIT_POLL, peer=True), drop)
    if not config.failover.auto_rejoin and not memory.restarts.rejoin_ordered:
        text = f"{why}, but auto_rejoin is off: 'skyctl rejoin' runs pg_rewind, failover_rebuild.yml makes a new copy"
        return _waiting(memory, text, Wants(WAIT_POLL, peer=True), drop)
    peer = seen.peer
    if peer is None or peer.server is not Server.UP or peer.role is not Role.PRIMARY:
        return _waiting(memory, f"{why}; the peer does not run as primary now", Wants(WAIT_POLL, peer=True), drop)
    since = now if memory.record.intent is None else memory.record.intent.since
    memory = begin(memory, Intent(Stage.REWINDING, now, since, why))
    event = Event("rejoining", f"pg_rewind from {config.peer.name}: {why}", "warning")
    actions, alarms = drop + (Action(Do.RUN, Task.REWIND),), {"down": "pg_rewind is at work"}
    return Decision(memory, f"down, rejoining: {why}", Wants(WAIT_POLL), actions, (event,), alarms)


def _rewind_over(memory: Memory) -> str:
    return (
        f"pg_rewind failed {memory.restarts.rewind_tries} times, last: {memory.restarts.rewind_failed}; the data is kept as it is: run "
        "failover_rebuild.yml, or 'skyctl rejoin' to try once more"
    )


def _rewound(config: Config, memory: Memory, ok: bool, detail: str, now: float) -> Decision:
    if not ok:
        # The intent stays on record: a half rewound data directory is never started.
        event = Event("rewind_failed", f"pg_rewind failed: {detail}", "alarm")
        tries, detail = memory.restarts.rewind_tries + 1, detail or "no reason given"
        restarts = replace(memory.restarts, rewind_failed=detail, rewind_tries=tries, rewind_at=now)
        memory = replace(memory, restarts=restarts)
        is_over = tries > len(REWIND_PAUSES)
        why = _rewind_over(memory) if is_over else f"pg_rewind failed: {detail}; it is tried again"
        return replace(_waiting(memory, why, Wants(WAIT_POLL, peer=True)), events=(event,))
    record = replace(memory.record, intent=None, role=Role.STANDBY, failover_at=now, standby_recorded=True)
    memory = replace(memory, record=record, restarts=Restarts())
    event = Event("rewound", f"the data directory follows {config.peer.name} now: {detail}")
    return Decision(
        memory, "down, rewound: starting as standby", Wants(START_POLL), (Action(Do.START_POSTGRES),), (event,)
    )

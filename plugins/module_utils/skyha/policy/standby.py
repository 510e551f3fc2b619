# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a running standby does: watch, and when the primary is gone for long enough and nothing speaks against it, begin
to fence it (fencing.py has what follows).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..config import Config
from ..margins import FLAPPING, FREE_HOLDS, START_HOLDS, STOP_LIMIT, WAL_FRESH
from ..words import Action, Do, Event, Look, Path, Role, Seen, Sight, Task
from .armed import bmc_missing, evidence_missing, lag_seconds, readiness, replay_lag, unfit
from .decision import Decision, Wants
from .fencing import fence_once
from .holding import beat_of_peer, majority_answers, other_holder
from .memory import Memory, Trouble, age, ended
from .orders import INSTEAD, not_followed, takeover_answered
from .patience import (
    BOTH,
    SILENT_LATELY,
    blind,
    cut_off,
    cut_off_why,
    facts,
    is_silent,
    led_elsewhere,
    living,
    look_at_primary,
    not_counted,
    renewing,
    shutting_down,
    signs,
    stands_still,
    used_up,
    wal_grows,
    worsened,
)
from .promoting import invited
from .record import Intent, Stage, is_paused
from .stages import Found, at_stage
from .takeover import take_over
from .upkeep import (
    check_bmc,
    check_record,
    fence_device,
    late_order,
    peer_is_on,
    power_on_anew,
    reads_power,
    says_off,
    undo_fence,
)
from .wal import wal_alarms

SWITCH_POLL = 0.05
COPY_EVERY = 20.0
JUDGED = ("catch_up", "lag")
BY_OPERATOR = ("bmc", "vote_path", "too_late")  # what an operator's word, that the peer is off, makes up for


def decide_standby(config: Config, memory: Memory, seen: Seen, now: float) -> Decision:
    """One cycle of a standby; `memory` has taken `seen` in already."""
    if memory.word.takeover_at is not None:
        ordered = take_over(config, memory, seen, now)
        if ordered is not None:
            return ordered
        memory = takeover_answered(memory)
    promotes = invited(config, memory, seen, now)
    if promotes is not None:
        return promotes
    under_way = at_stage(Found.STANDBY, config, memory, seen, now)
    if isinstance(under_way, Decision):
        return under_way
    memory = ended(under_way)  # what a former primary had begun ended with this node as a running standby
    timeline = memory.record.timeline if seen.local.timeline is None else seen.local.timeline
    memory = replace(memory, record=replace(memory.record, role=Role.STANDBY, timeline=timeline, served_boot=""))
    since = memory.own.switching_since
    if since is not None and now - since < config.timing.switchover_deadline:
        if memory.watch.switch_evidence is None:
            # Nobody looks while it lasts; if it ends in the primary's death, this is what counts.
            memory = replace(memory, watch=replace(memory.watch, switch_evidence=evidence_missing(config, memory, now)))
        # Once the old holder drops the VIP nobody answers for it: known by then, it is not waited for after the promotion.
        # Not on the node that has handed over and still reads the old note: to the peer its probes are another taker's.
        handed_over = age(now, memory.switching.promote_at) <= now - since
        listen = not handed_over and age(now, memory.vip.free_at) > FREE_HOLDS
        return Decision(memory, "standby, a switchover is under way", Wants(SWITCH_POLL, vip_conflict=listen))
    life = living(seen.looks, config.failover.tablespace_policy)
    if not seen.looks:
        return _about_to_look(config, memory, seen, now)
    if life is None and blind(seen.looks):
        return _blind(config, memory, seen, now)
    if life is None:
        return _troubled(config, memory, seen, now)
    return _quiet(config, memory, seen, now, life)


def _about_to_look(config: Config, memory: Memory, seen: Seen, now: float) -> Decision:
    """Nothing was looked at, perhaps since news ended the look. Of another holder the register is asked first, once: it may be this node."""
    epoch = other_holder(memory, seen)
    if epoch is None or epoch <= memory.watch.asked_for:
        wants = replace(look_at_primary(config, memory, 0.0), peer=True)
        memory, reads = _fell_silent(config, memory, seen, now)
        return Decision(memory, "standby: about to look at the primary", wants, reads)
    memory = replace(memory, watch=replace(memory.watch, asked_for=epoch))
    return Decision(memory, f"standby: {config.peer.name} tells of another holder: asking the register", Wants(0.0))


def _fell_silent(config: Config, memory: Memory, seen: Seen, now: float) -> tuple[Memory, tuple[Action, ...]]:
    """Where the primary's datagrams stay away its power is read beside the look. What comes of that speaks of the trouble, should there be
    one: whether this node was armed is judged before."""
    if is_silent(seen, now) and age(now, memory.watch.silent_at) > SILENT_LATELY:
        missing = evidence_missing(config, memory, now)
        memory = replace(memory, watch=replace(memory.watch, silent_at=now, silent_evidence=missing))
    return memory, reads_power(config, memory, seen, now)


def _quiet(config: Config, memory: Memory, seen: Seen, now: float, life: str) -> Decision:
    events: tuple[Event, ...] = ()
    if memory.watch.trouble is not None:
        events = (
            Event("recovered", f"the primary answers again after {now - memory.watch.trouble.since:.1f} s: {life}"),
        )
        if memory.watch.trouble.unreachable:
            memory = replace(memory, watch=replace(memory.watch, recovered_at=now))
    memory, told = not_followed(memory, f"the primary answers ({life})")
    events += told
    memory = _note_start(config, memory, seen, now)
    memory = replace(memory, watch=replace(memory.watch, trouble=None, switch_evidence=None))
    memory = replace(memory, record=replace(memory.record, trouble_at=None))
    if any(look.sight in (Sight.OK, Sight.ALIVE, Sight.SICK) for look in seen.looks.values()):
        memory = power_on_anew(peer_is_on(memory, now))
    actions = check_bmc(config, memory, seen, now) + check_record(memory, seen, now)
    if config.peer.slot in (seen.local.slots or ()) and not is_paused(memory.record, now):
        # Left from its time as primary: unused here, it would only hold WAL back.
        actions += (Action(Do.DROP_SLOTS, (config.peer.slot,)),)
    if (
        config.failover.keep_slots
        and not is_paused(memory.record, now)
        and age(now, memory.watch.slots_copied_at) >= COPY_EVERY
    ):
        memory = replace(memory, watch=replace(memory.watch, slots_copied_at=now))
        actions += (Action(Do.COPY_SLOTS, config.failover.keep_slots),)
    memory, fresh = _newly(config, memory, seen, now)
    alarms = {**_path_alarms(seen.looks), **wal_alarms(config, memory, seen.local, now)}
    alone = living(seen.looks, config.failover.tablespace_policy, but_standbys=True) is None
    if alone:
        alarms["no_failover"] = (
            f"nothing answers for {config.peer.name} but a standby, and nothing is promoted: {life}; {INSTEAD}"
        )
    ready = readiness(config, memory, seen.local, alarms, now)
    if seen.local.detail and "local" not in ready.reasons:
        alarms["local"] = f"PostgreSQL here answers skyha with an error: {seen.local.detail}"
    problem = bmc_missing(config, memory, now) if config.agents else None
    if problem is not None and "bmc" not in ready.reasons:  # its lease makes up for it
        alarms["bmc"] = f"{problem}; a failover waits for its lease to run out"
    if problem is None and memory.upkeep.bmc_warning:
        alarms["fence_device"] = fence_device(config, memory)
    waits = replay_lag(config, memory, seen.local)
    if waits is not None:
        alarms["replay_lag"] = waits
    answers = "no primary answers" if alone else "primary answers"
    verdict = "armed" if ready.armed else "NOT armed: " + "; ".join(ready.reasons.values())
    besides = [text for code, text in alarms.items() if code not in ready.reasons]
    sentence = "; ".join([f"standby, {answers}, lag {lag_seconds(memory):.1f} s, {verdict}", *besides])
    wants = look_at_primary(config, memory, config.timing.interval, fresh)
    return Decision(memory, sentence, wants, actions, events, {**ready.reasons, **alarms}, ready)


def _blind(config: Config, memory: Memory, seen: Seen, now: float) -> Decision:
    """This node cannot look: nothing begins by that, ends by it, or goes on."""
    text = f"this node cannot see whether the primary lives: {blind(seen.looks)}; it looks again"
    delay = config.timing.interval
    if memory.watch.trouble is not None:
        memory = replace(memory, watch=replace(memory.watch, trouble=not_counted(memory.watch.trouble, now)))
        delay = config.timing.retry_interval
    actions = check_bmc(config, memory, seen, now)
    return Decision(memory, f"standby, {text}", look_at_primary(config, memory, delay), actions, (), {"blind": text})


def _newly(config: Config, memory: Memory, seen: Seen, now: float) -> tuple[Memory, tuple[Path, ...]]:
    """Along which paths the next look shall ask for a new connection.

    In calm along one of them in turn: a login costs the server as much as many heartbeats. Once one path fails along both:
    a postmaster that lets nobody in any more is one only if it is seen along both.
    """
    if any(look.sight is not Sight.OK for look in seen.looks.values()):
        return memory, BOTH
    if age(now, memory.watch.fresh_at) < config.timing.fresh_every:
        return memory, ()
    path = Path.VOTE if memory.watch.fresh_path is Path.VIP else Path.VIP
    return replace(memory, watch=replace(memory.watch, fresh_at=now, fresh_path=path)), (path,)


def _note_start(config: Config, memory: Memory, seen: Seen, now: float) -> Memory:
    """A primary that only starts up commits nothing: the evidence from before does not age meanwhile, for START_HOLDS.

    One that is restarted in place again and again, and never comes up (a full WAL disk), would else disarm its standby.
    It is bounded, since one that shuts down and still waits for its clients gives the same answer, and they commit.
    """
    life = [look for look in seen.looks.values() if look.shows_life]
    if not all(look.starting for look in life):
        return replace(memory, watch=replace(memory.watch, starting_at=None))
    if age(now, memory.watch.starting_at) > config.timing.arming_window:
        # It begins, or nobody looked for long: then it may have served meanwhile.
        missing = (
            evidence_missing(config, memory, now) if memory.watch.trouble is None else memory.watch.trouble.not_armed
        )
        memory = replace(memory, watch=replace(memory.watch, starting_since=now, start_evidence=missing))
    elif age(now, memory.watch.starting_since) > START_HOLDS:
        memory = replace(memory, watch=replace(memory.watch, start_evidence=evidence_missing(config, memory, now)))
    return replace(memory, watch=replace(memory.watch, starting_at=now))


def _path_alarms(looks: Mapping[Path, Look]) -> Mapping[str, str]:
    alarms = {
        f"path_{path.value}": f"the heartbeat along the {path.value} path fails: {look.sight.value} {look.detail}".rstrip()
        for path, look in looks.items()
        if look.sight is not Sight.OK
    }
    wrong = [
        f"the {path.value} path does not lead to the primary: {look.detail}"
        for path, look in looks.items()
        if look.standby
    ]
    return {**alarms, "wrong_server": "; ".join(wrong)} if wrong else alarms


def _troubled(config: Config, memory: Memory, seen: Seen, now: float) -> Decision:
    """No path shows life. Wait as long as the signs demand, then begin to fence - unless something speaks against."""
    events: tuple[Event, ...] = ()
    if memory.watch.trouble is None:
        memory = _trouble_begins(config, memory, seen, now)
        late = late_order(config, memory, now)
        events = (Event("trouble", f"the primary shows no life: {signs(seen.looks)}{late}", "warning", facts(seen)),)
    trouble = worsened(memory.watch.trouble, seen.looks, now)  # type: ignore[arg-type]  # set just above
    trouble = shutting_down(config.timing, trouble, seen.peer, now)
    trouble = renewing(trouble, seen.looks, beat_of_peer(memory), now)
    memory = replace(memory, watch=replace(memory.watch, trouble=trouble))
    wants = replace(look_at_primary(config, memory, config.timing.retry_interval), peer=True)
    if cut_off(seen.looks) and not majority_answers(config, memory, seen, trouble.since, now):
        # What is seen from here proves nothing meanwhile: patience and evidence begin again when the vote port accepts.
        why, memory = cut_off_why(config), _over_again(config, memory, now)
        memory, told = not_followed(memory, why)
        alarms = {"cut_off": f"the primary shows no life, but {why}; nobody is fenced; {INSTEAD}"}
        sentence = "standby, " + alarms["cut_off"]
        memory, actions, undone, more = undo_fence(config, memory, seen, now)
        return Decision(memory, sentence, wants, actions, events + told + undone, {**alarms, **more})
    since = trouble.since - WAL_FRESH if trouble.elsewhere else trouble.since
    lives = led_elsewhere(memory, seen, since, now)
    if lives is not None:
        return _elsewhere(config, memory, now, lives, wants, events)
    against = _against(config, memory, trouble, seen, now)
    obstacles = tuple(against.values())
    is_off, is_still = says_off(memory, trouble.since, now), stands_still(seen, trouble, now)
    waited, patience = used_up(config.timing, trouble, seen.looks, now, is_off, is_still)
    if obstacles:
        why = "; ".join(obstacles)
        memory, told = not_followed(memory, why)
        events += told
        if waited and "heir" in against and not trouble.held_back:  # once in the history (S7)
            memory = replace(memory, watch=replace(memory.watch, trouble=replace(trouble, held_back=True)))
            events += (Event("held_back", f"no failover by itself: {against['heir']}", "alarm", facts(seen)),)
        alarms = {"no_failover": f"the primary shows no life, but nothing is promoted: {why}; {INSTEAD}"}
        sentence = "standby, " + alarms["no_failover"]
        # Where its failover was cut short (this node was rebooted after the order) the old primary is to serve again.
        memory, actions, undone, more = undo_fence(config, memory, seen, now)
        actions += check_record(memory, seen, now)
        return Decision(memory, sentence, wants, actions, events + undone, {**alarms, **more})
    if trouble.stopping_at == now:
        text = (
            f"PostgreSQL on {config.peer.name} says that it shuts down, for {now - (trouble.stopping_since or now):.0f} s: "
            f"nobody is fenced for a clean stop within {STOP_LIMIT:g} s"
        )
        return Decision(memory, f"standby, {text}", wants, (), events, {"stopping": text})
    if age(now, trouble.renewed_at) < config.timing.hang_timeout:
        text = (
            f"{config.peer.name} lives, it renews in the register: nobody is fenced. The link to it is cut, it seems, and the proxy at "
            f"{config.vote.address}:{config.vote.port} accepts and says nothing ({signs(seen.looks)})"
        )
        return Decision(memory, f"standby, {text}", wants, (), events, {"renews": text})
    asks = seen.looks[Path.VIP].sight is Sight.UNREACHABLE and wal_grows(memory, trouble.since, now)
    if waited and asks and seen.vip_conflict is None:  # does another host have the VIP, one that lets nobody in?
        text = f"standby, primary shows no life: {patience}, but its WAL arrives: who has the VIP?"
        return Decision(memory, text, replace(wants, delay=0.0, vip_conflict=True), (), events)
    if waited and seen.peer is None:  # it is not asked in quiet times
        return Decision(memory, f"standby, primary shows no life: {patience}", replace(wants, delay=0.0), (), events)
    if not waited:
        text = f"the primary shows no life: {patience}"
        reads = reads_power(config, memory, seen, now)
        return Decision(memory, f"standby, primary shows no life: {patience}", wants, reads, events, {"trouble": text})
    if Task.POWER_ON in seen.running:  # what is to be fenced would come up in the middle of the promotion
        sentence = (
            f"standby, primary shows no life: {patience}; {config.peer.name} is being switched on, that ends first"
        )
        return Decision(memory, sentence, wants, (), events, {"trouble": sentence})
    beside = (
        "; the vote port does not accept, a majority of the register's members answers" if cut_off(seen.looks) else ""
    )
    why = f"{signs(seen.looks)}; {patience}{beside}{late_order(config, memory, now)}"
    intent = Intent(Stage.FENCING, now, trouble.since, why)
    what = "fencing" if config.agents else "taking over by time from"
    events += (Event("fencing", f"{what} {config.peer.name}: {why}", "alarm", facts(seen)),)
    return fence_once(config, memory, intent, now).after(*events)


def _against(config: Config, memory: Memory, trouble: Trouble, seen: Seen, now: float) -> Mapping[str, str]:
    """What speaks against a failover: code -> sentence."""
    against = {**trouble.not_armed, **unfit(config, memory, seen.local, now)}
    if memory.register.hold is not None:  # it took, and died before it was promoted: what counted then counts still
        against = {code: why for code, why in unfit(config, memory, seen.local, now).items() if code not in JUDGED}
    if now - trouble.since > config.timing.failover_limit:
        against["too_late"] = (
            f"the primary was given up {now - trouble.since:.0f} s ago; where it lives on it may have noted by now that it is "
            "alone, and would serve after a fence: make sure that it is off and stays off, and run 'skyctl confirm-off'"
        )
    if memory.word.confirmed_off:
        against = {code: why for code, why in against.items() if code not in BY_OPERATOR}
    return against


def _over_again(config: Config, memory: Memory, now: float, elsewhere: bool = False) -> Memory:
    """What is seen meanwhile proves nothing: patience and evidence begin again when that is over."""
    flapping = memory.watch.trouble is not None and memory.watch.trouble.flapping
    trouble = Trouble(now, not_armed=evidence_missing(config, memory, now), flapping=flapping, elsewhere=elsewhere)
    watch = replace(memory.watch, trouble=trouble, switch_evidence=None, starting_at=None)
    return replace(memory, record=replace(memory.record, trouble_at=None), watch=watch)


def _elsewhere(
    config: Config, memory: Memory, now: float, lives: str, wants: Wants, events: tuple[Event, ...]
) -> Decision:
    """Another host has the VIP. As when this node is cut off, patience and evidence begin again when that is over."""
    memory = _over_again(config, memory, now, elsewhere=True)
    text = (
        f"another host than {config.peer.name} answers for the VIP {config.vip.address}, and {config.peer.name} lives ({lives}): clients are led "
        f"astray, nobody is fenced; find that host (ip neighbour show {config.vip.address})"
    )
    memory, told = not_followed(memory, text)
    wants = replace(wants, vip_conflict=True)
    return Decision(memory, f"standby, {text}", wants, (), events + told, {"vip_elsewhere": text})


def _trouble_begins(config: Config, memory: Memory, seen: Seen, now: float) -> Memory:
    """Judge whether this node is armed, by what it saw lately, or its predecessor in this boot (evidence.py)."""
    if memory.watch.switch_evidence is not None:
        missing = memory.watch.switch_evidence
    elif age(now, memory.watch.starting_at) <= config.timing.arming_window:
        missing = memory.watch.start_evidence
    elif age(now, memory.watch.silent_at) <= SILENT_LATELY:
        missing = memory.watch.silent_evidence
    else:
        missing = evidence_missing(config, memory, now)
    flapping = age(now, memory.watch.recovered_at) <= FLAPPING
    memory = replace(memory, watch=replace(memory.watch, trouble=Trouble(now, not_armed=missing, flapping=flapping)))
    fit = not missing and not unfit(config, memory, seen.local, now).keys() & {"not_standby", "catch_up", "lag"}
    first = now if memory.record.trouble_at is None else memory.record.trouble_at
    return replace(memory, record=replace(memory.record, trouble_at=first if fit else None))

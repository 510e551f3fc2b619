# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A planned change of the primary, driven by the old one.

Steps: a checkpoint, while clients are served on; announce it in the database, see by SQL that the peer has replayed that, and give its
skyha time to read it (so that it fences nobody, and watches closely from then on); drop the VIP, stop cleanly, see that the peer has
all WAL up to the end of the shutdown checkpoint, write down that this node handed over, tell the peer to promote, follow it as a
standby. Until the hand-over is written down, any trouble makes the old primary serve again; after it, never.
"""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..margins import ANNOUNCE_LIMIT, LOOK_AGAIN, NO_RACE, NOTICE, STOP_LIMIT
from ..words import Action, Do, Event, Peer, Role, Seen, Server, Task
from .decision import Decision, Wants
from .holding import in_force, is_peers
from .memory import Memory, Switching, age, begin, ended
from .record import Intent, Stage, is_paused
from .vip import unheard
from .wal import has_received, running_standby

POLL = 0.05
_AS_STANDBY = (Action(Do.MAKE_STANDBY), Action(Do.START_POSTGRES))
PROMOTE_AGAIN = 2.0
START_AFTER = 5.0
TOLD_AFTER = 5.0  # a hand-over that lasts longer is an alarm


def obstacle(config: Config, memory: Memory, seen: Seen) -> str | None:
    """Why a switchover cannot begin, None when it can."""
    if seen.local.peer_streaming is None or seen.local.standby_recorded is None:
        return f"PostgreSQL here does not tell whether {config.peer.name} streams and is on record: {seen.local.detail}"
    if not seen.local.peer_streaming:
        return f"{config.peer.name} does not stream"
    if not seen.local.standby_recorded:
        return f"{config.peer.name} is not yet on this primary's record"
    row = memory.register.row
    if in_force(config, memory) and (memory.register.hold is None or row is None or row.heir != config.peer.name):
        return f"{config.peer.name} is not the heir in the register"
    if not seen.local.vip_held:
        return "this primary does not hold the VIP"
    return None


def begin_switchover(config: Config, memory: Memory, seen: Seen, now: float) -> Decision:
    """The order came: refuse it with the reason, or announce it."""
    why = obstacle(config, memory, seen)
    if why is not None:
        event = Event("switchover_refused", f"switchover refused: {why}", "warning")
        return Decision(memory, f"primary, switchover refused: {why}", Wants(config.timing.interval), (), (event,))
    memory = begin(memory, Intent(Stage.SWITCHING, now, now, "an operator asked for it"))
    memory = replace(memory, switching=Switching(checkpointing=True))
    event = Event("switchover", f"switchover to {config.peer.name} begins", "warning")
    sentence = f"primary, switchover to {config.peer.name}: a checkpoint first"
    return Decision(memory, sentence, Wants(POLL), (Action(Do.RUN, Task.CHECKPOINT),), (event,))


def switching(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision | Memory:
    """A checkpoint while clients are served on, the announcement, the stop; any trouble gives it up."""
    return (_checkpointed if memory.switching.checkpointing else _announced)(config, memory, intent, seen, now)


def _checkpointed(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision | Memory:
    """Clients are served on until what the last checkpoint would have to write is written."""
    done = next((outcome for outcome in seen.outcomes if outcome.task is Task.CHECKPOINT), None)
    if done is None and Task.CHECKPOINT in seen.running:
        return memory
    if done is None:  # a pause came in between
        return give_up(config, memory, "the end of the checkpoint before it was not seen")
    if not done.ok:
        return give_up(config, memory, f"no checkpoint could be made: {done.detail}")
    why = obstacle(config, memory, seen)
    if why is not None:
        return give_up(config, memory, why)
    memory = replace(memory, switching=replace(memory.switching, checkpointing=False))
    memory = begin(memory, replace(intent, at=now, since=now))
    event = Event("checkpoint", f"the checkpoint before the switchover has ended: {done.detail}")
    sentence = f"primary, switchover to {config.peer.name}: announced"
    return Decision(memory, sentence, Wants(POLL), (Action(Do.SET_SWITCHING, True),), (event,))


def _announced(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """Wait until the announcement stands in the database and was read, then stop."""
    wants = Wants(POLL, peer=True)
    if now - intent.since > config.timing.switchover_deadline:
        return give_up(config, memory, "it took too long to stop")
    late = now - intent.since > min(ANNOUNCE_LIMIT, config.timing.switchover_deadline / 2)
    if not seen.local.switching:
        if late:
            told = "it could not be announced in this node's database"
            why = (
                told
                if seen.local.switching is False
                else f"PostgreSQL here does not tell its state: {seen.local.detail}"
            )
            return give_up(config, memory, why)
        return Decision(memory, f"primary, switchover to {config.peer.name}: announcing it", wants)
    if seen.local.peer_streaming is False:
        return give_up(config, memory, f"{config.peer.name} does not stream any more")
    if seen.local.write_lsn is None:
        return Decision(
            memory, f"primary, switchover to {config.peer.name}: PostgreSQL here does not tell its state", wants
        )
    if not intent.lsn:
        memory = begin(memory, replace(intent, at=now, lsn=seen.local.write_lsn))
        return Decision(memory, f"primary, switchover to {config.peer.name}: announced", wants)
    peer = running_standby(seen.peer)
    if peer is None or peer.replay_lsn is None or peer.replay_lsn < intent.lsn:
        # Unwarned it would take the stop for a failure, and fence this node.
        if late:
            why = f"{config.peer.name} has not replayed its announcement: it is behind, or its replay is paused"
            return give_up(config, memory, why)
        return Decision(memory, f"primary, switchover to {config.peer.name}: waiting until it has replayed that", wants)
    if memory.switching.announced_at is None:
        memory = replace(memory, switching=replace(memory.switching, announced_at=now))
    if age(now, memory.switching.announced_at) < config.timing.interval + NOTICE:
        return Decision(memory, f"primary, switchover to {config.peer.name}: its skyha is about to read that", wants)
    return Decision(
        memory,
        f"primary, switchover to {config.peer.name}: stopping",
        wants,
        (Action(Do.DROP_VIP), Action(Do.STOP_POSTGRES)),
    )


def stopped(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision | Memory:
    """Once the peer has all WAL it is told to promote; else this node serves again."""
    if is_paused(memory.record, now):
        return memory
    if seen.local.role is not Role.PRIMARY or _is_gone_for_good(memory, seen):
        return ended(memory)
    return _hand_over(config, memory, intent, seen, now)


def handed_over(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision | Memory:
    """The peer is told to promote until it is primary, then this node follows it; it never serves again by itself."""
    if is_paused(memory.record, now):
        return memory
    if seen.peer is None:
        return Decision(memory, "switchover under way: about to look at the peer", Wants(0.0, peer=True))
    if _is_gone_for_good(memory, seen):
        return ended(memory)
    return _wait_for_the_peer(config, memory, intent, seen.peer, now)


def follows(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision | Memory:
    """The peer is told to promote until it is primary; then it is over."""
    if seen.peer is not None and seen.peer.role is Role.PRIMARY:
        return memory
    return _wait_for_the_peer(config, memory, intent, seen.peer, now)


def _is_gone_for_good(memory: Memory, seen: Seen) -> bool:
    """The peer was told to promote and is gone for ever: only an operator knows, and only then this node serves again."""
    return memory.word.confirmed_off and seen.peer is not None and seen.peer.server is Server.UNREACHABLE


def _wait_for_the_peer(config: Config, memory: Memory, intent: Intent, peer: Peer | None, now: float) -> Decision:
    wants = Wants(POLL, peer=True)
    if peer is not None and peer.server is Server.UP and peer.role is Role.PRIMARY:
        memory = replace(memory, record=replace(memory.record, intent=None, role=Role.STANDBY, failover_at=None))
        text = f"{config.peer.name} is primary on timeline {peer.timeline}, {now - intent.since:.2f} s after the switchover began"
        sentence = f"switchover done, {config.peer.name} is primary: following it"
        return Decision(memory, sentence, wants, _AS_STANDBY, (Event("switched", text, "warning"),))
    sentence = f"handed over to {config.peer.name}, waiting until it is primary; this node does not serve meanwhile"
    actions: tuple[Action, ...] = ()
    if has_received(peer, intent.lsn) and age(now, memory.switching.promote_at) >= PROMOTE_AGAIN:
        memory = replace(memory, switching=replace(memory.switching, promote_at=now))
        actions = (Action(Do.PROMOTE_PEER),)
    since = min(now - intent.at, age(now, memory.restarts.at))
    if peer is not None and peer.server is Server.DOWN and since > START_AFTER:
        # The peer was restarted, and if it had become primary it waits for this node to answer: do so, as a standby.
        memory = replace(memory, restarts=replace(memory.restarts, at=now))
        actions = _AS_STANDBY
    alarms = {"handed_over": sentence} if now - intent.at > TOLD_AFTER else {}
    return Decision(memory, sentence, wants, actions, (), alarms)


def _hand_over(config: Config, memory: Memory, intent: Intent, seen: Seen, now: float) -> Decision:
    """The old primary is down. Has the peer all of its WAL? Then it is told to promote."""
    if memory.switching.stopped_at is None:
        memory = replace(memory, switching=replace(memory.switching, stopped_at=now))
    # A stop that took long is no failure: what counts is whether the peer has all WAL, and that is looked at first.
    late = now > max(
        intent.since + config.timing.switchover_deadline, (memory.switching.stopped_at or now) + LOOK_AGAIN
    )
    if (
        memory.own.down_since is not None
        and (memory.switching.stopped_at or now) - memory.own.down_since > STOP_LIMIT - NO_RACE
    ):
        return give_up(config, memory, f"the stop took so long that {config.peer.name} may be about to fence this node")
    if seen.local.clean_shutdown is False:
        return give_up(config, memory, "PostgreSQL did not shut down cleanly")
    if seen.local.clean_shutdown is None and not late:
        return Decision(memory, "stopped for the switchover, looking at the control file again", Wants(POLL, peer=True))
    if seen.local.write_lsn is None:
        return give_up(
            config, memory, f"the control file does not tell where the WAL ends {seen.local.detail}".rstrip()
        )
    behind = not has_received(seen.peer, seen.local.write_lsn)
    if behind and late:
        return give_up(config, memory, f"{config.peer.name} did not receive all WAL in time")
    if behind:
        return Decision(
            memory, f"stopped for the switchover, waiting until {config.peer.name} has all WAL", Wants(POLL, peer=True)
        )
    if not is_peers(config, memory):
        if late:
            return give_up(config, memory, "the register could not be told in time")
        memory = replace(memory, switching=replace(memory.switching, received=True))
        sentence = f"{config.peer.name} has all WAL: handing over to it in the register"
        return Decision(memory, sentence, Wants(POLL, peer=True))
    memory = begin(memory, replace(intent, stage=Stage.HANDED_OVER, at=now, lsn=seen.local.write_lsn))
    memory = replace(memory, switching=replace(memory.switching, promote_at=now))
    return Decision(
        memory, f"{config.peer.name} has all WAL: promoting it", Wants(POLL, peer=True), (Action(Do.PROMOTE_PEER),)
    )


def give_up(config: Config, memory: Memory, why: str) -> Decision:
    """Before the hand-over: this node serves again."""
    switching = replace(memory.switching, checkpointing=False, received=False)
    memory = unheard(replace(memory, record=replace(memory.record, intent=None), switching=switching))
    event = Event("switchover_failed", f"switchover given up, this node serves again: {why}", "alarm")
    return Decision(memory, f"switchover given up: {why}", Wants(POLL, peer=True), (), (event,))

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Zero loss: the standby is the heir only while commits wait for it, and they wait for it as long as it may be (R6).

In: its walsender flows and it is quick enough; then commits wait; once it has flushed all that was written before they did, it may be
the heir. Out: the register has said that it is no heir any more; then commits wait no longer. So whatever was acknowledged, the heir has.
"""

from __future__ import annotations

from dataclasses import replace

from ..config import Config, sync_names
from ..margins import SYNC_SETTLES
from ..words import Action, Do, Event, Local, Role, Seen, Server
from ..words import Sync as Look
from .decision import Decision
from .memory import Memory, Pace, Shield, Sync, age
from .record import is_overruled, is_paused
from .wal import size

POLL = 0.1  # seconds between two looks while commits wait, or are about to
NEAR = 16 * 1024 * 1024  # a standby that is behind by more is not quick enough, however quick it is
QUICK = 0.5  # the looks that judge how quick it is are no further apart than this
LEVEL_LOOKS = 5
AGAIN = 5.0  # seconds from the first time that it was given up to the next trial; doubled with each ...
MOST_PATIENT = 300.0  # ... up to so many ...
CALM = 600.0  # ... and forgotten after so many seconds in which it was the heir
TELL_AFTER = 1.0  # seconds that commits have waited, then an alarm
ALONE_AFTER = 5.0  # seconds without an heir, likewise: each skyha begins so
RELOAD_AGAIN = 2.0  # a server that does not take the setting over in this time is told again


def remember_sync(config: Config, memory: Memory, seen: Seen, now: float) -> Memory:
    """With how far the peer is, and whether commits wait for it. What a look did not tell changes nothing."""
    local = seen.local
    if not config.zero_loss:
        return memory
    if local.server is Server.DOWN or (local.server is Server.UP and local.role is Role.STANDBY):
        return replace(memory, sync=Sync())  # a server that starts, or follows, lets no commit wait
    look = local.sync
    if local.server is not Server.UP or local.role is not Role.PRIMARY or look is None or local.write_lsn is None:
        return memory
    part, is_first = memory.sync, memory.sync.pace.looked_at is None
    part = replace(part, pace=_paced(config, part.pace, look, local.write_lsn, now))
    part = _waiting(config, part, memory, look, local.write_lsn, now)
    part = _resumed(config, part, memory, look, is_first)
    is_deaf = look.names is not None and look.names != _wanted_names(config, look)
    part = replace(part, deaf_since=(now if part.deaf_since is None else part.deaf_since) if is_deaf else None)
    return replace(memory, sync=_given_up(config, part, look, now))


def _paced(config: Config, pace: Pace, look: Look, written: int, now: float) -> Pace:
    """How far the peer is, and since when commits may wait for it: from the look before on, since nobody looked in between."""
    flushed = look.flush_lsn
    recently = now if pace.looked_at is None else max(pace.looked_at, now - 1.5 * config.timing.interval)
    was_quick = age(now, pace.looked_at) <= QUICK
    pace = replace(_level(pace, flushed, now), looked_at=now, written=written, was_quick=was_quick)
    if flushed is not None and (pace.owed is None or flushed >= pace.owed):
        owed = written if flushed < written else None
        return replace(pace, owed=owed, owed_since=recently, is_late=False)
    if pace.owed is None:  # it does not stream any more
        return replace(pace, owed=written, owed_since=recently, is_late=True)
    return replace(pace, is_late=True)


def _level(pace: Pace, flushed: int | None, now: float) -> Pace:
    """Would commits that wait for it be held up? By less than QUICK; or, by a link that is slow all the time, by less than a cycle."""
    has_it = flushed is not None and pace.looked_at is not None and flushed >= pace.written
    if age(now, pace.looked_at) <= QUICK:
        return replace(pace, is_level=has_it or pace.level_looks >= LEVEL_LOOKS)
    looks = pace.level_looks + 1 if has_it else 0
    return replace(pace, level_looks=looks, is_level=looks >= LEVEL_LOOKS)


def _waiting(config: Config, part: Sync, memory: Memory, look: Look, written: int, now: float) -> Sync:
    """Do commits wait for the peer, and has it all that was written before they did?"""
    if not _is_in_effect(config, look):
        return replace(part, in_effect_at=None, is_loaded=False, floor=None, is_covered=False)
    if part.in_effect_at is None:
        return replace(part, in_effect_at=now) if look.taken or _was_heir(config, memory) else part
    if part.floor is None and part.is_loaded:  # at the look before: what was acknowledged since then has waited
        part = replace(part, floor=written)
    if not part.is_loaded and age(now, part.in_effect_at) >= SYNC_SETTLES:
        part = replace(part, is_loaded=look.loaded is True)
    has_it = part.floor is not None and look.flush_lsn is not None and look.flush_lsn >= part.floor
    return replace(part, is_covered=part.is_covered or has_it)


def _resumed(config: Config, part: Sync, memory: Memory, look: Look, is_first: bool) -> Sync:
    """An heir that an earlier skyha named has everything: that one has seen to it, and commits have waited since."""
    resumes = (is_first or part.resumes) and _is_in_effect(config, look)
    if not resumes or memory.register.hold is None:
        return replace(part, resumes=resumes)
    return replace(part, resumes=False, is_covered=part.is_covered or _was_heir(config, memory))


def _is_in_effect(config: Config, look: Look) -> bool:
    """Is the setting that of skyha's file, and the file's that commits wait for the peer?"""
    waits = look.commit == config.replication.sync_commit or look.commit == "remote_apply"
    is_set = look.file == config.peer.name and look.names == sync_names(config.peer.name)
    return is_set and waits and look.alone is not False


def _wanted_names(config: Config, look: Look) -> str:
    return sync_names(config.peer.name if look.file is None else look.file)


def _was_heir(config: Config, memory: Memory) -> bool:
    hold = memory.register.hold
    return hold is not None and hold.has_heir and hold.row.heir == config.peer.name


def _given_up(config: Config, part: Sync, look: Look, now: float) -> Sync:
    """Commits have waited long enough for a standby that is gone, hung or slow; or is it time to try it again?"""
    if part.given_up_at is None:
        waits = look.file == config.peer.name and part.pace.owed is not None and part.pace.is_late
        if waits and now - part.pace.owed_since >= config.replication.sync_patience:
            return replace(part, given_up_at=now, given_up=part.given_up + 1)
        if part.given_up and part.is_covered and age(now, part.in_effect_at) > CALM:
            return replace(part, given_up=0)
        return part
    is_out = look.file == "" and look.names != sync_names(config.peer.name)
    if is_out and now - part.given_up_at >= _rests(part):
        return replace(part, given_up_at=None)
    return part


def may_be_heir(config: Config, memory: Memory, seen: Seen, present: str) -> bool:
    """Has the peer all that this primary acknowledges, and will have it? present: the heir that the register names."""
    part, local = memory.sync, seen.local
    if not part.is_covered or part.given_up_at is not None:
        return False
    return present == config.peer.name or bool(local.peer_streaming and local.standby_recorded)


def is_protected(config: Config, memory: Memory) -> bool:
    """Is all that is acknowledged here on the heir, too, and is that the peer?"""
    return memory.sync.is_covered and _was_heir(config, memory)


def waiting(config: Config, memory: Memory, local: Local, now: float) -> float:
    """Seconds that the oldest commit may have waited by now for a peer that was not quick enough; 0: none was seen to."""
    pace, look = memory.sync.pace, local.sync
    waits = look is not None and look.file == config.peer.name and pace.owed is not None and pace.is_late
    return now - pace.owed_since if waits else 0.0


def tried_in(memory: Memory, now: float) -> float | None:
    """Seconds until the peer, that was given up, is tried again; None: it is not given up."""
    part = memory.sync
    return None if part.given_up_at is None else max(0.0, _rests(part) - (now - part.given_up_at))


def _rests(part: Sync) -> float:
    return min(MOST_PATIENT, AGAIN * 2 ** (part.given_up - 1))


def is_waited_for(config: Config, seen: Seen) -> bool:
    """Do commits here wait for the peer, by skyha's file? Without skyha nobody would end that."""
    look, local = seen.local.sync, seen.local
    return config.zero_loss and local.server is Server.UP and look is not None and look.file != ""


def governed(config: Config, decision: Decision, seen: Seen, now: float) -> Decision:
    """With whom commits shall wait for from now on, before anything else is done; what is wrong with that; and a look soon."""
    memory, look = decision.memory, seen.local.sync
    if look is None:
        return decision
    wish = _wish(config, memory, seen, now)
    events: tuple[Event, ...] = ()
    actions: tuple[Action, ...] = ()
    if wish is not None and (wish != look.file or _is_deaf(memory, now)):
        actions = (Action(Do.SET_SYNC, wish),)
        if wish != look.file:
            events = _told(config, memory, wish, look)
            memory = _changed(memory)
        memory = replace(memory, sync=replace(memory.sync, told_at=now))
    elif _is_passed_by(config, memory, look):
        actions, memory = (Action(Do.DOUBT_SYNC),), _changed(memory)
    memory = _shielded(config, memory, seen, now)
    wants = decision.wants
    if _looks_soon(config, memory, seen):
        wants = replace(wants, delay=min(wants.delay, POLL))
    return replace(
        decision,
        memory=memory,
        wants=wants,
        actions=actions + decision.actions,
        events=decision.events + events,
        alarms={**decision.alarms, **_alarms(config, memory, seen, now)},
    )


def _wish(config: Config, memory: Memory, seen: Seen, now: float) -> str | None:
    """For whom commits shall wait; '': nobody; None: as it is."""
    local, hold, part, look = seen.local, memory.register.hold, memory.sync, seen.local.sync
    if look is None or local.server not in (Server.UP, Server.DOWN):
        return None
    if not config.zero_loss or local.role is Role.STANDBY or is_overruled(memory.record):
        return ""
    if local.role is not Role.PRIMARY or hold is None:
        return None
    if hold.has_heir:
        return None  # it goes first
    if is_paused(memory.record, now) or seen.leaving or part.given_up_at is not None:
        return ""
    if local.server is Server.DOWN:
        return ""
    is_ready = part.pace.is_level and local.peer_streaming and local.standby_recorded and not memory.register.code
    if not is_ready:
        return "" if look.file is None else None
    return config.peer.name


def _is_passed_by(config: Config, memory: Memory, look: Look) -> bool:
    """May commits have passed the heir by, by a setting of somebody's? It is taken back, and no later skyha may take it for covered."""
    hold = memory.register.hold
    stands = config.zero_loss and hold is not None and hold.has_heir
    return stands and look.file == config.peer.name and look.names is not None and not _is_in_effect(config, look)


def _is_deaf(memory: Memory, now: float) -> bool:
    """Has the server here not taken over what the file says? It reads it when it is told to."""
    since = memory.sync.deaf_since
    return since is not None and now - since >= RELOAD_AGAIN and age(now, memory.sync.told_at) >= RELOAD_AGAIN


def _changed(memory: Memory) -> Memory:
    """What was known of commits that wait counts no more, from this very decision on."""
    part = memory.sync
    part = replace(
        part, in_effect_at=None, is_loaded=False, floor=None, is_covered=False, pace=replace(part.pace, is_level=False)
    )
    return replace(memory, sync=part)


def _shielded(config: Config, memory: Memory, seen: Seen, now: float) -> Memory:
    """With since when what is acknowledged here is protected, or is not."""
    if not _serves(config, seen):
        return memory
    holds, shield = is_protected(config, memory), memory.sync.shield
    if shield.at is not None and shield.holds == holds:
        return memory
    return replace(memory, sync=replace(memory.sync, shield=Shield(holds, now)))


def _serves(config: Config, seen: Seen) -> bool:
    """Is this a running primary that is to lose nothing?"""
    local = seen.local
    return config.zero_loss and local.sync is not None and local.role is Role.PRIMARY and local.server is Server.UP


def _told(config: Config, memory: Memory, wish: str, look: Look) -> tuple[Event, ...]:
    peer = config.peer.name
    if wish:
        return (Event("sync_begun", f"{peer} is level: commits wait for it from now on"),)
    if look.file != peer or memory.record.role is not Role.PRIMARY:
        return ()
    if memory.sync.given_up_at is not None:
        text = f"{peer} was gone, hung or slow for {config.replication.sync_patience:g} s: it is no heir any more, commits go on without it"
        return (Event("sync_ended", text, "warning"),)
    return (Event("sync_ended", f"commits wait for {peer} no longer"),)


def _looks_soon(config: Config, memory: Memory, seen: Seen) -> bool:
    """Commits wait, or may be about to: the next look is worth a moment."""
    part, look, local = memory.sync, seen.local.sync, seen.local
    if look is None or not _serves(config, seen):
        return False
    if look.file == config.peer.name:
        return part.pace.is_late or (not part.is_covered and bool(local.peer_streaming))
    if part.given_up_at is not None or not local.peer_streaming or look.flush_lsn is None or local.write_lsn is None:
        return False
    # Every other look only: a standby that is never level must not make the primary look ten times a second.
    return local.write_lsn - look.flush_lsn <= NEAR and not part.pace.was_quick


def _alarms(config: Config, memory: Memory, seen: Seen, now: float) -> dict[str, str]:
    local, look, part, peer = seen.local, seen.local.sync, memory.sync, config.peer.name
    if look is None or not _serves(config, seen):
        return {}
    found, waited, shield = {}, waiting(config, memory, local, now), part.shield
    if waited > TELL_AFTER:
        why = f"{peer} does not stream" if look.flush_lsn is None else f"{peer} is behind"
        text = f"commits have waited for {waited:.1f} s: {why}"
        if part.given_up_at is not None:
            text += f"; they wait on until the register has heard that it is no heir ({memory.register.problem or 'it is being told'})"
        found["commits_wait"] = text
    if not shield.holds and age(now, shield.at) > ALONE_AFTER:
        what = "no failover comes by itself" if part.is_covered else "what is committed now is on this node only"
        found["not_protected"] = f"{what}: {_why_alone(config, memory, local, now)}"
    names = _wanted_names(config, look)
    if part.deaf_since is not None and now - part.deaf_since > RELOAD_AGAIN:
        found["sync_overridden"] = (
            f"synchronous_standby_names is {look.names!r}, and skyha set {names!r}: a setting of ALTER SYSTEM, of the command line or of "
            "streaming_replication_settings_extra is in its way; remove it there"
        )
    if look.alone is False:
        found["sync_double"] = (
            f"more than one standby streams by the name {peer}: commits may have waited for the wrong one; stop the other, or give it another "
            "application_name"
        )
    if look.lowered:
        found["sync_lowered"] = (
            f"commits of {', '.join(look.lowered)} do not wait for {peer}, by a synchronous_commit of their own: they may be lost in a failover"
        )
    return found


def _why_alone(config: Config, memory: Memory, local: Local, now: float) -> str:
    part, look, peer = memory.sync, local.sync or Look(), config.peer.name
    if is_paused(memory.record, now):
        return "the cluster is paused"
    if part.given_up_at is not None:
        left = tried_in(memory, now) or 0.0
        return f"{peer} was gone, hung or slow for {config.replication.sync_patience:g} s; it is tried again in {left:.0f} s"
    if memory.register.code:
        return f"the register says nothing ({memory.register.problem}), so no heir can be named"
    if part.is_covered:
        return f"{peer} has everything, and the register does not name it yet"
    if not local.peer_streaming or look.flush_lsn is None:
        return f"{peer} does not stream"
    if part.deaf_since is not None:
        return "the server has another synchronous_standby_names than skyha has set"
    if look.alone is False:
        return f"more than one standby bears the name {peer}"
    if look.file == peer and look.commit not in (None, config.replication.sync_commit, "remote_apply"):
        return f"synchronous_commit is {look.commit} for a new session, and skyha set {config.replication.sync_commit}: remove that setting"
    if look.file == peer:
        return f"commits wait for {peer} already, it has to flush what was written before"
    return f"{peer} is behind by {size(max(0, (local.write_lsn or 0) - look.flush_lsn))}: commits would have to wait for it"

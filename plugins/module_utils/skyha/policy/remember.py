# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes what one cycle saw into the memory, before anything is decided."""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..margins import ALONE_GAP
from ..words import Local, Path, Role, Seen, Server, Sight
from .holding import remember_register
from .memory import MAX_SAMPLES, Heard, Memory, Own, Stream, Watch, age
from .orders import remember_orders
from .rhythm import noted
from .sync import remember_sync
from .upkeep import remember_outcome
from .vip import remember_vip
from .wal import remember_wal

RAN_WELL = 60.0  # seconds up, after which earlier restarts are forgotten


def remember(config: Config, memory: Memory, seen: Seen, now: float) -> Memory:
    """The memory with all that was seen in it; decides nothing."""
    local = seen.local
    memory = _remember_role(memory, local)
    memory = replace(
        memory,
        own=_remember_own(memory.own, local, now),
        heard=_remember_heard(memory.heard, seen, now),
        stream=_remember_stream(memory.stream, local, now),
        vip=remember_vip(memory.vip, seen.vip_conflict, now),
    )
    if local.server is Server.UP and age(now, memory.own.up_since) > RAN_WELL:
        memory = replace(memory, restarts=replace(memory.restarts, count=0))
    if local.server is Server.DOWN and memory.record.intent is None:
        memory = _forget_the_catch_up(memory)
    memory = remember_register(config, memory, seen, now)
    memory = remember_wal(config, memory, local, now)
    memory = remember_sync(config, memory, seen, now)
    for outcome in seen.outcomes:
        memory = remember_outcome(memory, outcome, now)
    return remember_orders(memory, seen, now)


def _remember_role(memory: Memory, local: Local) -> Memory:
    """What was seen in another role, of oneself for the most part, says nothing of the present primary."""
    if local.server is not Server.UP or local.role in (memory.own.lived_as, Role.UNKNOWN):
        return memory
    return replace(memory, own=replace(memory.own, lived_as=local.role), heard=Heard(), stream=Stream(), watch=Watch())


def _remember_own(own: Own, local: Local, now: float) -> Own:
    if local.server is Server.UNKNOWN:
        return own
    if local.server is not Server.UP:
        stopped = (now if own.stopped_since is None else own.stopped_since) if local.server is Server.DOWN else None
        down = now if own.down_since is None else own.down_since
        return replace(own, up_since=None, down_since=down, stopped_since=stopped)
    own = replace(own, up_since=now if own.up_since is None else own.up_since, down_since=None, stopped_since=None)
    if local.role is Role.PRIMARY and local.write_lsn is not None:
        own = replace(own, write_lsn=local.write_lsn)
    if local.switching is None:
        return own
    since = now if own.switching_since is None else own.switching_since
    return replace(own, switching_since=since if local.switching else None)


def _remember_heard(heard: Heard, seen: Seen, now: float) -> Heard:
    answered = {path: now for path, look in seen.looks.items() if look.sight is Sight.OK}
    if answered:
        heard = replace(heard, answers=noted(heard.answers, seen.looks))
        beats = [look.beat for look in seen.looks.values() if look.beat is not None]
        notes = [beat.standby_recorded for beat in beats if beat.standby_recorded is not None]
        recorded = (now if any(notes) else None) if notes else heard.recorded_at
        heard = replace(heard, at={**heard.at, **answered}, recorded_at=recorded)
        if beats:
            samples = _sampled(heard.samples, now, max(beat.lsn for beat in beats))
            heard = replace(heard, samples=samples, sampled_at=now)
    if Path.VOTE in seen.looks:
        heard = replace(heard, vote_look=seen.looks[Path.VOTE])
    if seen.peer is not None:
        heard = replace(heard, peer=seen.peer, peer_at=now)
    elif seen.local.server is Server.UP and seen.local.peer_streaming:
        heard = replace(heard, peer=None)  # it is a standby, whatever it was when last looked at
    return _caught_up(heard, seen.local)


def _sampled(samples: tuple[tuple[float, int], ...], now: float, lsn: int) -> tuple[tuple[float, int], ...]:
    if samples and samples[-1][1] == lsn:
        samples = samples[:-1]
    samples += ((now, lsn),)
    # Thinned out when many are open: the lag is then judged a little too long, never too short.
    return samples if len(samples) <= MAX_SAMPLES else samples[::2] + samples[-1:]


def _caught_up(heard: Heard, local: Local) -> Heard:
    """Which of the primary's positions are received here, and which replayed."""
    if local.server is not Server.UP or local.role is not Role.STANDBY or local.replay_lsn is None:
        return heard
    received = max(local.receive_lsn or 0, local.replay_lsn)
    covered = [at for at, lsn in heard.samples if lsn <= received]
    if covered:
        heard = replace(heard, covered_at=covered[-1])
    replayed = [at for at, lsn in heard.samples if lsn <= local.replay_lsn]
    if not replayed:
        return heard
    rest = tuple(sample for sample in heard.samples if sample[0] > replayed[-1])
    return replace(heard, samples=rest, replayed_at=replayed[-1])


def _remember_stream(stream: Stream, local: Local, now: float) -> Stream:
    stream = _remember_alone(stream, local, now)
    if local.server is not Server.UP:
        return stream
    if local.streaming or local.peer_streaming:
        stream = replace(stream, at=now)
    if local.role is Role.STANDBY and local.streaming and (local.receive_lsn or 0) > stream.wal_lsn:
        stream = replace(stream, wal_lsn=local.receive_lsn or 0, wal_at=now)
    return stream


def _remember_alone(stream: Stream, local: Local, now: float) -> Stream:
    """Since when each look of this primary told that no standby streams.

    One look that did not tell, or none for long, ends it: a standby may have streamed meanwhile, and be armed (S3).
    """
    told = local.server is Server.UP and local.role is Role.PRIMARY and local.peer_streaming is False
    unbroken = stream.alone_since is not None and age(now, stream.alone_at) <= ALONE_GAP
    since = stream.alone_since if unbroken else now
    return replace(stream, alone_since=since if told else None, alone_at=now)


def _forget_the_catch_up(memory: Memory) -> Memory:
    """A server that was down has to catch up again before it may take over (S4), and the primary is to be missed again.

    Both nodes may have been stopped by an operator: the standby is back before its primary, which is no trouble then.
    """
    return replace(
        memory,
        heard=replace(memory.heard, samples=(), sampled_at=None, covered_at=None, replayed_at=None),
        watch=replace(memory.watch, trouble=None),
        record=replace(memory.record, trouble_at=None),  # else it would count as what an earlier daemon had found
    )

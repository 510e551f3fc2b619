# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes what one cycle saw into the memory, before anything is decided."""

from __future__ import annotations

from dataclasses import replace

from ..config import Config
from ..margins import ALONE_GAP, PAUSE_SETTLES, WALL_DRIFT, WORD_HOLDS
from ..words import Local, Order, Outcome, Path, Power, Role, Seen, Server, Sight, Task
from .memory import MAX_SAMPLES, Memory, Record, age
from .upkeep import peer_is_on
from .wal import remember_wal

RAN_WELL = 60.0  # seconds up, after which earlier restarts are forgotten


def remember(config: Config, memory: Memory, seen: Seen, now: float) -> Memory:
    """The memory with all that was seen in it; decides nothing."""
    memory = _remember_role(memory, seen.local)
    memory = _remember_looks(memory, seen, now)
    memory = _remember_local(memory, seen.local, now)
    memory = remember_wal(config, memory, seen.local, now)
    for outcome in seen.outcomes:
        memory = _remember_bmc(memory, outcome, now)
        memory = _remember_power_on(memory, outcome, now)
        memory = _remember_record(memory, outcome, now)
    if seen.peer is not None:
        memory = replace(memory, peer_at=now, peer=seen.peer)
    if Path.VOTE in seen.looks:
        memory = replace(memory, vote_look=seen.looks[Path.VOTE])
    if seen.vip_conflict is not None:
        free = None if seen.vip_conflict else now
        memory = replace(memory, vip_taken=seen.vip_conflict, vip_free_at=free)
    return _on_the_wall(_remember_pause(memory, seen, now), seen.wall, now)


def _remember_role(memory: Memory, local: Local) -> Memory:
    """What was seen in another role, of oneself for the most part, says nothing of the present primary."""
    if local.server is not Server.UP or local.role in (memory.lived_as, Role.UNKNOWN):
        return memory
    return replace(
        memory,
        lived_as=local.role,
        recorded_at=None,
        streaming_at=None,
        alone_since=None,
        samples=(),
        sampled_at=None,
        covered_at=None,
        replayed_at=None,
        wal_lsn=0,
        peer=None,
    )


def _remember_looks(memory: Memory, seen: Seen, now: float) -> Memory:
    heard = {path: now for path, look in seen.looks.items() if look.sight is Sight.OK}
    if not heard:
        return memory
    beats = [look.beat for look in seen.looks.values() if look.beat is not None]
    notes = [beat.standby_recorded for beat in beats if beat.standby_recorded is not None]
    recorded = (now if any(notes) else None) if notes else memory.recorded_at
    memory = replace(memory, heard_at={**memory.heard_at, **heard}, recorded_at=recorded)
    if not beats:
        return memory
    return replace(memory, samples=_sampled(memory.samples, now, max(beat.lsn for beat in beats)), sampled_at=now)


def _sampled(samples: tuple[tuple[float, int], ...], now: float, lsn: int) -> tuple[tuple[float, int], ...]:
    if samples and samples[-1][1] == lsn:
        samples = samples[:-1]
    samples += ((now, lsn),)
    # Thinned out when many are open: the lag is then judged a little too long, never too short.
    return samples if len(samples) <= MAX_SAMPLES else samples[::2] + samples[-1:]


def _remember_local(memory: Memory, local: Local, now: float) -> Memory:
    memory = _remember_alone(memory, local, now)
    if local.server is Server.UNKNOWN:
        return memory
    if local.server is Server.UP:
        up_since = now if memory.up_since is None else memory.up_since
        starts = 0 if now - up_since > RAN_WELL else memory.starts
        memory = replace(memory, up_since=up_since, down_since=None, starts=starts)
    else:
        memory = replace(memory, up_since=None, down_since=now if memory.down_since is None else memory.down_since)
    if local.server is Server.DOWN and memory.record.intent is None:
        memory = _forget_the_catch_up(memory)
    if local.server is not Server.UP:
        return memory
    if local.streaming or local.peer_streaming:
        memory = replace(memory, streaming_at=now)
    if local.peer_streaming:  # then it is a standby, whatever it was when last looked at
        memory = replace(memory, peer=None)
    if local.switching is not None:
        since = memory.switching_since if memory.switching_since is not None else now
        memory = replace(memory, switching_since=since if local.switching else None)
    if local.role is Role.STANDBY and local.streaming and (local.receive_lsn or 0) > memory.wal_lsn:
        memory = replace(memory, wal_lsn=local.receive_lsn or 0, wal_at=now)
    if local.role is not Role.STANDBY or local.replay_lsn is None:
        return memory
    received = max(local.receive_lsn or 0, local.replay_lsn)
    covered = [at for at, lsn in memory.samples if lsn <= received]
    if covered:
        memory = replace(memory, covered_at=covered[-1])
    replayed = [at for at, lsn in memory.samples if lsn <= local.replay_lsn]
    if not replayed:
        return memory
    rest = tuple(sample for sample in memory.samples if sample[0] > replayed[-1])
    return replace(memory, samples=rest, replayed_at=replayed[-1])


def _remember_alone(memory: Memory, local: Local, now: float) -> Memory:
    """Since when each look of this primary told that no standby streams.

    One look that did not tell, or none for long, ends it: a standby may have streamed meanwhile, and be armed (S3).
    """
    told = local.server is Server.UP and local.role is Role.PRIMARY and local.peer_streaming is False
    unbroken = memory.alone_since is not None and age(now, memory.alone_at) <= ALONE_GAP
    since = memory.alone_since if unbroken else now
    return replace(memory, alone_since=since if told else None, alone_at=now)


def _forget_the_catch_up(memory: Memory) -> Memory:
    """A server that was down has to catch up again before it may take over (S4), and the primary is to be missed again.

    Both nodes may have been stopped by an operator: the standby is back before its primary, which is no trouble then.
    """
    memory = replace(memory, trouble=None, samples=(), sampled_at=None, covered_at=None, replayed_at=None)
    # Else it would count as what a predecessor of this daemon had found.
    return (
        replace(memory, record=replace(memory.record, trouble_at=None))
        if memory.record.trouble_at is not None
        else memory
    )


def _remember_bmc(memory: Memory, outcome: Outcome, now: float) -> Memory:
    if outcome.task is not Task.CHECK_BMC:
        return memory
    memory = replace(memory, bmc_asked_at=now)
    if outcome.ok:
        first = now if memory.bmc_off_at is None else memory.bmc_off_at
        off_at = first if outcome.power is Power.OFF else None
        on_at = now if outcome.power is Power.ON else memory.bmc_on_at
        return replace(memory, bmc_ok_at=now, bmc_on_at=on_at, bmc_error="", bmc_off_at=off_at)
    return replace(memory, bmc_error=outcome.detail or "no reason given")


def _remember_record(memory: Memory, outcome: Outcome, now: float) -> Memory:
    if outcome.task is not Task.CHECK_RECORD:
        return memory
    if outcome.ok:
        return replace(memory, record_tried_at=now, record_ok_at=now, record_error="")
    return replace(memory, record_tried_at=now, record_error=outcome.detail or "no reason given")


def _remember_power_on(memory: Memory, outcome: Outcome, now: float) -> Memory:
    """A try counts when it was made, not when it was decided: what was decided may be held back."""
    if outcome.task is not Task.POWER_ON or not memory.record.power_on_due:
        return memory
    if outcome.ok:
        return replace(peer_is_on(memory, now), power_on_tries=0)
    return replace(memory, power_on_tries=memory.power_on_tries + 1)


def _remember_pause(memory: Memory, seen: Seen, now: float) -> Memory:
    """The database holds the pause for both nodes; an order just given here counts until it stands there.

    It is written there once: where the other node's operator has ordered the opposite meanwhile, the last one to write
    wins. If each node went on writing its own, they would undo each other's for ever.
    """
    if seen.pause_written:
        memory = replace(memory, pause_written_at=now)
    for request in seen.requests:
        if request.order in (Order.PAUSE, Order.RESUME):
            memory = replace(memory, pause_request=request, pause_written_at=None)
        if request.order is Order.CONFIRM_OFF:
            memory = replace(memory, confirmed_off=True, confirmed_at=now)
        if request.order is Order.TAKEOVER:
            memory = replace(memory, takeover_at=now)
    if memory.confirmed_off and now - memory.confirmed_at > WORD_HOLDS:
        memory = replace(memory, confirmed_off=False)
    if memory.takeover_at is not None and now - memory.takeover_at > WORD_HOLDS:
        memory = replace(memory, takeover_at=None)
    told = _pause_told(seen)
    pending = memory.pause_request
    if pending is not None:
        wanted = pending.order is Order.PAUSE
        if pending in seen.requests:
            told = (pending.seconds if pending.seconds is not None else float("inf")) if wanted else 0.0
        elif told is not None and ((told > 0) == wanted or _has_settled(memory, now)):
            memory = replace(memory, pause_request=None)
        else:
            return memory
    if told is None:
        return memory
    return replace(memory, record=_paused(memory.record, told, now))


def _on_the_wall(memory: Memory, wall: float | None, now: float) -> Memory:
    """The end of the pause on the wall clock, by which the next boot goes: written anew only where it moved."""
    if wall is None:
        return memory
    record = memory.record
    until = None if record.paused_until is None else wall + record.paused_until - now
    old = record.paused_until_wall
    if until is old is None or (until is not None and old is not None and abs(until - old) < WALL_DRIFT):
        return memory
    return replace(memory, record=replace(record, paused_until_wall=until))


def _has_settled(memory: Memory, now: float) -> bool:
    """Was this node's pause or resume written so long ago that what the database says otherwise is newer?"""
    return memory.pause_written_at is not None and now - memory.pause_written_at >= PAUSE_SETTLES


def _pause_told(seen: Seen) -> float | None:
    """For how long the primary's database says that the cluster is paused, 0 for not; None when it did not tell."""
    for path in (Path.VIP, Path.VOTE):
        look = seen.looks.get(path)
        if look is not None and look.beat is not None and look.beat.paused_for is not None:
            return look.beat.paused_for
    if seen.local.server is Server.UP and seen.local.role is Role.PRIMARY:
        return seen.local.paused_for
    return None


def _paused(record: Record, seconds: float, now: float) -> Record:
    if seconds <= 0:
        return record if not record.paused else replace(record, paused=False, paused_until=None)
    until = None if seconds == float("inf") else now + seconds
    same = (
        record.paused
        and (until is None) == (record.paused_until is None)
        and (until is None or record.paused_until is None or abs(until - record.paused_until) < WALL_DRIFT)
    )
    return record if same else replace(record, paused=True, paused_until=until)

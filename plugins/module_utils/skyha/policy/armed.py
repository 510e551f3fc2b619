# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Would a failover work now, and if not, why? Asked in quiet times, so that nobody finds out in the night."""

from __future__ import annotations

from collections.abc import Mapping

from ..config import Config
from ..margins import MISSED_CHECKS, RECORD_EVERY, STREAM_LINGERS
from ..words import Local, Path, Role, Server
from . import lease
from .decision import Readiness
from .holding import not_heir
from .loss import passed_by
from .memory import Memory, age, guard_left
from .record import is_paused
from .storage import not_whole

# Alarms of a standby that say by themselves that no failover begins now.
STOPS = ("blind", "cut_off", "fence_failed", "vip_elsewhere", "stopping", "renews")


def readiness(config: Config, memory: Memory, local: Local, alarms: Mapping[str, str], now: float) -> Readiness:
    """The judgement on a standby; `alarms`: what this cycle found. While the primary shows no life the evidence from before counts."""
    if memory.watch.trouble is None and memory.record.intent is None:
        reasons = dict(not_armed(config, memory, local, now))
    else:
        reasons = dict(unfit(config, memory, local, now))
        if memory.watch.trouble is not None and memory.watch.trouble.not_armed:
            reasons["evidence"] = "when the trouble began: " + "; ".join(memory.watch.trouble.not_armed)
    reasons.update((code, alarms[code]) for code in STOPS if code in alarms)
    if not reasons and "no_failover" in alarms:
        reasons["no_failover"] = alarms["no_failover"]
    return Readiness(reasons)


def lag_seconds(memory: Memory) -> float:
    """How long before the primary was last heard it had last written something that was not received here.

    On this node's monotonic clock alone (S4): the age of the newest sample of the primary's WAL position that is
    received here, when the primary was last heard. Infinite before the first. What is received and flushed is not lost.
    """
    if memory.heard.covered_at is None or memory.heard.sampled_at is None:
        return float("inf")
    return max(0.0, memory.heard.sampled_at - memory.heard.covered_at)


def replay_lag(config: Config, memory: Memory, local: Local) -> str | None:
    """What to say where received WAL waits to be replayed for longer than the limit; it is lost to nobody, and disarms nobody."""
    if memory.heard.replayed_at is None or memory.heard.sampled_at is None:
        return None
    seconds = memory.heard.sampled_at - memory.heard.replayed_at
    if seconds <= config.failover.max_lag_seconds or local.receive_lsn is None or local.replay_lsn is None:
        return None
    waiting = (
        f"{local.receive_lsn - local.replay_lsn} bytes of WAL are received here and not replayed, for {seconds:.0f} s"
    )
    if local.readers:
        return (
            f"{waiting}: replay waits for {', '.join(map(str, local.readers))}; a failover would end that, and read what "
            "is received first"
        )
    return f"{waiting}: a failover takes as much longer; look at the load and the disk of this node"


def lag_bytes(memory: Memory, local: Local) -> int | None:
    """WAL bytes that the primary had when it was last heard and that were not received here; None: not known."""
    if local.receive_lsn is None:
        return None
    return max(0, memory.heard.samples[-1][1] - local.receive_lsn) if memory.heard.samples else 0


def not_armed(config: Config, memory: Memory, local: Local, now: float) -> Mapping[str, str]:
    """What would stop a failover, as code -> sentence; empty: armed. For a standby."""
    return {**evidence_missing(config, memory, now), **unfit(config, memory, local, now)}


def evidence_missing(config: Config, memory: Memory, now: float) -> Mapping[str, str]:
    """Things that a failover leans on and that were not seen working lately (the arming window)."""
    found = {}
    window = config.timing.arming_window
    vote = f"{config.vote.address}:{config.vote.port}"
    if age(now, memory.heard.at.get(Path.VOTE)) > window:
        found["vote_path"] = (
            f"no heartbeat came through the vote port {vote} {_lately(now, memory.heard.at.get(Path.VOTE))}"
        )
    elif memory.heard.vote_look is not None and memory.heard.vote_look.standby:
        # At once, not when the last good heartbeat has aged: the next look after the primary's death would prove nothing.
        found["vote_path"] = f"the vote port {vote} does not lead to the primary: {memory.heard.vote_look.detail}"
    if age(now, memory.stream.at) > window:
        found["replication"] = f"replication does not stream ({_lately(now, memory.stream.at)})"
    if age(now, memory.heard.recorded_at) > window:
        found["note"] = "the primary's skyha has not noted this standby; is it running there?"
    if not memory.upkeep.record_error and age(now, memory.upkeep.record_ok_at) > MISSED_CHECKS * RECORD_EVERY:
        found["record"] = (
            f"whether skyha's record can be written was not tried {_lately(now, memory.upkeep.record_ok_at)}"
        )
    problem = None if lease.stands(config, memory) else bmc_missing(config, memory, now)
    if problem is not None:
        found["bmc"] = problem
    return found


def bmc_missing(config: Config, memory: Memory, now: float) -> str | None:
    """Why a fence of the peer may not be proven; None where its BMC was seen to work."""
    if not config.agents:
        return f"{config.peer.name} has no BMC, and no lease of it stands in the register: nothing could prove that it does not write"
    problem = bmc_problem(config, memory)
    if problem is not None:
        return problem
    if age(now, memory.upkeep.bmc_ok_at) > MISSED_CHECKS * config.timing.bmc_check_interval:
        return f"the BMC of {config.peer.name} has not answered {_lately(now, memory.upkeep.bmc_ok_at)}"
    if age(now, memory.upkeep.bmc_on_at) > MISSED_CHECKS * config.timing.bmc_check_interval:
        # One that has only ever said 'off' may be another host's: nothing has belied it yet.
        return (
            f"the BMC of {config.peer.name} has not said that the power is on {_lately(now, memory.upkeep.bmc_on_at)}"
        )
    return None


def record_problem(memory: Memory) -> str | None:
    """Why nothing could be written down before it is done, None where nothing speaks against it."""
    if not memory.upkeep.record_error:
        return None
    return (
        f"skyha's record cannot be written, and what cannot be written down is not done: {memory.upkeep.record_error}"
    )


def bmc_problem(config: Config, memory: Memory) -> str | None:
    """Why the peer's BMC could not be leant on, None where nothing speaks against it.

    A BMC that says 'off' of a host that answered later is another host's, or lies: its 'off' would be no proof.
    """
    if memory.upkeep.bmc_error:
        return f"the BMC of {config.peer.name} cannot be used: {memory.upkeep.bmc_error}"
    if is_bmc_belied(memory):
        return (
            f"the BMC of {config.peer.name} says that the power is off, and PostgreSQL there answered after that: "
            "is it the right BMC?"
        )
    return None


def is_bmc_belied(memory: Memory) -> bool:
    """Did the peer answer after its BMC began to say that the power is off?"""
    return memory.upkeep.bmc_off_at is not None and _peer_lived_at(memory) > memory.upkeep.bmc_off_at


def _peer_lived_at(memory: Memory) -> float:
    """When the peer surely had power. A look along the paths is one at the peer for a standby only."""
    if memory.own.lived_as is Role.PRIMARY:
        return float("-inf") if memory.stream.at is None else memory.stream.at - STREAM_LINGERS
    return max(memory.heard.at.values(), default=float("-inf"))


def unfit(config: Config, memory: Memory, local: Local, now: float) -> Mapping[str, str]:
    """Why this node may not take over at this moment, whatever was seen before."""
    found = {}
    lag, lacking = lag_seconds(memory), lag_bytes(memory, local)
    if local.server is not Server.UP or local.role is not Role.STANDBY:
        found["not_standby"] = (
            f"PostgreSQL here is {local.server.value}, role {local.role.value}; a running standby is needed"
        )
    elif lag == float("inf"):
        found["catch_up"] = "this standby has not caught up with the primary since it started"
    elif lag > config.failover.max_lag_seconds:
        found["lag"] = f"this standby was {lag:.1f} s behind, the limit is {config.failover.max_lag_seconds:g} s"
    elif config.failover.max_lag_bytes and lacking is not None and lacking > config.failover.max_lag_bytes:
        found["lag"] = f"this standby lacks {lacking} bytes of WAL, the limit is {config.failover.max_lag_bytes}"
    if local.server is Server.UP and (local.receive_lsn is None or local.replay_paused is None):
        found["local"] = (
            "PostgreSQL here does not tell skyha what it has received and replayed: "
            f"{local.detail or 'no reason given'}; nothing is promoted unseen"
        )
    problem = record_problem(memory)
    if problem:
        found["record"] = problem
    obstacle = not_whole(memory, local)
    if obstacle is not None:
        found[obstacle.code] = obstacle.text
    barred = not_heir(config, memory, now)
    if barred is not None:  # the holder has taken it back since the trouble began
        found[barred.code] = barred.text
        alone = passed_by(config, memory, local, now)
        if alone is not None:  # also while the register is silent: it is what an operator has to know
            found["heir"] = alone
    if local.replay_paused:
        found["replay_paused"] = "WAL replay is paused here (pg_wal_replay_resume() ends it)"
    if is_paused(memory.record, now):
        found["paused"] = "the cluster is paused (skyctl resume ends it)"
    if memory.record.fence_distrusted:
        found["fence_distrusted"] = f"{memory.record.fence_distrusted} (skyctl acknowledge after the BMC was checked)"
    left = guard_left(config, memory, now)
    if left > 0:
        found["flap_guard"] = f"the last failover is too recent; another may follow in {left:.0f} s"
    if memory.own.switching_since is not None and now - memory.own.switching_since < config.timing.switchover_deadline:
        found["switchover"] = "a switchover is under way"
    return found


def _lately(now: float, then: object) -> str:
    return "yet" if not isinstance(then, float) else f"for {now - then:.0f} s"

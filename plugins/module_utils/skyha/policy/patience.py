# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The signs of a failure, and how long they must last before they count: a strong one needs less patience than a weak one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..config import Config, Timing
from ..margins import BEAT_FRESH, SILENCE, STOP_LIMIT, WAL_FRESH
from ..words import Look, Path, Peer, Role, Seen, Server, Sight
from .decision import Wants
from .memory import Memory, Trouble, age
from .rhythm import look_deadline

BOTH = (Path.VIP, Path.VOTE)
SILENT_LATELY, SAID_LATELY = 3.0, 1.0  # seconds


def living(looks: Mapping[Path, Look], tablespace_policy: str = "alarm", but_standbys: bool = False) -> str | None:
    """How the primary showed life in these looks, None when it did not.

    With tablespace_policy 'failover' a server that says its storage fails counts as dead. but_standbys: one in recovery is none.
    """
    for path in BOTH:
        look = looks.get(path)
        if look is not None and look.sight is Sight.SICK and tablespace_policy == "failover":
            continue
        if look is not None and look.standby and but_standbys:
            continue
        if look is not None and look.shows_life:
            return f"{path.value} path: {look.sight.value}" + (f" ({look.detail})" if look.detail else "")
    return None


def is_silent(seen: Seen, now: float) -> bool:
    """Have the peer's datagrams just stayed away? What it means when they do so for longer, looks have told by then."""
    return SILENCE <= age(now, seen.signs.heard_at) <= SILENT_LATELY


def stands_still(seen: Seen, trouble: Trouble, now: float) -> bool:
    """Is all of the primary still, not only slow? Its skyha fell silent with it, or says that PostgreSQL there is stopped by a signal."""
    signs = seen.signs
    if age(now, signs.stopped_at) <= SAID_LATELY:
        return True
    return signs.heard_at is not None and trouble.since - SILENT_LATELY <= signs.heard_at < trouble.since


def blind(looks: Mapping[Path, Look]) -> str | None:
    """Which look failed on this node itself, where none showed life: nobody knows then whether the primary lives."""
    for path in BOTH:
        look = looks.get(path)
        if look is not None and look.sight is Sight.UNKNOWN:
            return (
                f"the look along the {path.value} path failed on this node itself ({look.detail or 'no reason given'})"
            )
    return None


def cut_off(looks: Mapping[Path, Look]) -> bool:
    """The vote port does not accept: then it may be this node that is cut off, and nothing is proven."""
    vote = looks.get(Path.VOTE)
    return vote is None or not vote.reached


def cut_off_why(config: Config) -> str:
    """The same for people."""
    return (
        f"the vote port {config.vote.address}:{config.vote.port} does not accept: it may be this node that is cut off"
    )


def wal_grows(memory: Memory, since: float | None, now: float) -> bool:
    """Does WAL of a server that lives arrive here? What came before `since` may have been on its way when it died."""
    arrived = age(now, memory.stream.wal_at)
    return arrived < age(now, since) and arrived <= WAL_FRESH


def led_elsewhere(memory: Memory, seen: Seen, since: float | None, now: float) -> str | None:
    """Why the VIP is taken to lead to another host than the primary, whose server lives; None where nothing says so.

    Somebody answers for the VIP, so after a fence nothing could be promoted anyhow: it would only take the last server away.
    Where nobody answers for it a primary serves nobody, however much it writes. One that stalls or whose storage fails may
    write, too.
    """
    vip = seen.looks[Path.VIP].sight
    grows = wal_grows(memory, since, now)
    peer = seen.peer
    serves = peer is not None and peer.server is Server.UP and peer.role is Role.PRIMARY
    is_answered = vip in (Sight.REFUSED, Sight.DROPPED) or (vip is Sight.UNREACHABLE and seen.vip_conflict is True)
    if not is_answered or not (grows or (serves and vip is not Sight.UNREACHABLE)):
        return None
    return "its WAL arrives here" if grows else "its PostgreSQL answers on its own address"


def worsened(trouble: Trouble, looks: Mapping[Path, Look], now: float) -> Trouble:
    """The trouble with one more cycle counted."""
    unreachable = looks[Path.VIP].sight is Sight.UNREACHABLE
    unseen = 0.0 if trouble.blind_since is None else now - trouble.blind_since
    since = trouble.gone_since if trouble.unreachable else now
    if trouble.unreachable and since is not None:
        since += unseen
    return replace(
        trouble,
        unreachable=trouble.unreachable + 1 if unreachable else 0,
        gone_since=since if unreachable else None,
        blind_for=trouble.blind_for + unseen,
        blind_since=None,
    )


def not_counted(trouble: Trouble, now: float) -> Trouble:
    """The trouble after a cycle in which this node could not look: that uses up no patience, and resets none."""
    since = now if trouble.blind_since is None else trouble.blind_since
    return replace(trouble, blind_since=since)


def shutting_down(timing: Timing, trouble: Trouble, peer: Peer | None, now: float) -> Trouble:
    """The trouble, told apart from a planned stop by what the primary's server says on its own address.

    Its VIP is gone by then. As long as the server itself says that it shuts down, or only stalls in between, no patience is
    used up; for STOP_LIMIT at most, since a stop may hang. Nothing that is said here proves a death.
    """
    if peer is None:
        return trouble
    stalls = peer.server is Server.STALLED and age(now, trouble.stopping_at) <= timing.hang_timeout
    since = now if trouble.stopping_since is None else trouble.stopping_since
    if not (peer.stopping or stalls) or now - since > STOP_LIMIT:
        return trouble
    at = now if peer.stopping else trouble.stopping_at
    return replace(trouble, stopping_since=since, stopping_at=at, unreachable=0, blind_for=0.0)


def renewing(trouble: Trouble, looks: Mapping[Path, Look], beat_at: float | None, now: float) -> Trouble:
    """The trouble, with the holder's newest beat in the register, which was received at `beat_at`: its skyha lives.

    Where that is all that can be seen of it, the VIP silent, and the vote host's proxy accepts and says nothing, patience begins anew
    with each: a broken link and a proxy that hangs look like that, beside a healthy primary. One whose PostgreSQL hangs renews no more
    (lease.gives_up); of one that is down the proxy says so; one that has lost its VIP the proxy cannot reach, and says that, too.
    """
    if beat_at is None or beat_at <= trouble.since or (trouble.beat_at is not None and beat_at <= trouble.beat_at):
        return trouble
    trouble = replace(trouble, beat_at=beat_at)
    nothing_seen = looks[Path.VIP].sight is Sight.UNREACHABLE and looks[Path.VOTE].sight is Sight.STALLED
    return replace(trouble, renewed_at=beat_at, unreachable=0, blind_for=0.0) if nothing_seen else trouble


def used_up(
    timing: Timing,
    trouble: Trouble,
    looks: Mapping[Path, Look],
    now: float,
    is_off: bool = False,
    is_still: bool = False,
) -> tuple[bool, str]:
    """Whether the trouble has lasted long enough, and a sentence that says how long it has and must.

    is_off: the peer's BMC has said so since it began, and nothing belies it. Beside the silence of all paths that needs no patience: nobody
    is waited for who has no power. is_still: see stands_still.

    The class on the VIP path picks the patience; `stalled` on the vote path raises it to hang_timeout, since a proxy
    with a connect timeout below the look's deadline tells a dead backend (dropped) from a slow one (stalled). A link
    that goes up and down lets a few looks in a row fail on a healthy primary: after one such trouble the next needs hang_timeout.
    """
    vip, vote = looks[Path.VIP].sight, looks[Path.VOTE].sight
    begun = min(now - trouble.since, age(now, trouble.stopping_at), age(now, trouble.renewed_at))
    elapsed = begun - trouble.blind_for
    if is_off and vip is Sight.UNREACHABLE and trouble.unreachable > 0 and vote in (Sight.DROPPED, Sight.STALLED):
        return True, "unreachable, and its BMC says that the power is off"
    if Sight.STALLED in (vip, vote) or Sight.SICK in (vip, vote):
        patience = min(timing.standstill_timeout, timing.hang_timeout) if is_still else timing.hang_timeout
        what = "standing still" if is_still else "stalled or sick"
        return elapsed >= patience, f"{what} for {elapsed:.1f} of {patience:g} s"
    if vip in (Sight.REFUSED, Sight.DROPPED):
        return elapsed >= timing.restart_grace, f"{vip.value} for {elapsed:.1f} of {timing.restart_grace:g} s"
    if age(now, trouble.beat_at) <= BEAT_FRESH:  # its lease was over, or its host was reset: it is about to serve again
        return (
            elapsed >= timing.restart_grace,
            f"unreachable, and it renews: for {elapsed:.1f} of {timing.restart_grace:g} s",
        )
    needed = timing.failures_before_failover
    # So long at the least as that many looks last when none is cut short (rhythm.py). Only half of each pause: news end pauses early, and with
    # whole ones those looks would have to be one more.
    waits = (needed - 1) * (timing.look_deadline + timing.retry_interval / 2)
    enough = trouble.unreachable >= needed and age(now, trouble.gone_since) >= waits
    sentence = f"unreachable {trouble.unreachable} of {needed} times"
    if trouble.unreachable >= needed and not enough:
        sentence += f", for {age(now, trouble.gone_since):.1f} of {waits:g} s"
    if trouble.flapping:
        enough = enough and elapsed >= timing.hang_timeout
        sentence += f", again so soon: for {elapsed:.1f} of {timing.hang_timeout:g} s"
    return enough, sentence


def look_at_primary(config: Config, memory: Memory, delay: float, fresh: tuple[Path, ...] = BOTH) -> Wants:
    """The wish to look at the primary along both paths after `delay` seconds, along those in `fresh` by new connections."""
    return Wants(delay, BOTH, look_deadline(config, memory.heard.answers), fresh, yields=True)


def signs(looks: Mapping[Path, Look]) -> str:
    """What each path showed, for a sentence."""
    return ", ".join(f"{path.value} {look.sight.value}" for path, look in looks.items())


def facts(seen: Seen) -> Mapping[str, object]:
    """The same with details, for an event."""
    found: dict[str, object] = {
        path.value: f"{look.sight.value} {look.detail}".strip() for path, look in seen.looks.items()
    }
    found["receive_lsn"] = seen.local.receive_lsn
    return found

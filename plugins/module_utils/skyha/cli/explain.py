# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl explain: what would happen if the primary died now, and what would stop it, each with its next step."""

from __future__ import annotations

from ..alarms import of as meaning_of
from ..config import Config
from ..daemon.published import Status
from ..margins import by_any_clock
from .answers import answers
from .sources import View
from .table import not_running
from .text import Paint, clock, duration, wrap


def explain(config: Config | None, mine: View, theirs: View, paint: Paint) -> str:
    """The answer of `skyctl explain`."""
    if mine.is_unknown:
        return not_running(mine, paint)
    if not mine.is_live or mine.status is None:
        return (
            not_running(mine, paint)
            + "\n"
            + wrap("Meanwhile this node does not take over, and nobody keeps the VIP here.")
        )
    status = mine.status
    lines = [wrap(f"{status.place.node}: {status.run.sentence}"), ""]
    standby = status if status.postgres.role == "standby" else theirs.status if theirs.is_live else None
    if status.postgres.role == "standby":
        lines += _standby(config, status, paint)
    elif status.postgres.role == "primary":
        lines += _primary(config, status, paint)
        if standby is not None and standby.postgres.role == "standby":
            lines += ["", *_standby(config, standby, paint)]
        else:
            lines += [
                "",
                wrap(
                    f"Whether {status.place.peer} would take over only its own skyha can say: "
                    f"{theirs.problem or 'it is no running standby'}."
                ),
            ]
    lines += _alarms(status, paint)
    return "\n".join(lines)


def _standby(config: Config | None, status: Status, paint: Paint) -> list[str]:
    node, peer = status.place.node, status.place.peer
    if status.verdict.is_under_way:
        return _under_way(status, paint)
    if status.verdict.armed:
        return [
            paint(wrap(f"Nothing would stop {node} from taking over if {peer} died now."), "good"),
            *_complete(status),
            *_steps(config, status),
            *answers(config, status),
        ]
    lines = [paint(wrap(f"{node} would NOT take over if {peer} died now:"), "bad")]
    for code, reason in status.verdict.not_armed.items():
        lines += _reason(code, reason)
    return [*lines, *answers(config, status)]


def _complete(status: Status) -> list[str]:
    """Zero loss: what the heir has. The register may have been told otherwise since it was read."""
    here = status.postgres.replication
    if not here.heir or here.complete_age is None:
        return []
    text = f"zero loss: it has all that {status.place.peer} had acknowledged when the register was last read, {duration(here.complete_age)} ago"
    return [wrap(text, "  - ")]


def _under_way(status: Status, paint: Paint) -> list[str]:
    """The primary is silent, or something has begun: what would be if it died is no question any more."""
    node, peer = status.place.node, status.place.peer
    trouble, intent = status.verdict.trouble, status.verdict.intent
    if trouble is None:
        stage = "" if intent is None else intent.stage.replace("_", " ")
        lines = [paint(wrap(f"Under way on {node}: {stage}."), "bad")]
    else:
        lines = [paint(wrap(f"{peer} shows no life for {duration(trouble.for_ or 0.0)}."), "bad")]
        if not status.verdict.not_armed:
            lines.append(wrap(f"Nothing is known that stops {node} from taking over; it is at it."))
    if status.verdict.not_armed:
        lines.append(paint(wrap(f"What keeps {node} from taking over:"), "bad"))
    for code, reason in status.verdict.not_armed.items():
        lines += _reason(code, reason)
    return lines


def _steps(config: Config | None, status: Status) -> list[str]:
    if config is None:
        return []
    timing = config.timing
    looks = timing.failures_before_failover
    fence = "reset" if config.fence.action == "reset" else "switched off and read back until it is off"
    return [
        wrap(
            f"host gone: {looks} looks without an answer, about {looks * (timing.look_deadline + timing.retry_interval):.1f} s; none of it where "
            "its BMC says that the power is off",
            "  - ",
        ),
        wrap(f"PostgreSQL gone, host alive: {timing.restart_grace:g} s for a restart in place", "  - "),
        wrap(
            f"PostgreSQL hangs: {timing.hang_timeout:g} s; {min(timing.standstill_timeout, timing.hang_timeout):g} s where its skyha stands "
            "still, too, or says that PostgreSQL is stopped",
            "  - ",
        ),
        *_proofs(config, status, fence),
        wrap("then: promotion; the VIP", "  - "),
    ]


def _proofs(config: Config, status: Status, fence: str) -> list[str]:
    """How it is made sure that the peer does not write."""
    peer, lines = status.place.peer, []
    if config.agents:
        lines.append(wrap(f"then: {peer} is {fence}, up to {config.timing.fence_attempts} attempts", "  - "))
    register = status.around.register
    lease = None if register is None else register.lease
    if lease is not None and lease.term:
        beside = "or, if its BMC does not answer either" if config.agents else f"then: {peer} has no BMC, so"
        lines.append(
            wrap(f"{beside}: {by_any_clock(lease.term):.1f} s after its last renewal its lease has run out", "  - ")
        )
    elif register is not None and config.has_lease:
        lines.append(wrap(f"no lease of {peer} stands in the register: time alone proves nothing", "  - "))
    return lines


def _primary(config: Config | None, status: Status, paint: Paint) -> list[str]:
    if status.postgres.server != "up":
        return []
    attempts = "" if config is None else f" (up to {config.timing.restart_attempts} times)"
    lines = [wrap(f"If PostgreSQL crashes here, skyha starts it again in place{attempts}.")]
    if status.postgres.streaming is None:
        lines.append(
            paint(wrap("Whether a standby streams is not known: PostgreSQL here does not tell skyha."), "warn")
        )
    elif not status.postgres.streaming:
        lines.append(paint(wrap(f"No standby streams: if {status.place.node} dies now, nothing can take over."), "bad"))
    return lines + _zero_loss(status, paint)


def _zero_loss(status: Status, paint: Paint) -> list[str]:
    """Is what is acknowledged on this primary safe, and since when?"""
    here, peer = status.postgres.replication, status.place.peer
    if here.protected is None:
        return []
    since = ""
    if here.for_ is not None:
        since = f" since {clock(status.run.written - here.for_)} ({duration(here.for_)})"
    if here.protected:
        text = f"Zero loss holds{since}: commits wait for {peer}, which has all that was acknowledged here and may take over."
        return [paint(wrap(text), "good")]
    again = "" if here.tried_in is None else f" {peer} is tried again in {duration(here.tried_in)}."
    text = (
        f"Zero loss does NOT hold{since}: if {status.place.node} dies now, {peer} does not take over by itself.{again}"
    )
    return [paint(wrap(text), "bad")]


def _alarms(status: Status, paint: Paint) -> list[str]:
    rest = {code: text for code, text in status.verdict.alarms.items() if code not in status.verdict.not_armed}
    if not rest:
        return []
    lines = ["", paint("Alarms", "bold")]
    for code, text in rest.items():
        lines += _reason(code, text)
    return lines


def _reason(code: str, text: str) -> list[str]:
    return [wrap(text, "  - "), wrap(f"next: {meaning_of(code).next}", "    ")]

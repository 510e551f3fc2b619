# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl takeover: says what is known and what may be lost, asks, orders it, and answers with what came of it."""

from __future__ import annotations

from typing import Callable

from ..daemon.published import Bmc, Status
from ..daemon.status import is_serving
from . import orders
from .orders import Desk
from .text import duration, lsn_text, wrap


def takeover(desk: Desk, name: str | None, read: Callable[[], str], wait: float) -> int:
    """0 only when this node is the primary and holds the VIP. `name`: the peer's name from --yes; else it is asked for."""
    status = desk.status()
    if is_serving(status):
        desk.say(f"refused: {status.place.node} is the running primary: there is nothing to take over.", "bad")
        return 1
    desk.say(f"What {status.place.node} knows of {desk.config.peer.name}, and what may be lost:", "bold")
    for line in known(status):
        desk.out.write(wrap(line, "  - ") + "\n")
    desk.out.write(wrap(power(desk.config.peer.name, orders.bmc_now(desk), status), "  - ") + "\n")
    if name is None:
        desk.say(
            f"What {desk.config.peer.name} committed and this node has not received is lost to the clients (what is found on its "
            "disk later is kept aside). skyha refuses where it sees a sign of life; it cannot see through a network that is "
            f"cut. If {desk.config.peer.name} still takes writes somewhere, or comes back and finds nobody, two histories begin.",
            "bad",
        )
    question = (
        f"Type the name of the node to take over from, which is dead or may be switched off ({desk.config.peer.name}): "
    )
    if not orders.named(desk, name, question, read):
        return 1
    seq = int(desk.order("takeover")["seq"])
    desk.say("Takeover ordered.")
    return orders.follow_to_the_primary(desk, seq, wait)


def known(status: Status) -> list[str]:
    """A line for each thing that an operator should weigh; what is not known says so."""
    return [line for line in (_heard(status), _own(status), _lag(status), _seen(status), _stopped(status)) if line]


def _heard(status: Status) -> str:
    peer = status.place.peer
    ages = [path.ok_age for path in status.around.paths.by_name.values() if path.ok_age is not None]
    if not ages:
        return f"last heartbeat of {peer}: unknown, this skyha has heard none since it started"
    here = status.postgres.replication
    if here.heir and here.complete_age is not None:
        return (
            f"last heartbeat of {peer}: {duration(min(ages))} ago; when the register was last read, {duration(here.complete_age)} ago, "
            f"{status.place.node} was the heir: it has all that {peer} had acknowledged by then (zero loss)"
        )
    return f"last heartbeat of {peer}: {duration(min(ages))} ago; what it committed since then is not here"


def _own(status: Status) -> str:
    role, line, at = status.postgres.role, status.postgres.timeline, status.postgres.lsn
    where = at.write if role == "primary" else at.receive
    has = "unknown" if where is None else lsn_text(where)
    replayed = "" if role == "primary" or at.replay is None else f", replayed {lsn_text(at.replay)}"
    return f"{status.place.node} has the data of a {role}, PostgreSQL {status.postgres.server}, timeline {line or 'unknown'}, WAL up to {has}{replayed}"


def _lag(status: Status) -> str:
    if status.postgres.role != "standby":
        return f"whether {status.place.peer} was promoted meanwhile and took commits: unknown, only {status.place.peer} can tell"
    lag = status.postgres.lag
    if lag.seconds is None:
        return (
            f"how far this standby was behind: unknown, it has not caught up with {status.place.peer} since it started"
        )
    size = "unknown" if lag.bytes is None else f"{lag.bytes} bytes"
    return f"when {status.place.peer} was last heard this standby was {lag.seconds:.1f} s ({size}) behind"


def _seen(status: Status) -> str:
    paths = ", ".join(
        f"{name} path {path.sight or 'not looked at'}{' (' + path.detail + ')' if path.detail else ''}"
        for name, path in status.around.paths.by_name.items()
    )
    seen = status.around.peer_seen
    own = "not looked at" if seen is None else f"PostgreSQL {seen.server}"
    return f"signs of life last seen: {paths}, {status.place.peer}'s own address {own}"


def _stopped(status: Status) -> str:
    reasons = "; ".join(status.verdict.not_armed.values())
    return f"what stopped a failover: {reasons}" if reasons else ""


def power(peer: str, bmc: Bmc | None, status: Status) -> str:
    """What its BMC says now, and what the order does about it."""
    if status.verdict.failover.distrusted:
        return f"{peer}'s BMC is not believed ({status.verdict.failover.distrusted}): skyha takes your word that {peer} is off"
    if bmc is None or bmc.error:
        why = "no answer" if bmc is None else bmc.error
        return f"{peer}'s BMC: {why}; skyha asks it once more, and then takes your word that {peer} is off"
    if bmc.power == "off":
        return f"{peer}'s BMC says that it is off"
    if status.postgres.role == "standby":
        return f"{peer}'s BMC says that it is {bmc.power}: skyha switches it off first"
    return f"{peer}'s BMC says that it is {bmc.power}: skyha refuses until it is off"

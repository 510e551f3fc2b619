# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""skyctl's orders: what changes something. Each is given to this node's skyha, which says no with a reason or takes it."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Callable, TextIO

from ..config import Config
from ..daemon.published import Bmc, PastEvent, Status
from ..daemon.status import is_serving
from ..words import Server
from . import sources
from .sources import NotRunning, Refused, ask, understood
from .text import Paint, clean, duration, wrap

POLL = 0.2
FENCE_TEST_DEADLINE = 30.0
PAUSE_DEADLINE = 10.0
REFUSAL_DEADLINE = 3.0
FOLLOW = 120.0
# After these nothing more comes of an order to make this node the primary.
ENDS_WITHOUT = frozenset({"order_refused", "called_off", "promotion_taken_back", "gave_way"})
# What would stop a failover and not a switchover.
NOT_COUNTED = frozenset({"flap_guard", "switchover"})

Ask = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Desk:
    """What an order needs: where skyha listens, where to write, whom to ask, how to wait."""

    config: Config
    out: TextIO
    paint: Paint
    ask: Ask = ask
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic

    def say(self, text: str, kind: str = "") -> None:
        """A paragraph for the operator."""
        self.out.write(self.paint(wrap(text), kind) + "\n")

    def order(self, name: str, **more: Any) -> Mapping[str, Any]:
        """Give an order; raises as sources.ask."""
        return self.ask(self.config.paths.run_dir, {"order": name, "by": _who(), **more})

    def status(self) -> Status:
        """How things stand now; raises as sources.ask."""
        return understood(self.ask(self.config.paths.run_dir, {"order": "status"}))


def _who() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return os.environ.get("SUDO_USER", name)[:64]


def pause(desk: Desk, seconds: float | None) -> int:
    """Nothing automatic happens on either node until resumed, or for so many seconds."""
    desk.order("pause", **({} if seconds is None else {"seconds": seconds}))
    if not _is_paused_within(desk, True):
        return 1
    desk.say(
        f"Paused{'' if seconds is None else ' for ' + duration(seconds)}: skyha watches on, but nothing automatic happens on either "
        "node. 'skyctl resume' ends it."
    )
    return 0


def resume(desk: Desk) -> int:
    """End the pause. Both nodes learn of it from the database: where none runs, the other one must be told itself."""
    server = desk.status().postgres.server
    desk.order("resume")
    if not _is_paused_within(desk, False):
        return 1
    if server == Server.UP.value:
        desk.say("Resumed.")
    else:
        desk.say(
            f"Resumed here. PostgreSQL does not serve on this node, so {desk.config.peer.name} may not hear of it: where it is paused "
            "and down, too, run 'skyctl resume' there as well."
        )
    return 0


def _is_paused_within(desk: Desk, wanted: bool) -> bool:
    """Does the order show within PAUSE_DEADLINE? One that skyha took just before it was killed is lost; says so."""
    until = desk.now() + PAUSE_DEADLINE
    while desk.now() < until:
        try:
            if desk.status().verdict.paused.on is wanted:
                return True
        except (NotRunning, Refused):
            pass  # it may be started again just now
        desk.sleep(POLL)
    desk.say(
        f"skyha took the order, but {'is not paused' if wanted else 'is still paused'} {PAUSE_DEADLINE:g} s later: see "
        "'skyctl status', and give the order again.",
        "bad",
    )
    return False


def acknowledge(desk: Desk) -> int:
    """The failover warning was read."""
    desk.order("acknowledge")
    desk.say("Acknowledged.")
    return 0


def switchover(desk: Desk, wait: float | None, force: bool = False) -> int:
    """Ask for a switchover; with `wait`, follow it for so many seconds. 1: refused, given up, or not seen to end.

    force: also where the standby is not armed (the daemon's own checks stay).
    """
    reasons = [] if force or desk.status().postgres.role != "primary" else _not_ready(desk)
    if reasons:
        desk.say(f"refused: {desk.config.peer.name} could not take over as it should:", "bad")
        for reason in reasons:
            desk.out.write(wrap(reason, "  - ") + "\n")
        desk.say("Mend that first ('skyctl explain'), or use --force: then only what loses nothing is still checked.")
        return 1
    seq = int(desk.order("switchover")["seq"])
    desk.say(f"Switchover to {desk.config.peer.name} asked for.")
    limit = REFUSAL_DEADLINE if wait is None else wait
    last = {"switchover_refused": 1, "switchover_failed": 1, "switched": 0}
    for event in _events_after(desk, seq, limit):
        if event.kind != "order":
            desk.say(f"{clean(event.kind)}: {event.text}", {"warning": "warn", "alarm": "bad"}.get(event.level, ""))
        if event.kind in last:
            return last[event.kind]
        if event.kind == "switchover" and wait is None:
            return 0
    desk.say(f"Its end was not seen within {limit:g} s; see 'skyctl status' and 'skyctl history'.", "warn")
    return 1


def _not_ready(desk: Desk) -> list[str]:
    """Why the standby, as its own skyha sees it, should not become primary now."""
    view = sources.peer(desk.config)
    if not view.is_live or view.status is None:
        return [f"its skyha, that takes the VIP there, does not answer: {view.problem}"]
    if view.status.postgres.role != "standby":
        return [f"it is no running standby: {view.status.run.sentence}"]
    return [reason for code, reason in view.status.verdict.not_armed.items() if code not in NOT_COUNTED]


def rejoin(desk: Desk) -> int:
    """Run pg_rewind here now: auto_rejoin is off, or it failed before."""
    desk.order("rejoin")
    desk.say(
        f"This node becomes a standby of {desk.config.peer.name} by pg_rewind, once that runs as primary. 'skyctl status' shows how it goes."
    )
    return 0


def _events_after(
    desk: Desk, seq: int, seconds: float, over: Callable[[], bool] = lambda: False
) -> Iterator[PastEvent]:
    """The events after `seq`, as they come; until so many seconds have passed, or it is over."""
    until, last = desk.now() + seconds, False
    while desk.now() < until and not last:
        last = over()
        try:
            events = desk.status().tally.events
        except (NotRunning, Refused):
            events = ()
        for event in events:
            if event.seq > seq:
                seq = event.seq
                yield event
        if not last:
            desk.sleep(POLL)


def confirm_off(desk: Desk, name: str | None, read: Callable[[], str], wait: float = FOLLOW) -> int:
    """An operator's word replaces the BMC's proof once. `name`: the peer's name from --yes; else it is asked for."""
    peer = desk.config.peer.name
    desk.status()  # who may not order, or where no skyha runs, is told so before a name is asked for or judged
    if name is None:
        desk.say(
            f"You are about to tell skyha that {peer} is OFF and cannot write any more. skyha takes your word instead of "
            f"the BMC's proof and may make this node primary. If {peer} still runs, or comes back by itself, both nodes "
            "will take writes and data WILL be lost.",
            "bad",
        )
        desk.say(f"Make sure of it with your own eyes: pull {peer}'s power cord.")
    if not named(desk, name, f"Type the name of the node that is off ({peer}): ", read):
        return 1
    seq = int(desk.order("confirm_off")["seq"])
    desk.say(f"skyha takes {peer} for off.")
    return follow_to_the_primary(desk, seq, wait)


def named(desk: Desk, name: str | None, question: str, read: Callable[[], str]) -> bool:
    """Was the peer's name given by --yes, or typed in?"""
    peer = desk.config.peer.name
    if name is None:
        desk.out.write(question)
        desk.out.flush()
        name = read().strip()
    if name != peer:
        desk.say(f"{clean(name) or 'Nothing'!r} is not the peer's name {peer!r}: nothing was done.", "warn")
    return name == peer


def fence_test(desk: Desk) -> int:
    """Ask the peer's BMC for its power status, as a failover would; switches nothing. 1: it did not answer."""
    bmc = bmc_now(desk)
    if bmc is None:
        desk.say(f"No answer within {FENCE_TEST_DEADLINE:g} s; see 'skyctl status'.", "bad")
        return 1
    if bmc.error:
        desk.say(f"The BMC of {desk.config.peer.name} cannot be used: {bmc.error}", "bad")
        return 1
    desk.say(f"The BMC of {desk.config.peer.name} answers: power is {bmc.power}. Nothing was switched.", "good")
    if bmc.warning:
        desk.say(f"But not every fence could be used: {bmc.warning}", "warn")
    return 0


def bmc_now(desk: Desk) -> Bmc | None:
    """What the peer's BMC says when it is asked now; None: it was not asked to an end in time."""
    checks = int(desk.order("fence_test")["checks"])
    until = desk.now() + FENCE_TEST_DEADLINE
    while desk.now() < until:
        bmc = desk.status().around.bmc
        if bmc.checks > checks:
            return bmc
        desk.sleep(POLL)
    return None


def follow_to_the_primary(desk: Desk, seq: int, limit: float) -> int:
    """Tell what comes of an order until this node is the primary with the VIP (0), or it is clear that it will not be (1)."""
    until, refusal = desk.now() + limit, ""
    for event in _events_after(desk, seq, limit, lambda: _is_primary(desk)):
        if event.kind == "order":
            continue
        kind = {"warning": "warn", "alarm": "bad"}.get(event.level, "")
        desk.say(f"{clean(event.kind)}: {event.text}", kind)
        if event.kind in ENDS_WITHOUT:
            refusal = event.text
            break
    try:
        status = desk.status()
    except (NotRunning, Refused) as error:
        desk.say(f"skyha does not answer: {error}. See 'journalctl -u skyha', then give the order again.", "bad")
        return 1
    if not refusal and _serves(status):
        desk.say(
            f"{status.place.node} is the primary on timeline {status.postgres.timeline} and holds the VIP {status.around.vip.address}.",
            "good",
        )
        return 0
    now = "" if refusal else f" within {limit:g} s" if desk.now() >= until else ""
    alarms = "; ".join(status.verdict.alarms.values())
    going_on = "" if refusal else " skyha goes on; 'skyctl status' shows it."
    text = (
        f"{status.place.node} is not the primary with the VIP{now}: {clean(refusal or alarms or status.run.sentence)}."
    )
    desk.say(text + going_on, "bad")
    return 1


def _is_primary(desk: Desk) -> bool:
    try:
        return _serves(desk.status())
    except (NotRunning, Refused):
        return False


def _serves(status: Status) -> bool:
    return is_serving(status) and bool(status.around.vip.held)

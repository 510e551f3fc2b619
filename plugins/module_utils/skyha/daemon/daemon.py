# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The daemon around the loop: it shows what the loop sees, takes orders, feeds the watchdog, and ends in good order."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..config import Config
from ..policy.refusal import Refusal, refusal
from ..words import Event, Order, Request, Task
from ..world.notify import notify, status_line
from .board import Board, alarmed, count_events, observe
from .control import FILE as SOCKET
from .control import Control
from .hooks import Hooks
from .loop import Loop, Ports
from .peer import PeerWatch, shown
from .serve import Door, Serving
from .status import Moment, broken, snapshot
from .status import write as write_status
from .teller import Teller
from .web import Http

_LOG = logging.getLogger("skyha.daemon")
# In a failover cycles follow one another within milliseconds; the status file need not.
WRITE_EVERY = 0.25
REWIND_PATIENCE = 90.0  # a daemon that is told to leave waits so long for a pg_rewind under way; see TimeoutStopSec


class Daemon:
    """One node's skyhad. Raises StateError when the record on disk cannot be trusted."""

    def __init__(self, config: Config, ports: Ports, entries: Iterable[Mapping[str, Any]] = ()) -> None:
        self.config = config
        self._clock = ports.clock
        self._pause = ports.pause
        self._tasks = ports.tasks
        self._orders: deque[Request] = deque()
        self._fence_test = False
        self._leaving = False
        self._told_at = self._leave_by = float("inf")
        self._complaint = ""
        self._written_at = float("-inf")
        self._board = Board()
        self._hooks = Hooks(config)
        self._peer = PeerWatch(config.peer_http, config.peer.name, ports.clock.monotonic)
        self._started = ports.clock.wall()
        self.status = broken(config, "starting", (), self._moment())
        self.teller = Teller(ports.history, entries, ports.clock.wall, ports.clock.monotonic)
        self.loop = Loop(config, dataclasses.replace(ports, history=self.teller), self._take_orders, _feed_watchdog)

    # --- what other threads and signal handlers call ----------------------------------------------------------------

    def submit(self, request: Request) -> None:
        """Hand an order to the loop."""
        self._orders.append(request)
        self._pause.wake()

    def ask_bmc(self) -> None:
        """Have the peer's BMC asked for its power status now."""
        self._fence_test = True
        self._pause.wake()

    def leave(self) -> None:
        """End after the cycle under way. PostgreSQL and the VIP stay as they are."""
        self._leaving = self.loop.leaving = True
        self._told_at = self._clock.monotonic()
        self._leave_by = self._told_at + REWIND_PATIENCE
        self._pause.wake()

    def doors(self) -> Sequence[Door]:
        """The sockets to serve."""
        http = Http(lambda: self.status, self._clock.monotonic)
        control = Control(
            os.path.join(self.config.paths.run_dir, SOCKET),
            lambda: self.status,
            self._refusal,
            self.submit,
            self.ask_bmc,
            lambda: self.teller.seq,
            os.geteuid(),
        )
        return [control.door(), *(http.door(address) for address in self.config.http.listen)]

    def log(self, level: str, text: str) -> None:
        """One line in the log."""
        _LOG.log(logging.INFO if level == "info" else logging.WARNING, "%s", text)

    def _refusal(self, order: Order) -> Refusal | None:
        return refusal(order, self.config, self.loop.decision, self.loop.seen, self._clock.monotonic())

    # --- the decision thread ----------------------------------------------------------------------------------------

    def run(self) -> int:
        """Serve and decide until told to leave; the exit code. An error in a cycle ends the daemon: systemd starts it again."""
        serving = Serving(self.doors(), self.log)
        serving.open_doors()
        serving.start()
        self._peer.start()
        try:
            code = self._decide()
        finally:
            self._peer.stop()
            serving.stop()
            serving.join(1.0)
        return code

    def _decide(self) -> int:
        ready = False
        while self._goes_on():
            try:
                self.turn()
            except Exception as error:
                self._fail(error)
                return 1
            text = status_line(self.status.run.sentence)
            notify(("" if ready else "READY=1\n") + f"WATCHDOG=1\n{text}")
            ready = True
            if self._goes_on():
                self.loop.wait()
        notify("STOPPING=1")
        self.teller.add(Event("stopped", "skyha stops; PostgreSQL and the VIP stay as they are"))
        self._end("stopped", ())
        return 0

    def turn(self) -> None:
        """One cycle, and what is shown of it."""
        if self._fence_test:
            self._fence_test = False
            self._tasks.start(Task.CHECK_BMC)
        before = self._clock.monotonic()
        decision = self.loop.cycle()
        now = self._clock.monotonic()
        seen = self.loop.seen
        assert seen is not None
        self._board, events = observe(self._board, seen, now, now - before)
        for event in events:
            self.teller.add(event)
        fresh = self.teller.take_fresh()
        self._board = dataclasses.replace(self._board, backup=self.loop.backup, certificate=self.loop.certificate)
        self._board = alarmed(count_events(self._board, fresh), decision.alarms, now)
        self._hooks.after(fresh, seen.local.role.value, now)
        self.status = snapshot(
            self.config,
            self.loop.memory,
            seen,
            decision,
            self._board,
            self._moment(),
            self.teller.last(),
            self.teller.last_failover(),
            shown(self._peer.newest(), now),
        )
        if decision.wants.delay >= WRITE_EVERY or now - self._written_at >= WRITE_EVERY:
            self._written_at = now
            self._write()

    def _take_orders(self) -> tuple[Request, ...]:
        taken = []
        while self._orders:
            taken.append(self._orders.popleft())
        for request in taken:
            what = request.order.value + (f" for {request.seconds:g} s" if request.seconds is not None else "")
            self.teller.add(Event("order", f"an operator orders: {what}", "info", {"by": request.by}))
        return tuple(taken)

    def _fail(self, error: Exception) -> None:
        what = f"{type(error).__name__}: {error}"
        _LOG.error("an error in a cycle", exc_info=error)
        self.teller.add(Event("crashed", f"an error in skyha itself ({what}); it is started again", "alarm"))
        self._end("failed", [f"an error in skyha itself: {what}; see 'journalctl -u skyha'"])

    def _end(self, state: str, problems: Sequence[str]) -> None:
        """The last known picture stays, marked as such."""
        ended = broken(self.config, state, problems, self._moment()).run
        sentence = f"{ended.sentence} (before: {self.status.run.sentence})"
        self.status = dataclasses.replace(self.status, run=dataclasses.replace(ended, sentence=sentence))
        self._write()

    def _is_rewinding(self) -> bool:
        """A pg_rewind cut short leaves a data directory that only a new base backup mends: leaving waits for it a while."""
        return Task.REWIND in self._tasks.running() and self._clock.monotonic() < self._leave_by

    def _goes_on(self) -> bool:
        """Not told to leave; or a while still, for what must not be left half done."""
        return not self._leaving or self._is_rewinding() or self._may_resign()

    def _may_resign(self) -> bool:
        now = self._clock.monotonic()
        return now < self._leave_by and self.loop.stays(now - self._told_at)

    def _write(self) -> None:
        try:
            write_status(self.status, self.config.paths.run_dir)
            self._complaint = ""
        except OSError as error:
            text = f"the status cannot be written: {error}; see /run and role streaming_replication, which makes the directory"
            if text != self._complaint:
                self._complaint = text
                self.log("warning", text)

    def _moment(self) -> Moment:
        return Moment(self._clock.monotonic(), self._clock.wall(), self._started, os.getpid())


def _feed_watchdog() -> None:
    """Tell systemd that the loop gets on: between two of these lies one bounded step, or one wait."""
    notify("WATCHDOG=1")

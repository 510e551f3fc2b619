# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The loop: look, decide, write down, act, wait. The same in production and in the simulation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Protocol

from .. import words
from ..backup_report import Told as OfBackup
from ..config import Config
from ..errors import StateError, WorldError
from ..margins import MAX_WAIT, STALE
from ..policy.backup import backup_alarms
from ..policy.certificate import certificate_alarms
from ..policy.decide import decide
from ..policy.decision import Decision, Wants
from ..policy.evidence import evidence, in_doubt, resume
from ..policy.lease import is_bound
from ..policy.memory import Memory
from ..policy.record import Record, adopt
from ..policy.resigning import owes
from ..ports import Backups, Certificates, Clock, Eyes, Guard, Hands, Notes, Pause, Register, Signs, Store, Tasks
from ..words import ONLY_LOOK, Action, Certificate, Do, Event, Look, Path, Peer, Request, Seen, Task, Told
from . import evidence_json, record_json
from .timeline import GOES_ON

# One that is told to end waits so long for the register to hear that PostgreSQL here is down ...
RESIGN_PATIENCE = 3.0
LEASE_PATIENCE = 30.0  # ... and so long for it to let a primary out of its lease, before PostgreSQL is stopped
SAVE_RETRY = 1.0  # seconds after which a record that could not be written is tried again
TELL_FOR = 10.0  # seconds that a failure stays an alarm after it was last seen, so that a retried one does not flicker
CALM_FOR = 15.0  # an alarm that returns sooner is the same one: a password that fails is seen by every fresh look only
# Actions that stop this node from serving: they are never held back.
_YIELDING = frozenset({Do.KILL_POSTGRES, Do.DROP_VIP})
# What must not be done where the other was to be done just before and failed. Nothing else waits for anything: a slot that
# cannot be made is no reason to leave the peer switched off.
_NEEDS: Mapping[Do, frozenset[Do]] = {
    Do.START_POSTGRES: frozenset({Do.MAKE_STANDBY, Do.DROP_VIP, Do.SET_SYNC}),
    Do.STOP_POSTGRES: frozenset({Do.DROP_VIP}),
    Do.SET_SWITCHING: frozenset({Do.CHECKPOINT}),
}
# Alarms whose beginning and end the policy tells by events of its own; twice would only make the history longer.
_TOLD = frozenset({"trouble", "fencing"})


class Chronicle(Protocol):
    """Where the events go (S7)."""

    def add(self, event: Event) -> None:
        """Append one event; never raises: a full disk must not stop the daemon."""


@dataclass(frozen=True)
class Ports:
    """Everything that the loop touches."""

    clock: Clock
    eyes: Eyes
    hands: Hands
    tasks: Tasks
    store: Store
    notes: Notes
    pause: Pause
    history: Chronicle
    register: Register | None = None
    signs: Signs | None = None
    guard: Guard | None = None
    backups: Backups | None = None
    certificates: Certificates | None = None


class Loop:
    """One node's daemon. `requests` hands over the operator's orders that came since the last call.

    `step` is called after each step of a cycle that may last: all looks together, the record, each action.
    """

    def __init__(
        self,
        config: Config,
        ports: Ports,
        requests: Callable[[], tuple[Request, ...]] = tuple,
        step: Callable[[], None] = lambda: None,
    ) -> None:
        """Raises StateError when the record on disk cannot be trusted."""
        self.config = config
        self.ports = ports
        self._requests = requests
        self._step = step
        now = ports.clock.monotonic()
        stored = ports.store.load()
        boot = ports.clock.boot()
        record = Record(boot=boot) if stored is None else record_json.from_json(stored)
        self.memory = Memory(started_at=now, record=adopt(record, boot, now, ports.clock.wall()))
        self._saved: Record | None = None if stored is None else record
        self._wants = Wants(0.0)
        self.leaving = False  # set by whoever was told to end
        self._has_news = False  # they ended the wait before this cycle
        self._yielded = False  # the last look along the paths was ended by news, or left out for them
        self._overdue = False
        self._pause_written = False
        self._noted = True  # there may be a note of evidence
        self._note_error = ""
        self._alarms: dict[str, tuple[str, float]] = {}  # told: code -> (text, when last seen)
        self._failures: dict[str, tuple[str, float]] = {}  # action, or 'record' -> (what went wrong, when last)
        self.seen: Seen | None = None
        self.decision: Decision | None = None
        self.backup: OfBackup | None = None
        self.certificate: Certificate | None = None
        text = "skyha starts" + (f", in the middle of: {record.intent.stage.value}" if record.intent else "")
        ports.history.add(Event("started", text, facts={GOES_ON: record.intent.stage.value} if record.intent else {}))
        self._resume(boot, now)

    def cycle(self) -> Decision:
        """One look, one decision, its actions. Raises nothing for what the world does."""
        self.seen = self._look()
        self._step()
        now = self.ports.clock.monotonic()
        decision = decide(self.config, self.memory, self.seen, now)
        self._keep_lease(decision.wants)
        alarms = dict(decision.alarms)
        # What is announced on disk comes before what is done; what could not be announced is not done.
        if self._save(decision.memory.record):
            self._adopt(decision.memory)
            for event in decision.events:
                self.ports.history.add(event)
            self._note(decision, now)
            self._act(decision, now)
        else:
            # ... but to stop writing needs no announcement, and to look, and remember what was seen, announces nothing.
            yielding = tuple(
                action for action in decision.actions if action.do in _YIELDING or action.value in ONLY_LOOK
            )
            only_looks = all(action.value in ONLY_LOOK for action in decision.actions)
            harmless = only_looks and decision.memory.record.intent == self.memory.record.intent
            if harmless:
                self._adopt(decision.memory)
            if self.ports.signs is not None:  # what is not remembered must not be promised
                self.ports.signs.promise(0.0)
            wants = dataclasses.replace(decision.wants, delay=SAVE_RETRY) if harmless else _renewing(decision.wants)
            decision = dataclasses.replace(decision, memory=self.memory, wants=wants, actions=yielding)
            self._act(decision, now)
        self._failures = {do: (text, at) for do, (text, at) in self._failures.items() if now - at < TELL_FOR}
        alarms.update({do if do == "record" else f"action_{do}": text for do, (text, _) in self._failures.items()})
        alarms.update(self._of_bystanders(self.seen))
        self._tell_alarms(alarms, now)
        self.decision = dataclasses.replace(decision, alarms=alarms)
        self._wants = decision.wants
        return self.decision

    def _of_bystanders(self, seen: Seen) -> Mapping[str, str]:
        """Once all is decided and done: nothing of a failover waits for backups and certificates, or can hang on them."""
        ports, wall = self.ports, self.ports.clock.wall()
        self.backup = ports.backups.told() if ports.backups is not None else None
        self.certificate = ports.certificates.told() if ports.certificates is not None else None
        return {
            **backup_alarms(self.config, self.backup, seen.local, wall),
            **certificate_alarms(self.certificate, seen.local, wall),
        }

    def wait(self) -> None:
        """Until the next cycle is due, or something wakes the loop."""
        if self._wants.delay > 0:
            self._has_news = self.ports.pause.wait(min(self._wants.delay, MAX_WAIT))

    def stays(self, told_for: float) -> bool:
        """Told to end so many seconds ago: is there something that the register must hear first, and time for that?"""
        self._overdue = told_for >= RESIGN_PATIENCE + LEASE_PATIENCE
        return (told_for < RESIGN_PATIENCE or is_bound(self.memory)) and self._owes_a_word()

    def _owes_a_word(self) -> bool:
        """A holder hands over on its way out, or says that nobody may take over; one more look tells whether it must."""
        if self.seen is None or not self.config.has_register:
            return False
        return not self.seen.leaving or owes(self.config, self.memory, self.seen)

    def _look(self) -> Seen:
        wants, eyes, timing, clock = self._wants, self.ports.eyes, self.config.timing, self.ports.clock
        while True:
            began = clock.monotonic()
            if self.ports.register is not None and wants.register is not None:
                self.ports.register.ask(wants.register, timing.look_deadline)
            looks, peer = self._look_out(wants)
            conflict = eyes.vip_conflict(timing.dad_wait) if wants.vip_conflict else None
            local = eyes.local(timing.look_deadline)
            told = None
            if self.ports.register is not None and wants.register is not None:
                told = Told(wants.register, self.ports.register.answer())
            if clock.monotonic() - began <= 3 * timing.look_deadline + timing.dad_wait + STALE:
                break  # else the host was frozen in between: its pictures do not belong together
        return Seen(
            local=local,
            looks=looks,
            peer=peer,
            vip_conflict=conflict,
            outcomes=self.ports.tasks.finished(),
            running=self.ports.tasks.running(),
            requests=self._requests(),
            pause_written=self._pause_written,
            wall=clock.wall(),
            register=told,
            leaving=self.leaving,
            overdue=self._overdue,
            signs=self.ports.signs.told() if self.ports.signs is not None else words.Signs(),
            guard=self.ports.guard.told() if self.ports.guard is not None else words.Guard(),
        )

    def _keep_lease(self, wants: Wants) -> None:
        """Before the record, that may take its time: a watchdog does not wait."""
        if self.ports.signs is not None:
            self.ports.signs.promise(wants.promise_until)
            self.ports.signs.tell(wants.beat, self.seen is not None and self.seen.local.is_stopped)
        if self.ports.guard is None:
            return
        if wants.food is None:
            self.ports.guard.rest()
        else:
            self.ports.guard.feed(wants.food)

    def _look_out(self, wants: Wants) -> tuple[Mapping[Path, Look], Peer | None]:
        """Along the paths and at the peer, at once where both are wanted. News are decided upon first; then one look runs whole."""
        eyes, yields = self.ports.eyes, wants.yields and not self._yielded
        has_news, self._has_news, self._yielded = self._has_news, False, False
        if yields and has_news:
            self._yielded = True
            return {}, None
        if not wants.paths:
            return {}, eyes.peer(self.config.timing.look_deadline) if wants.peer else None
        peer = None
        if wants.peer:
            looks, peer = eyes.look_around(wants.paths, wants.deadline, wants.fresh, yields)
        else:
            looks = eyes.look(wants.paths, wants.deadline, wants.fresh, yields)
        self._yielded = not looks
        return looks, peer

    def _adopt(self, memory: Memory) -> None:
        self.memory, self._pause_written = memory, False  # it knows of that by now

    def _save(self, record: Record) -> bool:
        if record == self._saved:
            return True
        try:
            self.ports.store.save(record_json.to_json(record))
        except StateError as error:
            text = f"nothing is done, since the record cannot be written: {error}"
            self._failures["record"] = (text, self.ports.clock.monotonic())
            return False
        self._saved = record
        self._failures.pop("record", None)
        return True

    def _resume(self, boot: str, now: float) -> None:
        """Take up what a daemon of this boot, that was killed or restarted, had seen lately."""
        try:
            noted = evidence_json.from_text(self.ports.notes.load(), boot, self.config)
        except WorldError as error:
            self._tell_note(str(error))
            return
        if noted is not None:
            self.memory = resume(self.config, self.memory, noted, now)

    def _note(self, decision: Decision, now: float) -> None:
        """Leave for the next daemon what this one leans on, or nothing where that is not enough for a failover."""
        known = evidence(decision, now)
        has_not_looked = decision.readiness is not None and self.seen is not None and not self.seen.looks
        if known is None and (not self._noted or in_doubt(decision.memory) or has_not_looked):
            return
        try:
            if known is None:
                self.ports.notes.drop()
            else:
                self.ports.notes.save(evidence_json.to_text(known, self.ports.clock.boot(), self.config))
            self._noted = known is not None
            self._note_error = ""
        except WorldError as error:
            self._tell_note(str(error))

    def _tell_note(self, text: str) -> None:
        if text != self._note_error:
            self.ports.history.add(Event("action_failed", text, "warning"))
        self._note_error = text

    def _act(self, decision: Decision, seen_at: float) -> None:
        """Carry out the actions in their order; what needs one that failed waits for a later cycle.

        Only what stops this node from serving is never held back, neither by a failure nor by old evidence.
        """
        failed: set[Do] = set()
        if decision.memory.watch.trouble is not None:
            self.ports.tasks.prepare(Task.FENCE)
        for action in decision.actions:
            held_back = not failed.isdisjoint(_NEEDS.get(action.do, ()))
            if (held_back or self.ports.clock.monotonic() - seen_at > STALE) and action.do not in _YIELDING:
                continue
            self._step()
            try:
                self._do(action)
            except WorldError as error:
                text = f"{action.do.value} failed: {error}"
                if self._failures.get(action.do.value, ("", 0.0))[0] != text:
                    self.ports.history.add(Event("action_failed", text, "alarm"))
                self._failures[action.do.value] = (text, self.ports.clock.monotonic())
                failed.add(action.do)
                continue
            self._failures.pop(action.do.value, None)
            if action.do is Do.SET_PAUSE:
                self._pause_written = True
            if action.do is Do.ADD_VIP:
                self.ports.history.add(Event("vip_taken", f"this node holds the VIP {self.config.vip.address}"))

    def _do(self, action: Action) -> None:
        hands, value = self.ports.hands, action.value
        verbs: dict[Do, Callable[[], Any]] = {
            Do.START_POSTGRES: hands.start_postgres,
            Do.STOP_POSTGRES: lambda: hands.stop_postgres(False),
            Do.KILL_POSTGRES: lambda: hands.stop_postgres(True),
            Do.MAKE_STANDBY: hands.make_standby,
            Do.PROMOTE: hands.promote,
            Do.END_READERS: lambda: hands.end_readers(value),  # type: ignore[arg-type]
            Do.PROMOTE_PEER: hands.promote_peer,
            Do.CHECKPOINT: hands.checkpoint,
            Do.ADD_VIP: hands.add_vip,
            Do.DROP_VIP: hands.drop_vip,
            Do.ANNOUNCE_VIP: hands.announce_vip,
            Do.ENSURE_SLOT: lambda: hands.ensure_slot(value),  # type: ignore[arg-type]
            Do.COPY_SLOTS: lambda: hands.copy_slots(value),  # type: ignore[arg-type]
            Do.DROP_SLOTS: lambda: hands.drop_slots(value),  # type: ignore[arg-type]
            Do.RECORD_STANDBY: lambda: hands.record_standby(bool(value)),
            Do.SET_SWITCHING: lambda: hands.set_switching(bool(value)),
            Do.SET_PAUSE: lambda: hands.set_pause(value),  # type: ignore[arg-type]
            Do.DOUBT_SYNC: hands.doubt_sync,
            Do.SET_SYNC: lambda: hands.set_sync(value),  # type: ignore[arg-type]
            Do.RUN: lambda: self.ports.tasks.start(value),  # type: ignore[arg-type]
        }
        verbs[action.do]()

    def _tell_alarms(self, alarms: Mapping[str, str], now: float) -> None:
        """Each once, however it flickers: it is over when it was not seen for CALM_FOR."""
        for code in alarms.keys() - _TOLD:
            if code not in self._alarms:
                self.ports.history.add(Event("alarm", alarms[code], "alarm", {"code": code}))
            self._alarms[code] = (self._alarms.get(code, (alarms[code],))[0], now)
        for code, (text, seen_at) in list(self._alarms.items()):
            if code not in alarms and now - seen_at >= CALM_FOR:
                self.ports.history.add(Event("alarm_over", f"over: {text}", "info", {"code": code}))
                del self._alarms[code]


def _renewing(wants: Wants) -> Wants:
    """Where nothing can be written down: a holder goes on to renew (each other time), and orders nothing else of the register."""
    is_renewal = wants.register is not None and wants.register.name == "renew"
    return Wants(SAVE_RETRY, register=wants.register if is_renewal else None)

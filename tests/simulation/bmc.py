# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""BMCs, and the long tasks that run beside the loop in processes of their own: fence, power on, check, rewind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import SETTLES
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Outcome, Power, Task

if TYPE_CHECKING:
    from .daemon import Daemon
    from .host import Host


class Bmc:
    """The power controller of one node."""

    def __init__(self) -> None:
        self.up = True  # False: gone, together with the host's mains or alone
        self.password_ok = True
        self.acts = True  # False: says done, and the power stays as it is
        self.lies = False  # says off whatever is (the wrong host's BMC)
        self.latency = 0.05
        self.takes = 0.05  # seconds from the order 'off' to the power's end
        self.early = False  # says off from the order on, not from the end of the power on
        self.ordered_off = 0  # the host's boot that was ordered off last

    def problem(self) -> str | None:
        """Why it cannot be asked."""
        if not self.up:
            return "no answer"
        return None if self.password_ok else "the password is wrong"


class Tasks:
    """The tasks of one daemon. They die with it; what a BMC was told before stays told."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.world = daemon.world
        self.host: Host = daemon.host
        self._running: dict[Task, int] = {}
        self._done: list[Outcome] = []
        self._life = 0

    def forget(self) -> None:
        """The daemon died, and they with it."""
        if Task.REWIND in self._running:
            self.world.tell(self.host.name, "pg_rewind is interrupted")
        self._life += 1
        self._running.clear()
        self._done.clear()

    # --- the port ---------------------------------------------------------------------------------------------------

    def start(self, task: Task) -> None:
        """See ports.Tasks."""
        self.daemon.call(0.002)
        if task in self._running:
            return
        began = self.world.kernel.now
        self._running[task] = self._life
        self.world.oracles.task_begins(self.host, task)
        verb = {
            Task.FENCE: self._fence,
            Task.CHECK_BMC: self._check,
            Task.POWER_ON: self._power_on,
            Task.CHECK_RECORD: self._check_record,
            Task.CHECK_MEMBERS: self._check_members,
            Task.REWIND: self._rewind,
            Task.CHECKPOINT: self._checkpoint,
        }[task]
        self._later(self._bmc.latency if task in (Task.FENCE, Task.CHECK_BMC, Task.POWER_ON) else 0.1, verb, began)

    def prepare(self, task: Task) -> None:
        """See ports.Tasks."""

    def running(self) -> tuple[Task, ...]:
        """See ports.Tasks."""
        return tuple(self._running)

    def finished(self) -> tuple[Outcome, ...]:
        """See ports.Tasks."""
        done, self._done = tuple(self._done), []
        return done

    # --- the work ---------------------------------------------------------------------------------------------------

    @property
    def _bmc(self) -> Bmc:
        return self.world.bmcs[self.host.peer.name]

    def _later(self, seconds, function, *args) -> None:
        self.host.later(seconds, self._step, self._life, function, args)

    def _step(self, life, function, args) -> None:
        if life == self._life:
            function(*args)

    def _end(self, outcome: Outcome) -> None:
        self._running.pop(outcome.task, None)
        self._done.append(outcome)
        self.daemon.poke()

    def _problem(self) -> str | None:
        if not self.world.network.both_ways(self.host.name, f"bmc{self.host.peer.name[-1]}"):
            return "no answer"
        return self._bmc.problem()

    def _read(self) -> Power:
        if self._bmc.lies or (self._bmc.early and self._bmc.ordered_off == self.host.peer.boots):
            return Power.OFF
        return Power.ON if self.host.peer.power else Power.OFF

    def _fails(self, task: Task, began: float, deadline: float) -> bool:
        why = self._problem()
        if why is None:
            return False
        rest = 0.3 if "password" in why else began + deadline - self.world.kernel.now
        self._later(max(0.0, rest), self._end, Outcome(task, False, why))
        return True

    def _fence(self, began: float) -> None:
        deadline = self.world.config(self.host.name).timing.fence_deadline
        if self.world.kernel.now - began > deadline:  # a host that was frozen: what is too old is not sent
            self._end(Outcome(Task.FENCE, False, "the attempt took too long"))
            return
        if self._fails(Task.FENCE, began, deadline):
            return
        peer = self.host.peer
        if self.world.config(self.host.name).fence.action == "reset" and self._read() is Power.ON:
            self.world.oracles.fences(self.host)
            if self._bmc.acts and not self._bmc.lies:
                peer.reset(f"its BMC was told by {self.host.name}")
            self._later(0.2, self._end, Outcome(Task.FENCE, True, "reset", Power.ON, proof=True))
            return
        was_on = self._read() is Power.ON
        if was_on:
            self.world.oracles.fences(self.host)
            if self._bmc.acts:
                self._bmc.ordered_off = peer.boots
                self.world.kernel.after(self._bmc.takes, self._pull, peer, peer.boots)
        self._later(0.1 + self._bmc.latency, self._read_back, began, deadline, was_on, False)

    def _pull(self, peer: Host, boot: int) -> None:
        if peer.boots == boot:
            peer.switch_off(f"its BMC was told by {self.host.name}")

    def _read_back(self, began: float, deadline: float, was_on: bool, is_settled: bool) -> None:
        if self._fails(Task.FENCE, began, deadline):
            return
        if self._read() is Power.OFF and was_on and not is_settled:
            self._later(SETTLES, self._read_back, began, deadline, was_on, True)
        elif self._read() is Power.OFF:
            self._end(Outcome(Task.FENCE, True, "read back: off", Power.OFF, proof=True))
        elif self.world.kernel.now - began >= deadline:
            self._end(Outcome(Task.FENCE, False, "the BMC said done, but the power stays on", Power.ON))
        else:
            self._later(0.5 + self._bmc.latency, self._read_back, began, deadline, was_on, False)

    def _check(self, began: float) -> None:
        if not self._fails(Task.CHECK_BMC, began, 5.0):
            self._end(Outcome(Task.CHECK_BMC, True, "", self._read()))

    def _check_record(self, began: float) -> None:
        full = self.host.store_fails
        self._end(Outcome(Task.CHECK_RECORD, not full, "no space left on device" if full else ""))

    def _check_members(self, began: float) -> None:
        lost = self.daemon.line.lost()
        self._end(Outcome(Task.CHECK_MEMBERS, not lost, "; ".join(f"{name}: no answer in time" for name in lost)))

    def _power_on(self, began: float) -> None:
        if not self._fails(Task.POWER_ON, began, 5.0):
            if self._bmc.acts:
                self.host.peer.switch_on(f"its BMC was told by {self.host.name}")
            on = self.host.peer.power
            self._end(Outcome(Task.POWER_ON, on, "", Power.ON if on else Power.OFF))

    def _checkpoint(self, began: float) -> None:
        self._later(self.host.pg.checkpoint_time, self._checkpoint_ends)

    def _checkpoint_ends(self) -> None:
        if not self.host.pg.accepts:
            self._end(Outcome(Task.CHECKPOINT, False, "the server does not answer"))
            return
        self.host.pg.checkpoint_time = 0.0
        self._end(Outcome(Task.CHECKPOINT, True, "done"))

    def _rewind(self, began: float) -> None:
        if not self._source_serves():
            self._end(Outcome(Task.REWIND, False, "the source does not answer"))
            return
        if self.world.kernel.now < self.host.peer.pg.checkpoint_at:
            self._end(Outcome(Task.REWIND, False, "the source's control file is still of the old timeline"))
            return
        if self.world.rewind_impossible:
            self._end(Outcome(Task.REWIND, False, "no common ancestor"))
            return
        self.host.pg.rewinding = True
        self._later(self.world.rewind_time, self._rewind_ends)

    def _rewind_ends(self) -> None:
        if not self._source_serves():
            self._end(Outcome(Task.REWIND, False, "the source went away"))
            return
        if self.host.pg.state != "down":
            self._end(Outcome(Task.REWIND, False, "the target runs"))
            return
        mine, source = self.host.pg, self.host.peer.pg
        if mine.timeline > source.timeline:
            self._end(Outcome(Task.REWIND, False, "its timeline is newer than the source's"))
        elif mine.timeline == source.timeline:
            mine.rewinding = False
            mine.follows()
            self._end(Outcome(Task.REWIND, True, "the timelines are the same: nothing to rewind"))
        else:
            self.world.oracles.rewinds(self.host)
            mine.rewound(source)
            self._end(Outcome(Task.REWIND, True, "rewound"))

    def _source_serves(self) -> bool:
        source = self.host.peer.pg
        return source.answers and not source.is_standby and self.world.linked(self.host, self.host.peer)

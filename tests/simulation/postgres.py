# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A simulated PostgreSQL: down, starting, up, stopping; primary or standby; crash, hang, promotion, rewind.

While it accepts commits a writer commits through it all the time (one commit is `COMMIT_BYTES` of WAL each
`COMMIT_EVERY` seconds). That is computed when somebody looks, it takes no events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .sync import Sync
from .wal import Position

if TYPE_CHECKING:
    from .host import Host

COMMIT_EVERY = 0.05
COMMIT_BYTES = 100
SPREAD_CHECKPOINT = 270.0


class Postgres:
    """The server of one node, and its data directory."""

    def __init__(self, host: Host) -> None:
        self.host, self.world = host, host.world
        self.state = "down"  # down, starting, up, stopping
        self.is_standby = False  # standby.signal
        self.exists = True
        self.mounted = True  # its tablespace's disk; else the directory below is found
        self.system_identifier = "7300000000000000001"
        self.unreadable = False  # its directory cannot be read
        self.rewinding = False  # a rewind was begun and not finished: the data is unusable
        self.broken = False  # cannot be started
        self.broken_after = 0.4  # so many seconds of starting up, and then it gives up
        self.hung = False  # SIGSTOP
        self.sick = False  # its storage fails: the server answers so
        self.mute = False  # refuses the HA role: answers, no heartbeat
        self.slow = 0.0  # seconds that an answer takes
        self.clean = True
        self.promoting = False
        self.promotion_hangs = False
        self.checkpoint_time = 0.0
        self.by_hand = False  # the promotion under way is nobody's but a hand's
        self.branch, self.lsn, self._at = 0, 1000, 0.0
        self.replay_paused = False
        self.reader = 0  # pid of a session that replay waits for
        self.replay_lag = 0.0  # seconds
        self.replayed: Position = (0, 1000)
        self.slots: set[str] = set()
        self.start_time, self.recovery_time, self.promote_time, self.stop_time = 0.3, 1.0, 0.2, 0.3
        self.checkpoint_at = (
            0.0  # its first one on this timeline is done then; a promotion's own is spread over minutes
        )
        self.life = 0  # changes with every start and stop
        self.sync = Sync(self)
        self.up_at = 0.0
        self._restartpoint, self._restartpoint_at = 1, 0.0

    # --- what is ---------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """The server answers, as far as PostgreSQL itself is concerned."""
        return self.state == "up"

    @property
    def answers(self) -> bool:
        """It would answer a query now."""
        return self.is_up and self.host.runs and not self.hung

    @property
    def accepts(self) -> bool:
        """It would acknowledge a commit now."""
        return self.answers and not self.is_standby and not self.sick

    @property
    def position(self) -> Position:
        """All of its WAL; call `world.settle` first."""
        return (self.branch, self.lsn)

    @property
    def replay_position(self) -> Position:
        """What can be read in its database."""
        return self.replayed if self.is_standby else (self.branch, self.lsn)

    @property
    def timeline(self) -> int:
        """Of its WAL."""
        return self.world.branches.timeline(self.branch)

    @property
    def told_timeline(self) -> int:
        """What it says of itself; a standby whose stream has ended knows no more than its last restartpoint."""
        if not self.is_standby or self.world.stream.streams_to(self) or self.world.kernel.now >= self._restartpoint_at:
            return self.timeline
        return self._restartpoint

    def _follows(self, branch: int) -> None:
        if branch != self.branch:
            self._restartpoint, self._restartpoint_at = self.timeline, self.world.kernel.now + SPREAD_CHECKPOINT

    def settle(self) -> None:
        """Let the commits since the last time be made."""
        now = self.world.kernel.now
        if self.accepts and not self.sync.holds_up:
            self.lsn = self.written(now)
            self._at += COMMIT_EVERY * int((now - self._at) / COMMIT_EVERY)
        else:
            self._at = now
        if self.accepts:
            self.lsn += self.sync.stuck(COMMIT_BYTES)
        self.sync.settle()

    def written(self, when: float) -> int:
        """The LSN that it had, or will have, at a time near to now while it accepts commits."""
        return self.lsn + int((when - self._at) / COMMIT_EVERY) * COMMIT_BYTES

    def receive(self, position: Position) -> None:
        """A standby gets WAL (or replays what it has, when `position` is its own)."""
        if position[0] != self.branch or position[1] > self.lsn:
            self._follows(position[0])
            self.branch, self.lsn = position
        if not self.replay_paused and not self.reader:
            target = max(0, self.lsn - int(self.replay_lag / COMMIT_EVERY) * COMMIT_BYTES)
            if self.branch != self.replayed[0]:
                self.replayed = (self.branch, max(target, self.replayed[1]))
            elif target > self.replayed[1]:
                self.replayed = (self.branch, target)

    def write_control(self, key: str, value: object) -> None:
        """A field of cluster_control, by a transaction of its own."""
        self.world.settle()
        self.lsn += COMMIT_BYTES
        self.world.branches.changes.append((self.position, key, value))

    def control(self, key: str, default: object = None) -> object:
        """What its database says."""
        return self.world.branches.control(self.replay_position, key, default)

    # --- what is done to it -------------------------------------------------------------------------------------

    def start(self) -> None:
        """systemd starts it."""
        if self.state != "down" or not self.exists:
            return
        self.world.oracles.starting(self.host)
        self.hung = False  # a SIGSTOP ends with its process
        self._enter("starting")
        seconds = self.start_time + (0.0 if self.clean else self.recovery_time)
        self.host.later(self.broken_after if self.broken else seconds, self._started, self.life)

    def _started(self, life: int) -> None:
        if life != self.life:
            return
        if self.broken:
            self._enter("down")
            return
        self.clean = False
        self.checkpoint_at = 0.0
        if self.is_standby:
            self.replayed = self.position
        self.up_at = self.world.kernel.now
        self.sync.start()
        self._enter("up")
        if not self.is_standby:
            self.world.oracles.becomes_writable(self.host, "start")

    def stop(self, immediate: bool) -> None:
        """Fast or immediate shutdown."""
        if self.state == "down" or self.hung:
            return
        if immediate or self.state == "starting":
            self.crash("is stopped immediately")
            return
        if self.state == "stopping":
            return
        self._enter("stopping")
        # It begins with a checkpoint of its own, of what is left to write.
        self.host.later(self.stop_time + self.checkpoint_time, self._stopped, self.life, 0.0)

    def _stopped(self, life: int, waited: float) -> None:
        if life != self.life:
            return
        if self.hung or (self.world.stream.is_stuck(self) and waited < 10.0):
            self.host.later(0.5, self._stopped, life, waited + 0.5)
            return
        self.world.settle()
        if not self.is_standby:
            self.lsn += COMMIT_BYTES  # the shutdown checkpoint; a streaming standby gets it before the end
            self.world.stream.flush(self)
        self.clean = True
        self._enter("down")

    def crash(self, why: str) -> None:
        """It dies on the spot."""
        if self.state == "down":
            return
        self.world.tell(self.host.name, f"PostgreSQL {why}")
        self.hung = False
        self.clean = False
        self._enter("down")

    def lose_power(self) -> None:
        """Its host goes."""
        self.hung = False
        if self.state != "down":
            self.clean = False
            self._enter("down")

    def promote_by_hand(self) -> None:
        """Somebody calls pg_promote() past every skyha."""
        self.by_hand = True
        self.promote("a hand")

    def promote(self, by: str) -> None:
        """Leave recovery; what is asked of a server that is no standby does nothing."""
        if not self.is_up or not self.is_standby:
            return
        if not self.promoting:
            self.promoting = True
            self.world.tell(self.host.name, f"PostgreSQL is told to promote, by {by}")
            self.host.later(self.promote_time, self._promoted, self.life)

    def _promoted(self, life: int) -> None:
        if life != self.life or not self.promoting:
            return
        if self.promotion_hangs or self.hung or self.replay_paused or self.reader:
            self.host.later(0.5, self._promoted, life)
            return
        self.world.settle()
        old = self.position
        self.branch = self.world.branches.fork(old, self.by_hand)
        self.by_hand = False
        self.lsn += COMMIT_BYTES
        self.is_standby = self.promoting = False
        self.sync.start()
        self.sync.acked = self.lsn
        self.checkpoint_at = self.world.kernel.now + SPREAD_CHECKPOINT
        self.world.stream.stop()
        self.world.tell(self.host.name, f"PostgreSQL is primary on timeline {self.timeline} (branch {self.branch})")
        self.world.oracles.becomes_writable(self.host, "promotion")
        self.world.changed()

    def set_hung(self, hung: bool) -> None:
        """SIGSTOP, SIGCONT."""
        if self.state == "down":
            return
        self.world.settle()
        self.hung = hung
        self.world.tell(self.host.name, f"PostgreSQL {'is stopped by SIGSTOP' if hung else 'goes on (SIGCONT)'}")
        self.world.changed()

    def rewound(self, source: Postgres) -> None:
        """pg_rewind is done: the data directory follows `source`."""
        self.world.settle()
        self._follows(source.branch)
        self.branch, self.lsn = source.branch, source.lsn
        self.replayed = self.position
        self.is_standby, self.rewinding, self.clean = True, False, True
        self.slots = set(source.slots)

    def follows(self) -> None:
        """standby.signal is written, the data stays as it is."""
        self.is_standby = True
        self.replayed = self.position

    def _enter(self, state: str) -> None:
        self.world.settle()
        self.life += 1
        self.state = state
        self.promoting = self.by_hand = False
        self._at = self.world.kernel.now
        self.world.tell(
            self.host.name,
            f"PostgreSQL is {state}"
            + (f" ({'standby' if self.is_standby else 'primary'}, timeline {self.timeline})" if state == "up" else ""),
        )
        if state == "down":
            self.host.daemon.poke()  # it waits for the postmaster's end
        self.world.changed()

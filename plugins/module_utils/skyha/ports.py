# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ports behind which the world stands.

The loop and the decision touch the world only through these. In production they are `world/`, `probes/` and
`fencing/`; in tests/simulation they are a simulated world, and all else is the very same code.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from . import words
from .backup_report import Told
from .words import Answer, Certificate, Local, Look, Outcome, Path, Peer, Request, Task, Verb


class Clock(Protocol):
    """Time, and which boot of the host this is."""

    def monotonic(self) -> float:
        """Seconds that never jump; for every duration."""

    def wall(self) -> float:
        """Seconds since 1970; for people only."""

    def boot(self) -> str:
        """A name of this boot of the host: differs after every restart of it (held in the run directory)."""


class Eyes(Protocol):
    """Looks. None of them raises for what it sees, and none takes longer than its deadline (plus scheduling)."""

    def look(
        self, paths: Sequence[Path], deadline: float, fresh: Collection[Path], yields: bool = False
    ) -> Mapping[Path, Look]:
        """Send a heartbeat along each path at once; along those in `fresh` a new connection must be let in as well.

        One that `yields` is ended by news, and has seen nothing then: neither life nor its lack."""

    def look_around(
        self, paths: Sequence[Path], deadline: float, fresh: Collection[Path], yields: bool = False
    ) -> tuple[Mapping[Path, Look], Peer | None]:
        """Both `look` and `peer` at once, in no more time than one of them; ended by news there is neither."""

    def local(self, deadline: float) -> Local:
        """This node's own PostgreSQL and VIP."""

    def peer(self, deadline: float) -> Peer:
        """The peer's PostgreSQL on the peer's own address."""

    def vip_conflict(self, wait: float) -> bool:
        """Duplicate address detection: does another host answer for the VIP within `wait` seconds?"""


class Register(Protocol):
    """Where it stands which node may write. One question at a time."""

    def ask(self, verb: Verb, deadline: float) -> None:
        """Begin a question, that has `deadline` seconds; returns at once. One that is out is given up."""

    def answer(self) -> Answer:
        """Its answer, waited for no longer than the deadline, or half of it where it begins with a new connection."""


class Signs(Protocol):
    """The datagrams between both skyhas: five to ten times a second each tells that it lives, and gives out a mark of its own time."""

    def promise(self, until: float) -> None:
        """Bring the peer's marks back, as promises to take nothing by the lease, until then (monotonic) at the latest; a time that
        is past: not any more, from this call's return on."""

    def tell(self, beat: tuple[int, int] | None, is_stopped: bool) -> None:
        """Say by each datagram from now on which epoch and beat of the register's row this node knows, None: none, and whether PostgreSQL
        here is stopped by a signal."""

    def told(self) -> words.Signs:
        """What they have told so far."""


class Guard(Protocol):
    """The watchdog that resets this host. None of these raises; what went wrong is told."""

    def feed(self, food: words.Food) -> None:
        """Feed it for so long from now on, whatever becomes of the loop. Where it does not run it is started, unless that time is past."""

    def rest(self) -> None:
        """Put it to rest, if this process has started it."""

    def told(self) -> words.Guard:
        """How it is now."""


class Backups(Protocol):
    """What is known of this node's backups. For who looks only: the decision does not see it."""

    def told(self) -> Told | None:
        """What the last report says; None where there is nothing to look at. It takes no time, and never raises."""


class Certificates(Protocol):
    """Which certificate PostgreSQL here shows. For who looks only: the decision does not see it."""

    def told(self) -> Certificate | None:
        """What the last look saw; None before that, or without TLS. It takes no time, and never raises."""


class Hands(Protocol):
    """Short actions; each raises WorldError when it failed, and is bounded to a few seconds."""

    def start_postgres(self) -> None:
        """Ask systemd to start PostgreSQL; returns at once."""

    def stop_postgres(self, immediate: bool) -> None:
        """Ask the postmaster to shut down fast, or immediately; returns at once."""

    def make_standby(self) -> None:
        """Write standby.signal, so that the stopped PostgreSQL will start as a standby."""

    def promote(self) -> None:
        """Ask PostgreSQL to leave recovery; returns at once."""

    def end_readers(self, pids: Sequence[int]) -> None:
        """End those of these sessions that replay still waits for."""

    def checkpoint(self) -> None:
        """Start a checkpoint here, without waiting for it."""

    def add_vip(self) -> None:
        """Put the VIP on the interface, and announce it."""

    def drop_vip(self) -> None:
        """Take the VIP off the interface."""

    def announce_vip(self) -> None:
        """Gratuitous ARP for the VIP."""

    def ensure_slot(self, name: str) -> None:
        """Create the physical replication slot where it is missing, or has lost its WAL."""

    def copy_slots(self, names: Sequence[str]) -> None:
        """Make, move on or drop physical slots of these names here, as they are on the primary."""

    def drop_slots(self, names: Sequence[str]) -> None:
        """Drop physical replication slots."""

    def record_standby(self, recorded: bool) -> None:
        """Write into the database that a standby is (or is no longer) on this primary's record."""

    def set_switching(self, under_way: bool) -> None:
        """Write into the database that a switchover begins or is over."""

    def promote_peer(self) -> None:
        """Ask the peer, by SQL on its own address, to leave recovery; returns at once."""

    def set_pause(self, request: Request) -> None:
        """Write pause or resume into the database, through the primary."""

    def doubt_sync(self) -> None:
        """Note durably that commits may not have waited for the node that was written down; its settings stay."""

    def set_sync(self, name: str) -> None:
        """Write down durably for which node commits wait ('': nobody), and let the server here read it, if one runs."""


class Tasks(Protocol):
    """Long work beside the loop, in processes of their own with deadlines; at most one of each Task at a time."""

    def start(self, task: Task) -> None:
        """Begin it; does nothing when it is under way."""

    def prepare(self, task: Task) -> None:
        """Get ready to start it without delay (a warmed process); optional, may do nothing."""

    def running(self) -> tuple[Task, ...]:
        """What is under way."""

    def finished(self) -> tuple[Outcome, ...]:
        """What ended since the last call."""


class Store(Protocol):
    """What survives the daemon."""

    def load(self) -> Mapping[str, object] | None:
        """The record, None when there is none yet; raises StateError when it cannot be trusted."""

    def save(self, record: Mapping[str, object]) -> None:
        """Write the record durably (fsync) before returning; raises StateError."""


class Notes(Protocol):
    """What survives the daemon within one boot of the host, without the disk. Each raises WorldError."""

    def load(self) -> str:
        """The text that was saved last; empty: none."""

    def save(self, text: str) -> None:
        """Put it in the place of the last one."""

    def drop(self) -> None:
        """Have none."""


class Pause(Protocol):
    """How the loop waits."""

    def wait(self, seconds: float) -> bool:
        """Sleep, but wake early when a kept connection dies, the VIP changes, a task ends or an order comes; or for news that end a
        look as well: was it that?"""

    def wake(self) -> None:
        """End the wait that is under way, or else the next one; any thread and any signal's handler may call it."""

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What both skyhas tell each other by datagrams: what this node says next, and what the peer's mean. No socket, no thread.

Each datagram gives out a *mark*, its sender's own time, and brings back the newest mark that its sender has had of the receiver (the
*echo*). What was recorded and is sent again must change nothing. Within the boot of the peer that is known, marks only rise. Another boot
is believed when it brings back a mark that this process gave out lately, and later than any that came back before: nobody could have
recorded that earlier, and no boot that is over could have had it. One that does not yet is answered, with its mark, so that its next one does.
"""

from __future__ import annotations

from typing import NamedTuple

from ..margins import ECHO_FRESH, SILENCE
from ..words import Signs
from .datagram import Sign

EVERY = 0.1
NEVER = float("-inf")
_NO_BEAT = (-1, -1)


class Mark(NamedTuple):
    """A time of the peer's."""

    boot: str
    at: float


class Unproven(ValueError):
    """It may be the peer's, of a boot that is not believed yet. Where it gave out `mark`, that is to be answered."""

    def __init__(self, mark: Mark, text: str) -> None:
        super().__init__(text)
        self.mark = mark


class Talk:
    """One node's side. Not for more than one thread at a time."""

    def __init__(self, cluster: str, name: str, peer: str, boot: str, now: float) -> None:
        """boot: of this node; its marks from before `now` are another process's."""
        self._cluster, self._name, self._peer, self._boot = cluster, name, peer, boot
        self._until = NEVER
        self._own_beat, self._own_is_stopped = _NO_BEAT, False
        self._newest: Mark | None = None  # of the boot that is believed
        self._came_back = now  # this node's newest mark that did, by the peer's word
        self._promised: Mark | None = None  # by this node: each mark once
        self._is_silent = True
        # What told() says, without a copy for each datagram.
        self._heard_at: float | None = None
        self._promise: float | None = None
        self._promised_at: float | None = None
        self._beat: tuple[int, int] | None = None
        self._beat_at: float | None = None
        self._stopped_at: float | None = None
        self._trusted_at = NEVER  # the peer's newest promise came then

    def promise(self, until: float) -> None:
        """See ports.Signs."""
        self._until = until

    def tell(self, beat: tuple[int, int] | None, is_stopped: bool) -> bool:
        """See ports.Signs. Is that another holder than before? Then the peer waits for it."""
        self._own_is_stopped = is_stopped
        before, self._own_beat = self._own_beat, beat or _NO_BEAT
        return _NO_BEAT not in (before, self._own_beat) and before[0] != self._own_beat[0]

    def told(self) -> Signs:
        """See ports.Signs."""
        return Signs(self._heard_at, self._promise, self._promised_at, self._beat, self._beat_at, self._stopped_at)

    def next(self, now: float) -> Sign:
        """What is to leave now. Call `left` once it has."""
        is_promise = now < self._until and self._newest is not None and self._newest != self._promised
        return self._sign(now, self._newest, is_promise)

    def left(self, sign: Sign, at: float) -> None:
        """This one of `next` has left, by then at the latest. One that could not be sent counts as well: later is safer."""
        if sign.is_promise:
            self._promised = Mark(sign.echoed_boot, sign.echo)
            self._promised_at = at

    def answer(self, mark: Mark, now: float) -> Sign:
        """What is to leave now for one that is not believed yet."""
        return self._sign(now, mark, False)

    def take(self, sign: Sign, now: float) -> bool:
        """One has come: does it tell of another holder than before? Raises ValueError, with the reason, where it says nothing of the
        peer now; nothing has changed then."""
        self._newest = self._believed(sign, now)
        self._heard_at, self._is_silent = now, False
        self._stopped_at = now if sign.is_stopped else None
        if sign.echoed_boot == self._boot:
            self._came_back = max(self._came_back, sign.echo)
            if sign.is_promise and (self._promise is None or sign.echo > self._promise):
                self._promise, self._trusted_at = sign.echo, now
        before, beat = self._beat, (sign.epoch, sign.beat)
        if beat in (_NO_BEAT, before):
            return False
        self._beat, self._beat_at = beat, now
        return before is not None and beat[0] != before[0]

    def is_trusted(self, now: float) -> bool:
        """Does the peer promise, as a quiet heir does? Then there is no hurry to hear it."""
        return now - self._trusted_at <= SILENCE

    def falls_silent(self, now: float) -> bool:
        """Has the peer fallen silent since the last call?"""
        if self._is_silent or self._heard_at is None or now - self._heard_at <= SILENCE:
            return False
        self._is_silent = True
        return True

    def _sign(self, now: float, echo: Mark | None, is_promise: bool) -> Sign:
        boot, at = ("", 0.0) if echo is None else echo
        return Sign(
            self._cluster, self._name, self._boot, now, boot, at, is_promise, *self._own_beat, self._own_is_stopped
        )

    def _believed(self, sign: Sign, now: float) -> Mark:
        """Its mark; raises ValueError where it is not the peer's, or not of now."""
        if sign.cluster != self._cluster:
            raise ValueError(f"it is of cluster {sign.cluster!r}: each cluster needs a key of its own")
        if sign.sender != self._peer:
            raise ValueError(f"it is of node {sign.sender!r}, not of {self._peer}")
        is_own = sign.echoed_boot == self._boot
        if is_own and sign.echo > now:
            raise ValueError("it brings back a mark that this node has not given out yet")
        mark, newest = Mark(sign.boot, sign.mark), self._newest
        if newest is not None and mark.boot == newest.boot:
            if mark.at <= newest.at:
                raise ValueError("a newer one came before: it was sent again, or overtaken")
            return mark
        if not is_own or sign.echo <= self._came_back or now - sign.echo > ECHO_FRESH:
            text = f"it is of a boot of {self._peer} that has brought back no mark of this skyha lately: an old one, or none gets there"
            raise Unproven(mark, text)
        return mark

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may write, by the register: what a holder may do at a time, what an heir may take and when. Pure.

row_change.py has the row and its transactions; here is what the two nodes know. Times are of the node's own monotonic clock.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ..margins import by_any_clock
from ..row_change import Row
from .proof import Kind

NEVER = float("-inf")


@dataclass(frozen=True)
class Terms:
    """The holder's times. The heir goes by the term in the row."""

    lease: float  # seconds for which a renewal, or an heir's promise, lets the holder write
    watchdog: float  # seconds without food after which the holder's host is reset

    @property
    def term(self) -> float:
        """So long after its last renewal the holder has stopped, or was reset."""
        return self.lease + self.watchdog


# --- the holder --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hold:
    """What a holder knows. It begins with the answer to its renewal or its take (R1)."""

    row: Row  # as last answered
    renewed_at: float = NEVER  # when the last renewal that succeeded was sent
    promised_at: float = NEVER  # when it gave out the mark that the heir's last promise brought back
    has_heir: bool = True  # an heir stands in the register, for all that is known
    is_bound: bool = True  # ... and a lease with it
    gave_word: bool = False  # it has asked that its heir hold, and no renewal has succeeded since
    order: int = 0  # counts its orders to name an heir or take it back: only the last one's answer tells


def held(node: str, row: Row, sent_at: float) -> Hold:
    """By the answer to the first renewal, or to a take. Whether an heir stands there the row tells: an order that this node
    gave before and forgot cannot act any more.
    """
    has_heir = row.heir not in ("", node)
    return Hold(row, renewed_at=sent_at, has_heir=has_heir, is_bound=has_heir and row.term > 0)


def writes_until(hold: Hold, terms: Terms) -> float:
    """The time up to which PostgreSQL may run as primary here (R4, R5)."""
    return max(hold.renewed_at, hold.promised_at) + _lease(hold, terms) if hold.is_bound else float("inf")


def may_write(hold: Hold | None, terms: Terms, now: float) -> bool:
    """May PostgreSQL run as primary here?"""
    return hold is not None and now <= writes_until(hold, terms)


def _lease(hold: Hold, terms: Terms) -> float:
    """By the register, where its lease is shorter than this node's settings would have it."""
    return min(terms.lease, hold.row.term - terms.watchdog) if hold.row.term > 0 else terms.lease


def known(hold: Hold, row: Row) -> Hold:
    """The register has shown its row."""
    return dataclasses.replace(hold, row=row) if row.beat > hold.row.beat else hold


def renewed(hold: Hold, row: Row, sent_at: float) -> Hold:
    """A renewal has succeeded: the lease counts from its sending, however late the answer is."""
    return dataclasses.replace(known(hold, row), renewed_at=max(hold.renewed_at, sent_at), gave_word=False)


def gives_word(hold: Hold) -> Hold:
    """It is about to ask that its heir hold. That counts from the asking on: only a renewal lets it start anything again (R1)."""
    return dataclasses.replace(hold, renewed_at=NEVER, gave_word=True)


def promised(hold: Hold, mark: float) -> Hold:
    """The heir takes nothing by the lease for so long: that counts from the giving out of the mark that it echoes."""
    return dataclasses.replace(hold, promised_at=max(hold.promised_at, mark))


def orders(hold: Hold, heir: str, term: float = 0.0) -> Hold:
    """It is about to ask the register for this heir, '' for none. An heir, and a lease, count from the asking on (R5)."""
    is_bound = hold.is_bound or (bool(heir) and term > 0)
    return dataclasses.replace(hold, order=hold.order + 1, has_heir=hold.has_heir or bool(heir), is_bound=is_bound)


def ordered(hold: Hold, order: int, row: Row) -> Hold:
    """The register has done so. That no heir, or no lease, stands there is known by the answer to the last order alone (R5)."""
    if order != hold.order:
        return known(hold, row)
    has_heir = hold.has_heir and bool(row.heir)
    return dataclasses.replace(
        known(hold, row), has_heir=has_heir, is_bound=has_heir and hold.is_bound and row.term > 0
    )


# --- the heir ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Watch:
    """What a node knows that does not hold."""

    row: Row | None = None  # as last read in good time
    row_at: float = NEVER  # when the newest beat was first received
    promised_at: float = NEVER  # when the last promise was sent


def read(watch: Watch, row: Row, now: float) -> Watch:
    """The register has answered. A beat that is known already begins nothing again."""
    is_known = watch.row is not None and (row.epoch, row.beat) == (watch.row.epoch, watch.row.beat)
    return dataclasses.replace(watch, row=row, row_at=watch.row_at if is_known else now)


def heard(watch: Watch, epoch: int, beat: int, at: float) -> Watch:
    """The peer has told of this beat. Who is the heir in that row, if it is another one, the register says when it is read."""
    if watch.row is None or watch.row.epoch != epoch or beat <= watch.row.beat:
        return watch
    return dataclasses.replace(watch, row=dataclasses.replace(watch.row, beat=beat), row_at=at)


def may_take(watch: Watch, node: str, proof: Kind | None, now: float) -> Row | None:
    """The row that a take may name, None: not now (R3). For Kind.LEASE this is where the wait is looked at (R4); any other
    proof must be younger than the row that was read.
    """
    row = watch.row
    if proof is None or row is None or row.heir != node or row.holder == node:
        return None
    if proof is Kind.LEASE and (row.term <= 0 or now <= over_at(watch)):
        return None
    return row


def over_at(watch: Watch) -> float:
    """When the lease of the row that was read has run out and the watchdog has bitten, if no newer beat comes (R4)."""
    term = 0.0 if watch.row is None else watch.row.term
    return max(watch.row_at, watch.promised_at) + by_any_clock(term)

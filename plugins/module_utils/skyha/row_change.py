# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register's row, and its transactions: what each of them makes of it. Pure.

The row names the *holder*, the node that may write; *epoch* counts holders, *beat* every change of the row; the *heir* has all that was
acknowledged, so it may take over. The row is changed by compare-and-set only, by these transactions: register.sql of role
vote_host_register has them as functions of PostgreSQL, probes/etcd.py carries out what is here; tests/unit/probes/test_engines.py holds
both to the same answers.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from .words import Verb


@dataclass(frozen=True)
class Row:
    """What the register says."""

    holder: str
    epoch: int
    beat: int
    heir: str = ""  # '': nobody may take over
    # Seconds after its last renewal in which the holder may write, or its watchdog has not bitten; 0: it obeys no lease.
    term: float = 0.0


# --- the transactions: the new row, or None: refused ------------------------------------------------------------------------


def renewal(row: Row, node: str, epoch: int) -> Row | None:
    """The holder lives: one more beat."""
    if row.holder != node or row.epoch != epoch:
        return None
    return dataclasses.replace(row, beat=row.beat + 1)


def naming(row: Row, node: str, read: Row, heir: str, term: float = 0.0) -> Row | None:
    """The holder names its heir, or takes it back (''), and says by which lease it goes, if any: so the heir leans on no setting of
    its own. It names the row that it knows, as a take does: an order that arrives late, after a newer one was answered or a restart
    of its sender, must change nothing any more.
    """
    if row != read or row.holder != node or heir == node or term < 0:
        return None
    return dataclasses.replace(row, beat=row.beat + 1, heir=heir, term=term if heir else 0.0)


def take(row: Row, node: str, read: Row) -> Row | None:
    """The heir becomes the holder, if the row is still the one that it read before it had its proof (R2). The former holder is
    no heir before the new one has named it: it may lack commits.
    """
    if row != read or row.heir != node or row.holder == node:
        return None
    return Row(node, row.epoch + 1, row.beat + 1)


def handing(row: Row, node: str, read: Row) -> Row | None:
    """The holder's own word: its heir is the holder now, and stays the heir as well until it has named another or nobody: so it knows
    that it did not take. The order names the row that is known, as a take does.
    """
    if row != read or row.holder != node or row.heir in ("", node):
        return None
    return Row(row.heir, row.epoch + 1, row.beat + 1, row.heir)


def founding(row: Row | None, node: str, epoch: int, read: Row | None) -> Row | None:
    """A new row: where there is none, or instead of the one that was read, with a higher epoch."""
    if row is None:
        return Row(node, epoch, 0)
    return Row(node, epoch, row.beat + 1) if row == read and epoch > row.epoch else None


# --- the same by the questions of verbs.py ------------------------------------------------------------------------------------


def changed(row: Row | None, identifier: str, verb: Verb) -> Row | None:
    """What this question makes of the row, which names the system `identifier`; None: it leaves it as it is."""
    if verb.name == "read" or (row is None and verb.name != "found"):
        return None
    of, node, epoch, *rest = _values(verb)
    if row is None:
        return founding(None, node, epoch, None)
    if verb.name == "found":
        return founding(row, node, epoch, None if None in rest else _as_seen(row, *rest))
    if of != identifier:
        return None
    if verb.name == "renew":
        return renewal(row, node, epoch)
    read = _as_seen(row, epoch, rest[0])
    if verb.name == "set_heir":
        return naming(row, node, read, rest[1] or "", rest[2])
    return handing(row, node, read) if verb.name == "hand_over" else take(row, node, read)


def holds(row: Row, identifier: str, verb: Verb) -> bool:
    """Does this row hold what was asked for? Then it was carried out: just now, or before, and its answer was lost."""
    if verb.name == "read":
        return True
    of, node, epoch, *rest = _values(verb)
    if of != identifier:
        return False
    if verb.name in ("renew", "found"):
        return (row.holder, row.epoch) == (node, epoch)
    if verb.name == "take":
        return (row.holder, row.epoch) == (node, epoch + 1)
    if verb.name == "hand_over":
        return row.holder != node and row.epoch == epoch + 1
    heir = rest[1] or ""
    wanted = (node, epoch, heir, rest[2] if heir else 0.0)
    return (row.holder, row.epoch, row.heir, row.term) == wanted and row.beat > rest[0]


def _values(verb: Verb) -> tuple[Any, ...]:
    """As verbs.py made them: identifier, node, epoch, then each verb's own."""
    return verb.values


def _as_seen(row: Row, epoch: int, beat: int) -> Row:
    """The row that an order names by epoch and beat: each change counts the beat up, so where they are the same it is this one."""
    return dataclasses.replace(row, epoch=epoch, beat=beat)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Epochs and beats of the register's row, as small numbers: they are only compared and counted on, so those that all know are
counted from the smallest. Of beats their order tells all; between two epochs the distance stays, since a new one is told from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.book import Row
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import Memory
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Verb


class Counts(NamedTuple):
    """What somebody knows, in rising order."""

    epochs: tuple[int, ...]
    beats: tuple[int, ...]


NONE = Counts((), ())


def _counts(pairs: Iterable[tuple[int, int]]) -> Counts:
    known = list(pairs)
    return Counts(tuple(sorted({epoch for epoch, _ in known})), tuple(sorted({beat for _, beat in known})))


def counts(memory: Memory) -> Counts:
    """Those of a memory."""
    part, record = memory.register, memory.record
    rows = [part.row, part.other, memory.fence.row]
    rows += [known.row for known in (part.hold, part.watch) if known is not None]
    pairs = [(row.epoch, row.beat) for row in rows if row is not None]
    known = _counts([*pairs, (record.epoch, record.beat)] if record.epoch else pairs)
    asked_for = _asked_for(memory)
    return known._replace(epochs=(*known.epochs, asked_for)) if asked_for else known


def _asked_for(memory: Memory) -> int:
    """The epoch in the watch over the primary, while it says something."""
    row, epoch = memory.register.row, memory.watch.asked_for
    return epoch if row is None or epoch > row.epoch else 0


def counts_of(row: Row | None) -> Counts:
    """Those of a row."""
    return NONE if row is None else Counts((row.epoch,), (row.beat,))


def counts_in(verb: Verb | None) -> Counts:
    """Those that a question names."""
    if verb is None:
        return NONE
    epochs, beats = _places(verb)
    values = verb.values
    return Counts(tuple(values[at] for at in epochs), tuple(values[at] for at in beats))  # type: ignore[misc]


def _places(verb: Verb) -> tuple[list[int], list[int]]:
    """Where in its values the epochs and beats are (verbs.py)."""
    if verb.name == "read":
        return [], []
    if verb.name == "renew":
        return [2], []
    if verb.name == "found":
        return ([2], []) if verb.values[3] is None else ([2, 3], [4])
    return [2], [3]


def smaller(known: Iterable[Counts]) -> tuple[dict[int, int], dict[int, int]]:
    """(the number of each epoch, of each beat) where these are all that anybody knows."""
    epochs: set[int] = set()
    beats: set[int] = set()
    for one in known:
        epochs.update(one.epochs)
        beats.update(one.beats)
    first = min(epochs, default=1)  # 0 says that no row was seen yet
    return {epoch: epoch - first + 1 for epoch in epochs}, {beat: rank for rank, beat in enumerate(sorted(beats))}


def row_counted(row: Row | None, epochs: dict[int, int], beats: dict[int, int]) -> Row | None:
    """The row by these numbers."""
    return row and replace(row, epoch=epochs[row.epoch], beat=beats[row.beat])


def verb_counted(verb: Verb | None, epochs: dict[int, int], beats: dict[int, int]) -> Verb | None:
    """The question by these numbers."""
    if verb is None:
        return None
    values = list(verb.values)
    for places, numbers in zip(_places(verb), (epochs, beats)):
        for at in places:
            values[at] = numbers[values[at]]  # type: ignore[index]
    return replace(verb, values=tuple(values))


def counted(memory: Memory, epochs: dict[int, int], beats: dict[int, int]) -> Memory:
    """The memory by these numbers."""
    part, record = memory.register, memory.record
    hold = part.hold and replace(part.hold, row=row_counted(part.hold.row, epochs, beats))  # type: ignore[arg-type]
    watch = part.watch and replace(part.watch, row=row_counted(part.watch.row, epochs, beats))
    row, other = row_counted(part.row, epochs, beats), row_counted(part.other, epochs, beats)
    if record.epoch:
        overruled = record.overruled and epochs[record.overruled]
        record = replace(record, epoch=epochs[record.epoch], beat=beats[record.beat], overruled=overruled)
    asked_for = _asked_for(memory)
    on_watch = replace(memory.watch, asked_for=asked_for and epochs[asked_for])
    fence = replace(memory.fence, row=row_counted(memory.fence.row, epochs, beats))
    return replace(
        memory,
        record=record,
        fence=fence,
        watch=on_watch,
        register=replace(part, hold=hold, watch=watch, row=row, other=other),
    )

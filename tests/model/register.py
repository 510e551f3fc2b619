# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register's rules alone (policy/book.py, row_change.py) in a world of two nodes and one row: what may follow on what.

A step is a unit of time. Each node has one connection to the register with at most one question on it, and one that it has given up may
still act. The links lose, hold questions, or hold answers; hosts freeze, are reset, lose power, skyha is stuck or killed; clocks run apart.
The watchdog bites whatever hangs. A node writes as long as its PostgreSQL runs as primary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Callable

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import row_change
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import book
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.book import NEVER, Hold, Row, Watch
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.proof import Kind

from .register_events import events, healed, off
from .register_state import (
    BOOTS,
    FAR,
    GIVES_UP,
    NAMES,
    TERMS,
    TROUBLE,
    Mark,
    Question,
    Side,
    Way,
    World,
    put,
    runs,
    writes,
)
from .state import Broken

# --- what a node does ------------------------------------------------------------------------------------------------------------


def cycle(world: World, i: int) -> World:
    """One cycle of this node's skyha: answers, the lease, the watchdog, the next question, a heartbeat."""
    side = world.sides[i]
    if not runs(side) or side.stuck:
        return world
    for question in [q for q in world.questions if q.node == i and q.answer is not None]:
        if world.links[i] in ("", "questions"):
            world = world._replace(questions=tuple(q for q in world.questions if q is not question))
            world = _answered(world, i, question)
    side = world.sides[i]
    # One that was just started knows of no lease yet: it asks first, and feeds nothing meanwhile.
    if side.writes and side.hold is not None and not book.may_write(side.hold, TERMS, 0.0):
        side = side._replace(writes=False)
    if not side.writes and book.may_write(side.hold, TERMS, 0.0):
        side = side._replace(writes=True)
    fed_at = side.fed_at
    if side.writes and book.may_write(side.hold, TERMS, 0.0):
        fed_at = 0.0
    elif not side.writes:
        fed_at = None
    world = put(world, i, writes=side.writes, fed_at=fed_at)
    return _heartbeat(_asks(world, i), i)


def _answered(world: World, i: int, question: Question) -> World:
    """The register has answered; `question.answer` is its row."""
    side, row = world.sides[i], question.answer
    assert row is not None
    hold, watch, is_ours = side.hold, side.watch, row.holder == NAMES[i]
    if question.kind in ("renew", "take") and question.ok:
        hold = book.renewed(hold, row, question.sent_at) if hold else book.held(NAMES[i], row, question.sent_at)
    elif question.kind == "name" and question.ok and hold is not None:
        hold = book.ordered(hold, question.order, row)
    elif not is_ours:
        hold, side = None, side._replace(writes=False)
    elif hold is not None:
        hold = book.known(hold, row)
    watch = book.read(watch, row, 0.0) if hold is None else watch
    taking = side.taking and question.kind != "take"
    return put(world, i, hold=hold, watch=watch, taking=taking, writes=side.writes)


def _asks(world: World, i: int) -> World:
    """At most one question is waited for; one that was given up may act all the same, but only the last such is followed."""
    side, name = world.sides[i], NAMES[i]
    mine = [q for q in world.questions if q.node == i]
    waited = [q for q in mine if q.is_waited_for]
    if waited and not waited[0].is_late and -waited[0].sent_at <= GIVES_UP:
        return world
    given_up = [q._replace(is_waited_for=False) for q in waited if q.answer is None] or [
        q for q in mine if not q.is_waited_for
    ]
    others = tuple(q for q in world.questions if q.node != i)
    world = world._replace(questions=(*others, *given_up[-1:]))
    if side.hold is not None:
        question = Question(i, "renew", 0.0, side.hold.row)
        if side.wish is not None:
            hold = book.orders(side.hold, *side.wish)
            question = Question(i, "name", 0.0, hold.row, *side.wish, hold.order)
            world = put(world, i, hold=hold, wish=None)
    else:
        question = Question(i, "read", 0.0, None)
        trouble = -side.heard_at > TROUBLE
        proof = Kind.OFF if side.fenced is not None else Kind.LEASE if trouble else None
        watch = replace(side.watch, row=side.fenced) if side.fenced is not None else side.watch
        named = book.may_take(watch, name, proof, 0.0)
        if watch.row is not None and watch.row.holder == name:
            question = Question(i, "renew", 0.0, side.watch.row)
            world = put(world, i, watch=Watch(promised_at=side.watch.promised_at))
        elif named is not None:
            question = Question(i, "take", 0.0, named)
            world = put(world, i, taking=True)
        world = put(world, i, fenced=None)
    if world.links[i] == "cut":
        return world
    return world._replace(questions=(*world.questions, question))


def _heartbeat(world: World, i: int) -> World:
    """Who does not hold asks who writes, and echoes its mark."""
    side, other = world.sides[i], world.sides[1 - i]
    if side.hold is not None or world.link == "cut":
        return world
    trouble = -side.heard_at > TROUBLE and side.heard_at != NEVER
    mark = promises(side, trouble or side.taking)
    if mark is not None:
        world = put(world, i, watch=replace(side.watch, promised_at=0.0))
    if world.link == "beats":
        beats = ((1 - i, mark),) if mark is not None and not world.beats else ()
        return world._replace(beats=world.beats + beats)
    if not writes(other) or other.stuck or other.hold is None:
        return world
    if mark is not None:
        world = _promised(world, 1 - i, other.hold, mark)
    if any(to == i for to, _, _ in world.marks):
        return world  # one answer is held back already
    return world._replace(marks=(*world.marks, (i, Mark(0.0, "now"), other.hold.row)))


def promises(side: Side, in_trouble: bool) -> Mark | None:
    """The mark to echo by the heartbeat that is sent now; None: it carries no promise (R4)."""
    return None if in_trouble else side.mark


def _promised(world: World, i: int, hold: Hold, mark: Mark) -> World:
    """A promise has come; one that echoes a mark of an earlier boot says nothing."""
    return put(world, i, hold=book.promised(hold, mark.at)) if mark.boot == "now" else world


# --- time ------------------------------------------------------------------------------------------------------------------------


def step(world: World, way: Way) -> World:
    """Both skyhas run, the register answers, time passes. Raises Broken."""
    for i in (way.first, 1 - way.first):
        world = check(cycle(world, i))
    for question in world.questions:
        world = _delivered(world, question)
    if world.link == "":
        for to, mark, row in world.marks:
            side = world.sides[to]
            if runs(side) and not side.stuck:
                watch = book.heard(side.watch, row.epoch, row.beat, 0.0)
                world = put(world, to, watch=watch, mark=mark, heard_at=0.0)
        for to, mark in world.beats:
            hold = world.sides[to].hold
            if hold is not None and runs(world.sides[to]) and not world.sides[to].stuck:
                world = _promised(world, to, hold, mark)
        world = world._replace(marks=(), beats=())
    return check(canonical(_bites(_aged(world))))


def check(world: World) -> World:
    """S1."""
    if writes(world.sides[0]) and writes(world.sides[1]):
        raise Broken("S1: both nodes write")
    return world


def _delivered(world: World, question: Question) -> World:
    """A question reaches the register, unless its link holds it back or has lost it."""
    i, rest = question.node, tuple(q for q in world.questions if q is not question)
    if question.answer is not None:
        return world._replace(questions=rest) if world.links[i] == "cut" else world
    if question.is_late or world.links[i] == "questions":
        return world
    if world.links[i] == "cut":
        return world._replace(questions=rest)
    row, made = world.row, None
    if question.kind == "renew" and question.row is not None:
        made = row_change.renewal(row, NAMES[i], question.row.epoch)
    elif question.kind == "name" and question.row is not None:
        made = row_change.naming(row, NAMES[i], question.row, question.heir, question.term)
    elif question.kind == "take" and question.row is not None:
        made = row_change.take(row, NAMES[i], question.row)
    row = row if made is None else made
    if not question.is_waited_for:
        return world._replace(row=row, questions=rest)
    return world._replace(row=row, questions=(*rest, question._replace(answer=row, ok=made is not None)))


def _aged(world: World) -> World:
    for i in (0, 1):
        side, rate = world.sides[i], world.rates[i]
        hold, watch = side.hold, side.watch
        if hold is not None:
            hold = replace(hold, renewed_at=_past(hold.renewed_at, rate), promised_at=_past(hold.promised_at, rate))
        mark = side.mark and side.mark._replace(at=_past(side.mark.at, world.rates[1 - i]))
        watch = replace(watch, row_at=_past(watch.row_at, rate), promised_at=_past(watch.promised_at, rate))
        fed_at = None if side.fed_at is None else _past(side.fed_at, rate)
        boot = max(0, side.boot - 1)
        heard_at = _past(side.heard_at, rate)
        world = put(world, i, hold=hold, watch=watch, mark=mark, fed_at=fed_at, boot=boot, heard_at=heard_at)
    questions = tuple(q._replace(sent_at=_past(q.sent_at, world.rates[q.node])) for q in world.questions)
    marks = tuple((to, mark._replace(at=_past(mark.at, world.rates[1 - to])), row) for to, mark, row in world.marks)
    beats = tuple((to, mark._replace(at=_past(mark.at, world.rates[to]))) for to, mark in world.beats)
    return world._replace(questions=questions, marks=marks, beats=beats)


def _past(at: float, rate: float) -> float:
    return max(round(at - rate, 3), -FAR)


def _bites(world: World) -> World:
    for i in (0, 1):
        fed_at = world.sides[i].fed_at
        if fed_at is not None and -fed_at > TERMS.watchdog:
            world = off(world, i, BOOTS)
    return world


def canonical(world: World) -> World:
    """Epochs and beats are only compared, and counted on from the row's: as many as differ, counted back from it."""
    rows = [
        world.row,
        *(q.row for q in world.questions),
        *(q.answer for q in world.questions),
        *(m[2] for m in world.marks),
    ]
    for side in world.sides:
        rows += [side.watch.row, side.fenced, side.hold.row if side.hold else None]
    known = [row for row in rows if row is not None]
    epochs = {epoch: -rank for rank, epoch in enumerate(sorted({row.epoch for row in known}, reverse=True))}
    beats = {beat: -rank for rank, beat in enumerate(sorted({row.beat for row in known}, reverse=True))}

    def small(row: Row | None) -> Row | None:
        return row and replace(row, epoch=epochs[row.epoch], beat=beats[row.beat])

    questions = []
    for q in world.questions:
        hold = world.sides[q.node].hold
        order = -1 if q.kind == "name" and (hold is None or hold.order != q.order) else 0
        questions.append(q._replace(row=small(q.row), answer=small(q.answer), order=order))
    for i in (0, 1):
        side = world.sides[i]
        hold = side.hold and replace(side.hold, row=small(side.hold.row), order=0)
        watch = replace(side.watch, row=small(side.watch.row))
        world = put(world, i, hold=hold, watch=watch, fenced=small(side.fenced))
    marks = tuple((to, mark, small(row)) for to, mark, row in world.marks)
    return world._replace(row=small(world.row), questions=tuple(sorted(questions, key=repr)), marks=marks)  # type: ignore[arg-type]


# --- the exploration's side ----------------------------------------------------------------------------------------------------------


def start(rates: tuple[float, float]) -> World:
    """node1 holds and writes, node2 is its heir and has promised."""
    row = Row("node1", 0, 0, "node2", TERMS.term)
    holder = Side(writes=True, fed_at=0.0, hold=Hold(row, renewed_at=0.0))
    world = World((holder, Side()), row, rates)
    for _ in range(30):
        world = step(world, Way())
    return world


def successors(world: World) -> Iterator[tuple[tuple[str, Way], World | Broken]]:
    """((what happens, how the step goes), the world after it or the rule that it breaks)."""
    for name, begun in events(world):
        for way in (Way(0), Way(1)):
            try:
                yield (name, way), step(begun, way)
            except Broken as broken:
                yield (name, way), broken


def comes_back(world: World, steps: int = 40) -> str:
    """Mended, somebody writes again; '' or what is wrong."""
    world = healed(world)
    for _ in range(steps):
        if any(writes(side) for side in world.sides):
            return ""
        try:
            world = step(world, Way())
        except Broken as broken:
            return f"with all faults mended: {broken}"
    return "with all faults mended nobody writes any more"


def tale(world: World, story: list[tuple[str, Way]], say: Callable[[World], str]) -> str:
    """The story in plain words; where it ends without a breach, what follows once all faults are mended."""
    lines: list[str] = []
    try:
        for number, (name, way) in enumerate(story):
            world = next(after for event, after in events(world) if event == name)
            lines.append(f"step {number + 1}: {name or 'nothing fails'}")
            world = step(world, way)
            lines.append(f"    {say(world)}")
        world = healed(world)
        lines.append("all faults are mended")
        for _ in range(40):
            world = step(world, Way())
            lines.append(f"    {say(world)}")
    except Broken as broken:
        lines.append(f"    BROKEN: {broken}")
    return "\n".join(lines)


def in_words(world: World) -> str:
    """Where it stands."""
    sides = [
        f"{name} {'writes' if writes(side) else 'off' if not side.power else 'does not write'}"
        + (f", holds epoch {side.hold.row.epoch}" if side.hold else "")
        for name, side in zip(NAMES, world.sides)
    ]
    return f"{'; '.join(sides)}; register: {world.row}"

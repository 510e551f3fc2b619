# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register's rules alone (policy/book.py) in a world of two nodes and one row: what may follow on what.

A step is a unit of time. Each node has one connection to the register with at most one question on it, and one that it has given up may
still act. The links lose, hold questions, or hold answers; hosts freeze, are reset, lose power, skyha is stuck or killed; clocks run apart.
The watchdog bites whatever hangs. A node writes as long as its PostgreSQL runs as primary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Callable, NamedTuple

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import book
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.book import (
    NEVER,
    Hold,
    Row,
    Terms,
    Watch,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.proof import Kind

from .state import Broken

TERMS = Terms(lease=2.0, watchdog=4.0)
FAR = 8.0  # longer ago than the heir waits
TROUBLE = 2.0  # so long nothing was heard of the holder
GIVES_UP = 4.0  # an answer that is so late is not waited for
BOOTS = 2
RATES = ((1.0, 1.0), (0.953, 1.047), (1.047, 0.953))
NAMES = ("node1", "node2")


class Question(NamedTuple):
    """On its way to the register, or back. `sent_at` by the asker's clock."""

    node: int
    kind: str  # renew, name, read, take
    sent_at: float
    row: Row | None  # the one that it names (name, take), or the epoch of (renew)
    heir: str = ""
    term: float = 0.0
    order: int = 0
    is_waited_for: bool = True
    answer: Row | None = None  # None: it is still on its way there
    ok: bool = False
    is_late: bool = False  # on a connection that was given up: it arrives whenever it likes


class Mark(NamedTuple):
    """A time of the holder, as it travels to the heir and back. It means something within the boot that it names only."""

    at: float
    boot: str  # now, then


class Side(NamedTuple):
    """One node. Times by its own clock, relative to now."""

    power: bool = True
    boot: int = 0
    frozen: bool = False
    stuck: bool = False  # skyha stands still, PostgreSQL runs on
    writes: bool = False
    fed_at: float | None = None  # None: the watchdog rests
    hold: Hold | None = None
    watch: Watch = Watch()
    mark: Mark | None = None  # that the answer to the last heartbeat carried
    heard_at: float = NEVER  # the holder's last answer to a heartbeat
    wish: tuple[str, float] | None = None  # the heir that it is to name, and the lease's term
    fenced: Row | None = None  # it has switched the other off; the row that it had read before
    taking: bool = False


class World(NamedTuple):
    """All of it. Links: '' well, cut, questions (wait), answers (wait)."""

    sides: tuple[Side, Side]
    row: Row
    rates: tuple[float, float] = RATES[0]
    questions: tuple[Question, ...] = ()
    links: tuple[str, str] = ("", "")
    link: str = ""  # between the nodes: '', cut, beats (wait), answers (wait)
    beats: tuple[tuple[int, Mark], ...] = ()  # promises on their way: (to whom, the mark)
    marks: tuple[
        tuple[int, Mark, Row], ...
    ] = ()  # answers to heartbeats: (to whom, the mark, the row that the holder knows)
    faults: int = 0
    heals: int = 0


class Way(NamedTuple):
    """How a step goes."""

    first: int = 0


def put(world: World, i: int, **changes: Any) -> World:
    """The world with this side changed."""
    side = world.sides[i]._replace(**changes)
    return world._replace(sides=(side, world.sides[1]) if i == 0 else (world.sides[0], side))


def runs(side: Side) -> bool:
    """Its kernel runs."""
    return side.power and not side.boot and not side.frozen


def writes(side: Side) -> bool:
    """It would acknowledge a commit now."""
    return side.writes and runs(side)


# --- what happens ------------------------------------------------------------------------------------------------------------


def off(world: World, i: int, boot: int = 0) -> World:
    """The host is gone, or reset (it boots). Nothing in it survives; its clock begins again, so its old marks are of another boot."""
    fresh = Side(power=boot > 0, boot=boot)
    sides = (fresh, _other_boot(world.sides[1])) if i == 0 else (_other_boot(world.sides[0]), fresh)
    questions = tuple(q._replace(is_waited_for=q.is_waited_for and q.node != i) for q in world.questions)
    marks = tuple((to, mark._replace(boot="then"), row) for to, mark, row in world.marks if to != i)
    beats = tuple((to, mark._replace(boot="then") if to == i else mark) for to, mark in world.beats)
    return world._replace(sides=sides, questions=_only_unanswered(questions), marks=marks, beats=beats)


def _other_boot(side: Side) -> Side:
    return side if side.mark is None else side._replace(mark=side.mark._replace(boot="then"))


def _only_unanswered(questions: tuple[Question, ...]) -> tuple[Question, ...]:
    return tuple(q for q in questions if q.is_waited_for or q.answer is None)


def killed(world: World, i: int) -> World:
    """skyha dies and is started again; PostgreSQL runs on, the watchdog is not fed by the next one before it may."""
    questions = tuple(q._replace(is_waited_for=q.is_waited_for and q.node != i) for q in world.questions)
    world = put(world, i, hold=None, watch=Watch(), mark=None, heard_at=NEVER, wish=None, fenced=None, taking=False)
    return world._replace(questions=_only_unanswered(questions))


def events(world: World) -> Iterator[tuple[str, World]]:
    """(in plain words, the world after it)."""
    yield "", world
    if world.faults:
        spent = world._replace(faults=world.faults - 1)
        for i, name in enumerate(NAMES):
            yield from _faults(spent, i, name)
        for how in ("cut", "beats", "answers"):
            if not world.link:
                yield f"the link between the nodes: {how}", spent._replace(link=how)
    if world.heals:
        yield from _heals(world._replace(heals=world.heals - 1))


def _faults(world: World, i: int, name: str) -> Iterator[tuple[str, World]]:
    side, other = world.sides[i], world.sides[1 - i]
    if runs(side):
        yield f"{name} loses power", off(world, i)
        yield f"{name} is reset", off(world, i, BOOTS)
        yield f"{name} freezes", put(world, i, frozen=True)
        if not side.stuck:
            yield f"skyha on {name} is stuck", put(world, i, stuck=True)
            yield f"skyha on {name} is killed", killed(world, i)
    if side.hold is not None and runs(side) and not side.stuck:
        yield f"{name} is to name nobody as heir", put(world, i, wish=("", 0.0))
        yield f"{name} is to name the other as heir", put(world, i, wish=(NAMES[1 - i], TERMS.term))
        yield f"{name} is to name the other as heir without a lease", put(world, i, wish=(NAMES[1 - i], 0.0))
    if side.hold is None and side.watch.row is not None and runs(side) and not side.stuck and other.power:
        yield f"{name} switches the other off and on", put(off(world, 1 - i, BOOTS), i, fenced=side.watch.row)
    for how in ("cut", "questions", "answers"):
        if world.links[i] not in ("cut", how):
            yield f"{name}'s link to the register: {how}", _linked(world, i, how)


def _linked(world: World, i: int, how: str) -> World:
    return world._replace(links=(how, world.links[1]) if i == 0 else (world.links[0], how))


def _heals(world: World) -> Iterator[tuple[str, World]]:
    for i, name in enumerate(NAMES):
        side = world.sides[i]
        if not side.power:
            yield f"{name} has power again", put(world, i, power=True, boot=BOOTS)
        if side.frozen:
            yield f"{name} thaws", put(world, i, frozen=False)
        if side.stuck:
            yield f"skyha on {name} goes on", put(world, i, stuck=False)
        if world.links[i]:
            yield f"{name}'s link to the register is well", _linked(world, i, "")
        if world.links[i] == "questions":
            late = tuple(q._replace(is_late=q.is_late or q.node == i) for q in world.questions)
            yield f"{name} has a new connection, its old one is late", _linked(world._replace(questions=late), i, "")
        if any(q.is_late and q.node == i for q in world.questions):
            come = tuple(q._replace(is_late=False) if q.node == i else q for q in world.questions)
            yield f"what {name} asked before arrives", world._replace(questions=come)
    if world.link:
        yield "the link between the nodes is well", world._replace(link="")


def healed(world: World) -> World:
    """All is well again."""
    for i in (0, 1):
        side = world.sides[i]
        world = put(world, i, frozen=False, stuck=False)
        if not side.power:
            world = put(world, i, power=True, boot=BOOTS)
    return world._replace(links=("", ""), link="", faults=0, heals=0)


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
        made = book.renewal(row, NAMES[i], question.row.epoch)
    elif question.kind == "name" and question.row is not None:
        made = book.naming(row, NAMES[i], question.row, question.heir, question.term)
    elif question.kind == "take" and question.row is not None:
        made = book.take(row, NAMES[i], question.row)
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

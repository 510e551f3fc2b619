# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may happen there: faults, and their mending. What a node and the register make of it is in register.py."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.book import NEVER, Watch

from .register_state import BOOTS, NAMES, TERMS, Question, Side, World, put, runs


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

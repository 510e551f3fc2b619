# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register's row and the way to it, the datagrams between both skyhas, and the watchdogs: what a world has besides where
`register` is set. What is asked in one cycle is answered in the next one, by row_change.py's transactions.
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import row_change, words
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.lease import beat_to_tell
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Done,
    Failure,
    Lost,
    Missing,
    Refused,
    Sight,
    Task,
    Verb,
)

from .build import CLUSTER, LEASED, NAMES, STEP, Decided, Memories
from .counts import Counts, counts_in, counts_of, row_counted, smaller, verb_counted
from .moves import power_off, reset
from .state import GOES, LINK, NO_SIGNS, PAST, VOTE, Broken, Node, World, contains, linked, put, runs

BITES_AFTER = float(LEASED[0].watchdog.timeout)
LEAVES_AFTER = 2  # steps: as loop.RESIGN_PATIENCE
Answered = words.Told

# --- the register --------------------------------------------------------------------------------------------------------


def answered(world: World, i: int) -> tuple[World, Answered | None]:
    """(the world after this node's question was carried out, what it is told)."""
    node, verb = world.nodes[i], world.nodes[i].asked
    if verb is None:
        return world, None
    if node.line == "cut" or not linked(world, VOTE[i]):
        return world, Answered(verb, Lost(Failure(Sight.UNREACHABLE, ""), False, False))
    if world.register == "down":
        return world, Answered(verb, Lost(Failure(Sight.REFUSED, ""), False, False))
    world, done = carried_out(world, i, verb)
    if node.line == "deaf":
        return world, Answered(verb, Lost(Failure(Sight.STALLED, ""), True, True))
    row = world.row
    if row is None:
        return world, Answered(verb, Missing(0.0))
    shown = words.Row(CLUSTER, row.holder, row.epoch, row.beat, row.heir or None, term=row.term)
    return world, Answered(verb, (Done if done else Refused)(shown, 0.0))


def carried_out(world: World, i: int, verb: Verb) -> tuple[World, bool]:
    """(the world after that, does the register hold what was asked for?)."""
    new = row_change.changed(world.row, CLUSTER, verb)
    if new is not None:
        if verb.name == "hand_over":
            _may_hand_over(world, i)
        world = _word_used(world._replace(row=new))
    return world, world.row is not None and row_change.holds(world.row, CLUSTER, verb)


def _word_used(world: World) -> World:
    """Who holds writes by that, and by no operator's word any more."""
    for i in (0, 1):
        if world.nodes[i].by_word and world.row is not None and world.row.holder == NAMES[i]:
            world = put(world, i, by_word=False)
    return world


def _may_hand_over(world: World, i: int) -> None:
    node = world.nodes[i]
    if node.server != "down" and not node.standby:
        raise Broken(f"S1: node{i + 1} hands over in the register and still runs")
    if node.clean and not contains(world, 1 - i, i):
        raise Broken(f"S4: node{i + 1} hands over in the register, and the other lacks WAL of it")


# --- what the decision keeps going beside it --------------------------------------------------------------------------------


def kept(world: World, i: int, made: Decided) -> World:
    """The next question, the promises and the watchdog, as this node's last decision has them."""
    node = world.nodes[i]
    world = put(world, i, asked=made.asks, promise_until=made.promise_until, signs=NO_SIGNS)
    food = made.food
    if food is None:
        # Who has not opened it cannot put it to rest.
        fed_at = None if node.guard == "open" else node.fed_at
        return put(world, i, guard="", feed_until=PAST, feed_lease=0.0, fed_at=fed_at)
    # Until now is as good as past: the last step fed it up to now, and the policy says 0.0 where it means a time that is past.
    guard = node.guard or ("asked" if food.until > 0 else "")
    return _fed(put(world, i, guard=guard, feed_until=max(food.until, PAST), feed_lease=food.lease), i, 0.0)


def _fed(world: World, i: int, at: float) -> World:
    """skyha feeds the watchdog up to this time, if it may and can."""
    node = world.nodes[i]
    if not node.guard or node.feed_until <= 0 or node.stuck:
        return world
    return put(world, i, guard="open", fed_at=min(at, node.feed_until))


def may_end(node: Node, made: Decided) -> bool:
    """skyha was told to end: has the register heard what it must, or is it waited for no longer (daemon.Daemon._goes_on)?"""
    is_late = node.leaving > GOES or (node.leaving > LEAVES_AFTER and not made.bound)
    return not any(task is Task.REWIND for task, _ in node.running) and (is_late or not made.stays)


# --- time -------------------------------------------------------------------------------------------------------------------


def tick(world: World, memories: Memories) -> World:
    """One step passes for it; all times count from the end of the step then."""
    world = world if world.zero else _talk(world, memories)  # it goes by no lease
    for i in (0, 1):
        node = world.nodes[i]
        if runs(node) and not node.dead:
            if node.feed_lease and node.signs.promise is not None:
                until = max(node.feed_until, node.signs.promise + node.feed_lease)
                world = put(world, i, feed_until=until)
            world = _fed(world, i, STEP)
        world = _aged(world, i)
    for i in (0, 1):
        world = _halted(world, i)
        fed_at = world.nodes[i].fed_at
        if fed_at is not None and -fed_at >= BITES_AFTER:
            world = reset(world, i)
    return world


def _halted(world: World, i: int) -> World:
    """How far the shutdown of a host is."""
    node = world.nodes[i]
    if not node.halts or not runs(node) or node.server != "down":
        return world
    if node.dead:
        return put(power_off(world, i), i, mains=False) if node.halts == "off" else reset(world, i)
    return world if node.leaving else put(world, i, leaving=1)


def _talk(world: World, memories: Memories) -> World:
    """The datagrams: what a promise brings back is the mark of the step before."""
    if not linked(world, LINK) or not all(runs(node) and not node.dead for node in world.nodes):
        return world
    for i in (0, 1):
        node, beat = world.nodes[i], beat_to_tell(memories[world.nodes[i].memory])
        world = _told(world, i, heard_at=STEP)
        promised = min(node.promise_until, STEP)
        if promised > 0:
            world = _told(world, i, promised_at=promised)
            world = _told(world, 1 - i, promise=promised - STEP)
        if beat is not None:
            world = _told(world, 1 - i, beat=beat, beat_at=STEP)
    return world


def _told(world: World, i: int, **signs: object) -> World:
    return put(world, i, signs=replace(world.nodes[i].signs, **signs))  # type: ignore[arg-type]


def _aged(world: World, i: int) -> World:
    node = world.nodes[i]
    signs = node.signs
    if signs != NO_SIGNS:
        times = {name: getattr(signs, name) for name in ("heard_at", "promise", "promised_at", "beat_at")}
        signs = replace(signs, **{name: at - STEP for name, at in times.items() if at is not None})
    return put(
        world,
        i,
        promise_until=max(0.0, node.promise_until - STEP),
        signs=signs,
        feed_until=max(PAST, node.feed_until - STEP),
        fed_at=None if node.fed_at is None else node.fed_at - STEP,
        leaving=min(node.leaving + 1, GOES + 1) if node.leaving else 0,
    )


# --- so that states become equal ----------------------------------------------------------------------------------------------


def canonical(world: World, memories: Memories) -> World:
    """Epochs and beats by small numbers (counts.py)."""
    known = [counts_of(world.row), counts_of(world.backup)]
    for node in world.nodes:
        known += [memories.counts(node.memory), counts_in(node.asked)]
        if node.signs.beat is not None:
            known.append(Counts((node.signs.beat[0],), (node.signs.beat[1],)))
    epochs, beats = smaller(known)
    for i in (0, 1):
        node = world.nodes[i]
        signs, told = node.signs, node.signs.beat
        if told is not None:
            signs = replace(signs, beat=(epochs[told[0]], beats[told[1]]))
        memory, asked = memories.counted(node.memory, epochs, beats), verb_counted(node.asked, epochs, beats)
        world = put(world, i, memory=memory, asked=asked, signs=signs)
    row, backup = row_counted(world.row, epochs, beats), row_counted(world.backup, epochs, beats)
    return world._replace(row=row, backup=backup)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two nodes, each deciding by the real decision, in the small world: what may follow on what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Do, Order, Power, Task

from . import lease, zero
from .build import CHORES, Decided, Ended, Memories, Told, asks_bmc, decided, first_memory
from .events import Stages, events, healed
from .moves import act, die, tick
from .state import Broken, Node, World, accepts, is_there, power, put, runs, told

AT_ONCE = 4  # cycles of one node in one step, while it wants to look again at once
STALE_STEPS = 2  # steps after which what was decided is not done any more (margins.STALE)
GIVES_WAY = ("kill_postgres", "drop_vip")


class Way(NamedTuple):
    """How a step goes, beside what happens in it."""

    first: int = 0  # the node whose skyha looks first
    dies: int = -1  # the node whose skyha dies between the record and the deed
    slow: int = -1  # the node whose skyha decides in this step and acts in the next one


class Cluster:
    """`memories` and what was decided by them are kept: the same decision is not computed twice."""

    def __init__(self) -> None:
        self.memories = Memories()
        self.decisions = 0
        self._decided: dict[tuple[int, int, Told], tuple[int, Decided]] = {}

    # --- one step ------------------------------------------------------------------------------------------------------

    def step(self, world: World, way: Way, tale: list[str] | None = None) -> World:
        """Both skyhas run, then time passes. Raises Broken."""
        for i in (way.first, 1 - way.first):
            world = self._acts_late(world, i)
            for _ in range(AT_ONCE):
                node = world.nodes[i]
                if node.dead or not runs(node):
                    break
                world, is_over = self._cycle(world, i, way, tale)
                if is_over:
                    break
        world = tick(world)
        return self._later(lease.tick(world, self.memories) if world.register else world)

    def _acts_late(self, world: World, i: int) -> World:
        node = world.nodes[i]
        if not node.late or not runs(node):
            return world
        world = put(world, i, late=(), late_for=0)
        for action in node.late:
            if node.late_for <= STALE_STEPS or action.do.value in GIVES_WAY:
                world = act(world, i, action)
        return world

    def decide(self, i: int, memory: int, picture: Told) -> tuple[int, Decided]:
        """(the number of the new memory, the decision)."""
        question = (i, memory, picture)
        found = self._decided.get(question)
        if found is None:
            self.decisions += 1
            made = decided(i, self.memories[memory], picture)
            found = self._decided[question] = (self.memories.number(made.memory), made)
        return found

    def _cycle(self, world: World, i: int, way: Way, tale: list[str] | None) -> tuple[World, bool]:
        """One cycle; and is it the last one of this step?"""
        world, answer = lease.answered(world, i)
        node = world.nodes[i]
        memory, made = self.decide(i, node.memory, told(world, i, answer))
        if Order.PAUSE in node.orders:  # an order that its host did not live to take was never given
            node = node._replace(paused=True)
            world = put(world, i, paused=True)
        if tale is not None:
            tale.append(f"node{i + 1}: {made.sentence}")
        if made.broken:
            raise Broken(f"{made.broken} (node{i + 1})")
        acts = [
            a for a in made.actions if a.do not in (Do.SET_PAUSE, Do.SET_SYNC, Do.DOUBT_SYNC) and a.value not in CHORES
        ]
        if node.paused and acts and "lease_over" not in made.alarms:  # else the watchdog would reset the host
            raise Broken(f"S6: node{i + 1} is paused and does {', '.join(a.do.value for a in acts)}")
        wants = {"paths": made.paths, "peer": made.peer, "conflict": made.conflict}
        world = put(world, i, memory=memory, outcomes=(), orders=(), **wants)
        if world.register:
            world = lease.kept(world, i, made)
        if way.dies == i:
            return die(world, i), True
        if way.slow == i:
            return put(world, i, late=made.actions), True
        for action in made.actions:
            world = act(world, i, action)
        if node.leaving and lease.may_end(node, made):
            return die(world, i), True
        return world, not made.soon or (memory == node.memory and not made.actions)

    def _later(self, world: World) -> World:
        """Memories age, systemd starts what ended, and what nobody needs is forgotten."""
        for i in (0, 1):
            node = world.nodes[i]
            memory, dead, rebooted = self.memories.later(node.memory), node.dead, node.rebooted
            if dead == 1:
                memory, dead = self.memories.kept(memory), 2  # its record alone ages from here on
            elif dead and runs(node) and node.wanted:
                memory, dead, rebooted = self.memories.restarted(memory, rebooted), 0, False
            elif not dead and asks_bmc(self.memories[memory]):
                told_power = power(world, i)
                ended = Ended(Task.CHECK_BMC, told_power is not None, "", told_power or Power.UNKNOWN)
                world = put(world, i, outcomes=(*node.outcomes, ended))
            late_for = node.late_for + 1 if node.late else 0
            world = put(world, i, memory=memory, dead=dead, rebooted=rebooted, late_for=late_for)
        stages = self.stages(world)
        for i in (0, 1):
            if world.nodes[i].was_off and stages[1 - i] is None:
                world = put(world, i, was_off=False)
        return lease.canonical(world, self.memories) if world.register else world

    def stages(self, world: World) -> Stages:
        """How far each node's failover, switchover or rewind is."""
        one, other = (self.memories[node.memory].record.intent for node in world.nodes)
        return (None if one is None else one.stage, None if other is None else other.stage)

    # --- what may follow -------------------------------------------------------------------------------------------------

    def successors(self, world: World) -> Iterator[tuple[tuple[str, Way], World | Broken]]:
        """((what happens, how the step goes), the world after it or the rule that it breaks)."""
        for name, begun in events(world, self.stages(world)):
            for way in self._ways(begun, name):
                try:
                    yield (name, way), self.step(self.spent(begun, way), way)
                except Broken as broken:
                    yield (name, way), broken

    def _ways(self, world: World, name: str) -> Iterator[Way]:
        active = [i for i in (0, 1) if runs(world.nodes[i]) and (not world.nodes[i].dead or world.nodes[i].late)]
        yield Way()
        if len(active) == 2:
            yield Way(first=1)
        if name or not world.faults:
            return
        for i in active:
            if not world.nodes[i].dead:
                yield Way(dies=i)
                yield Way(slow=i)

    @staticmethod
    def spent(world: World, way: Way) -> World:
        """Of its faults, by this way."""
        return world._replace(faults=world.faults - 1) if way.dies >= 0 or way.slow >= 0 else world

    def follow(self, start: World, story: list[tuple[str, Way]]) -> list[str]:
        """The story in plain words, for people: what happened, what each node decided, what became of it."""
        lines, world = [], start
        for number, (name, way) in enumerate(story):
            world = next(after for event, after in events(world, self.stages(world)) if event == name)
            lines.append(f"step {number + 1}: {name or 'nothing fails'}{_in_words(way)}")
            tale: list[str] = []
            try:
                world = self.step(self.spent(world, way), way, tale)
            except Broken as broken:
                return [*lines, *(f"    {line}" for line in tale), f"    BROKEN: {broken}"]
            lines += [f"    {line}" for line in dict.fromkeys(tale)]
            lines.append(f"    then {'; '.join(_state(world, i) for i in (0, 1))}{_register(world)}")
        return lines

    # --- beginnings and ends -----------------------------------------------------------------------------------------------

    def start(
        self, bmc: str = "ok", register: bool = False, backup: bool = False, zero: bool = False, steps: int = 120
    ) -> World:
        """An armed cluster in good order, as the real decision reaches it from nothing.

        bmc: that of node1. register: with a register, and a lease. backup: somebody may restore its row of now.
        zero: with a register and no lease, and without loss.
        """
        first = self.memories.number(first_memory())
        node1, node2 = Node(memory=first, bmc=bmc), Node(memory=first, standby=True)
        world, known = World((node1, node2), register="ok" if register or zero else "", zero=zero), set()
        for _ in range(steps):
            if world in known:  # at rest; with a register it goes round, as the standby reads it now and then only
                return world._replace(backup=world.row) if backup else world
            known.add(world)
            world = self.step(world, Way())
        raise AssertionError(f"the cluster does not come to rest: {world}")

    def serves(self, world: World) -> bool:
        """Clients can write."""
        return any(accepts(node) and node.vip and not zero.holds_up(world, i) for i, node in enumerate(world.nodes))

    def is_whole(self, world: World) -> bool:
        """... and the other node follows."""
        return self.serves(world) and world.sink >= 0 and world.silent == 0

    def asks_for_order(self, world: World) -> bool:
        """Does a skyha that runs name an operator's next step? Asked of what it would decide now."""
        for i in (0, 1):
            node = world.nodes[i]
            if runs(node) and not node.dead and self.decide(i, node.memory, told(world, i))[1].asks_for_order:
                return True
        return False

    def healed(self, world: World) -> World:
        """See events.healed."""
        return healed(world)


def _in_words(way: Way) -> str:
    if way.dies >= 0:
        return f"; skyha on node{way.dies + 1} dies after it has written its record, before it acts"
    if way.slow >= 0:
        return f"; skyha on node{way.slow + 1} decides and acts a step later only"
    return "; node2's skyha looks first" if way.first else ""


def _state(world: World, i: int) -> str:
    node = world.nodes[i]
    if not is_there(node):
        return f"node{i + 1} " + ("boots" if node.power else "is off")
    role = "standby" if node.standby else "primary"
    number = world.branches[node.branch].timeline
    return (
        f"node{i + 1} {'frozen, ' if node.frozen else ''}{role} {node.server}, timeline {number}{', VIP' if node.vip else ''}"
        + (", skyha down" if node.dead else "")
        + (f", commits wait for {node.names}" if node.waits and not node.standby else "")
    )


def _register(world: World) -> str:
    if world.row is None:
        return ""
    row = world.row
    return f"; register: {row.holder} holds, heir {row.heir or 'none'}{', by a lease' if row.term else ''}"

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is done to the world: by skyha's actions, by the BMCs, by time. Each breach of S1, S3, S4, S5 is seen where it is done."""

from __future__ import annotations

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Action,
    Do,
    Order,
    Power,
    Request,
    Task,
)

from . import zero
from .build import CHORES, LINGERS, NAMES, STEP, TIMING, Ended
from .state import (
    BMC,
    LINK,
    NO_SIGNS,
    PAST,
    Branch,
    Broken,
    World,
    accepts,
    contains,
    flows,
    history,
    is_there,
    is_up,
    linked,
    power,
    put,
    runs,
    timeline,
)

BOOTS = 2  # steps
LATE = 4  # steps after which a late BMC acts
FENCE_READS = 2  # steps after the order in which its effect is read back
FENCE_ENDS = int(TIMING.fence_deadline / STEP)
# Seconds: S4's limit, how long the evidence may be old, and the patience; the coarse steps round each up.
MAY_LOSE = int((30.0 + TIMING.arming_window + TIMING.failover_limit) / STEP) + 3


def check(world: World) -> World:
    """O2, O3: no two writers, and not two that hold the VIP."""
    one, other = world.nodes
    if accepts(one) and accepts(other):
        raise Broken("S1: both nodes accept commits")
    if one.vip and other.vip and is_there(one) and is_there(other):
        raise Broken("S5: both nodes hold the VIP")
    return world


# --- hosts -----------------------------------------------------------------------------------------------------------------


def power_off(world: World, i: int) -> World:
    """It is off now."""
    if not world.nodes[i].power:
        return world
    world = crashed(die(world, i), i)
    world = put(world, i, power=False, boot=0, frozen=False, was_off=True, rebooted=True, vip=False)
    return put(world, i, fed_at=None, wanted=True, halts="")


def power_on(world: World, i: int) -> World:
    """It boots, if there is power."""
    node = world.nodes[i]
    return put(world, i, power=True, boot=BOOTS) if node.mains and not node.power else world


def reset(world: World, i: int) -> World:
    """Off and on again at once."""
    return put(power_off(world, i), i, power=True, boot=BOOTS)


def die(world: World, i: int) -> World:
    """skyha ends, and with it what it had begun and not done. The record stays; a watchdog that runs, runs on."""
    return put(
        world,
        i,
        dead=1,
        paths=False,
        peer=False,
        conflict=False,
        late=(),
        late_for=0,
        running=(),
        outcomes=(),
        orders=(),
        asked=None,
        promise_until=0.0,
        signs=NO_SIGNS,
        guard="",
        feed_until=PAST,
        feed_lease=0.0,
        leaving=0,
    )


def crashed(world: World, i: int) -> World:
    """PostgreSQL dies on the spot."""
    if world.nodes[i].server == "down":
        return world
    return put(world, i, server="down", promoting=False, clean=False)


# --- what skyha does -------------------------------------------------------------------------------------------------------


def act(world: World, i: int, action: Action) -> World:
    """One action of this node's skyha."""
    node, do = world.nodes[i], action.do
    if do is Do.START_POSTGRES:
        return _start(world, i)
    if do is Do.STOP_POSTGRES:
        return put(world, i, server="stopping", promoting=False) if node.server == "up" else crashed(world, i)
    if do is Do.KILL_POSTGRES:
        return crashed(world, i)
    if do is Do.MAKE_STANDBY:
        return put(world, i, standby=True) if node.server == "down" else world
    if do is Do.PROMOTE:
        return _promote(world, i)
    if do is Do.PROMOTE_PEER:
        return _promote_peer(world, i)
    if do in (Do.ADD_VIP, Do.DROP_VIP):
        return check(put(world, i, vip=do is Do.ADD_VIP))
    if do is Do.SET_SYNC:
        return zero.write(world, i, str(action.value))
    if do in (Do.RECORD_STANDBY, Do.SET_SWITCHING, Do.SET_PAUSE):
        return _note(world, i, action)
    if do is Do.RUN:
        return _begin(world, i, action.value)
    return world


def _start(world: World, i: int) -> World:
    node = world.nodes[i]
    if node.server != "down" or node.halts:
        return world
    if node.rewinding:
        raise Broken(f"S3: node{i + 1} starts a half rewound data directory")
    if not node.standby:
        _may_write(world, i, "starts as primary")
    if not node.standby and node.branch != len(world.branches) - 1:
        raise Broken(f"S3: node{i + 1} comes up as primary although the other was promoted since, a resurrection")
    return put(world, i, server="starting")


def _holds(world: World, i: int) -> bool:
    """Does the register say that this node may write?"""
    return world.row is not None and world.row.holder == NAMES[i]


def _may_write(world: World, i: int, how: str) -> None:
    """R1. Before there is a row nobody asks."""
    if world.row is not None and not _holds(world, i) and not world.nodes[i].by_word:
        raise Broken(f"R1: node{i + 1} {how}, and it does not hold")


def _promote(world: World, i: int) -> World:
    node, other = world.nodes[i], world.nodes[1 - i]
    if not is_up(node) or not node.standby:
        return world
    if accepts(other):
        raise Broken(f"S1: node{i + 1} promotes while the other accepts commits")
    if other.power and not other.was_off and not _holds(world, i):
        raise Broken(f"S1: node{i + 1} promotes, and the other was not off since the fencing began")
    _may_write(world, i, "promotes")
    if node.branch != len(world.branches) - 1:
        raise Broken(f"S3: node{i + 1} promotes and lacks all of a newer timeline")
    if node.lost > MAY_LOSE:
        raise Broken(f"S4: node{i + 1} promotes and lacks more than the limit")
    return put(world, i, promoting=True)


def _promote_peer(world: World, i: int) -> World:
    node, other = world.nodes[i], world.nodes[1 - i]
    if not is_up(other) or not other.standby or not linked(world, LINK):
        return world
    if node.server != "down" and not node.standby:
        raise Broken(f"S1: node{i + 1} hands over and still runs")
    if not contains(world, 1 - i, i):
        raise Broken(f"S4: node{i + 1} hands over, and the other lacks WAL of it")
    return put(world, 1 - i, promoting=True)


def _note(world: World, i: int, action: Action) -> World:
    """What skyha writes into the primary's database."""
    if action.do is Do.SET_PAUSE and not accepts(world.nodes[i]) and linked(world, LINK):
        i = 1 - i
    if not accepts(world.nodes[i]):
        return world
    recorded, noted, switching, paused = world.nodes[i].database
    if action.do is Do.RECORD_STANDBY:
        recorded, noted = timeline(world, i) if action.value else 0, timeline(world, i)
    elif action.do is Do.SET_SWITCHING:
        switching = bool(action.value)
    elif isinstance(action.value, Request):
        paused = action.value.order is Order.PAUSE
    database = (recorded, noted, switching, paused)
    if database == world.nodes[i].database:
        return world
    return put(world, i, database=database, lsn=world.nodes[i].lsn + 1)


def _begin(world: World, i: int, task: object) -> World:
    """A task beside the loop; an order to a BMC arrives there at once."""
    node, other = world.nodes[i], world.nodes[1 - i]
    if not isinstance(task, Task) or task in CHORES or any(task is one for one, _ in node.running):
        return world
    world = put(world, i, running=node.running + ((task, 0),))
    if task is Task.REWIND and accepts(other) and linked(world, LINK):
        return put(world, i, rewinding=True)
    if task is not Task.FENCE:
        return world
    world = put(world, 1 - i, was_off=not other.power)
    if not linked(world, BMC[i]):
        return world
    if other.bmc in ("ok", "mute"):
        return power_off(world, 1 - i)
    if other.bmc == "late" and not other.order and other.power:
        return put(world, 1 - i, order=LATE)
    return world


def end_task(world: World, i: int, task: Task, age: int) -> tuple[World, Ended | None]:
    """(the world, how the task ended after so many steps; None: it goes on)."""
    other, reads = world.nodes[1 - i], power(world, i)
    if task is Task.CHECKPOINT:
        return world, Ended(task, accepts(world.nodes[i]))
    if task is Task.REWIND:
        return _rewound(world, i) if age >= 2 else (world, None)
    if task is Task.FENCE:
        if age >= FENCE_READS and reads is Power.OFF:
            return world, Ended(task, True, "off", Power.OFF, proof=True)
        return world, Ended(task, False, "failed", reads or Power.UNKNOWN) if age >= FENCE_ENDS else None
    if linked(world, BMC[i]) and other.bmc not in ("dead", "deaf", "lies"):
        world = power_on(world, 1 - i)
        reads = power(world, i)
    return world, Ended(task, reads is Power.ON, "", reads or Power.UNKNOWN)


def _rewound(world: World, i: int) -> tuple[World, Ended]:
    node, source = world.nodes[i], world.nodes[1 - i]
    if not accepts(source) or not linked(world, LINK) or not node.rewinding or node.server != "down":
        return world, Ended(Task.REWIND, False, "the_source_went_away")
    if timeline(world, i) > timeline(world, 1 - i):
        return world, Ended(Task.REWIND, False, "newer_than_the_source")
    copy = {"branch": source.branch, "lsn": source.lsn, "database": source.database}
    return put(world, i, standby=True, rewinding=False, clean=True, lost=0, **copy), Ended(Task.REWIND, True)


# --- time ------------------------------------------------------------------------------------------------------------------


def tick(world: World) -> World:
    """One step passes for all but skyha."""
    for i in (0, 1):
        world = _server_goes_on(world, i)
    for i in (0, 1):
        world = _bmc_goes_on(world, i)
    for i in (0, 1):
        world = _tasks_go_on(world, i)
    world = check(_commits(_stream(world)))
    return zero.tick(world) if world.zero else world


def _server_goes_on(world: World, i: int) -> World:
    node = world.nodes[i]
    if node.boot:
        return put(world, i, boot=node.boot - 1)
    if not runs(node):
        return world
    if node.server == "starting":
        if not node.standby:
            _may_write(world, i, "comes up writable")
            zero.keeps(world, i, "comes up as primary")
        return zero.started(put(world, i, server="up", clean=False), i)
    if node.server == "stopping":
        if flows(world) and world.sink == 1 - i:  # a clean stop sends all before it ends
            world = _received(world)
        return put(world, i, server="down", clean=True)
    if node.promoting and not node.hangs:
        return _promoted(world, i)
    return world


def _promoted(world: World, i: int) -> World:
    node, other = world.nodes[i], world.nodes[1 - i]
    if other.power and other.server in ("up", "starting") and not other.standby:
        raise Broken(f"S1: node{i + 1} becomes primary while the other runs as primary")
    _may_write(world, i, "becomes primary")
    zero.keeps(world, i, "becomes primary")
    new = Branch(node.branch, node.lsn, timeline(world, i) + 1)
    world = world._replace(branches=world.branches + (new,), sink=-1, silent=0)
    return put(world, i, standby=False, promoting=False, branch=len(world.branches) - 1, lsn=node.lsn + 1, lost=0)


def _bmc_goes_on(world: World, i: int) -> World:
    order = world.nodes[i].order
    if not order:
        return world
    world = put(world, i, order=order - 1)
    return power_off(world, i) if order == 1 else world


def _tasks_go_on(world: World, i: int) -> World:
    node = world.nodes[i]
    if not node.running or not runs(node):
        return world
    rest, outcomes = [], list(node.outcomes)
    for task, age in node.running:
        world, outcome = end_task(world, i, task, age + 1)
        if outcome is None:
            rest.append((task, age + 1))
        else:
            outcomes.append(outcome)
    return put(world, i, running=tuple(rest), outcomes=tuple(outcomes))


def _stream(world: World) -> World:
    """Replication goes on, is missed, ends, begins."""
    if world.sink >= 0:
        sink, source = world.nodes[world.sink], world.nodes[1 - world.sink]
        fits = sink.server == "up" and sink.standby and source.server in ("up", "stopping") and not source.standby
        if flows(world) and fits:
            return _received(world)._replace(silent=0)
        if fits and world.stuck and linked(world, LINK) and runs(sink) and runs(source):
            return world
        closed = not fits and is_there(sink) and is_there(source) and linked(world, LINK)
        if not closed and world.silent < LINGERS:
            return world._replace(silent=world.silent + 1)
        world = world._replace(sink=-1, silent=0)
    for i in (0, 1):
        sink, source = world.nodes[i], world.nodes[1 - i]
        is_reached = linked(world, LINK) and not world.stuck
        if is_up(sink) and sink.standby and not sink.promoting and accepts(source) and is_reached:
            return _received(world._replace(sink=i)) if _may_stream(world, i) else world
    return world


def _may_stream(world: World, i: int) -> bool:
    """As PostgreSQL judges it, by the numbers of the timelines; that it judges right is a rule as well."""
    node, number = world.nodes[i], timeline(world, i)
    looks = any(world.branches[b].timeline == number and node.lsn <= limit for b, limit in history(world, 1 - i))
    if looks and not contains(world, 1 - i, i):
        raise Broken(f"S4: node{i + 1} streams onto WAL that the other never had")
    return looks


def _received(world: World) -> World:
    source = world.nodes[1 - world.sink]
    return put(world, world.sink, branch=source.branch, lsn=source.lsn, database=source.database, lost=0)


def _commits(world: World) -> World:
    """A primary that nobody follows writes on. Two units say as much as two thousand."""
    for i in (0, 1):
        node, other = world.nodes[i], world.nodes[1 - i]
        if not accepts(node) or (flows(world) and world.sink == 1 - i):
            continue
        common = other.lsn if other.branch == node.branch else world.branches[node.branch].fork
        if node.lsn < common + 2:
            world = put(world, i, lsn=node.lsn + 1)
        # (Without loss R6 is looked at instead.)
        if node.vip and other.branch == node.branch and other.lost <= MAY_LOSE and not world.zero:
            world = put(world, 1 - i, lost=other.lost + 1)
    return world

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The small world as one value: two hosts with PostgreSQL, skyha, BMC; the links; the vote host. And what can be seen in it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha import words
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.book import Row
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Action,
    Guard,
    Order,
    Power,
    Server,
    Sight,
    Signs,
    Task,
    Verb,
)

from .build import LINGERS, NAMES, Beside, Ended, Told

LINK, VOTE, BMC = "nodes", ("vote1", "vote2"), ("bmc2 from node1", "bmc1 from node2")
NO_SIGNS = Signs()
NO_NOTES = (0, 0, False, False)
PAST = -1.0
OVERDUE, GOES = (
    5,
    8,
)  # steps after which a skyha that was told to end lets PostgreSQL wait no longer, or goes whatever it owes
BROKEN_WATCHDOG = "the watchdog cannot be used"


class Branch(NamedTuple):
    """Each promotion begins one, that one node alone writes."""

    parent: int
    fork: int  # the LSN at which it left its parent
    timeline: int


class Node(NamedTuple):
    """One host. A part that joins the model (a register's answer, a watchdog) is one more field here, or in World."""

    power: bool = True
    mains: bool = True  # False: nobody can switch it on
    boot: int = 0  # steps until it has booted
    frozen: bool = False
    was_off: bool = False  # since its peer last began to fence it
    # skyha
    dead: int = 0  # steps until systemd starts it; 0: it runs
    rebooted: bool = False  # since skyha last ran
    memory: int = 0
    paths: bool = False  # what it wants to see
    peer: bool = False
    conflict: bool = False
    late: tuple[Action, ...] = ()  # decided, written down, not done yet ...
    late_for: int = 0  # ... for so many steps
    running: tuple[tuple[Task, int], ...] = ()  # task, steps since it began
    outcomes: tuple[Ended, ...] = ()
    orders: tuple[Order, ...] = ()
    paused: bool = False  # an operator said so here
    # PostgreSQL
    server: str = "down"  # down, starting, up, stopping
    standby: bool = False
    promoting: bool = False
    hangs: bool = False  # a promotion does not end
    clean: bool = True
    rewinding: bool = False
    branch: int = 0
    lsn: int = 1000
    database: tuple[int, int, bool, bool] = NO_NOTES  # see Told
    lost: int = 0  # steps in which its peer acknowledged commits that it lacks
    vip: bool = False
    # its BMC
    bmc: str = "ok"  # dead; mute (acts, no answer arrives); deaf (answers, does not act); late; lies (another host's: says off)
    order: int = 0  # late: steps until an 'off' that was accepted acts
    # its part in register and lease, in a world that has them; times are seconds from now
    line: str = "ok"  # to the register: cut; deaf (what it asks is done, the answers are lost)
    asked: Verb | None = None  # what its next look asks
    promise_until: float = 0.0  # until then it goes on to promise that it takes nothing by the lease
    signs: Signs = NO_SIGNS  # what the datagrams told since its last look
    guard: str = ""  # who feeds the watchdog in skyha: '' (nobody), asked (to no avail yet), open
    feed_until: float = PAST
    feed_lease: float = 0.0  # ... and so long after the mark that a promise brings back meanwhile; 0: no longer
    fed_at: float | None = None  # the watchdog was last fed then; None: it rests
    stuck: bool = False  # its watchdog cannot be used
    leaving: int = 0  # steps since skyha was told to end, this one included; 0: it was not
    wanted: bool = True  # systemd starts skyha when it has ended
    halts: str = (
        ""  # the host is being shut down, PostgreSQL, then skyha, then the power: off, or to come up again (reboot)
    )
    by_word: bool = False  # an operator has said here that the peer is off
    # for whom commits wait, in a world without loss (zero.py)
    file: str = ""  # skyha's
    names: str = ""  # as the sessions and the walsender have it
    waits: bool = False  # as the checkpointer has it: commits wait
    busy: bool = False  # the checkpointer reads no settings


class World(NamedTuple):
    """All of it. `faults` and `heals` are what may still happen in this story."""

    nodes: tuple[Node, Node]
    branches: tuple[Branch, ...] = (Branch(-1, 0, 1),)
    cut: frozenset[str] = frozenset()
    vote: str = "ok"  # down, hung
    sink: int = -1  # the node that streams, as far as both ends know ...
    silent: int = 0  # ... and for so many steps nothing has come
    faults: int = 0
    heals: int = 0
    register: str = ""  # '': this world has none; ok, down
    row: Row | None = None
    backup: Row | None = None  # what somebody may restore
    zero: bool = False  # zero loss
    acked: tuple[int, int] = (0, 0)  # in it: the branch, and up to which LSN clients were told 'committed'
    stuck: bool = False  # the walsender is there and gets nothing through


class Broken(Exception):
    """A rule was."""


def put(world: World, i: int, **changes: Any) -> World:
    """The world with this node changed."""
    node = world.nodes[i]._replace(**changes)
    return world._replace(nodes=(node, world.nodes[1]) if i == 0 else (world.nodes[0], node))


def is_there(node: Node) -> bool:
    """Its kernel answers on the network; a frozen host's does."""
    return node.power and node.boot == 0


def runs(node: Node) -> bool:
    """It is there, and not frozen."""
    return node.power and node.boot == 0 and not node.frozen


def is_up(node: Node) -> bool:
    """Its PostgreSQL answers."""
    return node.server == "up" and runs(node)


def accepts(node: Node) -> bool:
    """It would acknowledge a commit now."""
    return node.server == "up" and not node.standby and runs(node)


def timeline(world: World, i: int) -> int:
    """Of this node's WAL."""
    return world.branches[world.nodes[i].branch].timeline


def history(world: World, i: int) -> list[tuple[int, int]]:
    """Each branch in a node's data, and up to which LSN; the newest first."""
    branch, limit, found = world.nodes[i].branch, world.nodes[i].lsn, []
    while branch >= 0:
        found.append((branch, limit))
        limit = min(limit, world.branches[branch].fork)
        branch = world.branches[branch].parent
    return found


def contains(world: World, whole: int, part: int) -> bool:
    """Has this node all commits of that one?"""
    node = world.nodes[part]
    return any(branch == node.branch and node.lsn <= limit for branch, limit in history(world, whole))


def linked(world: World, link: str) -> bool:
    """Packets pass, in both directions."""
    return link not in world.cut


def flows(world: World) -> bool:
    """WAL passes along the connection that is there."""
    if world.sink < 0:
        return False
    sink, source = world.nodes[world.sink], world.nodes[1 - world.sink]
    reaches = runs(source) and linked(world, LINK) and not world.stuck
    return is_up(sink) and source.server in ("up", "stopping") and reaches


# --- what is seen --------------------------------------------------------------------------------------------------------

_SERVERS = {"up": Server.UP, "down": Server.DOWN, "starting": Server.STARTING, "stopping": Server.STARTING}


def _holder(world: World, near: int) -> int:
    """Who answers for the VIP; asked from a node that holds it, itself."""
    order = (1, 0) if near == 1 else (0, 1)
    return next((i for i in order if world.nodes[i].vip and is_there(world.nodes[i])), -1)


def _behind(world: World, holder: int, is_linked: bool) -> tuple[Sight, bool, Any]:
    """What somebody sees who looks at the VIP."""
    if holder < 0 or not is_linked:
        return Sight.UNREACHABLE, False, None
    node = world.nodes[holder]
    if node.frozen:
        return Sight.STALLED, False, None
    if node.server == "down":
        return Sight.REFUSED, False, None
    if node.server != "up":
        return Sight.ALIVE, True, None
    if node.standby:
        return Sight.ALIVE, False, None
    return Sight.OK, False, (timeline(world, holder), node.lsn, node.database)


def _along_vote(world: World, i: int) -> tuple[Sight, bool, Any]:
    if world.vote == "down" or not linked(world, VOTE[i]):
        return Sight.UNREACHABLE, False, None
    if world.vote == "hung":
        return Sight.STALLED, False, None
    holder = _holder(world, -1)
    seen = _behind(world, holder, holder >= 0 and linked(world, VOTE[holder]))
    return (Sight.DROPPED, False, None) if seen[0] in (Sight.UNREACHABLE, Sight.REFUSED) else seen


def _peer(world: World, i: int) -> tuple[Server, bool, int, int, bool, bool]:
    node = world.nodes[1 - i]
    if not is_there(node) or not linked(world, LINK):
        return Server.UNREACHABLE, False, 0, 0, False, False
    if node.frozen:
        return Server.STALLED, False, 0, 0, False, False
    if node.server != "up":
        return _SERVERS[node.server], False, 0, 0, False, node.server == "stopping"
    number = timeline(world, 1 - i)
    return Server.UP, node.standby, number, node.lsn, node.database[1] == number, False


def power(world: World, i: int) -> Power | None:
    """What the peer's BMC answers this node."""
    other = world.nodes[1 - i]
    if not linked(world, BMC[i]) or other.bmc in ("dead", "mute"):
        return None
    return Power.OFF if other.bmc == "lies" or not other.power else Power.ON


def _sync(world: World, i: int) -> tuple[str, str, bool, bool, int | None]:
    node, peer = world.nodes[i], NAMES[1 - i]
    streams = world.sink == 1 - i and world.silent <= LINGERS
    is_read = node.waits == bool(node.names) and not node.busy
    flushed = world.nodes[1 - i].lsn if streams else None
    return node.file, node.names, streams and node.names == peer, is_read, flushed


def _beside(world: World, i: int, answer: words.Told | None) -> Beside:
    node = world.nodes[i]
    problem = BROKEN_WATCHDOG if node.stuck and node.guard else ""
    is_fed = node.guard == "open" and node.feed_until > 0 and not problem
    overdue = node.leaving > OVERDUE
    return Beside(answer, node.leaving > 0, overdue, node.signs, Guard(is_fed, problem))


def told(world: World, i: int, answer: words.Told | None = None) -> Told:
    """What this node's skyha sees in its next cycle. `answer`: the register's."""
    node, other = world.nodes[i], world.nodes[1 - i]
    looks = None
    if node.paths:
        holder = _holder(world, i)
        looks = _behind(world, holder, holder == i or linked(world, LINK)), _along_vote(world, i)
    conflict = bool(other.vip and is_there(other) and linked(world, LINK)) if node.conflict else None
    return Told(
        _SERVERS[node.server],
        node.standby,
        timeline(world, i),
        node.lsn,
        node.server == "up" and world.sink == (i if node.standby else 1 - i) and world.silent <= LINGERS,
        node.database,
        node.clean,
        node.vip,
        looks,
        _peer(world, i) if node.peer else None,
        conflict,
        node.outcomes,
        tuple(task for task, _ in node.running),
        node.orders,
        _beside(world, i, answer) if world.register else None,
        _sync(world, i) if world.zero else None,
    )

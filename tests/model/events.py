# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may fail, heal or be ordered at the beginning of a step. A fault costs one of the story's faults, a heal one of its heals."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from . import zero
from .build import IN_FAILOVER, Stage
from .moves import BOOTS, crashed, die, power_off, reset
from .state import BMC, LINK, VOTE, World, accepts, is_there, is_up, put, runs

Stages = tuple["Stage | None", "Stage | None"]


def events(world: World, stages: Stages) -> Iterator[tuple[str, World]]:
    """(in plain words, the world after it); first of all that nothing happens. `stages`: how far each node's failover is."""
    yield "", world
    if world.faults > 0:
        spent = world._replace(faults=world.faults - 1)
        for i in (0, 1):
            yield from _host_faults(spent, i)
            yield from _bmc_faults(spent, i)
            yield from _orders(spent, i)
            yield from _lease_faults(spent, i)
        yield from _link_faults(spent)
        yield from _zero_faults(spent) if world.zero else ()
    if world.heals > 0:
        yield from _heals(world._replace(heals=world.heals - 1), stages)


def _host_faults(world: World, i: int) -> Iterator[tuple[str, World]]:
    node, name = world.nodes[i], f"node{i + 1}"
    if node.power:
        yield f"{name} loses power", put(power_off(world, i), i, mains=False)
        yield f"{name} and its BMC lose power", put(power_off(world, i), i, mains=False, bmc="dead")
    if is_there(node):
        yield f"{name} is reset", reset(world, i)
    if runs(node):
        yield f"{name} freezes", put(world, i, frozen=True)
    if is_up(node):
        yield f"PostgreSQL on {name} crashes", crashed(world, i)
    if runs(node) and not node.dead:
        yield f"skyha on {name} is killed", die(world, i)
    if not node.hangs:
        yield f"a promotion on {name} would hang", put(world, i, hangs=True)


def _bmc_faults(world: World, i: int) -> Iterator[tuple[str, World]]:
    if world.nodes[i].bmc == "ok":
        yield f"the BMC of node{i + 1} is dead", put(world, i, bmc="dead")
        yield f"the BMC of node{i + 1} does what it is told, its answers are lost", put(world, i, bmc="mute")
        yield f"the BMC of node{i + 1} answers and does not do what it is told", put(world, i, bmc="deaf")
        yield f"the BMC of node{i + 1} does what it is told much later", put(world, i, bmc="late")


def _link_faults(world: World) -> Iterator[tuple[str, World]]:
    links = {"the link between the nodes": {LINK}, "the links of the vote host": set(VOTE)}
    for i in (0, 1):
        links[f"node{i + 1}'s link to the vote host"] = {VOTE[i]}
        links[f"node{i + 1}'s cable"] = {LINK, VOTE[i]}
        links[f"node{i + 1}'s link to the other's BMC"] = {BMC[i]}
    for name, gone in links.items():
        if not gone <= world.cut:
            yield f"{name} is cut", world._replace(cut=world.cut | gone)
    if world.vote == "ok":
        yield "the vote proxy hangs", world._replace(vote="hung")
    if world.register == "ok":
        yield "the register is stopped", world._replace(register="down")
    if world.backup is not None and world.backup != world.row:
        yield "the register is restored from a backup", world._replace(row=world.backup)


def _lease_faults(world: World, i: int) -> Iterator[tuple[str, World]]:
    node, name = world.nodes[i], f"node{i + 1}"
    if not world.register:
        return
    if node.line == "ok":
        yield f"{name}'s line to the register is cut", put(world, i, line="cut")
        yield f"what the register answers {name} is lost", put(world, i, line="deaf")
    if not node.stuck and not world.zero:
        yield f"the watchdog of {name} cannot be used", put(world, i, stuck=True)
    if runs(node) and not node.dead and not node.leaving:
        yield f"skyha on {name} is told to end", put(world, i, leaving=1, wanted=False)
    if runs(node) and not node.halts:
        halts = put(world, i, halts="off", wanted=False)
        yield (
            f"{name} is shut down",
            put(halts, i, server="stopping", promoting=False) if is_up(node) else crashed(halts, i),
        )


def _zero_faults(world: World) -> Iterator[tuple[str, World]]:
    if world.sink >= 0 and not world.stuck:
        yield "the walsender gets nothing through any more", world._replace(stuck=True)
    for i in (0, 1):
        if is_up(world.nodes[i]) and not world.nodes[i].busy and not world.nodes[i].standby:
            yield f"the checkpointer of node{i + 1} is busy", put(world, i, busy=True)


def _orders(world: World, i: int) -> Iterator[tuple[str, World]]:
    """An operator's. What he says is true: he says that a host is off only where it is, and stays so until this is over."""
    node, other = world.nodes[i], world.nodes[1 - i]
    if not runs(node) or node.dead:
        return
    has_all = node.branch == len(world.branches) - 1
    if accepts(node):
        yield f"an operator orders a switchover on node{i + 1}", put(world, i, orders=(Order.SWITCHOVER,))
        yield f"an operator pauses the cluster on node{i + 1}", put(world, i, orders=(Order.PAUSE,))
    if not other.power and not other.mains and has_all:
        word = zero.overruled(put(world, i, by_word=bool(world.register)))
        yield f"an operator confirms on node{i + 1} that the other is off", put(word, i, orders=(Order.CONFIRM_OFF,))
        yield f"an operator orders node{i + 1} to take over", put(word, i, orders=(Order.TAKEOVER,))


def _heals(world: World, stages: Stages) -> Iterator[tuple[str, World]]:
    for i in (0, 1):
        node, name = world.nodes[i], f"node{i + 1}"
        if not node.mains and (_may_come_back(world, i, stages) or node.bmc == "ok"):
            yield f"{name} has power again", powered(world, i)
        if node.mains and not node.power and _may_come_back(world, i, stages, IN_FAILOVER[:2]):
            yield f"somebody switches {name} on", put(world, i, power=True, boot=BOOTS)
        if node.frozen:
            yield f"{name} thaws", put(world, i, frozen=False)
        if node.hangs:
            yield f"a promotion on {name} would end", put(world, i, hangs=False)
        if node.bmc not in ("ok", "lies") and node.mains:
            yield f"the BMC of {name} is well", put(world, i, bmc="ok")
        if not node.wanted:
            yield f"skyha on {name} is started again", put(world, i, wanted=True)
        if node.stuck:
            yield f"the watchdog of {name} is well", put(world, i, stuck=False)
        if node.line != "ok":
            yield f"{name}'s line to the register is well", put(world, i, line="ok")
        if node.paused and runs(node) and not node.dead:
            yield f"an operator ends the pause on {name}", resumed(world, i)
    if world.cut:
        yield "all links are whole", world._replace(cut=frozenset())
    for link in world.cut if len(world.cut) > 1 else ():
        yield f"the link {link} is whole", world._replace(cut=world.cut - {link})
    if world.vote != "ok":
        yield "the vote proxy is well", world._replace(vote="ok")
    if world.register == "down":
        yield "the register is well", world._replace(register="ok")
    if world.stuck:
        yield "the walsender goes on", world._replace(stuck=False)
    for i in (0, 1):
        if world.nodes[i].busy:
            yield f"the checkpointer of node{i + 1} is idle", put(world, i, busy=False)


def _may_come_back(world: World, i: int, stages: Stages, not_in: tuple[Stage, ...] = IN_FAILOVER) -> bool:
    """May somebody switch this host on now? What the peer leans on he must leave off; a register needs only that a word is kept."""
    is_free = bool(world.register) and not world.nodes[1 - i].by_word
    return is_free or stages[1 - i] not in not_in


def resumed(world: World, i: int) -> World:
    """An operator ends the pause, there where it was ordered."""
    return put(world, i, orders=(Order.RESUME,), paused=False)


def powered(world: World, i: int) -> World:
    """Its supply is back, and with it the host and its BMC."""
    node = world.nodes[i]
    bmc = "ok" if node.bmc == "dead" else node.bmc
    boot = node.boot if node.power else BOOTS
    return put(world, i, mains=True, power=True, boot=boot, bmc=bmc)


def healed(world: World) -> World:
    """All faults are mended, and nothing fails any more. A host that skyha has switched off stays off."""
    for i in (0, 1):
        halts = "reboot" if world.nodes[i].halts else ""
        world = put(
            world, i, busy=False, frozen=False, hangs=False, line="ok", stuck=False, wanted=not halts, halts=halts
        )
        if not world.nodes[i].mains:
            world = powered(world, i)
        if world.nodes[i].bmc != "lies":
            world = put(world, i, bmc="ok")
        if world.nodes[i].paused and runs(world.nodes[i]) and not world.nodes[i].dead:
            world = resumed(world, i)
    register = "ok" if world.register else ""
    return world._replace(cut=frozenset(), vote="ok", register=register, backup=None, stuck=False, faults=0, heals=0)

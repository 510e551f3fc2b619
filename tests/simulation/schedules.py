# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Random schedules of faults. `run(seed)` is one world with its faults, repaired at the end, and must converge.

python -m tests.simulation.schedules SEED        replays one and prints its story (from the project's root,
                                                 PYTHONPATH=collections); with --register one of those with a register, with --lease one of those with a
                                                 lease, with --zero-loss without a loss
"""

from __future__ import annotations

import random
import sys

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Timing
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from . import faults_hosts, faults_links, faults_postgres
from .faults import FAULTS, LEASE_FAULTS, REGISTER_FAULTS, ZERO_LOSS_FAULTS
from .host import Host
from .scene import Scene, Undo
from .story import story
from .world import World

# Shorter than in production where nothing but the test's own time depends on it.
TIMING = Timing(
    flap_guard=30.0,
    bmc_check_interval=15.0,
    bmc_retry_interval=5.0,
    fence_attempts=6,
    fence_deadline=4.0,
    switchover_deadline=12.0,
    promote_deadline=20.0,
    start_deadline=20.0,
)
SETTLE = 300.0  # within so long after the last repair the cluster must be in good order


REGISTER = {"register": {"engine": "vote_host", "address": "198.51.100.35"}}
ZERO_LOSS = {"replication": {"mode": "zero_loss"}}
LEASE = {**REGISTER, "watchdog": {"device": "/dev/watchdog0"}}


def make_world(
    seed: int, register: bool = False, lease: bool = False, zero_loss: bool = False
) -> tuple[World, random.Random]:
    """The world of a seed: its speeds and settings differ from seed to seed."""
    chance = random.Random(seed)
    world = World(
        seed,
        TIMING,
        without_bmc=lease and seed % 4 == 0,
        fence={"action": "reset" if chance.random() < 0.15 else "off"},
        failover={"tablespace_policy": chance.choice(["alarm", "alarm", "failover"])},
        **(LEASE if lease else REGISTER if register else {}),
        **(ZERO_LOSS if zero_loss else {}),
    )
    world.boot_time = chance.choice([9.0, 25.0])
    world.rewind_time = chance.choice([0.5, 5.0])
    world.fsync_time = chance.choice([0.0, 0.0, 0.2])
    for host in world.hosts.values():
        host.pg.promote_time = chance.choice([0.1, 0.2, 2.0])
        host.pg.recovery_time = chance.choice([0.5, 4.0])
        host.pg.stop_time = chance.choice([0.1, 1.0, 1.0, 15.0])
        host.clock_rate = chance.choice([1.0, 1.0, 0.955, 1.045])
    world.stream.delay = chance.choice([0.002, 0.05, 0.4])
    world.network.vote.connect_timeout = chance.choice([0.3, 0.5, 3.0])  # shorter than each look, than some, than none
    if zero_loss:
        for host in world.hosts.values():
            host.pg.sync.checkpointer_late = chance.choice([0.0, 0.2, 4.0])
    return world, chance


def run(seed: int, register: bool = False, lease: bool = False, zero_loss: bool = False) -> World:
    """One schedule, with a register in the mix, and a lease, or without. What it broke is in `world.broken`."""
    world, chance = make_world(seed, register, lease, zero_loss)
    scene = Scene(world, chance)
    world.run_until(world.armed, 60.0)
    open_faults: list[tuple[float, Undo]] = []
    if chance.random() < 0.2:
        open_faults.append(_alone(scene))
    faults = FAULTS + (LEASE_FAULTS if lease else REGISTER_FAULTS if register else ())
    faults += ZERO_LOSS_FAULTS if zero_loss else ()
    weights = [fault.weight for fault in faults]
    quick = chance.random() < 0.5
    for _ in range(chance.randint(1, 7)):
        fault = chance.choices(faults, weights)[0]
        world.tell("FAULT", fault.name)
        undo = fault.begin(scene)
        open_faults.append((world.now + chance.choice([0.2, 1.0, 3.0, 8.0, 20.0, 60.0]), undo))
        until = world.now + (chance.uniform(0.0, 4.0) if quick else chance.uniform(0.0, 25.0))
        while world.now < until and not world.broken:
            due = min((at for at, _ in open_faults), default=until)
            world.run(max(0.0, min(due, until) - world.now))
            for at, undo in [one for one in open_faults if one[0] <= world.now]:
                open_faults.remove((at, undo))
                world.tell("FAULT", "one is repaired")
                undo()
        if world.broken:
            return world
    while open_faults and not world.broken:
        at, undo = min(open_faults, key=lambda one: one[0])
        open_faults.remove((at, undo))
        world.run(min(5.0, max(0.0, at - world.now)))
        world.tell("FAULT", "one is repaired")
        undo()
    if not world.broken:
        _converges(world)
    return world


def _alone(scene: Scene) -> tuple[float, Undo]:
    """The standby is gone for about as long as the primary needs to note that it is alone; what follows meets that record."""
    world, chance = scene.world, scene.chance
    begin = chance.choice(
        [
            faults_hosts.standby_off,
            faults_links.standby_cut_off,
            faults_postgres.walsender_stops,
            faults_hosts.asks_in_vain,
        ]
    )
    world.tell("FAULT", f"{begin.__name__}, for long")
    undo = begin(scene)
    alone_after = world.config("node1").timing.alone_after
    world.run(alone_after * chance.choice([0.9, 1.0, 1.1]) + chance.uniform(-6.0, 6.0))
    return world.now + chance.choice([0.2, 3.0, 20.0, 60.0]), undo


def _converges(world: World) -> None:
    """Everything is repaired: the cluster must come into good order, and an operator does only what skyha asks for."""
    world.run(40.0 if any(host.unplugged for host in world.hosts.values()) else 1.0)  # a word given is over by then
    world.tell("FAULT", "all is repaired")
    for host in world.hosts.values():
        if host.unplugged:
            host.unplugged = False
            host.switch_on("the operator, who had pulled its plug")
    deadline = world.now + SETTLE
    while world.now < deadline and not world.broken:
        for host in world.hosts.values():
            _does_as_told(host)
        world.run(10.0)
        if not world.not_converged(but=("flap_guard",)):
            return
    if not world.broken:
        world.oracles.breaks("liveness", "; ".join(world.not_converged(but=("flap_guard",))))


def _does_as_told(host: Host) -> None:
    """An operator who reads the alarms of this node and does what they name, and nothing that no alarm asks for."""
    alarms = host.world.alarms(host.name)
    told = " ".join(alarms.values())
    for code, order in (("paused", Order.RESUME), ("failover", Order.ACKNOWLEDGE)):
        if code in alarms:
            host.daemon.order(order)
    if "fence_distrusted" in alarms or "skyctl acknowledge" in told:
        host.daemon.order(Order.ACKNOWLEDGE)
    if "skyctl rejoin" in told:
        host.daemon.order(Order.REJOIN)
    if "skyctl confirm-off" in told and not host.peer.power:
        host.peer.unplugged = True  # and pulls its plug, as docs/operations.md says
        host.daemon.order(Order.CONFIRM_OFF)
    elif host.pg.accepts and host.peer.unplugged:
        host.peer.unplugged = False
        host.peer.switch_on("the operator, who had pulled its plug")
    if "power_on" in alarms:  # 'could not be switched on again: do so by hand'
        host.peer.switch_on("the operator, whom an alarm asks for it")


def main(arguments: list[str]) -> int:
    """Replay the seeds named."""
    register, lease, zero_loss = (f"--{one}" in arguments for one in ("register", "lease", "zero-loss"))
    for seed in [one for one in arguments if one.isdecimal()]:
        print(story(run(int(seed), register, lease, zero_loss), f"seed {seed}"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

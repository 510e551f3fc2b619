# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Random faults on the lab for a given time, one or two at once; the oracles are held after each.

python -m tests.faults.soak --minutes 30 --seed 1

The seed decides the faults, their hosts and their lengths, so that the same seed plays the same again. Roles are told
when a round begins: 'primary' is whoever serves then. What is promised under any faults is safety (O1 to O4), and that
the cluster is whole again soon after all is repaired; to be available under two faults at once is not.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults import flapping
from tests.faults.catalogue import HAS_REGISTER
from tests.faults.rows_skyha import KILL
from tests.faults.scene import Scene
from tests.lab import faults, lab, register
from tests.lab.watch import Report, Watch

Fault = Callable[[Scene, str], object]
LENGTHS = (0.5, 2.0, 5.0, 10.0, 20.0)
GAPS = (0.0, 0.0, 0.3, 1.0, 2.5, 4.0)


def _restart_skyha(scene: Scene, node: str) -> None:
    lab.on(node, "systemctl", "stop", "skyha")
    scene.later(lab.on, node, "systemctl", "start", "skyha")


def _stop_proxy(scene: Scene, _node: str) -> None:
    lab.on("vote", "systemctl", "stop", "sky-vote-proxy")


def _hang_proxy(scene: Scene, _node: str) -> None:
    lab.on("vote", "systemctl", "kill", "-s", "STOP", "sky-vote-proxy")


def _one_way(scene: Scene, node: str) -> None:
    scene.cut(node, lab.other(node))


def _bmc(*what: str) -> Fault:
    return lambda scene, node: lab.lab("bmc", node, *what)


# What may be done to a node, and how often it is chosen. 'lie' stands for a BMC that is caught lying: its answer is read back.
FAULTS: dict[str, tuple[int, Fault]] = {
    "power cut": (5, lambda scene, node: faults.power_loss(node)),
    "power reset": (3, lambda scene, node: lab.lab("power", node, "reset")),
    "network cut": (5, lambda scene, node: faults.network_cut(node)),
    "host frozen": (4, lambda scene, node: faults.frozen_host(node)),
    "postmaster killed": (4, lambda scene, node: faults.postmaster_killed(node)),
    "PostgreSQL stopped": (3, lambda scene, node: faults.postgres_stopped(node)),
    "PostgreSQL shut down": (2, lambda scene, node: faults.shut_down(node)),
    "skyha killed": (6, lambda scene, node: lab.on(node, *KILL)),
    "skyha stopped": (3, _restart_skyha),
    "link between the nodes cut": (3, lambda scene, node: scene.cut_both(node, lab.other(node))),
    "link to the peer cut one way": (3, _one_way),
    "link to the vote host cut": (3, lambda scene, node: scene.cut_both(node, "vote")),
    "30 % loss": (2, lambda scene, node: lab.lab("loss", node, "30")),
    "link flaps": (1, lambda scene, node: flapping.flap(node, 3)),
    "vote host dead": (2, lambda scene, node: faults.power_loss("vote")),
    "vote proxy stopped": (2, _stop_proxy),
    "vote proxy hangs": (2, _hang_proxy),
    "BMC stopped": (2, _bmc("stop")),
    "BMC lies": (2, _bmc("lie", "on")),
    "BMC slow": (1, _bmc("slow", "2")),
    "switchover": (4, lambda scene, node: lab.on(scene.primary, "skyctl", "switchover", check=False)),
}

# Where the lab has a register these are in the mix, too.
OF_THE_REGISTER: dict[str, tuple[int, Fault]] = {
    "host and BMC lose power": (3, lambda scene, node: faults.power_loss_with_bmc(node)),
    "register stopped": (3, lambda scene, _node: (scene.later(register.heal), register.stopped())),
    "register hangs": (2, lambda scene, _node: (scene.later(register.heal), register.hung())),
    "host is shut down": (2, lambda scene, node: faults.host_shut_down(node)),
}
if HAS_REGISTER:
    FAULTS.update(OF_THE_REGISTER)


@dataclass(frozen=True)
class Strike:
    """One fault of a round."""

    name: str
    on: str  # primary, standby
    gap: float  # seconds after the one before


@dataclass(frozen=True)
class Round:
    """One or two faults, and how long they last."""

    strikes: tuple[Strike, ...]
    seconds: float

    def __str__(self) -> str:
        told = "; ".join(f"{strike.name} ({strike.on})" for strike in self.strikes)
        return f"{told}; for {self.seconds:g} s"


def plan(chance: random.Random) -> Round:
    """The next round of a seed."""
    names, weights = list(FAULTS), [weight for weight, _ in FAULTS.values()]
    strikes = tuple(
        Strike(
            chance.choices(names, weights)[0],
            "primary" if chance.random() < 0.65 else "standby",
            chance.choice(GAPS),
        )
        for _ in range(chance.choice((1, 1, 2)))
    )
    return Round(strikes, chance.choice(LENGTHS))


def play(one: Round) -> tuple[Report, str | None]:
    """One round on a whole cluster: what was seen, and which rule was broken."""
    broken = None
    with Watch() as watch:
        scene = Scene(watch)
        for strike in one.strikes:
            time.sleep(strike.gap)
            node = scene.primary if strike.on == "primary" else scene.standby
            try:
                FAULTS[strike.name][1](scene, node)
            except RuntimeError as error:  # the host is off already, or its PostgreSQL is down
                print(f"           {strike.name}: not possible now ({str(error)[:90]})", flush=True)
        time.sleep(one.seconds)
        faults.heal()  # first of all power: much of the rest is undone inside the hosts
        scene.undo()
        try:
            _repair()
        except AssertionError as error:
            broken = f"the cluster did not become whole: {error}"
    try:
        watch.report.check()
    except AssertionError as error:
        broken = f"{error}; {broken}" if broken else str(error)
    return watch.report, broken


def _repair() -> None:
    """Everything healed; the operator acknowledges, and the cluster must become whole by itself."""
    faults.heal()
    for node in lab.NODES:
        lab.on(node, "skyctl", "acknowledge", check=False)
    faults.make_whole(300)


def main() -> int:
    """0 when every rule was held for the whole time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from-round", type=int, default=1, help="leave out the rounds before this one")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    ends = time.monotonic() + options.minutes * 60
    number = failovers = acknowledged = lost = 0
    faults.make_whole()
    while time.monotonic() < ends:
        number += 1
        one = plan(chance)
        if number < options.from_round:
            continue
        print(f"round {number:3}: {one}", flush=True)
        report, broken = play(one)
        promoted = len(report.happened("promoted"))
        failovers, lost = failovers + promoted, lost + len(report.lost)
        acknowledged += len(report.acknowledged)
        end = "failed over" if promoted else "no failover"
        print(f"           {end}, outage {report.outage:.1f} s, lost {len(report.lost)}", flush=True)
        if broken:
            print(f"\n{broken}\n\n{report.story()}\n")
            print(f"again: make soak SEED={options.seed} SOAK_FROM={number}")
            return 1
    print(
        f"{number} rounds of seed {options.seed}, {failovers} failovers, {lost} of {acknowledged:,} acknowledged commits lost, no rule broken"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

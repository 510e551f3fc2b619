# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Random fault schedules break no rule, and the cluster comes into good order after each.

SIM_SCHEDULES: how many (3000). SIM_SEED: the first seed (0); each seed is always the same schedule.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.simulation.schedules import run
from tests.simulation.story import story

COUNT = int(os.environ.get("SIM_SCHEDULES", "3000"))
FIRST = int(os.environ.get("SIM_SEED", "0"))
BLOCKS = 10
STORIES = 2  # of failing seeds that are told in full


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_schedules_break_no_rule(block, capsys):
    size = -(-COUNT // BLOCKS)
    seeds = range(FIRST + block * size, FIRST + min(COUNT, (block + 1) * size))
    began, promotions, alone, lost, failed = time.monotonic(), 0, 0, 0, {}
    for seed in seeds:
        world = run(seed)
        promotions += world.oracles.promotions
        alone += bool(world.oracles.alone)
        lost += world.oracles.lost > 0
        if world.broken:
            failed[seed] = world
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(
            f" [{len(seeds)} schedules, {promotions} promotions, {lost} with loss, {alone} alone, {len(seeds) / max(seconds, 1e-9):.0f}/s]",
            end="",
        )
    text = "\n\n".join(
        story(world, f"seed {seed}: PYTHONPATH=collections python -m tests.simulation.schedules {seed}")
        for seed, world in list(failed.items())[:STORIES]
    )
    assert not failed, f"{len(failed)} of {len(seeds)} schedules broke a rule: {list(failed)}\n{text}"
    if len(seeds) >= 50:
        assert promotions > len(seeds) / 10, "the schedules do not come to failovers any more"
    if len(seeds) >= 200:
        assert alone, "the schedules do not come to a primary that notes that it is alone any more"
        assert lost, "the schedules lose no acknowledged commit any more, so nobody counts them"


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize(("what", "seeds_from"), [("register", 1_000_000), ("lease", 2_000_000)])
def test_random_schedules_with_a_register_break_no_rule(block, what, seeds_from):
    """With faults of the register's among them; with a lease every fourth cluster has no BMC at all."""
    size = -(-COUNT // 10 // BLOCKS)
    first = FIRST + seeds_from + block * size
    worlds = {seed: run(seed, **{what: True}) for seed in range(first, first + size)}
    failed = [story(world, f"--{what} {seed}") for seed, world in worlds.items() if world.broken]
    assert not failed, f"{len(failed)} of {size} schedules broke a rule\n" + "\n\n".join(failed[:STORIES])


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize(("what", "seeds_from"), [("register", 3_000_000), ("lease", 4_000_000)])
def test_random_schedules_without_loss_lose_nothing(block, what, seeds_from):
    """With faults of synchronous replication among them. O1 allows a loss by an operator's word only."""
    size = -(-COUNT // 20 // BLOCKS)
    first = FIRST + seeds_from + block * size
    worlds = {seed: run(seed, zero_loss=True, **{what: True}) for seed in range(first, first + size)}
    failed = [story(world, f"--{what} --zero-loss {seed}") for seed, world in worlds.items() if world.broken]
    assert not failed, f"{len(failed)} of {size} schedules broke a rule\n" + "\n\n".join(failed[:STORIES])
    if COUNT >= 1000:
        promotions = sum(world.oracles.promotions for world in worlds.values())
        assert promotions, "the schedules do not come to failovers any more"


def test_a_seed_is_always_the_same_schedule():
    assert story(run(FIRST)) == story(run(FIRST))

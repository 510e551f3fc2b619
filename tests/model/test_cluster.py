# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All stories of a small cluster, as far as `make test` has time: wide and short, narrow and long. `make model` goes further.

The model: two hosts, each with the real decision, PostgreSQL (down, starting, up, stopping; a branch and an LSN that counts to two), the
record, a BMC (dead, mute, deaf, late, another host's); the links between them, to the vote host and to the BMCs, the vote proxy. Time goes
in steps of 2 s. In a step perhaps one thing fails, heals or is ordered (events.py), both skyhas look and act in either order, one of them
may die between record and deed or act a step late, and time passes (moves.py). The configuration's times are a few steps long (build.py).
States that decide alike are one (times.py). Rules are looked at where they may be broken, S1 to S6; and from every state, with all faults
mended, the cluster must serve again or name an operator's order (live.py).

With a register (lease.py) there are its row and each node's line to it, the datagrams between both skyhas, the watchdogs, and more that may
happen: a line is cut, answers are lost, the register is stopped, skyha ends in good order, a host is shut down, a watchdog cannot be used. R1
is looked at as well. The lease is three steps, a watchdog bites after five, so an heir waits for nine.

Without loss (zero.py; a register and no lease) there are skyha's file, what the server has read of it, and what clients were told; a walsender may
get nothing through, and a checkpointer read its settings late. R6 is looked at as well; and a cluster whose commits wait for an absent
standby does not serve.
"""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import by_any_clock

from tests.model.build import LEASED, STEP, TIMING
from tests.model.cluster import Cluster, Way
from tests.model.events import events
from tests.model.run import after, explored, with_register, without_loss
from tests.model.verbs import QUIET, finds_nothing

ABOUT_TO_TAKE = ("node1 and its BMC lose power", *QUIET * 8)


@pytest.mark.parametrize(
    ("faults", "heals", "depth"), [(2, 1, 4), (1, 2, 24)], ids=["two faults in any four steps", "one fault, long after"]
)
def test_no_story_breaks_a_rule_and_each_leads_back_to_service(faults, heals, depth, capsys):
    finds_nothing(explored(faults, heals, depth), capsys)


def in_the_middle(cluster):
    """An armed cluster, and three in which the lease is at work already: taking by time, a frozen host, a register that is silent."""
    silent = ("the register is stopped", "node2 loses power", *QUIET * 4)
    frozen = ("node1 freezes", *QUIET * 5)
    return [
        *after((), ABOUT_TO_TAKE, silent, register=True)(cluster),
        *after(frozen, register=True, bmc="dead")(cluster),
    ]


@pytest.mark.parametrize(
    ("faults", "heals", "depth", "starts"),
    [(2, 1, 3, in_the_middle), (1, 1, 14, with_register)],
    ids=["two faults in any three steps", "one fault, and long after"],
)
def test_with_a_register_no_story_breaks_a_rule_and_each_leads_back_to_service(faults, heals, depth, starts, capsys):
    finds_nothing(explored(faults, heals, depth, starts), capsys)


def with_and_without_a_standby(cluster):
    """Without loss: in good order, the standby given up, just back, and lost while the register is silent (commits wait)."""
    gone = ("node2 loses power", *QUIET * 5)
    back = (*gone, "node2 has power again", *QUIET * 2)
    return after((), gone, back, ("the register is stopped", *gone), zero=True)(cluster)


@pytest.mark.parametrize(
    ("faults", "heals", "depth", "starts"),
    [(2, 1, 2, with_and_without_a_standby), (1, 1, 18, without_loss)],
    ids=["two faults in any two steps", "one fault, and long after"],
)
def test_without_loss_nobody_becomes_primary_and_lacks_what_was_acknowledged(faults, heals, depth, starts, capsys):
    finds_nothing(explored(faults, heals, depth, starts), capsys)


def after_steps(story, steps, **start):
    """The world after this story and so many steps more."""
    cluster = Cluster()
    (world,) = after((*story, *QUIET * steps), register=True, **start)(cluster)
    return cluster, world


def test_host_and_bmc_lose_power_together_and_the_heir_takes_by_time():
    cluster, world = after_steps(ABOUT_TO_TAKE, 0)
    assert not cluster.serves(world)
    cluster, world = after_steps(ABOUT_TO_TAKE, 3)
    assert cluster.serves(world)
    assert world.row.holder == "node2"


def test_a_host_that_is_shut_down_hands_over():
    cluster, world = after_steps(("node1 is shut down",), 4)
    assert cluster.serves(world)
    assert world.row.holder == "node2"


def test_a_frozen_host_is_reset_by_its_watchdog():
    assert after_steps(("node1 freezes",), 3, bmc="dead")[1].nodes[0].frozen
    assert after_steps(("node1 freezes",), 4, bmc="dead")[1].nodes[0].boot


def test_skyha_that_is_killed_is_back_before_the_watchdog_bites():
    cluster = Cluster()
    world = cluster.start(register=True)._replace(faults=1)
    world = next(one for event, one in events(world, cluster.stages(world)) if event == "skyha on node1 is killed")
    for _ in range(20):
        world = cluster.step(world, Way())
        assert cluster.serves(world)


def test_the_lease_goes_with_the_steps_as_in_production():
    lease, watchdog = LEASED[0].register.lease, LEASED[0].watchdog.timeout
    assert lease >= TIMING.least_lease
    assert watchdog > 4 * STEP, "a skyha that is killed comes back after two steps, and has renewed two later"
    assert by_any_clock(lease + watchdog) <= 9 * STEP, "see times.py"

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""R6 in the model: no node becomes primary by itself and lacks what was acknowledged; and each way to name the heir too early, or to take it
back too late, is found.
"""

from __future__ import annotations

import dataclasses

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import holding, sync

from tests.model.cluster import Way
from tests.model.events import events
from tests.model.moves import die
from tests.model.run import after
from tests.model.state import put
from tests.model.verbs import QUIET, caught_alone

GONE = ("node2 loses power", *QUIET * 5)
# It is level again: commits wait for it from the next decision on.
BACK = (*GONE, "node2 has power again", *QUIET * 2)
BUSY = (*BACK, "the checkpointer of node1 is busy")
STUCK = "the walsender gets nothing through any more"


def without_loss(*stories):
    return after(*stories, zero=True)


def just_switched_on(cluster):
    """Until a moment ago the cluster was async, and the register names an heir by the lag rule."""
    world = cluster.start(zero=True)
    world = die(put(world, 0, file="", names="", waits=False), 0)
    for _ in range(4):
        world = cluster.step(world, Way())
    world = world._replace(faults=9, heals=9)
    return [dict(events(world, cluster.stages(world)))[STUCK]]


def patched(monkeypatch, name, made):
    """made(the honest one, its arguments): what it gives instead."""
    honest = getattr(sync, name)
    monkeypatch.setattr(sync, name, lambda *arguments: made(honest, *arguments))


def test_an_heir_named_before_commits_wait(monkeypatch):
    monkeypatch.setattr(sync, "SYNC_SETTLES", 0.0)
    patched(
        monkeypatch,
        "_waiting",
        lambda honest, config, part, memory, look, *rest: honest(
            config, part, memory, dataclasses.replace(look, loaded=True), *rest
        ),
    )
    caught_alone(monkeypatch, "R6", 1, 0, 5, without_loss((*BUSY, *QUIET, STUCK)))


def test_an_heir_named_before_it_has_flushed_what_was_written_before(monkeypatch):
    def rash(honest, *arguments):
        part = honest(*arguments)
        return dataclasses.replace(part, is_covered=part.is_covered or part.floor is not None)

    patched(monkeypatch, "_waiting", rash)
    caught_alone(monkeypatch, "R6", 1, 0, 9, without_loss((*BACK, STUCK)))


def test_commits_go_on_alone_while_the_heir_stands(monkeypatch):
    def blind(honest, config, memory, seen, now):
        hold = memory.register.hold
        hold = hold and dataclasses.replace(hold, has_heir=False)
        register = dataclasses.replace(memory.register, hold=hold)
        return honest(config, dataclasses.replace(memory, register=register), seen, now)

    patched(monkeypatch, "_wish", blind)
    caught_alone(monkeypatch, "R6", 1, 0, 9, without_loss(("node1's line to the register is cut", STUCK)))


def test_an_heir_that_was_named_while_no_commit_waited(monkeypatch):
    def credulous(honest, config, part, memory, *rest):
        part = honest(config, part, memory, *rest)
        return dataclasses.replace(part, is_covered=part.is_covered or sync._was_heir(config, memory))

    patched(monkeypatch, "_resumed", credulous)
    caught_alone(monkeypatch, "R6", 1, 0, 8, just_switched_on)


def test_an_heir_named_by_the_lag_rule(monkeypatch):
    monkeypatch.setattr(holding, "may_be_heir", lambda *_: True)
    caught_alone(monkeypatch, "R6", 1, 0, 8, just_switched_on)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Both engines of the register, PostgreSQL's functions and the key of an etcd, carry out the same transactions alike, for real."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import real_etcd
import real_register
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.etcd import Members
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.register import Line, Register, wait_for
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.row_change import Row
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.verbs import (
    found,
    hand_over,
    read,
    renew,
    set_heir,
    take,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Answer, Done, Lost, Missing, Verb
from node_samples import NODE1, configured

ID = "7301234567890123456"
PATIENT = 20.0  # a deadline that a busy machine keeps
NONE = Row("", 0, 0)


@pytest.fixture(scope="module")
def etcd() -> Iterator[real_etcd.Etcd]:
    with real_etcd.served(members=1) as served:
        yield served


@pytest.fixture(scope="module")
def engines(etcd: real_etcd.Etcd) -> Iterator[dict[str, tuple[Line, Callable[[], object]]]]:
    """Each engine's line, and how its row is taken away."""
    with real_register.served() as server:
        lines: dict[str, Line] = {
            "postgresql": Register(real_register.dsn(server), "sky"),
            "etcd": Members(configured(NODE1, register=real_etcd.section(etcd))),
        }
        clear = {
            "postgresql": lambda: server.sql("delete from sky_register.register", "sky_register"),
            "etcd": lambda: etcd.put("/sky.pg_cluster/sky/row", None),
        }
        yield {name: (line, clear[name]) for name, line in lines.items()}
        for line in lines.values():
            line.close()


def ask(line: Line, verb: Verb) -> Answer:
    line.ask(verb, time.monotonic(), PATIENT)
    return wait_for(line)


def plain(answer: Answer) -> Any:
    """What a rule can read of it."""
    assert not isinstance(answer, Lost), answer
    if isinstance(answer, Missing):
        return "missing"
    row = answer.row
    kept = (row.system_identifier, row.holder, row.epoch, row.beat, row.heir, row.term, row.noted_by)
    return ("done" if isinstance(answer, Done) else "refused", *kept)


def at(epoch: int, beat: int) -> Row:
    return Row("", epoch, beat)


FOUNDED = found(ID, "node1", 1, None)
NAMED = set_heir(ID, "node1", at(1, 0), "node2", 7.5)
# Each story's questions, in order; what is told after each of them must be the same.
STORIES: dict[str, list[Verb]] = {
    "no row": [read(), renew(ID, "node1", 1), take(ID, "node2", at(1, 0)), hand_over(ID, "node1", at(1, 0))],
    "founded once": [FOUNDED, FOUNDED, found("78", "node2", 1, None), found(ID, "node2", 2, None), read()],
    "founded with a row that is gone": [found(ID, "node1", 7, at(3, 3)), read()],
    "founded above": [
        FOUNDED,
        found("78", "node2", 9, at(1, 1)),
        found("78", "node2", 1, at(1, 0)),
        found("78", "node2", 9, at(1, 0)),
        found("78", "node2", 9, at(1, 0)),
    ],
    "renewed": [FOUNDED, renew(ID, "node1", 1), renew(ID, "node1", 1), read()],
    "who does not hold": [FOUNDED, renew(ID, "node2", 1), renew(ID, "node1", 2), renew("78", "node1", 1)],
    "an heir": [FOUNDED, NAMED, NAMED, set_heir(ID, "node1", at(1, 1), None), read()],
    "no heir has no term": [FOUNDED, set_heir(ID, "node1", at(1, 0), None, 7.0), read()],
    "an heir named late": [FOUNDED, renew(ID, "node1", 1), NAMED, set_heir(ID, "node1", at(2, 1), "node2")],
    "its own heir": [FOUNDED, set_heir(ID, "node1", at(1, 0), "node1"), set_heir(ID, "node1", at(1, 0), "node2", -1.0)],
    "another's heir": [FOUNDED, set_heir(ID, "node2", at(1, 0), "node1"), set_heir("78", "node1", at(1, 0), "node2")],
    "taken": [FOUNDED, NAMED, take(ID, "node2", at(1, 1)), take(ID, "node2", at(1, 1)), renew(ID, "node1", 1), read()],
    "not taken": [
        FOUNDED,
        take(ID, "node2", at(1, 0)),
        NAMED,
        take(ID, "node3", at(1, 1)),
        take("78", "node2", at(1, 1)),
        renew(ID, "node1", 1),
        take(ID, "node2", at(1, 1)),
        take(ID, "node2", at(1, 2)),
    ],
    "handed over": [
        FOUNDED,
        hand_over(ID, "node1", at(1, 0)),
        NAMED,
        hand_over(ID, "node2", at(1, 1)),
        hand_over(ID, "node1", at(1, 1)),
        hand_over(ID, "node1", at(1, 1)),
        take(ID, "node2", at(2, 2)),
        renew(ID, "node2", 2),
        set_heir(ID, "node2", at(2, 3), "node1", 7.0),
    ],
    "strange names": [found("it's \\' or true --", 'n\\"1', 1, None), renew("it's \\' or true --", 'n\\"1', 1), read()],
}


@pytest.mark.parametrize("story", STORIES)
def test_both_engines_answer_alike(engines: dict[str, tuple[Line, Callable[[], object]]], story: str) -> None:
    told: dict[str, list[Any]] = {}
    for engine, (line, clear) in engines.items():
        clear()
        told[engine] = [(verb.name, plain(ask(line, verb))) for verb in STORIES[story]]
    assert told["etcd"] == told["postgresql"]
    assert any(answer != "missing" for _, answer in told["etcd"]) or story == "no row"


def test_numbers_and_floats_are_kept_as_they_are(engines: dict[str, tuple[Line, Callable[[], object]]]) -> None:
    for engine, (line, clear) in engines.items():
        clear()
        ask(line, found(ID, "node1", 2**40, None))
        answer = ask(line, set_heir(ID, "node1", at(2**40, 0), "node2", 7.25))
        assert plain(answer)[:7] == ("done", ID, "node1", 2**40, 1, "node2", 7.25), engine
        assert isinstance(answer, Done)
        assert abs(answer.row.noted_at - time.time()) < 60

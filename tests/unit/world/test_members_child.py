# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How each member of a real etcd is, as the daemon asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import real_etcd
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.config import Config
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Outcome, Task
from node_samples import NODE1, configured
from task_samples import outcome_of


@pytest.fixture(scope="module")
def served() -> Iterator[real_etcd.Etcd]:
    with real_etcd.served() as etcd:
        yield etcd


@pytest.fixture
def etcd(served: real_etcd.Etcd) -> Iterator[real_etcd.Etcd]:
    yield served
    served.again()


def asked(etcd: real_etcd.Etcd, **other: str) -> Outcome:
    config: Config = configured(NODE1, register={**real_etcd.section(etcd), **other})
    return outcome_of(Task.CHECK_MEMBERS, config)


def test_all_are_well(etcd: real_etcd.Etcd) -> None:
    assert asked(etcd) == Outcome(Task.CHECK_MEMBERS, True)


def test_one_that_is_down_is_named_and_no_other(etcd: real_etcd.Etcd) -> None:
    gone, *left = etcd.names
    etcd.kill(gone)
    outcome = asked(etcd)
    assert not outcome.ok
    assert outcome.detail.startswith(f"{etcd.endpoint(gone)}: ")
    assert not [one for one in left if etcd.endpoint(one) in outcome.detail]


def test_one_that_hangs_is_named_in_time(etcd: real_etcd.Etcd) -> None:
    hung = next(one for one in etcd.names if one != etcd.leader())
    with etcd.paused(hung):
        outcome = asked(etcd)
    assert not outcome.ok
    assert outcome.detail == f"{etcd.endpoint(hung)}: no answer in time"


def test_one_that_is_left_alone_has_no_leader(etcd: real_etcd.Etcd) -> None:
    alone, *others = etcd.names
    for one in others:
        etcd.kill(one)
    until = time.monotonic() + 20
    while "leader" not in asked(etcd).detail.split(etcd.endpoint(alone))[-1].split(";")[0]:
        assert time.monotonic() < until


def test_a_ca_that_is_not_theirs_is_told(etcd: real_etcd.Etcd, tmp_path: Path) -> None:
    other = tmp_path / "ca.crt"
    other.write_text("no certificate")
    outcome = asked(etcd, cafile=str(other))
    assert not outcome.ok
    assert str(other) in outcome.detail

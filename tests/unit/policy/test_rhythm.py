# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a look waits goes by how quickly the primary usually answers."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import LEAST_LOOK
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.rhythm import (
    ENOUGH,
    GENERATION,
    Answers,
    look_deadline,
    noted,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Look, Path, Sight
from node_samples import NODE2, configured

CONFIG = configured(NODE2)
SET = CONFIG.timing.look_deadline


def after(times: int, vip: float, vote: float, known: dict[Path, Answers] | None = None) -> dict[Path, Answers]:
    """So many looks later."""
    found = dict(known or {})
    for _ in range(times):
        found = dict(noted(found, {Path.VIP: Look(Sight.OK, latency=vip), Path.VOTE: Look(Sight.OK, latency=vote)}))
    return found


@pytest.mark.parametrize(
    ("vip", "vote", "waits"),
    [(0.003, 0.005, LEAST_LOOK), (0.12, 0.005, 0.512), (0.005, 0.3, SET), (0.9, 0.9, SET)],
)
def test_the_slower_path_tells_and_never_more_than_is_set(vip: float, vote: float, waits: float) -> None:
    assert look_deadline(CONFIG, after(ENOUGH, vip, vote)) == waits


def test_a_few_answers_tell_nothing() -> None:
    assert look_deadline(CONFIG, {}) == SET
    assert look_deadline(CONFIG, after(ENOUGH - 1, 0.003, 0.003)) == SET
    only = {Path.VIP: after(ENOUGH, 0.003, 0.003)[Path.VIP]}
    assert look_deadline(CONFIG, only) == SET


def test_one_slow_answer_in_a_hundred_is_usual_no_more_than_that() -> None:
    known = after(1, 0.5, 0.5, after(99, 0.003, 0.003))
    assert look_deadline(CONFIG, known) == LEAST_LOOK
    assert look_deadline(CONFIG, after(1, 0.5, 0.5, known)) == SET


def test_what_failed_is_no_answer() -> None:
    assert noted({}, {Path.VIP: Look(Sight.STALLED, latency=0.6)}) == {}


def test_a_network_that_has_become_slow_is_known_soon_and_one_that_was_is_forgotten() -> None:
    quick = after(2 * GENERATION, 0.003, 0.003)
    slow = after(GENERATION // 5, 0.2, 0.2, quick)
    assert look_deadline(CONFIG, slow) == SET
    assert look_deadline(CONFIG, after(3 * GENERATION, 0.003, 0.003, slow)) == LEAST_LOOK


def test_nothing_is_taken_off_the_counts() -> None:
    known = after(3 * GENERATION, 0.003, 0.003)[Path.VIP]
    assert sum(known.counts) == 3 * GENERATION
    assert GENERATION <= sum(known.recent) <= 2 * GENERATION
    assert known.seconds == pytest.approx(3 * GENERATION * 0.003)


def test_a_deadline_that_is_set_shorter_stays() -> None:
    short = dataclasses.replace(CONFIG, timing=dataclasses.replace(CONFIG.timing, look_deadline=0.2))
    assert look_deadline(short, after(ENOUGH, 0.003, 0.003)) == 0.2

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is remembered of what was seen: lag on one clock, evidence per role, the pause, an operator's word."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import PAUSE_SETTLES, WORD_HOLDS
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.armed import lag_bytes, lag_seconds
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.memory import MAX_SAMPLES, Trouble
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.record import Record, is_paused
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy.remember import remember
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import (
    Beat,
    Local,
    Look,
    Order,
    Path,
    Request,
    Role,
    Seen,
    Server,
    Sight,
)
from node_samples import BMC_OF_NODE2, NODE1, changed, configured, remembered

CONFIG = configured(NODE1, agents=(BMC_OF_NODE2,))


def standby(replay, receive=None):
    return Local(
        Server.UP, Role.STANDBY, replay_lsn=replay, receive_lsn=replay if receive is None else receive, streaming=True
    )


def seen(local, lsn=None, recorded=True, paused_for=0.0, requests=()):
    if lsn is None:
        return Seen(local, requests=requests)
    look = Look(Sight.OK, reached=True, beat=Beat(lsn, 1, recorded, paused_for))
    return Seen(local, {Path.VIP: look, Path.VOTE: look}, requests=requests)


def lived(*steps, memory=None):
    """The memory after (time, Seen) ..."""
    memory = memory or remembered(Record("boot"))
    for now, what in steps:
        memory = remember(CONFIG, memory, what, now)
    return memory


def test_before_it_caught_up_the_lag_is_infinite():
    assert lag_seconds(lived((1.0, seen(standby(10), lsn=50)))) == float("inf")


def test_a_standby_that_has_all_has_no_lag():
    assert lag_seconds(lived((1.0, seen(standby(50), lsn=50)))) == 0.0


def test_lag_is_the_age_of_what_is_replayed_when_the_primary_was_last_heard():
    memory = lived((1.0, seen(standby(50), lsn=50)), (2.0, seen(standby(50), lsn=60)), (9.0, seen(standby(60), lsn=80)))
    assert lag_seconds(memory) == 7.0
    assert lag_bytes(memory, standby(60, receive=75)) == 5


def test_a_standby_whose_server_was_down_must_catch_up_anew():
    """Both were stopped: it is back first, and what it knew before says nothing of what the primary writes meanwhile."""
    memory = lived((1.0, seen(standby(50), lsn=50)))
    record = dataclasses.replace(memory.record, trouble_at=2.0)
    memory = changed(memory, record=record, watch={"trouble": Trouble(2.0, unreachable=3)})
    memory = lived((3.0, seen(Local(Server.DOWN, Role.STANDBY))), (4.0, seen(standby(50))), memory=memory)
    assert lag_seconds(memory) == float("inf")
    assert memory.watch.trouble is None
    assert memory.record.trouble_at is None
    memory = lived((5.0, seen(standby(50), lsn=50)), memory=memory)
    assert lag_seconds(memory) == 0.0


def test_a_server_that_does_not_answer_for_a_moment_was_not_down():
    memory = lived((1.0, seen(standby(50), lsn=50)), (2.0, seen(Local(Server.STALLED, Role.STANDBY))))
    assert lag_seconds(memory) == 0.0


def test_silence_does_not_make_the_lag_grow():
    memory = lived((1.0, seen(standby(50), lsn=50)), (500.0, seen(standby(50))))
    assert lag_seconds(memory) == 0.0


def test_an_idle_primary_has_no_lagging_standby():
    assert lag_seconds(lived(*((float(now), seen(standby(50), lsn=50)) for now in range(100)))) == 0.0


def test_samples_are_bounded_and_the_lag_is_never_judged_too_short():
    memory = lived(
        (0.0, seen(standby(0), lsn=0)), *((float(now), seen(standby(100), lsn=now)) for now in range(1, 2000))
    )
    assert len(memory.heard.samples) <= MAX_SAMPLES
    assert lag_seconds(memory) >= 1999 - 100


def test_evidence_of_another_role_is_forgotten():
    as_primary = Local(Server.UP, Role.PRIMARY, write_lsn=50, peer_streaming=True)
    memory = lived((1.0, seen(as_primary, lsn=50)), (2.0, seen(Local(Server.UP, Role.STANDBY, replay_lsn=50))))
    assert memory.stream.at is None
    assert memory.heard.recorded_at is None
    assert lag_seconds(memory) == float("inf")


def test_a_primary_that_does_not_note_its_standby_disarms_it_at_once():
    memory = lived((1.0, seen(standby(50), lsn=50)), (2.0, seen(standby(50), lsn=50, recorded=False)))
    assert memory.heard.recorded_at is None


def test_an_operators_word_expires():
    order = Request(Order.CONFIRM_OFF)
    memory = lived((1.0, seen(standby(50), requests=(order,))))
    assert memory.word.confirmed_off
    assert lived((1.0 + WORD_HOLDS, seen(standby(50))), memory=memory).word.confirmed_off
    assert not lived((1.1 + WORD_HOLDS, seen(standby(50))), memory=memory).word.confirmed_off


class TestPause:
    def test_what_the_database_says_counts(self):
        memory = lived((1.0, seen(standby(50), lsn=50, paused_for=20.0)))
        assert is_paused(memory.record, 20.0)
        assert not is_paused(memory.record, 22.0)

    def test_it_holds_while_nobody_can_be_asked(self):
        memory = lived((1.0, seen(standby(50), lsn=50, paused_for=float("inf"))), (900.0, seen(standby(50))))
        assert is_paused(memory.record, 900.0)

    def test_the_database_ends_it(self):
        memory = lived((1.0, seen(standby(50), lsn=50, paused_for=float("inf"))), (2.0, seen(standby(50), lsn=50)))
        assert not is_paused(memory.record, 2.0)

    @pytest.mark.parametrize("order", [Order.PAUSE, Order.RESUME])
    def test_an_order_counts_before_it_stands_in_the_database(self, order):
        before = 0.0 if order is Order.PAUSE else float("inf")
        memory = lived(
            (1.0, seen(standby(50), lsn=50, paused_for=before)),
            (2.0, seen(standby(50), lsn=50, paused_for=before, requests=(Request(order),))),
            (3.0, seen(standby(50), lsn=50, paused_for=before)),
        )
        assert is_paused(memory.record, 3.0) == (order is Order.PAUSE)
        assert memory.word.pause_request is not None

    @pytest.mark.parametrize("order", [Order.PAUSE, Order.RESUME])
    def test_a_late_answer_does_not_undo_it_and_a_newer_order_does(self, order):
        before = 0.0 if order is Order.PAUSE else float("inf")
        memory = lived((1.0, seen(standby(50), lsn=50, requests=(Request(order),))))
        memory = changed(memory, word={"pause_written_at": 1.0})
        memory = lived((2.0, seen(standby(50), lsn=50, paused_for=before)), memory=memory)
        assert is_paused(memory.record, 2.0) == (order is Order.PAUSE)
        at = 1.0 + PAUSE_SETTLES
        memory = lived((at, seen(standby(50), lsn=50, paused_for=before)), memory=memory)
        assert is_paused(memory.record, at) == (order is not Order.PAUSE)
        assert memory.word.pause_request is None

    def test_what_was_written_is_not_written_again_and_its_end_holds_over_a_boot(self):
        pause = Request(Order.PAUSE, seconds=60.0)
        memory = lived((1.0, dataclasses.replace(seen(standby(50), requests=(pause,)), wall=1.7e9)))
        assert memory.record.paused_until_wall == 1.7e9 + 60.0
        told = dataclasses.replace(seen(standby(50)), pause_written=True, wall=1.7e9 + 3.0)
        memory = lived((2.0, told), memory=memory)
        assert memory.word.pause_written_at == 2.0
        assert memory.record.paused_until_wall == 1.7e9 + 60.0, "within the drift it stays as it is"

    def test_a_new_order_is_written_although_one_was_just_written(self):
        memory = lived((1.0, seen(standby(50), requests=(Request(Order.PAUSE),))))
        memory = changed(memory, word={"pause_written_at": 1.0})
        memory = lived((1.2, seen(standby(50), requests=(Request(Order.RESUME),))), memory=memory)
        assert memory.word.pause_written_at is None

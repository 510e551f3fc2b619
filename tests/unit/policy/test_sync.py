# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""For whom commits wait, and when the standby is the heir by that: R6, one look after the other."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import SYNC_SETTLES
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.policy import sync
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Do, Order, Request, Role, Seen, Server
from node_samples import changed
from sync_samples import Serving, protected


class TestIn:
    """The standby becomes the heir."""

    def test_commits_wait_for_one_that_is_level_and_then_it_is_the_heir(self) -> None:
        node = Serving()
        node.cycles(15)
        assert (node.file, node.row.heir) == ("node2", "node2")
        assert node.told.count("sync_begun") == 1

    def test_no_heir_before_the_checkpointer_is_known_to_have_read_it(self) -> None:
        node = Serving()
        node.loaded = False
        node.cycles(60)
        assert node.file == "node2"
        assert not node.orders
        node.loaded = True
        node.cycles(5)
        assert node.is_heir

    def test_the_checkpointer_is_trusted_no_sooner_than_it_was_told(self) -> None:
        node = Serving()
        node.until(lambda: node.names == "node2")
        since = node.now
        node.until(lambda: node.memory.sync.is_loaded)
        assert node.now - since >= SYNC_SETTLES

    def test_no_heir_before_it_has_flushed_what_was_written_before_commits_waited(self) -> None:
        node = Serving()
        node.until(lambda: node.memory.sync.is_loaded, 1.0, lags=True)
        node.flushed = node.written
        node.cycles(2)
        floor = node.memory.sync.floor
        assert floor is not None
        assert floor > node.flushed
        assert not node.orders
        node.flushed = floor
        node.cycles(2)
        assert node.is_heir

    def test_nor_by_what_it_does_not_tell(self) -> None:
        """It is gone before it has flushed that, and comes back as far behind."""
        node = Serving()
        node.until(lambda: node.memory.sync.is_loaded, 1.0, lags=True)
        node.streams = False
        node.cycle(0.3)
        node.streams = True
        node.cycle(0.3)
        assert node.memory.sync.floor is not None
        assert not node.memory.sync.is_covered
        assert not node.orders

    def test_the_floor_is_of_a_look_after_the_one_that_found_commits_waiting(self) -> None:
        """What was acknowledged alone between two looks lies below it."""
        node = Serving()
        node.until(lambda: node.memory.sync.is_loaded, 1.0)
        assert node.memory.sync.floor is None
        node.cycle(writes=5000)
        assert node.memory.sync.floor == node.written

    def test_commits_do_not_wait_for_one_that_is_far_behind(self) -> None:
        node = Serving()
        node.flushed = 0
        node.cycles(60)
        assert node.file == ""

    def test_nor_for_one_whose_flush_nobody_knows(self) -> None:
        node = Serving()
        node.streams = False
        node.cycles(60)
        assert node.file == ""
        assert not node.orders

    def test_nor_while_the_register_says_nothing(self) -> None:
        node = Serving()
        node.answers = False
        node.cycles(60)
        assert node.file == ""
        assert "the register" in node.cycle().alarms["not_protected"]

    def test_nor_before_the_database_says_that_a_standby_is_there(self) -> None:
        node = Serving()
        node.local = dataclasses.replace(node.local, standby_recorded=False)
        node.cycles(60)
        assert not node.orders

    def test_an_heir_of_the_lag_rule_is_taken_back_before_commits_wait(self) -> None:
        """Async until now: that heir may lack what was acknowledged."""
        node = Serving(heir="node2")
        node.cycles(20)
        assert node.log == ["no heir", "commits wait for node2", "heir node2"]

    def test_remote_apply_waits_for_what_was_replayed(self) -> None:
        node = Serving(sync_commit="remote_apply")
        node.commit = "on"
        node.cycles(20)
        assert not node.orders, "a session commits without waiting for that"
        assert "synchronous_commit is on" in node.cycle().alarms["not_protected"]
        node.commit = "remote_apply"
        node.cycles(5)
        assert node.is_heir


class TestOut:
    """The standby is gone, hung or slow."""

    def test_after_the_patience_first_the_heir_goes_then_commits_go_on(self) -> None:
        node = protected()
        node.flushed = node.written
        began = node.now
        node.until(lambda: node.file == "")
        assert node.now - began <= node.config.replication.sync_patience + 0.5
        assert node.log[-2:] == ["no heir", "commits wait for nobody"]
        assert node.told[-1] == "sync_ended"

    def test_not_before_the_patience_is_over(self) -> None:
        node = protected(sync_patience=8.0)
        node.flushed = node.written
        node.cycles(7.5, 0.1)
        assert (node.file, node.row.heir) == ("node2", "node2")
        node.flushed = None
        node.cycles(10)
        assert node.orders == ["node2"], "it was back in time"

    def test_one_that_streams_no_more_is_given_up_as_well(self) -> None:
        node = protected()
        node.streams = False
        node.cycles(5, 0.1)
        assert (node.file, node.row.heir) == ("", "")

    def test_where_nothing_is_written_nobody_waits_and_nothing_changes(self) -> None:
        node = protected()
        node.flushed = node.written
        for _ in range(60):
            node.cycle(writes=0)
        assert (node.file, node.row.heir) == ("node2", "node2")

    def test_commits_wait_on_while_the_register_does_not_hear_of_it(self) -> None:
        node = protected()
        node.flushed, node.answers = node.written, False
        decision = node.cycles(60)
        assert node.file == "node2"
        assert "wait on until the register has heard" in decision.alarms["commits_wait"]
        node.answers = True
        node.cycles(3)
        assert (node.file, node.row.heir) == ("", "")

    def test_from_the_decision_on_that_ends_the_waiting_no_heir_is_named(self) -> None:
        """The very decision that lets commits go on alone must not name one by what held a moment before."""
        node = protected()
        node.requests = (Request(Order.PAUSE),)
        node.local = dataclasses.replace(node.local, paused_for=float("inf"))
        node.until(lambda: node.file == "", 1.0)
        assert not node.memory.sync.is_covered
        node.local = dataclasses.replace(node.local, paused_for=0.0)
        node.cycle()
        assert node.orders[-1] == "", "the pause is over, and commits do not wait yet"

    def test_it_is_tried_again_and_each_time_later(self) -> None:
        node, gaps = protected(), []
        for _ in range(3):
            node.flushed = node.written
            node.until(lambda: node.file == "")
            node.flushed, out = None, node.now
            node.until(lambda: node.file == "node2")
            gaps.append(node.now - out)
            node.cycles(20)
        assert gaps == pytest.approx([sync.AGAIN, 2 * sync.AGAIN, 4 * sync.AGAIN], abs=0.5)

    def test_trials_are_forgotten_after_a_calm(self) -> None:
        node = protected()
        node.flushed = node.written
        node.cycles(6, 0.1)
        node.flushed = None
        node.cycles(sync.CALM + 60)
        assert node.is_heir
        assert node.memory.sync.given_up == 0


class TestWhatASkyhaKnows:
    def test_one_that_follows_another_keeps_its_heir(self) -> None:
        node = protected()
        node.restart()
        node.streams = False
        node.cycles(2)
        assert not node.orders
        node.streams = True
        node.cycles(10)
        assert node.is_heir
        assert not node.orders

    def test_it_does_not_keep_one_that_was_named_before_commits_waited(self) -> None:
        node = Serving(heir="node2", file="")
        node.cycles(4)
        assert node.orders[0] == ""
        assert not node.memory.sync.is_covered

    def test_nor_one_whose_setting_is_not_in_effect_when_it_starts(self) -> None:
        node = Serving(heir="node2", file="node2")
        node.names, node.reads = "", False
        node.cycles(2)
        node.names, node.loaded = "node2", False
        node.cycles(3)
        assert node.orders
        assert set(node.orders) == {""}

    def test_a_look_that_tells_nothing_changes_nothing(self) -> None:
        node = protected()
        before = node.memory.sync
        node.local = dataclasses.replace(node.local, server=Server.STALLED)
        node.cycles(3)
        assert node.memory.sync == before
        assert node.is_heir

    def test_a_standby_knows_nothing_and_has_nobody_waited_for(self) -> None:
        node = protected()
        node.local = dataclasses.replace(node.local, role=Role.STANDBY, receive_lsn=1, replay_lsn=1)
        seen = dataclasses.replace(node.look(), role=Role.STANDBY)
        memory = sync.remember_sync(node.config, node.memory, Seen(seen), node.now)
        assert memory.sync.pace.looked_at is None
        node.cycle()
        assert node.file == ""

    def test_without_zero_loss_the_file_names_nobody(self) -> None:
        node = Serving(heir="node2", file="node2", mode="async")
        node.cycle()
        assert node.file == ""
        assert "not_protected" not in node.cycle().alarms
        assert node.is_heir, "by the lag rule"

    def test_without_zero_loss_a_node_that_knows_no_file_is_left_alone(self) -> None:
        node = Serving(mode="async")
        for _ in range(5):
            decision = node.cycle()
            assert Do.SET_SYNC not in [action.do for action in decision.actions]


class TestTold:
    def test_a_setting_in_its_way_ends_the_promise(self) -> None:
        node = protected()
        node.names, node.reads = "", False
        node.cycle()
        assert node.orders[-1] == ""
        decision = node.cycles(8)
        assert "ALTER SYSTEM" in decision.alarms["sync_overridden"]

    def test_a_server_that_has_not_read_it_is_told_again(self) -> None:
        node = Serving()
        node.reads = False
        node.cycles(8)
        node.reads = True
        node.cycles(5)
        assert node.names == "node2"
        assert node.told.count("sync_begun") == 1

    def test_who_commits_without_waiting_is_named(self) -> None:
        node = protected()
        node.lowered = ("role batch",)
        assert "role batch" in node.cycle().alarms["sync_lowered"]
        assert node.is_heir

    def test_why_it_is_not_protected(self) -> None:
        node = protected()
        assert "not_protected" not in node.cycle().alarms
        node.streams = False
        decision = node.cycles(9, 0.1)
        assert "node2 does not stream" in decision.alarms["not_protected"]

    def test_it_looks_soon_only_while_commits_wait_or_are_about_to(self) -> None:
        node = protected()
        assert node.cycle().wants.delay == node.config.timing.interval
        node.flushed = node.written
        node.cycle()
        assert node.cycle(0.1).wants.delay <= sync.POLL

    def test_one_that_is_never_level_does_not_make_it_look_all_the_time(self) -> None:
        node = Serving()
        delays = []
        for _ in range(40):
            node.flushed = node.written  # always one look behind
            delays.append(node.cycle(delays[-1] if delays else 1.0).wants.delay)
        assert sum(delays) > len(delays) * 0.4

    def test_skyha_that_is_to_end_first_ends_the_waiting(self) -> None:
        node = protected()
        node.leaving = True
        node.cycles(5)
        assert (node.row.heir, node.file) == ("", "")
        assert not sync.is_waited_for(node.config, Seen(node.look()))


@pytest.mark.parametrize("what", ["peer_streaming", "standby_recorded"])
def test_an_heir_stays_through_a_moment_in_which_that_is_not_seen(what: str) -> None:
    node = protected()
    present = changed(node.memory)
    local = dataclasses.replace(node.look(), **{what: False})
    assert sync.may_be_heir(node.config, present, Seen(local), "node2")
    assert not sync.may_be_heir(node.config, present, Seen(local), "")

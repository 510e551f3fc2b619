# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Levels of devices: in their order, each as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import FenceError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.fencing.agents import Agent, Done
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.fencing.levels import Broken, by_levels
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Power
from fence_samples import Clock, Host, Outlet

ON, OFF, UNKNOWN = Power.ON, Power.OFF, Power.UNKNOWN


def do(verb: str, *levels: Sequence[Agent], deadline: float = 10.0) -> Done:
    clock = Clock()
    return by_levels(levels, verb, deadline, clock, clock.sleep)


class TestOrderOfTheLevels:
    """The first that does it is enough."""

    def test_second_one_is_used_where_the_first_fails(self) -> None:
        first, second = Host("no answer from iDRAC"), Host(ON, OFF)
        assert do("off", [first], [second]).proof
        assert first.closed
        assert second.closed

    def test_second_one_is_left_alone_where_the_first_works(self) -> None:
        second = Outlet("pdu")
        assert do("off", [Outlet("bmc")], [second]).proof
        assert second.power is ON

    def test_dead_first_one_leaves_time_for_the_second(self) -> None:
        clock = Clock()
        first, second = Host(ON, takes=100.0, clock=clock), Host(ON, OFF)
        assert by_levels([[first], [second]], "off", 10.0, clock, clock.sleep).proof
        assert clock.now <= 10.0

    def test_host_that_stood_still_in_one_level_gives_no_order_by_the_next(self) -> None:
        """The peer may be somebody else's primary by now."""
        clock, second = Clock(), Outlet("pdu")

        class Frozen(Outlet):
            def status(self, deadline: float) -> Power:
                clock.now += 600.0
                raise FenceError("no answer")

        with pytest.raises(FenceError, match="no answer; off was not ordered by the next level"):
            by_levels([[Frozen("bmc")], [second]], "off", 10.0, clock, clock.sleep)
        assert second.orders == []

    def test_all_reasons_are_told(self) -> None:
        with pytest.raises(FenceError, match=r"one died; two is wrong"):
            do("off", [Host("one died")], [Host("two is wrong")])

    @pytest.mark.parametrize("verb", ["off", "on", "status"])
    def test_no_agent_at_all_is_an_error(self, verb: str) -> None:
        with pytest.raises(FenceError, match="no fence agent"):
            do(verb)


class TestTwoPowerSupplies:
    """The host is off when both are."""

    def test_both_are_switched_off_and_read_back(self) -> None:
        left, right = Outlet("left"), Outlet("right")
        done = do("off", [left, right])
        assert (done.power, done.proof, done.changed) == (OFF, True, True)
        assert (left.power, right.power) == (OFF, OFF)

    def test_one_that_stays_on_is_no_proof_and_is_named(self) -> None:
        left, right = Outlet("left"), Outlet("right", stuck=True)
        with pytest.raises(FenceError, match=r"outlet left \(off\) and outlet right \(on\): accepted off, but then"):
            do("off", [left, right])

    @pytest.mark.parametrize("dead", ["left", "right"])
    def test_one_that_does_not_answer_leaves_the_other_on(self, dead: str) -> None:
        devices = [Outlet(name, dead=name == dead) for name in ("left", "right")]
        with pytest.raises(FenceError, match=f"outlet {dead}: no answer"):
            do("off", devices)
        assert [device.orders for device in devices] == [[], []]

    @pytest.mark.parametrize("answers", [(UNKNOWN, OFF), (OFF, UNKNOWN), (UNKNOWN, UNKNOWN)])
    def test_unknown_of_one_is_never_off(self, answers: tuple[Power, Power]) -> None:
        with pytest.raises(FenceError, match="neither on nor off"):
            do("off", [Host(answers[0]), Host(answers[1])])

    def test_one_that_dies_after_the_order_is_no_proof(self) -> None:
        with pytest.raises(FenceError, match="right died"):
            do("off", [Host(ON, OFF), Host(ON, "right died")])

    def test_one_that_is_off_already_is_not_told_again(self) -> None:
        left, right = Outlet("left", OFF), Outlet("right")
        assert do("off", [left, right]).proof
        assert (left.orders, right.orders) == ([], ["off"])

    def test_both_off_already_count_as_switched_off(self) -> None:
        left, right = Outlet("left", OFF), Outlet("right", OFF)
        done = do("off", [left, right])
        assert (done.proof, done.changed) == (True, False)

    def test_device_that_cannot_be_made_fails_its_level(self) -> None:
        """A level of two without one of them would be half a fence."""
        right = Outlet("right")
        with pytest.raises(FenceError, match="its password cannot be read"):
            do("off", [Broken("outlet left", "its password cannot be read"), right])
        assert right.orders == []

    def test_next_level_is_tried_where_one_of_them_fails(self) -> None:
        bmc = Outlet("bmc")
        done = do("off", [Outlet("left"), Outlet("right", stuck=True)], [bmc])
        assert done.proof
        assert "outlet bmc" in done.detail
        assert bmc.power is OFF

    def test_reset_of_one_after_the_other_is_refused(self) -> None:
        """The host would live on by the other supply, and the order would count as a reset."""
        left, right = Outlet("left"), Outlet("right")
        with pytest.raises(FenceError, match="does not end the power"):
            do("reset", [left, right])
        assert (left.orders, right.orders) == ([], [])

    def test_order_that_is_too_old_is_not_given_to_the_second(self) -> None:
        """This host was frozen in between: the peer may be somebody else's primary by now."""
        clock = Clock()

        class Slow(Outlet):
            def order(self, verb: str, deadline: float) -> None:
                super().order(verb, deadline)
                clock.now += 60.0

        left, right = Slow("left"), Outlet("right")
        with pytest.raises(FenceError, match="outlet right: off was not ordered"):
            by_levels([[left, right]], "off", 10.0, clock, clock.sleep)
        assert right.orders == []


class TestOn:
    """Whatever had switched the host off is undone."""

    def test_every_device_of_every_level_is_switched_on(self) -> None:
        devices = [Outlet(name, OFF) for name in ("bmc", "left", "right")]
        done = do("on", devices[:1], devices[1:])
        assert (done.power, done.changed) == (ON, True)
        assert [device.power for device in devices] == [ON, ON, ON]

    def test_half_a_level_is_made_whole(self) -> None:
        left, right = Outlet("left", OFF), Outlet("right")
        do("on", [left, right])
        assert left.power is ON

    def test_outlets_before_the_bmc_that_they_feed(self) -> None:
        """The BMC does not answer yet: it is not done, and is asked again."""
        bmc, left, right = Outlet("bmc", OFF, dead=True), Outlet("left", OFF), Outlet("right", OFF)
        with pytest.raises(FenceError, match="outlet bmc: no answer"):
            do("on", [bmc], [left, right])
        assert (left.power, right.power) == (ON, ON)
        bmc.dead = False
        assert do("on", [bmc], [left, right]).power is ON


class TestStatus:
    """What a fence could lean on, told in quiet times."""

    def test_all_say_on(self) -> None:
        done = do("status", [Outlet("bmc")], [Outlet("left"), Outlet("right")])
        assert (done.power, done.warning, done.proof) == (ON, "", False)
        assert all(name in done.detail for name in ("bmc", "left", "right"))

    def test_level_that_stands_is_enough_and_the_device_without_answer_is_named(self) -> None:
        done = do("status", [Outlet("bmc")], [Outlet("left"), Outlet("right", dead=True)])
        assert (done.power, done.warning) == (ON, "outlet right: no answer")

    def test_every_device_that_does_not_answer_is_named(self) -> None:
        with pytest.raises(FenceError, match=r"bmc: no answer; outlet left: no answer; outlet right: no answer"):
            do("status", [Outlet("bmc", dead=True)], [Outlet("left", dead=True), Outlet("right", dead=True)])

    def test_level_of_which_one_does_not_answer_does_not_stand(self) -> None:
        with pytest.raises(FenceError, match="outlet right: no answer"):
            do("status", [Outlet("left"), Outlet("right", dead=True)])

    def test_unknown_is_no_answer(self) -> None:
        with pytest.raises(FenceError, match="neither on nor off"):
            do("status", [Outlet("left"), Host(UNKNOWN)])

    def test_level_that_contradicts_itself_does_not_stand(self) -> None:
        """The outlet that is off of a host that is on is another host's: with the other one off, the level would say off."""
        with pytest.raises(FenceError, match="contradict each other"):
            do("status", [Outlet("left", OFF), Outlet("right")])

    def test_one_level_that_says_off_is_what_a_fence_would_take_for_a_proof(self) -> None:
        """So it is told: of a host that answers it disarms (policy/armed.py)."""
        assert do("status", [Outlet("bmc")], [Outlet("left", OFF), Outlet("right", OFF)]).power is OFF

    def test_dead_device_leaves_time_for_the_others(self) -> None:
        clock = Clock()
        dead = Host(ON, takes=100.0, clock=clock)
        assert by_levels([[dead], [Outlet("pdu")]], "status", 10.0, clock, clock.sleep).power is ON
        assert clock.now <= 10.0

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rule of fencing, with agents that lie, fail and dawdle."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import FenceError
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.fencing.agents import (
    Done,
    carry_out,
    predict,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.margins import SETTLES
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Power
from fence_samples import Clock, Host

ON, OFF, UNKNOWN = Power.ON, Power.OFF, Power.UNKNOWN


def do(host: Host, verb: str, verify: bool = True) -> Done:
    clock = Clock()
    return carry_out(host, verb, 5.0, verify, clock, clock.sleep)


class TestOff:
    """Only a power that was read as off is proof."""

    def test_off_that_is_read_back_is_proof(self) -> None:
        host = Host(ON, ON, ON, OFF)
        done = do(host, "off")
        assert (done.power, done.proof, done.changed, host.orders) == (OFF, True, True, ["off"])

    def test_off_must_hold(self) -> None:
        """Some BMCs say what was ordered before it is so."""
        host, clock = Host(ON, OFF, ON, OFF, OFF), Clock()
        assert carry_out(host, "off", 10.0, True, clock, clock.sleep).proof
        assert 2 * SETTLES <= clock.now < 2 * SETTLES + 1.0

    def test_off_that_came_too_late_to_hold_is_no_proof(self) -> None:
        clock = Clock()
        with pytest.raises(FenceError):
            carry_out(Host(ON, OFF), "off", SETTLES - 0.1, True, clock, clock.sleep)

    def test_host_that_is_off_already_takes_no_time(self) -> None:
        clock = Clock()
        assert carry_out(Host(OFF), "off", 5.0, True, clock, clock.sleep).proof
        assert clock.now == 0.0

    def test_host_that_is_off_already_counts_as_switched_off(self) -> None:
        host = Host(OFF)
        done = do(host, "off")
        assert (done.power, done.proof, done.changed, host.orders) == (OFF, True, False, [])

    def test_accepted_order_that_does_nothing_is_no_proof(self) -> None:
        with pytest.raises(FenceError, match="power is still on"):
            do(Host(ON), "off")

    def test_unknown_power_is_never_off(self) -> None:
        with pytest.raises(FenceError, match="neither on nor off"):
            do(Host(UNKNOWN), "off")

    def test_bmc_that_dies_after_the_order_is_no_proof(self) -> None:
        with pytest.raises(FenceError, match="no answer"):
            do(Host(ON, "no answer"), "off")

    def test_status_that_fails_for_a_moment_is_asked_again(self) -> None:
        assert do(Host(ON, "busy", UNKNOWN, OFF), "off").proof

    def test_status_that_cannot_be_had_means_no_order(self) -> None:
        host = Host("wrong password")
        with pytest.raises(FenceError, match="wrong password"):
            do(host, "off")
        assert host.orders == []

    def test_refused_order_is_an_error(self) -> None:
        with pytest.raises(FenceError, match="privilege"):
            do(Host(ON, refuses="privilege too low"), "off")

    def test_without_reading_back_nothing_is_proved(self) -> None:
        done = do(Host(ON), "off", verify=False)
        assert (done.power, done.proof, done.changed) == (UNKNOWN, False, True)


class TestOtherVerbs:
    """What each of the document's verbs comes to."""

    def test_reset_proves_by_an_accepted_order_and_a_power_that_is_on(self) -> None:
        done = do(Host(ON, OFF, ON), "reset")
        assert (done.power, done.proof, done.changed) == (ON, True, True)
        assert "weaker" in done.detail

    def test_reset_of_a_host_that_is_off_is_proof_as_well(self) -> None:
        host = Host(OFF)
        done = do(host, "reset")
        assert (done.power, done.proof, host.orders) == (OFF, True, [])

    def test_reset_after_which_the_power_stays_off_is_no_proof(self) -> None:
        with pytest.raises(FenceError, match="power is still off"):
            do(Host(ON, OFF), "reset")

    @pytest.mark.parametrize("verb", ["cycle", "diag", "soft"])
    def test_verbs_that_cannot_be_read_back_prove_nothing(self, verb: str) -> None:
        host = Host(ON)
        assert not do(host, verb).proof
        assert host.orders == [verb]

    @pytest.mark.parametrize("verb", ["cycle", "diag", "soft"])
    def test_host_that_is_off_is_not_told_what_would_do_nothing(self, verb: str) -> None:
        host = Host(OFF)
        done = do(host, verb)
        assert (done.power, done.proof, done.changed, host.orders) == (OFF, False, False, [])
        assert f"{verb} would do nothing" in done.detail

    def test_host_that_stood_still_gives_no_order_on_old_knowledge(self) -> None:
        """Between the look and the order this host was frozen: the peer may be somebody else's primary by now."""
        clock = Clock()
        host = Host(ON, takes=5.0, clock=clock)
        with pytest.raises(FenceError, match="off was not ordered, its 5 s are over"):
            carry_out(host, "off", 5.0, True, clock, clock.sleep)
        assert host.orders == []

    def test_on_is_idempotent(self) -> None:
        assert not do(Host(ON), "on").changed
        done = do(Host(OFF, OFF, ON), "on")
        assert (done.power, done.changed, done.proof) == (ON, True, False)

    def test_status_of_a_host_that_says_nothing_of_use_is_an_error(self) -> None:
        assert do(Host(ON), "status").power is ON
        with pytest.raises(FenceError, match="neither on nor off"):
            do(Host(UNKNOWN), "status")

    def test_unknown_verb_is_named_with_the_known_ones(self) -> None:
        with pytest.raises(FenceError, match=r"'explode' is no power verb; known: status, on, off"):
            do(Host(ON), "explode")


@pytest.mark.parametrize(
    ("power", "verb", "after", "changed"),
    [
        (ON, "off", OFF, True),
        (OFF, "off", OFF, False),
        (OFF, "on", ON, True),
        (ON, "on", ON, False),
        (ON, "status", ON, False),
        (ON, "reset", ON, True),
        (OFF, "reset", OFF, False),
        (ON, "soft", ON, True),
    ],
)
def test_prediction(power: Power, verb: str, after: Power, changed: bool) -> None:
    done = predict(power, verb, "BMC test")
    assert (done.power, done.changed) == (after, changed)

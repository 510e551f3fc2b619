# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A BMC user's new password: who may set it, and that nothing is believed without a login."""

from __future__ import annotations

import os
from typing import Any

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.errors import FenceError, RefusedUser
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.fencing.password import Change, change, in_child
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Power


class Bmc:
    """Users with their passwords; keeps only `keeps` bytes of a new one."""

    def __init__(
        self, keeps: int = 20, dead: bool = False, hides: bool = False, drops: bool = False, silent: bool = False
    ) -> None:
        self.passwords = {"test": "old", "admin": "boss"}
        self.silent = silent  # a wrong password gets no answer
        self.keeps, self.dead = keeps, dead
        # To all but its administrator: it tells no users' names; it drops the session that asks for that privilege.
        self.hides, self.drops = hides, drops
        self.logins: list[tuple[str, str]] = []

    def connect(self, user: str, password: str, privilege: str) -> Any:
        return _Session(self, user, password, privilege)


class _Session:
    where = "BMC fake"

    def __init__(self, bmc: Bmc, user: str, password: str, privilege: str) -> None:
        self._bmc, self._user, self._password, self._privilege = bmc, user, password, privilege

    def _log_in(self) -> None:
        self._bmc.logins.append((self._user, self._password))
        if self._bmc.dead:
            raise FenceError("BMC fake: no answer")
        if self._bmc.passwords.get(self._user) != self._password:
            if self._bmc.silent:
                raise FenceError("BMC fake: no answer to status within 15 s; see to the network")
            raise RefusedUser(f"BMC fake: refuses user {self._user}: Incorrect password")

    def status(self, _deadline: float) -> Power:
        self._log_in()
        return Power.ON

    def raw(self, _what: str, _netfn: int, command: int, data: tuple[int, ...], _deadline: float) -> dict[str, Any]:
        self._log_in()
        if self._user != "admin" and self._bmc.drops and self._privilege == "administrator":
            raise FenceError("BMC fake: user access failed: Session no longer connected")
        names = ["", "test", "admin"]
        if self._user != "admin" and self._bmc.hides:
            return {"code": 0xD4, "error": "Insufficient privilege level"}
        if command == 0x44:
            return {"code": 0, "data": bytearray([3, 0, 0, 0])}
        if command == 0x46:
            name = names[data[0] - 1]
            return {"code": 0, "data": bytearray(name.encode().ljust(16, b"\0"))} if name else {"code": 0xCC}
        if self._user != "admin":
            return {"code": 0xD4, "error": "Insufficient privilege level"}
        length = 20 if data[0] & 0x80 else 16
        assert len(data) == 2 + length
        new = bytes(data[2:]).rstrip(b"\0").decode()
        self._bmc.passwords[names[(data[0] & 0x3F) - 1]] = new[: self._bmc.keeps]
        return {"code": 0}

    def close(self) -> None:
        pass


def test_administrator_sets_it() -> None:
    bmc = Bmc()
    assert change(bmc.connect, Change("test", "seventeen bytes!!", "old", "operator", "admin", "boss"), 1.0)
    assert bmc.passwords["test"] == "seventeen bytes!!"


def test_what_the_bmc_takes_already_is_only_verified() -> None:
    bmc = Bmc()
    bmc.passwords["test"] = "new"
    assert not change(bmc.connect, Change("test", "new", "old"), 1.0)
    assert not change(bmc.connect, Change("test", "new", "new"), 1.0)


def test_present_password_is_tried_before_the_new_one() -> None:
    """Wrong logins count: some BMCs lock a user out."""
    bmc = Bmc()
    assert change(bmc.connect, Change("test", "new", "old", "operator", "admin", "boss"), 1.0, dry=True)
    assert bmc.logins == [("test", "old")]
    assert bmc.passwords["test"] == "old"


def test_operator_may_not_set_it_and_is_told_what_to_do() -> None:
    bmc = Bmc()
    with pytest.raises(FenceError, match=r"may not set the password.*ADMINISTRATOR"):
        change(bmc.connect, Change("test", "new", "old"), 1.0)
    assert bmc.passwords["test"] == "old"


@pytest.mark.parametrize("way", ["hides", "drops"])
def test_refusal_in_other_words_is_told_as_one_where_the_login_worked(way: str) -> None:
    bmc = Bmc(**{way: True})
    with pytest.raises(
        FenceError, match=r"as operator succeeded just before.*ADMINISTRATOR: name one, or set test's password"
    ):
        change(bmc.connect, Change("test", "new", "old"), 1.0)
    assert bmc.passwords["test"] == "old"


def test_password_that_was_cut_short_is_taken_back() -> None:
    bmc = Bmc(keeps=16)
    with pytest.raises(FenceError, match="the old one was put back"):
        change(bmc.connect, Change("test", "seventeen bytes!!", "old", "operator", "admin", "boss"), 1.0)
    assert bmc.passwords["test"] == "old"


def test_bmc_that_refuses_by_silence_is_not_told_as_a_network_that_is_broken() -> None:
    """It took the password and then says nothing to a login with it: that is what is told, and the old one is put back."""
    bmc = Bmc(keeps=16, silent=True)
    with pytest.raises(FenceError, match="did not answer a login with it; the old one was put back") as told:
        change(bmc.connect, Change("test", "seventeen bytes!!", "old", "operator", "admin", "boss"), 1.0)
    assert "network" not in str(told.value)
    assert bmc.passwords["test"] == "old"


def test_old_password_that_cannot_be_put_back_is_told() -> None:
    bmc = Bmc(keeps=2)
    with pytest.raises(FenceError, match="could not be put back: set one on the BMC itself"):
        change(bmc.connect, Change("test", "seventeen bytes!!", "old", "operator", "admin", "boss"), 1.0)


def test_work_in_a_process_of_its_own_answers_as_it_would_here() -> None:
    assert in_child(lambda: True)
    assert not in_child(lambda: False)

    def refuse() -> bool:
        raise RefusedUser("BMC fake: refuses user test")

    def break_down() -> bool:
        os._exit(1)

    with pytest.raises(RefusedUser, match="refuses user test"):
        in_child(refuse)
    with pytest.raises(FenceError, match="ZeroDivisionError"):
        in_child(lambda: bool(1 / 0))
    with pytest.raises(FenceError, match="died"):
        in_child(break_down)


def test_neither_password_is_accepted() -> None:
    with pytest.raises(FenceError, match="neither the present nor the new"):
        change(Bmc().connect, Change("test", "new", "wrong"), 1.0)


def test_silent_bmc_is_no_refusal() -> None:
    with pytest.raises(FenceError, match="no answer"):
        change(Bmc(dead=True).connect, Change("test", "new", "old", "operator", "admin", "boss"), 1.0)


def test_user_that_is_not_there_is_told() -> None:
    bmc = Bmc()
    bmc.passwords["other"] = "old"
    with pytest.raises(FenceError, match="has no user other"):
        change(bmc.connect, Change("other", "new", "old", "operator", "admin", "boss"), 1.0)

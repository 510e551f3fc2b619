# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The register's functions and logins, in a real server: what a login may change, and when it may not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
import real_register
from real_postgres import RealPostgres

ROW = tuple[Any, ...]


@pytest.fixture(scope="module")
def server() -> Iterator[RealPostgres]:
    with real_register.served() as register:
        yield register


class Login:
    """A session of a cluster's login."""

    def __init__(self, server: RealPostgres, login: str = "register_sky") -> None:
        self.connection = psycopg2.connect(**real_register.dsn(server, login))
        self.connection.autocommit = True

    def ask(self, sql: str, *values: object) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchone()

    def call(self, verb: str, *values: object) -> ROW | None:
        """done, holder, epoch, beat, heir."""
        marks = ", ".join(["%s"] * len(values))
        return self.ask(f"select done, holder, epoch, beat, heir from sky_register.{verb}({marks})", *values)


@pytest.fixture
def sky(server: RealPostgres) -> Iterator[Login]:
    """With a fresh row: node1 holds it in epoch 1, nobody is heir."""
    server.sql("delete from sky_register.register", "sky_register")
    login = Login(server)
    assert login.call("found", "sky", "77", "node1", 1, None, None) == (True, "node1", 1, 0, None)
    yield login
    login.connection.close()


def test_holder_renews(sky: Login) -> None:
    assert sky.call("renew", "sky", "77", "node1", 1) == (True, "node1", 1, 1, None)
    assert sky.call("renew", "sky", "77", "node1", 1) == (True, "node1", 1, 2, None)
    assert sky.call("read", "sky") == (True, "node1", 1, 2, None)


@pytest.mark.parametrize("wrong", [("78", "node1", 1), ("77", "node2", 1), ("77", "node1", 2)])
def test_who_does_not_hold_it_renews_nothing(sky: Login, wrong: ROW) -> None:
    assert sky.call("renew", "sky", *wrong) == (False, "node1", 1, 0, None)


def test_heir_takes_with_what_it_read(sky: Login) -> None:
    assert sky.call("set_heir", "sky", "77", "node1", 1, 0, "node2", 0) == (True, "node1", 1, 1, "node2")
    assert sky.call("take", "sky", "77", "node2", 1, 1) == (True, "node2", 2, 2, None)
    assert sky.call("renew", "sky", "77", "node1", 1) == (False, "node2", 2, 2, None)


def test_the_term_of_the_lease_goes_with_the_heir(sky: Login) -> None:
    term = "select term from sky_register.read('sky')"
    assert sky.call("set_heir", "sky", "77", "node1", 1, 0, "node2", 7.5) == (True, "node1", 1, 1, "node2")
    assert sky.ask(term) == (7.5,)
    assert sky.call("set_heir", "sky", "77", "node1", 1, 1, "node2", -1) == (False, "node1", 1, 1, "node2")
    assert sky.call("set_heir", "sky", "77", "node1", 1, 0, "node2", 6) == (False, "node1", 1, 1, "node2")
    sky.call("take", "sky", "77", "node2", 1, 1)
    assert sky.ask(term) == (0,)
    sky.call("set_heir", "sky", "77", "node2", 2, 2, "node1", 7)
    sky.call("hand_over", "sky", "77", "node2", 2, 3)
    assert sky.ask(term) == (0,)
    sky.call("set_heir", "sky", "77", "node1", 3, 4, None, 7)
    assert sky.ask(term) == (0,)


def test_beat_that_went_on_calls_a_take_off(sky: Login) -> None:
    """R2: the holder came back and renewed while the proof was made."""
    sky.call("set_heir", "sky", "77", "node1", 1, 0, "node2", 0)
    sky.call("renew", "sky", "77", "node1", 1)
    assert sky.call("take", "sky", "77", "node2", 1, 1) == (False, "node1", 1, 2, "node2")


def test_who_is_no_heir_takes_nothing(sky: Login) -> None:
    assert sky.call("take", "sky", "77", "node2", 1, 0) == (False, "node1", 1, 0, None)
    sky.call("set_heir", "sky", "77", "node1", 1, 0, "node3", 0)
    assert sky.call("take", "sky", "77", "node2", 1, 1) == (False, "node1", 1, 1, "node3")
    sky.call("set_heir", "sky", "77", "node1", 1, 1, None, 0)
    assert sky.call("take", "sky", "77", "node3", 1, 2) == (False, "node1", 1, 2, None)


def test_take_of_another_system_is_refused(sky: Login) -> None:
    sky.call("set_heir", "sky", "77", "node1", 1, 0, "node2", 0)
    assert sky.call("take", "sky", "78", "node2", 1, 1) == (False, "node1", 1, 1, "node2")


def test_of_two_takers_one_wins(sky: Login, server: RealPostgres) -> None:
    """The same heir twice, as after a restart: one change, and both are told what holds."""
    for _ in range(10):
        server.sql("update sky_register.register set holder='node1', epoch=5, beat=9, heir='node2'", "sky_register")
        logins = [Login(server) for _ in range(4)]
        answers: list[ROW | None] = []
        start = threading.Barrier(len(logins))

        def take(login: Login, start: threading.Barrier = start, answers: list[ROW | None] = answers) -> None:
            start.wait()
            answers.append(login.call("take", "sky", "77", "node2", 5, 9))

        threads = [threading.Thread(target=take, args=(login,)) for login in logins]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [(True, "node2", 6, 10, None)] * 4, "one beat: one change"
        for login in logins:
            login.connection.close()


def test_take_and_renewal_at_once_cannot_both_win(sky: Login, server: RealPostgres) -> None:
    other = Login(server)
    for _ in range(20):
        server.sql("update sky_register.register set holder='node1', epoch=5, beat=9, heir='node2'", "sky_register")
        answers: dict[str, ROW | None] = {}
        renewal = threading.Thread(target=lambda: answers.update(renew=other.call("renew", "sky", "77", "node1", 5)))  # noqa: B023
        renewal.start()
        answers["take"] = sky.call("take", "sky", "77", "node2", 5, 9)
        renewal.join()
        done = {verb for verb, answer in answers.items() if answer and answer[0]}
        # A renewal that came first was one: the take then failed. Never a renewal after the take.
        assert done in ({"take"}, {"renew"}), answers
    other.connection.close()


def test_order_for_an_heir_that_arrives_late_changes_nothing(sky: Login) -> None:
    """'node2' was asked for, its answer was lost, and 'nobody' was ordered since: then the first one arrives."""
    assert sky.call("set_heir", "sky", "77", "node1", 1, 0, None, 0) == (True, "node1", 1, 1, None)
    assert sky.call("set_heir", "sky", "77", "node1", 1, 0, "node2", 0) == (False, "node1", 1, 1, None)


def test_holder_is_not_its_own_heir(sky: Login) -> None:
    assert sky.call("set_heir", "sky", "77", "node1", 1, 0, "node1", 0) == (False, "node1", 1, 0, None)


def test_new_row_only_instead_of_the_one_that_was_seen_and_with_a_higher_epoch(sky: Login) -> None:
    assert sky.call("found", "sky", "78", "node2", 9, None, None) == (False, "node1", 1, 0, None)
    assert sky.call("found", "sky", "78", "node2", 9, 1, 1) == (False, "node1", 1, 0, None)
    assert sky.call("found", "sky", "78", "node2", 1, 1, 0) == (False, "node1", 1, 0, None)
    assert sky.call("found", "sky", "78", "node2", 9, 1, 0) == (True, "node2", 9, 1, None)


def test_row_that_went_back_is_seen_as_it_is(sky: Login, server: RealPostgres) -> None:
    """Restored from a copy: whoever remembers a later beat sees that; renewals by the former holder do not come through."""
    sky.call("set_heir", "sky", "77", "node1", 1, 0, "node2", 0)
    server.sql("create table public.copy as table sky_register.register", "sky_register")
    sky.call("take", "sky", "77", "node2", 1, 1)
    assert sky.call("renew", "sky", "77", "node2", 2) == (True, "node2", 2, 3, None)
    server.sql(
        "delete from sky_register.register; insert into sky_register.register table public.copy; drop table public.copy",
        "sky_register",
    )
    assert sky.call("renew", "sky", "77", "node2", 2) == (False, "node1", 1, 1, "node2")


def test_row_that_is_gone_is_no_answer(sky: Login, server: RealPostgres) -> None:
    server.sql("delete from sky_register.register", "sky_register")
    assert sky.call("read", "sky") is None
    assert sky.call("renew", "sky", "77", "node1", 1) is None
    assert sky.call("take", "sky", "77", "node2", 1, 1) is None


def test_another_clusters_row_cannot_be_touched_nor_seen(sky: Login, server: RealPostgres) -> None:
    moon = Login(server, "register_moon")
    sky.call("set_heir", "sky", "77", "node1", 1, 0, "node2", 0)
    for verb, values in {
        "read": (),
        "renew": ("77", "node1", 1),
        "take": ("77", "node2", 1, 1),
        "set_heir": ("77", "node1", 1, 1, None, 0),
        "found": ("77", "node9", 9, 1, 1),
    }.items():
        assert moon.call(verb, "sky", *values) is None, verb
    assert sky.call("read", "sky") == (True, "node1", 1, 1, "node2")
    assert moon.call("found", "moon", "5", "node3", 1, None, None) == (True, "node3", 1, 0, None)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from sky_register.register",
        "select * from sky_register.row_of('sky')",
        "update sky_register.register set holder = 'node2'",
        "truncate sky_register.register",
        "create table public.mine (x int)",
        "create temporary table mine (x int)",
        "create schema mine",
        "set session authorization register_moon",
        "set role postgres",
    ],
)
def test_login_can_do_nothing_else(sky: Login, sql: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        sky.ask(sql)


def test_functions_of_its_own_path_do_not_reach_into_the_registers(sky: Login) -> None:
    with pytest.raises(psycopg2.Error):
        sky.ask(
            "set search_path = pg_temp; create function pg_temp.clock_timestamp() returns timestamptz language sql as 'select null'"
        )


def test_commit_waits_for_the_disk_whatever_the_session_says(sky: Login) -> None:
    sky.ask("set synchronous_commit = off; select 1")
    sky.ask("begin; select 1")
    sky.call("renew", "sky", "77", "node1", 1)
    assert sky.ask("show synchronous_commit") == ("on",)
    sky.ask("commit; select 1")


def test_who_changed_it_last_is_noted(sky: Login, server: RealPostgres) -> None:
    sky.call("renew", "sky", "77", "node1", 1)
    noted = server.sql(
        "select noted_by, now() - noted_at < interval '1 min' from sky_register.register", "sky_register"
    )
    assert noted == "node1|t"


def test_first_run_says_what_it_made(postgres: RealPostgres) -> None:
    assert real_register.make(postgres, check=True) == ["made database sky_register"]


def test_second_run_changes_nothing_and_a_password_is_known_again(server: RealPostgres) -> None:
    assert real_register.make(server) == []
    assert real_register.make(server, check=True, passwords={"register_sky": "other", "register_new": "x"}) == [
        "gave a new password to login register_sky",
        "made login register_new",
    ]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(**real_register.dsn(server, password="wrong"))


def test_login_goes_with_its_row_and_its_sessions(server: RealPostgres) -> None:
    real_register.make(server, passwords={"register_gone": "secret"})
    gone = psycopg2.connect(**real_register.dsn(server, "register_gone", "secret"))
    gone.autocommit = True
    gone.cursor().execute("select sky_register.found('gone', '1', 'node1', 1, null, null)")
    assert real_register.make(server, remove=["register_gone", "register_never"]) == [
        "removed login register_gone and its row"
    ]
    with pytest.raises(psycopg2.OperationalError):
        gone.cursor().execute("select 1")
    assert server.sql("select count(*) from sky_register.register where cluster = 'gone'", "sky_register") == "0"
    assert real_register.make(server, remove=["register_gone"]) == []

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What errors mean for the question whether the primary lives."""

from __future__ import annotations

import pytest
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.probes.meaning import (
    STARTING,
    of_answer,
    of_connection,
    one_line,
)
from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Sight

AT = 'connection to server at "198.51.100.116", port 1921 failed: '


@pytest.mark.parametrize(
    ("code", "sight"),
    [
        ("58030", Sight.SICK),
        ("53100", Sight.SICK),
        ("58P01", Sight.SICK),
        ("XX001", Sight.SICK),
        ("XX002", Sight.SICK),
        ("25006", Sight.ALIVE),
        ("42883", Sight.ALIVE),
        ("42P01", Sight.ALIVE),
        ("53300", Sight.ALIVE),
        ("55P03", Sight.ALIVE),
        ("57P03", Sight.ALIVE),
        ("57014", Sight.STALLED),
        ("57P01", Sight.DROPPED),
        ("57P02", Sight.DROPPED),
    ],
)
def test_answer_with_a_code_is_judged_by_the_code(code: str, sight: Sight) -> None:
    failure = of_answer(code, "FEHLER: in jeder Sprache")
    assert (failure.sight, failure.code) == (sight, code)


@pytest.mark.parametrize(
    ("text", "accepted", "sight"),
    [
        (
            AT + "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
            False,
            Sight.REFUSED,
        ),
        ("could not connect to server: Connection refused\n", False, Sight.REFUSED),
        (AT + "No route to host", False, Sight.UNREACHABLE),
        (AT + "Network is unreachable", False, Sight.UNREACHABLE),
        (AT + "Connection timed out", False, Sight.UNREACHABLE),
        (
            AT + "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally",
            True,
            Sight.DROPPED,
        ),
        (AT + "could not receive data from server: Connection reset by peer", True, Sight.DROPPED),
        (AT + "could not create socket: Too many open files", False, Sight.UNKNOWN),
        (AT + "SSL error: unexpected eof while reading", True, Sight.DROPPED),
        ("SSL SYSCALL error: EOF detected\n", True, Sight.DROPPED),
        ("SSL connection has been closed unexpectedly\n", True, Sight.DROPPED),
        ("SSL SYSCALL error: Connection reset by peer\n", True, Sight.DROPPED),
        ("SSL SYSCALL error: Connection timed out\n", True, Sight.UNREACHABLE),
        (AT + "SSL error: certificate verify failed", True, Sight.ALIVE),
        (AT + "server does not support SSL, but SSL was required", True, Sight.ALIVE),
        (
            AT
            + 'root certificate file "/etc/sky-postgresql/ca.crt" does not exist\nEither provide the file, use the system\'s …',
            True,
            Sight.UNKNOWN,
        ),
        (AT + "Cannot assign requested address", False, Sight.UNKNOWN),
        (AT + "FATAL:  sorry, too many clients already", True, Sight.ALIVE),
        (AT + 'FATAL:  password authentication failed for user "sky_pg_cluster"', True, Sight.ALIVE),
        (AT + "fe_sendauth: no password supplied", True, Sight.ALIVE),
        (AT + "FATAL:  Datenbank »sky_pg_cluster« existiert nicht", True, Sight.ALIVE),
        (AT + 'FATAL:  could not open file "global/pg_filenode.map": Input/output error', True, Sight.SICK),
        (AT + "FATAL:  could not write init file: No space left on device", True, Sight.SICK),
        ("a text that nobody has ever seen", True, Sight.ALIVE),
        ("a text that nobody has ever seen", False, Sight.UNKNOWN),
    ],
)
def test_text_while_connecting(text: str, accepted: bool, sight: Sight) -> None:
    assert of_connection(text, accepted).sight is sight


@pytest.mark.parametrize(
    "text",
    [
        "the database system is starting up",
        "the database system is shutting down",
        "the database system is in recovery mode",
        "the database system is not yet accepting connections",
    ],
)
def test_server_that_starts_is_alive_and_known_to_start(text: str) -> None:
    failure = of_connection(f"{AT}FATAL:  {text}", accepted=True)
    assert (failure.sight, failure.code) == (Sight.ALIVE, STARTING)
    assert failure.stopping == ("shutting down" in text)


def test_unix_socket_that_is_missing_means_that_nobody_listens() -> None:
    text = 'connection to server on socket "/tmp/.s.PGSQL.1921" failed: No such file or directory'
    assert of_connection(text, accepted=False, unix=True).sight is Sight.REFUSED


def test_unix_socket_with_a_full_queue_is_stalled() -> None:
    text = 'connection to server on socket "/tmp/.s.PGSQL.1921" failed: Resource temporarily unavailable'
    assert of_connection(text, accepted=False, unix=True).sight is Sight.STALLED


def test_detail_is_one_short_line() -> None:
    assert one_line("a\n\tb  c") == "a b c"
    assert len(one_line("x" * 1000)) == 300


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            AT + "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
            "Connection refused",
        ),
        (
            'connection to server on socket "/run/.s.PGSQL.1921" failed: No such file or directory\n\tIs the server running '
            "locally and accepting connections on that socket?\n",
            "No such file or directory",
        ),
        (
            "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally\n\tbefore or "
            "while processing the request.\n",
            "server closed the connection unexpectedly",
        ),
        (AT + "FATAL:  sorry, too many clients already", "FATAL: sorry, too many clients already"),
    ],
)
def test_detail_leaves_out_what_libpq_only_guesses(text: str, line: str) -> None:
    assert one_line(text) == line

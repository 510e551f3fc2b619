# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the errors of PostgreSQL, libpq and the network mean for the question: does the primary live?

psycopg2 gives no SQLSTATE for an error while connecting, only text: libpq's own part is English (the daemon runs
with LC_ALL=C), the server's part may be in any language. So the network's errors are recognised by libpq's words,
and all else that a server said after it accepted TCP counts as life: a text nobody knows never makes a failover.
"""

from __future__ import annotations

import re

from ..words import Failure, Sight

STARTING = "57P03"  # cannot_connect_now

# The server's own storage fails: io_error, disk_full, undefined_file, data_corrupted, index_corrupted.
_SICK_CODES = frozenset({"58030", "53100", "58P01", "XX001", "XX002"})
# The session ended, not the server's word about itself: a new connection will tell.
_ENDED_CODES = frozenset({"57P01", "57P02", "57P05", "08006", "08003", "08000"})
# A time limit cut the heartbeat short: it did not come through. (55P03, somebody holds a lock, is a sign of life: a
# heartbeat that is stuck in the storage shows itself to the next one as 58030.)
_SLOW_CODES = frozenset({"57014"})

_HERE = (
    "too many open files",
    "cannot allocate memory",
    "out of memory",
    "cannot assign requested address",
    "no buffer space available",
    "could not create socket",
    "operation not permitted",
    "could not set socket to nonblocking mode",
    "could not set socket to close-on-exec mode",
    "root certificate file",  # sslrootcert is missing or unreadable
)
_REFUSED = ("connection refused",)
_UNREACHABLE = (
    "no route to host",
    "network is unreachable",
    "host is down",
    "network is down",
    "connection timed out",
    "timeout expired",
    "host is unreachable",
)
_DROPPED = (
    "server closed the connection unexpectedly",
    "connection reset by peer",
    "broken pipe",
    "connection has been closed unexpectedly",
    "could not receive data from server",
    "could not send data to server",
    "could not send startup packet",
    "eof detected",
    "unexpected eof while reading",  # OpenSSL 3: the peer was gone without a word
    "connection already closed",
    "no connection to the server",
    "lost synchronization with server",
)
_STARTING = (
    "the database system is starting up",
    "the database system is shutting down",
    "the database system is in recovery mode",
    "the database system is not yet accepting connections",
    "the database system is not accepting connections",
)
_STOPPING = "the database system is shutting down"
_SICK = (
    "input/output error",
    "no space left on device",
    "read-only file system",
    "structure needs cleaning",
    "disk quota exceeded",
    "could not write",
    "could not extend",
    "could not fsync",
    "could not read block",
    "could not open file",
    "could not stat file",
    "could not read file",
    "invalid page in block",
)

_GUESS = re.compile(r" (Is the server running [^?]*\?|This probably means the server terminated abnormally .*)$")
_AT = re.compile(r"^connection to server (at|on socket) .*? failed: ")


def of_answer(code: str | None, text: str) -> Failure:
    """The meaning of an error with which the server answered a query; `code`: its SQLSTATE, None when libpq made it."""
    line = one_line(text)
    if not code:
        return of_connection(text, accepted=True)
    if code in _SICK_CODES:
        return Failure(Sight.SICK, line, code)
    if code in _ENDED_CODES:
        return Failure(Sight.DROPPED, line, code)
    if code in _SLOW_CODES:
        return Failure(Sight.STALLED, line, code)
    return Failure(Sight.ALIVE, line, code)


def of_connection(text: str, accepted: bool, unix: bool = False) -> Failure:
    """The meaning of an error while connecting, or of a connection that broke.

    accepted: TCP had been accepted; unix: the connection is a Unix socket's.
    """
    line, low = one_line(text), text.lower()
    if _has(low, _HERE):
        return Failure(Sight.UNKNOWN, line)
    if _has(low, _STARTING):
        return Failure(Sight.ALIVE, line, STARTING, _STOPPING in low)
    if unix and "no such file or directory" in low and not accepted:
        return Failure(Sight.REFUSED, line)
    if "resource temporarily unavailable" in low and not accepted:
        return Failure(Sight.STALLED if unix else Sight.UNKNOWN, line)
    if _has(low, _REFUSED) and not accepted:
        return Failure(Sight.REFUSED, line)
    if _has(low, _UNREACHABLE):
        return Failure(Sight.UNREACHABLE, line)
    if _has(low, _DROPPED):
        return Failure(Sight.DROPPED, line)
    if not accepted:
        return Failure(Sight.UNKNOWN, line)
    return Failure(Sight.SICK if _has(low, _SICK) else Sight.ALIVE, line)


def one_line(text: str) -> str:
    """The text on one line, short enough for a log: without libpq's guesses and the address, which the caller names."""
    joined = _AT.sub("", _GUESS.sub("", " ".join(text.split())))
    return joined if len(joined) <= 300 else joined[:297] + "..."


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)

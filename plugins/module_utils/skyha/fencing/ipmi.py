# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fence agents of kind ipmi: IPMI 2.0 over LAN, by pyghmi.

pyghmi keeps its sessions in the module, and after a failed login they are of no use: run this in a process of its own
(fencing.child), or at least give each attempt a new agent.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

from ..errors import FenceError, RefusedUser
from ..words import Power

try:
    # not pyghmi.ipmi.command: that reads every vendor's extensions, which doubles time and memory of each fence process
    from pyghmi.ipmi.private import session as _library
except ImportError as _error:
    IMPORT_ERROR: ImportError | None = _error
    _library = None
else:
    IMPORT_ERROR = None

PORT = 623
PRIVILEGES = {"callback": 1, "user": 2, "operator": 3, "administrator": 4}
CIPHERS = (3, 17)  # what pyghmi speaks; it takes the better one that the BMC accepts
_CHASSIS = 0
_GET_STATUS, _CONTROL = 1, 2
_STATUS_LENGTH = 3  # of its answer, at least (IPMI 2.0, table 28-3)
_CODES = {"off": 0, "on": 1, "cycle": 2, "reset": 3, "diag": 4, "soft": 5}
_PASSWORD_LENGTH = 20
# What a BMC answers to wrong credentials, in pyghmi's words.
_REFUSALS = (
    "incorrect password",
    "unauthorized name",
    "unauthorized role",
    "insufficient privilege",
    "invalid role",
    "authentication",
    "rakp",
    "invalid integrity",
    "privelege",
    "privilege",
)


_MOST_WAIT = 0.02


def _mend_library() -> None:
    """Make pyghmi look at what has come in every 20 ms.

    Its input is read by a thread of its own; an answer that comes between 'is there one?' and 'wake me when one comes' is
    seen only after its retransmission timer, 0.5 to 1 s later. That happened in every third fence (pyghmi 1.5, 1.6).
    """
    wait = getattr(_library, "_io_wait", None)
    if wait is None or getattr(wait, "is_mended", False):
        return

    def short_wait(timeout: float, *rest: Any, **named: Any) -> None:
        wait(min(timeout, _MOST_WAIT), *rest, **named)

    short_wait.is_mended = True  # type: ignore[attr-defined]
    _library._io_wait = short_wait


class _TooLong(BaseException):
    """Not an Exception: pyghmi catches and prints those in its waits."""


class IpmiAgent:
    """A BMC. Nothing is sent before the first `status` or `order`; both must be called in the main thread."""

    def __init__(
        self,
        name: str,
        address: str,
        user: str,
        password: str,
        port: int = PORT,
        privilege: str = "operator",
        cipher: int = 3,
        connect: Callable[..., Any] | None = None,
    ) -> None:
        """Raises FenceError for what cannot work at all."""
        self.where = f"BMC {name} at {address} port {port}"
        self._address, self._user, self._password, self._port = address, user, password, port
        self._connect: Any = connect if connect is not None else getattr(_library, "Session", None)
        self._session: Any = None
        _mend_library()
        if privilege not in PRIVILEGES:
            raise FenceError(f"{self.where}: privilege {privilege!r} is not one of {', '.join(PRIVILEGES)}")
        self._privilege = PRIVILEGES[privilege]
        if cipher not in CIPHERS:
            raise FenceError(
                f"{self.where}: cipher suite {cipher} is not one that pyghmi speaks (3, 17); use an agent of kind "
                "command with ipmitool -C"
            )
        if len(password.encode("utf-8")) > _PASSWORD_LENGTH:
            raise FenceError(
                f"{self.where}: the password is longer than IPMI's {_PASSWORD_LENGTH} bytes; set a shorter one"
            )
        if self._connect is None:
            raise FenceError(f"{self.where}: pyghmi cannot be imported here: {IMPORT_ERROR}; install python3-pyghmi")

    def status(self, deadline: float) -> Power:
        """See agents.Agent."""
        answer = self._ask("status", _GET_STATUS, (), deadline)
        data = answer.get("data")
        # A whole answer has three or four bytes: half of one says nothing, least of all 'off'.
        if answer.get("code") or not isinstance(data, (bytes, bytearray, list, tuple)) or len(data) < _STATUS_LENGTH:
            return Power.UNKNOWN
        if not isinstance(data[0], int) or not 0 <= data[0] <= 255:
            return Power.UNKNOWN
        return Power.ON if data[0] & 1 else Power.OFF

    def order(self, verb: str, deadline: float) -> None:
        """See agents.Agent."""
        self._ask(verb, _CONTROL, (_CODES[verb],), deadline)

    def raw(self, what: str, netfn: int, command: int, data: tuple[int, ...], deadline: float) -> dict[str, Any]:
        """One IPMI command as it stands; the answer, with `code` 0 where the BMC did it. Raises FenceError for no answer."""
        return self._ask(what, command, data, deadline, netfn, with_refusal=True)

    def close(self) -> None:
        """Log out, so that the BMC's few sessions are not used up."""
        session, self._session = self._session, None
        if session is None:
            return
        try:
            with _limit(0.3):
                session.logout()
        except (Exception, _TooLong):
            pass  # it was asked and has answered: a lost logout changes nothing

    def _ask(
        self,
        verb: str,
        command: int,
        data: tuple[int, ...],
        deadline: float,
        netfn: int = _CHASSIS,
        with_refusal: bool = False,
    ) -> dict[str, Any]:
        began = time.monotonic()
        try:
            with _limit(deadline):
                if self._session is None:
                    self._session = self._connect(
                        bmc=self._address,
                        userid=self._user,
                        password=self._password,
                        port=self._port,
                        privlevel=self._privilege,
                    )
                answer = self._session.raw_command(netfn=netfn, command=command, data=data)
        except _TooLong:
            self._session = None
            raise FenceError(
                f"{self.where}: no answer to {verb} within {deadline:.3g} s; see to the network between this host "
                "and the BMC, and whether IPMI over LAN is enabled there"
            ) from None
        except Exception as error:  # pyghmi lets whatever a strange BMC's answer caused go through
            self._session = None
            raise self._explained(verb, str(error), time.monotonic() - began) from None
        if with_refusal and isinstance(answer, dict) and answer.get("code"):
            return answer
        if not isinstance(answer, dict) or "error" in answer:
            said = str(answer["error"]) if isinstance(answer, dict) else "no answer"
            raise self._explained(verb, said, time.monotonic() - began)
        return answer

    def _explained(self, verb: str, text: str, took: float) -> FenceError:
        if text == "None":  # pyghmi's, of a login that ended without an answer
            text = ""
        low = text.lower()
        if any(word in low for word in _REFUSALS):
            return RefusedUser(
                f"{self.where}: refuses user {self._user}: {text}; check the user, its password file and its privilege "
                "level on the BMC"
            )
        if "timeout" in low or "no longer connected" in low or "failed to initialize" in low or not text:
            return FenceError(
                f"{self.where}: no answer to {verb} after {took:.1f} s ({text or 'silence'}); see to the network between "
                "this host and the BMC, and whether IPMI over LAN is enabled there"
            )
        return FenceError(f"{self.where}: {verb} failed: {text}")


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Raise _TooLong in the body after `seconds`. pyghmi's own patience is about 5 s and cannot be set."""
    if threading.current_thread() is not threading.main_thread():
        raise FenceError("an IPMI agent must be used in the main thread of its process")

    def expired(_number: int, _frame: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, max(0.01, seconds))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

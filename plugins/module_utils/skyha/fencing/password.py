# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A BMC user's new password: set by IPMI where somebody may do so, and never believed before a login with it succeeded.

IPMI 2.0, chapter 22: Get User Access (44h), Get User Name (46h), Set User Password (47h), which wants ADMINISTRATOR.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import FenceError, RefusedUser
from ..words import Power
from .ipmi import IpmiAgent

_APP = 6
_USER_ACCESS, _USER_NAME, _SET_PASSWORD = 0x44, 0x46, 0x47
_THIS_CHANNEL = 0x0E
_PIPE = 4096  # bytes that a pipe takes at once
_SHORT = 16  # longer passwords need the 20 byte form of IPMI 2.0

# user, password, privilege -> an agent that has said nothing yet
Connect = Callable[[str, str, str], IpmiAgent]
# How one session with the BMC is carried out: here, or in a process of its own.
Apart = Callable[[Callable[[], bool]], bool]


@dataclass(frozen=True)
class Change:
    """What is wanted: `user`'s password becomes `new`. `old` and the administrator's credentials may be empty."""

    user: str
    new: str
    old: str = ""
    privilege: str = "operator"
    admin_user: str = ""
    admin_password: str = ""


def _here(work: Callable[[], bool]) -> bool:
    return work()


def in_child(work: Callable[[], bool]) -> bool:
    """Carry `work` out in a forked process: after a failed login pyghmi's sessions in a process are of no use.

    Work has its own deadlines. The caller must not have opened a session itself.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer: dict[str, object] = {"value": work()}
        except FenceError as error:
            answer = {"error": str(error), "refused": isinstance(error, RefusedUser)}
        except BaseException as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        os.write(write, json.dumps(answer).encode("utf-8")[:_PIPE])
        os._exit(0)
    os.close(write)
    try:
        with open(read, "rb") as pipe:
            text = pipe.read()
    finally:
        os.waitpid(pid, 0)
    try:
        said = json.loads(text)
    except ValueError:
        raise FenceError("the process that spoke to the BMC died; run this again") from None
    if "error" in said:
        raise (RefusedUser if said.get("refused") else FenceError)(str(said["error"]))
    return bool(said["value"])


def is_accepted(connect: Connect, user: str, password: str, privilege: str, deadline: float) -> bool:
    """Does the BMC let this user in, and tell it the power? False: it refuses; raises FenceError where it does not answer."""
    agent = connect(user, password, privilege)
    try:
        return agent.status(deadline) is not Power.UNKNOWN
    except RefusedUser:
        return False
    finally:
        agent.close()


def change(connect: Connect, wanted: Change, deadline: float, dry: bool = False, apart: Apart = _here) -> bool:
    """Have the BMC accept the new password; True: it was (dry: would be) set here, False: the BMC had it already.

    Raises FenceError where the new password is not accepted in the end; the old one is then put back if that is possible.
    """

    def takes(password: str) -> bool:
        return apart(lambda: is_accepted(connect, wanted.user, password, wanted.privilege, deadline))

    # The old one first: a wrong login counts, some BMCs lock a user out after a few.
    old_works = bool(wanted.old) and takes(wanted.old)
    if wanted.old == wanted.new and old_works:
        return False
    if not old_works and takes(wanted.new):
        return False
    where = connect(wanted.user, wanted.new, wanted.privilege).where
    if not old_works and not wanted.admin_user:
        raise FenceError(
            f"{where}: takes neither the present nor the new password of user {wanted.user}; set the new one on the BMC "
            "itself, then run this again"
        )
    if dry:
        return True
    by = (wanted.admin_user, wanted.admin_password) if wanted.admin_user else (wanted.user, wanted.old)

    def give(password: str) -> bool:
        return apart(lambda: _give(connect, by, wanted.user, password, deadline))

    try:
        give(wanted.new)
    except RefusedUser as error:
        raise FenceError(_with_advice(str(error), by[0])) from None
    except FenceError as error:
        # BMCs refuse a privilege in many words, or just drop the session.
        if not wanted.admin_user:
            worked = f"{error}. A login of user {wanted.user} as {wanted.privilege} succeeded just before"
            raise FenceError(_with_advice(worked, by[0])) from None
        raise
    return _verified(takes, give, wanted, where)


def _verified(takes: Callable[[str], bool], give: Callable[[str], bool], wanted: Change, where: str) -> bool:
    """Does the BMC let the user in with what it just took? Else the old one is put back, and FenceError says so.

    It answered a moment ago: a login that gets no answer now is no fault of the network, but how some BMCs refuse one.
    """
    try:
        if takes(wanted.new):
            return True
        told = f"{where}: took a new password for user {wanted.user}, but then refused a login with it"
    except FenceError:
        told = f"{where}: took a new password for user {wanted.user}, but then did not answer a login with it"
    if not wanted.old:
        raise FenceError(f"{told}; set one on the BMC itself")
    try:
        give(wanted.old)
        is_back = takes(wanted.old)
    except FenceError:
        is_back = False
    if not is_back:
        raise FenceError(
            f"{told}, and the old one could not be put back: set one on the BMC itself, at once, then run this again"
        )
    raise FenceError(f"{told}; the old one was put back. Try a password of at most {_SHORT} characters")


def _give(connect: Connect, by: tuple[str, str], user: str, password: str, deadline: float) -> bool:
    """Have `by` set the user's password; True, or FenceError."""
    agent = connect(*by, "administrator")
    try:
        _set(agent, by[0], _number(agent, user, deadline), password, deadline)
        return True
    finally:
        agent.close()


def _number(agent: IpmiAgent, user: str, deadline: float) -> int:
    """The BMC's number of that user."""
    access = agent.raw("user access", _APP, _USER_ACCESS, (_THIS_CHANNEL, 1), deadline)
    data = access.get("data") or b""
    most = data[0] & 0x3F if not access.get("code") and data else _SHORT
    for number in range(1, most + 1):
        answer = agent.raw("user name", _APP, _USER_NAME, (number,), deadline)
        if not answer.get("code") and bytes(answer.get("data") or b"").rstrip(b"\0").decode("latin-1") == user:
            return number
    raise FenceError(f"{agent.where}: has no user {user} among its {most}")


def _set(agent: IpmiAgent, by: str, number: int, password: str, deadline: float) -> None:
    raw = password.encode("utf-8")
    is_long = len(raw) > _SHORT
    data = (number | (0x80 if is_long else 0), 2, *raw.ljust(20 if is_long else _SHORT, b"\0"))
    answer = agent.raw("set password", _APP, _SET_PASSWORD, data, deadline)
    code = int(answer.get("code") or 0)
    if code:
        what = str(answer.get("error", "")) or f"completion code {code:02x}h"
        raise FenceError(f"{agent.where}: user {by} may not set the password: {what}. {_advice(by)}")


def _with_advice(told: str, user: str) -> str:
    return told if "ADMINISTRATOR" in told else f"{told}. {_advice(user)}"


def _advice(user: str) -> str:
    return (
        f"Setting it by IPMI needs a user of privilege ADMINISTRATOR: name one, or set {user}'s password on the BMC itself and "
        "run this again"
    )

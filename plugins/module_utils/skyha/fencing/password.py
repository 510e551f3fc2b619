# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A BMC user's new password: set by IPMI where somebody may do so, and never believed before a login with it succeeded.

IPMI 2.0, chapter 22: Get User Access (44h), Get User Name (46h), Set User Password (47h), which wants ADMINISTRATOR.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import FenceError
from ..words import Power
from .ipmi import IpmiAgent

_APP = 6
_USER_ACCESS, _USER_NAME, _SET_PASSWORD = 0x44, 0x46, 0x47
_THIS_CHANNEL = 0x0E
_SHORT = 16  # longer passwords need the 20 byte form of IPMI 2.0

# user, password, privilege -> an agent that has said nothing yet
Connect = Callable[[str, str, str], IpmiAgent]


@dataclass(frozen=True)
class Change:
    """What is wanted: `user`'s password becomes `new`. `old` and the administrator's credentials may be empty."""

    user: str
    new: str
    old: str = ""
    privilege: str = "operator"
    admin_user: str = ""
    admin_password: str = ""


def is_accepted(connect: Connect, user: str, password: str, privilege: str, deadline: float) -> bool:
    """Does the BMC let this user in, and tell it the power? False: it refuses; raises FenceError where it does not answer."""
    agent = connect(user, password, privilege)
    try:
        return agent.status(deadline) is not Power.UNKNOWN
    except FenceError as error:
        if "refuses user" in str(error):
            return False
        raise
    finally:
        agent.close()


def change(connect: Connect, wanted: Change, deadline: float, dry: bool = False) -> bool:
    """Have the BMC accept the new password; True: it was (dry: would be) set here, False: the BMC had it already.

    Raises FenceError where the new password is not accepted in the end; the old one is then put back if that is possible.
    """
    # The old one first: a wrong login counts, some BMCs lock a user out after a few.
    old_works = bool(wanted.old) and is_accepted(connect, wanted.user, wanted.old, wanted.privilege, deadline)
    if wanted.old == wanted.new and old_works:
        return False
    if not old_works and is_accepted(connect, wanted.user, wanted.new, wanted.privilege, deadline):
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
    agent = connect(*by, "administrator")
    told = ""
    try:
        number = _number(agent, wanted.user, deadline)
        _set(agent, by[0], number, wanted.new, deadline)
        told = f"{where}: took a new password for user {wanted.user}, but then refused a login with it"
        if is_accepted(connect, wanted.user, wanted.new, wanted.privilege, deadline):
            return True
        if not wanted.old:
            raise FenceError(f"{told}; set one on the BMC itself")
        _set(agent, by[0], number, wanted.old, deadline)
    except FenceError as error:
        if "refuses user" in str(error):
            raise FenceError(_with_advice(str(error), by[0])) from None
        # BMCs refuse a privilege in many words, or just drop the session. Not asked again: pyghmi's sessions in this process
        # are of no use after that.
        if not told and not wanted.admin_user:
            worked = f"{error}. A login of user {wanted.user} as {wanted.privilege} succeeded just before"
            raise FenceError(_with_advice(worked, by[0])) from None
        raise
    finally:
        agent.close()
    if not is_accepted(connect, wanted.user, wanted.old, wanted.privilege, deadline):
        raise FenceError(f"{told}, and the old one could not be put back: set one on the BMC itself, at once")
    raise FenceError(f"{told}; the old one was put back. Try a password of at most {_SHORT} characters")


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

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The errors of skyha.

    SkyhaError
      ConfigError      the configuration file: names file, section, key, value and what is allowed
      StateError       the state file cannot be read or written
                       (of both: `may_pass`, where it may be otherwise a moment later)
      WorldError       an action on this host failed (systemctl, ip, pg_ctl ...)
      FenceError       a BMC or fence agent could not be asked
        RefusedUser    it answers, and does not let this user in

Each message says what, where, why and the next step; none ever holds a password.
"""

from __future__ import annotations

import errno

# What stays as it is until a person acts; of all other errors of the system (EIO, ENOSPC, EMFILE ...) one can pass.
_LASTING = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}
)


def may_pass(error: BaseException) -> bool:
    """May it be otherwise a moment later, though nobody does anything?"""
    return isinstance(error, OSError) and error.errno not in _LASTING


class SkyhaError(Exception):
    """Base of all errors that skyha raises on purpose."""


class ConfigError(SkyhaError):
    """The configuration cannot be used; `problems` holds every one found, a sentence each."""

    def __init__(self, problems: list[str], may_pass: bool = False) -> None:
        self.problems = problems
        self.may_pass = may_pass
        super().__init__("; ".join(problems))


class StateError(SkyhaError):
    """The state file cannot be read or written."""

    def __init__(self, text: str, may_pass: bool = False) -> None:
        self.may_pass = may_pass
        super().__init__(text)


class WorldError(SkyhaError):
    """An action on this host failed."""


class FenceError(SkyhaError):
    """A BMC or fence agent could not be asked, or did not do as told."""


class RefusedUser(FenceError):
    """A BMC answers, and does not let this user in: wrong name, password or privilege."""

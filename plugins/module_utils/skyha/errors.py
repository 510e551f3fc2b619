# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The errors of skyha.

    SkyhaError
      ConfigError      the configuration file: names file, section, key, value and what is allowed
      StateError       the state file cannot be read or written
      WorldError       an action on this host failed (systemctl, ip, pg_ctl ...)
      FenceError       a BMC or fence agent could not be asked

Each message says what, where, why and the next step; none ever holds a password.
"""

from __future__ import annotations


class SkyhaError(Exception):
    """Base of all errors that skyha raises on purpose."""


class ConfigError(SkyhaError):
    """The configuration cannot be used; `problems` holds every one found, a sentence each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class StateError(SkyhaError):
    """The state file cannot be read or written."""


class WorldError(SkyhaError):
    """An action on this host failed."""


class FenceError(SkyhaError):
    """A BMC or fence agent could not be asked, or did not do as told."""

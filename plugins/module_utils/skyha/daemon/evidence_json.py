# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The evidence as a text for the next daemon. It counts for the same boot and the same configuration only."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from ..config import Config
from ..kinds import is_plain
from ..policy.evidence import Evidence

MAY_LACK = ("bmc_ok_at", "bmc_on_at")


def to_text(evidence: Evidence, boot: str, config: Config) -> str:
    """All in one JSON object."""
    return json.dumps({**dataclasses.asdict(evidence), "boot": boot, "config": _name(config)})


def from_text(text: str, boot: str, config: Config) -> Evidence | None:
    """The reverse; None where it is of another boot or configuration, or damaged: then all has to be seen anew."""
    try:
        values = json.loads(text)
        if (values.pop("boot"), values.pop("config")) != (boot, _name(config)):
            return None
        plain = (is_plain(value, "float") or (value is None and key in MAY_LACK) for key, value in values.items())
        return Evidence(**values) if all(plain) else None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None


def _name(config: Config) -> str:
    """Another vote port, or another BMC, is another one's evidence."""
    return hashlib.sha256(repr(config).encode("utf-8")).hexdigest()

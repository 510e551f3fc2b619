# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a value that came as JSON is of a plain kind, named as annotations spell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAIN: Mapping[str, Any] = {"str": str, "bool": bool, "int": int, "float": (int, float)}


def is_plain(value: Any, kind: str) -> bool:
    """A number without bounds is none: it would stop the decision, or break JSON and the page."""
    if not isinstance(value, PLAIN[kind]) or isinstance(value, bool) != (kind == "bool"):
        return False
    return isinstance(value, str) or abs(value) < 1e300

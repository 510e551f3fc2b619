# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text within HTML and SVG. (The standard library's `html` would cost the daemon half a megabyte, for its names of characters.)"""

from __future__ import annotations

_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def escape(text: str) -> str:
    """So that it is read as it stands, between tags and within quotes."""
    return text.translate(_ESCAPED)

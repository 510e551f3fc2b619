# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text for a terminal: colour where it is one, nothing that a terminal would obey, lines that fit."""

from __future__ import annotations

import os
import textwrap
import time
import unicodedata
from typing import TextIO

WIDTH = 80
_CODES = {"good": "32", "warn": "33", "bad": "31", "bold": "1", "dim": "2"}


class Paint:
    """Colours text, or does not."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, text: str, kind: str) -> str:
        """The text in the colour of `kind`: good, warn, bad, bold, dim, or '' for none."""
        return f"\033[{_CODES[kind]}m{text}\033[0m" if self.on and kind and text.strip() else text


def paint_for(stream: TextIO) -> Paint:
    """Colour on a terminal only, and never where NO_COLOR is set."""
    return Paint(stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb")


def clean(text: object) -> str:
    """One line, without characters that a terminal would obey."""
    return "".join(c if unicodedata.category(c)[0] != "C" else " " for c in str(text)).strip()


def fit(text: object, width: int) -> str:
    """Cleaned, cut to `width` and filled up to it."""
    line = clean(text)
    return (line if len(line) <= width else line[: width - 1] + "…").ljust(width)


def wrap(text: object, first: str = "", rest: str = "") -> str:
    """Cleaned and folded to the width of a terminal."""
    return textwrap.fill(
        clean(text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest or " " * len(first),
        break_long_words=True,
        break_on_hyphens=False,
    )


def duration(seconds: float) -> str:
    """Seconds in words: 4.2 s, 3 min, 5 h, 2 d."""
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def clock(wall: float) -> str:
    """A time of this day, or with its date."""
    pattern = "%H:%M:%S" if time.time() - wall < 43200.0 else "%Y-%m-%d %H:%M:%S"
    return time.strftime(pattern, time.localtime(wall))


def lsn_text(lsn: int) -> str:
    """A WAL position as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"

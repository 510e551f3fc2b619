# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the programs read what the roles write: as their manuals say, each apart from the templates."""

from __future__ import annotations

import re


def pgpass(text: str) -> list[list[str]]:
    """The lines of a password file as fields: a backslash keeps the colon or backslash behind it."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [
        [re.sub(r"\\(.)", r"\1", field) for field in re.findall(r"(?:^|:)((?:\\.|[^:\\])*)", line)] for line in lines
    ]


def settings(text: str) -> dict[str, str]:
    """A postgresql.conf whose values are all quoted: '' is a quote, a backslash escapes (guc-file.l)."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([\w.]+) = '((?:''|\\.|[^'\\])*)'", line)
            assert match, f"not one setting: {line}"
            found[match[1]] = re.sub(r"''|\\(.)", lambda part: part[1] or "'", match[2])
    return found


def hba(text: str) -> list[list[tuple[str, bool]]]:
    """The lines of pg_hba.conf as (word, was it quoted)."""
    lines = []
    for line in text.splitlines():
        words = [
            (found[1].replace('""', '"'), True) if found[1] is not None else (found[2], False)
            for found in re.finditer(r'"((?:""|[^"])*)"|([^\s",#]+)', line if not line.startswith("#") else "")
        ]
        if words:
            lines.append(words)
    return lines

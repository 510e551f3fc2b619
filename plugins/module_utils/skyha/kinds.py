# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What came as JSON as the dataclass that it is to be, or whether it is a plain value: by the annotations, as they are spelt."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any, Callable, TypeVar

T = TypeVar("T")
Readers = Mapping[str, Callable[[Any], Any]]  # of dataclasses that are read in a way of their own

PLAIN: Mapping[str, Any] = {"str": str, "bool": bool, "int": int, "float": (int, float)}


def is_plain(value: Any, kind: str) -> bool:
    """A number without bounds is none: it would stop the decision, or break JSON and the page."""
    if not isinstance(value, PLAIN[kind]) or isinstance(value, bool) != (kind == "bool"):
        return False
    return isinstance(value, str) or abs(value) < 1e300


def part(kind: type[T], data: Mapping[str, Any], within: str = "", readers: Readers | None = None) -> T:
    """A dataclass from what is told of its fields; raises ValueError for a value of another kind.

    What is missing has its default, what it does not know is passed over.
    """
    names = {one.name.rstrip("_"): one for one in dataclasses.fields(kind)}  # type: ignore[arg-type]
    known, told = vars(sys.modules[kind.__module__]), names.keys() & data.keys()
    values = {
        names[key].name: _read(within + key, str(names[key].type), data[key], known, readers or {}) for key in told
    }
    return kind(**values)


def _read(name: str, kind: str, value: Any, known: Mapping[str, Any], readers: Readers) -> Any:
    """A value of this type, as the annotations spell it."""
    kind, _, may_be_none = kind.partition(" | ")
    if kind == "Any" or (value is None and may_be_none):
        return value
    if kind in PLAIN:
        if is_plain(value, kind):
            return value
    elif kind.startswith("tuple["):
        if isinstance(value, (list, tuple)):
            inner = kind[len("tuple[") : -len(", ...]")]
            return tuple(_read(name, inner, one, known, readers) for one in value)
    elif isinstance(value, Mapping):
        if kind.startswith("Mapping["):
            inner = kind[len("Mapping[str, ") : -1]
            return {key: _read(f"{name}.{key}", inner, one, known, readers) for key, one in value.items()}
        return readers[kind](value) if kind in readers else part(known[kind], value, f"{name}.", readers)
    raise ValueError(f"{name!r} is of another kind")

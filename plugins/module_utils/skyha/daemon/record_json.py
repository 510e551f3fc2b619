# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record as plain data for the store, and back. What cannot be understood is refused, never guessed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..errors import StateError
from ..kinds import is_plain
from ..policy.proof import Kind
from ..policy.record import Intent, Record, Stage
from ..words import Role

VERSION = 1
_WORDS: Mapping[str, Any] = {"Role": Role, "Stage": Stage, "Intent": Intent, "Kind": Kind}


def to_json(record: Record) -> Mapping[str, Any]:
    """As version 1 has it, that every skyha reads."""
    intent = None if record.intent is None else _intent_to_json(record.intent)
    data = {"version": VERSION, **dataclasses.asdict(record), "intent": intent}
    if not record.epoch:  # without a register an older skyha understands it as well
        del data["epoch"], data["beat"], data["overruled"]
    return data


def _intent_to_json(intent: Intent) -> Mapping[str, Any]:
    """Of a proof it holds only whether it was an operator's word.

    A daemon that starts proves again what the BMC had proven, so it need not know of it.
    """
    data = dataclasses.asdict(intent)
    del data["proven_by"]
    return {**data, "by_operator": intent.by_operator}


def from_json(data: Mapping[str, Any]) -> Record:
    """The reverse of `to_json`; raises StateError for what this version does not understand."""
    try:
        values = dict(data)
        if values.pop("version") != VERSION:
            raise ValueError(f"version {data['version']!r}, this skyha knows {VERSION}")
        values["role"] = Role(values["role"])
        if values.get("intent") is not None:
            values["intent"] = _intent_from_json(values["intent"])
        record = Record(**values)
        for part in (record, record.intent):
            _check_types(part)
        return record
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateError(
            f"the record cannot be understood ({error}); skyha will not guess what it last did: see "
            "'A damaged record' in docs/operations.md"
        ) from error


def _intent_from_json(data: Mapping[str, Any]) -> Intent:
    values = {**data, "stage": Stage(data["stage"])}
    said = values.pop("by_operator", False)
    if not isinstance(said, bool):
        raise ValueError(f"by_operator is {said!r}, which is no bool")
    return Intent(**values, proven_by=Kind.OPERATOR if said else None)


def _check_types(part: Record | Intent | None) -> None:
    """Raises ValueError for a value of another type than its field's: it would stop the decision later."""
    for one in dataclasses.fields(part) if part is not None else ():
        kind, _, may_be_none = str(one.type).partition(" | ")
        value = getattr(part, one.name)
        if not (value is None and may_be_none) and not _is_one(value, kind):
            raise ValueError(f"{one.name} is {value!r}, which is no {kind}")


def _is_one(value: Any, kind: str) -> bool:
    if kind == "Mapping[str, str]":
        return isinstance(value, dict) and all(is_plain(word, "str") for pair in value.items() for word in pair)
    return isinstance(value, _WORDS[kind]) if kind in _WORDS else is_plain(value, kind)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a daemon remembers, as the model keeps it: so that two memories which decide alike are equal.

Times are relative to now, and one that lies further back than anybody asks is cut off there. Sentences are dropped (nobody reads one to
decide), and counters stop where nobody counts on. All of it goes by the names that words.py promises (`*_at`, `*_since`).
"""

from __future__ import annotations

from typing import Any, TypeVar

Value = TypeVar("Value")

FAR = 46.0  # seconds after which the policy, with the model's settings, tells no two ages apart; but for these:
FURTHER = {"order_out_at": 122.0, "up_since": 62.0, "alone_since": 96.0, "starting_since": 300.0}
NEARER = {
    **dict.fromkeys(("failover_at", "slots_copied_at", "redo_at"), 0.0),
    **dict.fromkeys(("naming_at", "gone_at", "shield_at"), 0.0),  # for people only
    **dict.fromkeys(("fresh_at", "looked_at", "peer_at", "free_at", "wal_at", "record_ok_at", "record_tried_at"), 4.0),
    **dict.fromkeys(("recovered_at", "proof_at", "fence_at"), 14.0),
    **{"power_on_at": 16.0, "started_at": 26.0, "checkpoint_at": 62.0},
    # of zero loss (policy/sync.py): as far as its limits reach; CALM lies beyond all stories
    **{"owed_since": 8.0, "in_effect_at": 2.0, "given_up_at": 6.0, "told_at": 2.0, "deaf_since": 2.0},
    # of the register: the heir waits for 17.6 s (test_cluster.py); of renewed_at only build.py knows what may be forgotten
    **{"row_at": 18.0, "promised_at": 18.0, "answered_at": 8.0, "silent_at": 2.0, "failed_at": 30.0},
}
DURATIONS = {"latency", "blind_for", "paused_for", "seconds", "term"}
COUNTED_TO = {"announcements": 1, "unreachable": 3, "denied": 2, "order": 0, "given_up": 1, "level_looks": 5}
SENTENCE = "~"


def aged(value: Value, seconds: float = 0.0) -> Value:
    """The same, so many seconds later."""
    return _aged(value, "", seconds)  # type: ignore[no-any-return]


def _aged(value: Any, name: str, seconds: float) -> Any:
    kind = type(value)
    if (
        name == "answers"
    ):  # how quickly they came decides how long a look lasts (policy/rhythm.py), and here all looks take no time
        return {}
    if kind is float:
        return _time(value, name, seconds)
    if kind is int:
        return min(value, COUNTED_TO.get(name, value))
    if kind is str:
        return SENTENCE if " " in value else value
    if kind is dict:
        return {one: SENTENCE if type(of) is str else _aged(of, name, seconds) for one, of in value.items()}
    if name == "samples":
        return tuple((_time(at, "at", seconds), lsn) for at, lsn in value)
    if hasattr(kind, "__dataclass_fields__"):
        changed = object.__new__(kind)
        names = {one: f"{name}_at" if name and one == "at" else one for one in value.__dict__}  # fence.at: fence_at
        changed.__dict__.update({one: _aged(of, names[one], seconds) for one, of in value.__dict__.items()})
        return changed
    return value


def _time(value: float, name: str, seconds: float) -> float:
    if name in DURATIONS or value == float("-inf"):
        return value
    if name not in ("at", "since") and not name.endswith(("_at", "_since", "_until")):
        raise ValueError(
            f"is {name} a time or a duration? words.py says how times are named; durations stand in {__file__}"
        )
    return max(value - seconds, -NEARER.get(name, FURTHER.get(name, FAR)))


def key(value: Any) -> Any:
    """The same as one hashable value."""
    kind = type(value)
    if kind is dict:
        return tuple(sorted((one, key(of)) for one, of in value.items()))
    if hasattr(kind, "__dataclass_fields__"):
        return tuple([key(of) for name, of in value.__dict__.items() if name != "fresh_path"])
    return value

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's register, whichever engine it has (LAB_REGISTER): its faults, done for real, what it holds, and what skyha makes of it; and
what the hosts' watchdogs did."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.lab import lab, register_etcd, register_sql

ENGINE = os.environ.get("LAB_REGISTER") or "vote_host"  # or etcd, none
WATCHDOGS = Path("/run/sky-lab/watchdog")
_OF = register_etcd if ENGINE == "etcd" else register_sql

stopped, hung, heal, is_whole = _OF.stopped, _OF.hung, _OF.heal, _OF.is_whole
copied, restored = _OF.copied, _OF.restored
other_password, right_password = _OF.other_password, _OF.right_password
on_a_small_disk, fill, free = _OF.on_a_small_disk, _OF.fill, _OF.free
beat, holder = _OF.beat, _OF.holder


def told(node: str) -> dict[str, Any]:
    """What skyha on that node knows of the register."""
    return lab.status(node).get("register") or {}


def term(node: str) -> float:
    """The term of the lease, as skyha on that node knows it; 0: there is none."""
    return (told(node).get("lease") or {}).get("term") or 0.0


def is_guarded(node: str) -> bool:
    """Does the host's watchdog run, and is it in order?"""
    told = lab.lab("watchdog", node, "status").strip()
    return told.startswith("bites in ") and "," not in told


def is_at_rest(node: str) -> bool:
    """Is the host's watchdog at rest?"""
    return lab.lab("watchdog", node, "status").strip() == "at rest"


def bites(node: str) -> int:
    """How many times the host's watchdog has reset it."""
    return (WATCHDOGS / node / "log").read_text().count(" bites: ")

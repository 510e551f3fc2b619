# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small judgements of the playbooks about hosts: what is not whole, a watchdog that skyha could not use, room for WAL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_UNITS = {"": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4}
_UNLIMITED = "-1"


def not_whole(picture: Mapping[str, Any], node: str, is_primary: bool) -> list[str]:
    """What a node's last look (module pg_cluster_status) says that is missing from a whole cluster, a sentence each."""
    seen = picture.get("cluster")
    if not seen:
        return [f"{node} could not be looked at: {picture.get('msg') or 'the module pg_cluster_status did not run'}."]
    found, skyha = [], seen["skyha"]
    if skyha.get("state") != "running":
        why = skyha.get("detail") or "; ".join(map(str, skyha.get("problems") or [])) or "it gives no reason"
        found.append(
            f"skyha on {node} is {skyha.get('state')} ({why}): nothing fails over; see systemctl status skyha and journalctl -u skyha there."
        )
    if seen["server"] != "up":
        found.append(
            f"PostgreSQL on {node} is {seen['server']} ({seen['detail'] or 'no more is known'}): see skyctl status there."
        )
    elif is_primary and not seen["peer_streaming"]:
        found.append(
            f"No standby streams from {node}: see skyctl status and journalctl -u sky-postgresql on the other node."
        )
    elif not is_primary and not seen["streaming"]:
        found.append(
            f"{node} does not stream from its primary: see skyctl status there; failover_rebuild.yml makes it a standby where nothing else does."
        )
    for name, through, unit in (
        ("vip", "the VIP", "skyctl status on both nodes"),
        ("vote", "the vote host", "systemctl status sky-vote-proxy on the vote host"),
    ):
        path = seen["paths"][name]
        if path["sight"] != "ok":
            found.append(
                f"From {node} the way through {through} is {path['sight']} ({path['detail'] or 'no more is known'}): see {unit}."
            )
    return found


def wal_room_mb(settings: Mapping[str, Any]) -> int:
    """Megabytes of WAL that a server with these settings may hold: what it keeps for standbys and slots, and up to a checkpoint."""
    kept = [settings.get("wal_keep_size", "0")]
    if str(settings.get("max_slot_wal_keep_size", _UNLIMITED)) != _UNLIMITED:
        kept.append(settings["max_slot_wal_keep_size"])
    return max(_megabytes(value) for value in kept) + _megabytes(settings.get("max_wal_size", "1GB"))


def _megabytes(value: Any) -> int:
    """PostgreSQL's own reading: a number without a unit is of megabytes, for these settings."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kMGT]?B)?\s*", str(value))
    if match is None:
        return 0  # the server refuses it and says why
    return int(float(match[1]) * _UNITS[(match[2] or "MB").lower()] / _UNITS["mb"])


def watchdog_problems(told: Mapping[str, Any], device: str, node: str) -> list[str]:
    """What speaks against feeding a node's watchdog, by what watchdog.sh of role skyha_daemon said of it."""
    if not told["there"]:
        return [
            f"{node} has no watchdog {device}: load its driver (the BMC's or the chipset's; softdog only where there is none), or set "
            "pg_cluster_watchdog_device to another, or (for both nodes) to '' for no lease: then the fence stays the only proof"
        ]
    if told.get("systemd"):
        return [
            f"systemd feeds the watchdog {device} of {node} itself (every {told['systemd']}), so it would not bite when skyha hangs: set "
            "RuntimeWatchdogSec=off in /etc/systemd/system.conf and run systemctl daemon-reexec"
        ]
    if told.get("holder"):
        return [
            f"{told['holder']} has the watchdog {device} of {node} open: stop and disable it, or set another pg_cluster_watchdog_device"
        ]
    return []


class FilterModule:
    """For Ansible."""

    def filters(self) -> dict[str, Any]:
        """The names."""
        return {
            "not_whole": not_whole,
            "wal_room_mb": wal_room_mb,
            "watchdog_problems": watchdog_problems,
        }

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults that are done to a lab host for real, and how the lab is made whole after them."""

from __future__ import annotations

from collections.abc import Callable

from tests.lab import lab

POSTMASTER = "head -1 /data/pgdata/pg_root/postmaster.pid"


def power_loss(node: str) -> None:
    """Every process of the host is killed at once."""
    lab.lab("power", node, "off")


def network_cut(node: str) -> None:
    """The host's network link goes down; its BMC stays reachable."""
    lab.lab("cut", node)


def frozen_host(node: str) -> None:
    """The host's processes stand still; its kernel still accepts TCP."""
    lab.lab("pause", node)


def postmaster_killed(node: str) -> None:
    """kill -9 of the postmaster."""
    lab.on(node, "sh", "-c", f"kill -9 $({POSTMASTER})")


def postgres_stopped(node: str) -> None:
    """SIGSTOP of the postmaster and all its children."""
    lab.on(node, "sh", "-c", f"p=$({POSTMASTER}); kill -STOP $p $(cat /proc/$p/task/$p/children)")


ALL: dict[str, Callable[[str], None]] = {
    "power loss": power_loss,
    "network cut": network_cut,
    "frozen host": frozen_host,
    "postmaster killed": postmaster_killed,
    "postgres stopped": postgres_stopped,
}


def heal() -> None:
    """Undo every fault of the lab and switch every host on."""
    for host in lab.HOSTS:
        if "paused" in _state(host):
            lab.lab("unpause", host)
        if host in lab.NODES:
            lab.lab("bmc", host, "heal")
            lab.lab("power", host, "on")
        lab.lab("heal", host)
    for node in lab.NODES:
        lab.on(node, "systemctl", "start", "skyha")
    lab.on("vote", "systemctl", "start", "sky-vote-proxy")


def _state(host: str) -> str:
    return next((line for line in lab.lab("status").splitlines() if line.startswith(f"{host} ")), "")


def make_whole(timeout: float = 240.0) -> None:
    """Heal and wait until the cluster is whole again: both nodes serve, the standby is armed."""
    heal()
    lab.wait_for("the whole cluster", lab.is_whole, timeout, every=0.5)

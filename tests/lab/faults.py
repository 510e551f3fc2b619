# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults that are done to a lab host for real, and how the lab is made whole after them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.lab import lab, register

DATA = "/data/pgdata/pg_root"
POSTMASTER = f"head -1 {DATA}/postmaster.pid"


def power_loss(node: str) -> None:
    """Every process of the host is killed at once."""
    lab.lab("power", node, "off")


def network_cut(node: str) -> None:
    """The host's network link goes down; its BMC stays reachable."""
    lab.lab("cut", node)


def frozen_host(node: str) -> None:
    """The host's processes stand still; its kernel still accepts TCP."""
    lab.lab("pause", node)


def power_loss_with_bmc(node: str) -> None:
    """The host and its BMC hang on one supply, and that is gone."""
    lab.lab("power", node, "off", "--with-bmc")


def host_shut_down(node: str) -> None:
    """`poweroff` on the host, as by its power button."""
    lab.lab("power", node, "soft")


def postgres_without_program(node: str) -> None:
    """PostgreSQL dies, and its program cannot be run any more. make_whole() puts that right."""
    lab.on(node, "sh", "-c", f"p=$({POSTMASTER}); chmod 000 $(readlink /proc/$p/exe); kill -9 $p")


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
# What a register and a lease are there for.
BY_REGISTER: dict[str, Callable[[str], None]] = {
    "host and BMC gone": power_loss_with_bmc,
    "host shut down": host_shut_down,
    "power loss, BMC alive": power_loss,
    "PostgreSQL cannot start again": postgres_without_program,
}


def drop_vip(node: str) -> None:
    """The VIP is taken off the node's interface."""
    lab.on(node, "ip", "address", "del", f"{lab.VIP}/24", "dev", "eth0")


def shut_down(node: str) -> None:
    """The document's: PostgreSQL is shut down by hand. (pg_ctl takes one that skyha starts again at once for one that stays.)"""
    lab.on(node, *lab.AS_POSTGRES, "pg_ctl stop -m fast -t 15 || true")


_PROGRAM_BACK = (
    "f=$(sed -n 's/^bin_dir = //p' /etc/skyha/skyha.conf)/postgres; test ! -e $f || test -x $f || chmod 755 $f"
)


def heal() -> None:
    """Undo every fault of the lab and switch every host on; what is in order is left alone."""
    rows = {row["host"]: row for row in json.loads(lab.lab("status", "--json")) if row["host"] in lab.HOSTS}
    for host, row in rows.items():
        if row["state"] == "paused":
            lab.lab("unpause", host)
        if row["bmc"] and (row["bmc_state"] != "up" or _is_bmc_changed(host)):
            lab.lab("bmc", host, "heal")
        if row["faults"]:
            lab.lab("heal", host)
    if register.ENGINE == "etcd":  # with a member on it, a host has booted only once it reaches a majority of them
        register.heal()
    for host, row in rows.items():
        if row["state"] == "off":
            lab.lab("power", host, "on", "--wait")
    for node in lab.NODES:
        _let_go_on(node, f"{_PROGRAM_BACK}; pgrep -x postgres | xargs -r kill -CONT; systemctl start skyha || true")
    _let_go_on("vote", "systemctl kill -s CONT sky-vote-proxy; systemctl start sky-vote-proxy")


def _let_go_on(host: str, command: str) -> None:
    """Run it there; a host that was just reset takes a moment until it can."""
    lab.wait_for(f"{host}: {command}", lambda: (lab.on(host, "sh", "-c", command), True)[1], 30, every=0.5)


def _is_bmc_changed(host: str) -> bool:
    folder = Path("/run/sky-lab/bmc") / host
    return any((folder / name).exists() for name in ("lie", "slow", "claimed", "password"))


def make_whole(timeout: float = 240.0) -> None:
    """Heal and wait until the cluster is whole again: both nodes serve, the standby is armed, no part of the register is missing."""
    heal()
    lab.wait_for("the whole cluster", lambda: lab.is_whole() and register.is_whole(), timeout, every=0.5)

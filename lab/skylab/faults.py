# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Network faults. They sit on the machine's side of a host's cable, as in a switch: out of reach of the host's own
firewall, and kept when the host is switched off and on again."""

from __future__ import annotations

import json

from . import network
from .config import RUN, Host, LabError
from .shell import run

# A fault is a dict: {"kind": "cut"} | {"kind": "to" | "from", "address": A} | {"kind": "loss", "percent": P}
Fault = dict


def _file(host: Host):
    return RUN / "faults" / f"{host.name}.json"


def current(host: Host) -> list[Fault]:
    """The faults that are set for the host."""
    try:
        return json.loads(_file(host).read_text())
    except FileNotFoundError:
        return []


def add(host: Host, pid: int, *faults: Fault) -> None:
    """Set more faults in one instant; pid is the host's init, 0 when it is off (they then wait for it)."""
    save(host, [item for item in current(host) if item not in faults] + list(faults))
    apply(host, pid)


def heal(host: Host, pid: int) -> None:
    """Remove all network faults of the host."""
    save(host, [])
    apply(host, pid)


def save(host: Host, faults: list[Fault]) -> None:
    _file(host).parent.mkdir(exist_ok=True)
    _file(host).write_text(json.dumps(faults))


def apply(host: Host, pid: int) -> None:
    """Make the host's cable what the recorded faults say."""
    faults = current(host)
    table = f"sky_lab_{host.name}"
    port = network.port_of(host, pid) if pid else ""
    if not port:
        run("nft", "-f", "-", stdin=f"table bridge {table}\ndelete table bridge {table}\n")
        if pid:
            raise LabError(
                f"{host.name} runs but has no port on the lab's bridge; run lab/lab power {host.name} off, then on"
            )
        return
    run("nft", "-f", "-", stdin=ruleset(table, port, faults))
    # Carrier lost, as with a pulled cable: the host keeps its addresses and routes.
    run("ip", "link", "set", port, "down" if {"kind": "cut"} in faults else "up")


def ruleset(table: str, port: str, faults: list[Fault]) -> str:
    """nft input that replaces the host's table on the bridge. 'out' sees what the host sends, 'in' what it gets."""
    out, into = [], []
    for fault in faults:
        if fault["kind"] == "to":
            out.append(f'iifname "{port}" ip daddr {fault["address"]} drop')
        elif fault["kind"] == "from":
            into.append(f'oifname "{port}" ip saddr {fault["address"]} drop')
        elif fault["kind"] == "loss":
            limit = round(fault["percent"] * 100)
            out.append(f'iifname "{port}" numgen random mod 10000 < {limit} drop')
            into.append(f'oifname "{port}" numgen random mod 10000 < {limit} drop')
    text = f"table bridge {table}\ndelete table bridge {table}\n"
    if not out and not into:
        return text
    return text + (
        f"table bridge {table} {{\n"
        f" chain out {{ type filter hook prerouting priority -300; {'; '.join(out)}; }}\n"
        f" chain in {{ type filter hook postrouting priority 300; {'; '.join(into)}; }}\n}}\n"
    ).replace("; ; ", "; ").replace("; ; }", "; }")


def describe(fault: Fault) -> str:
    """A few words for the status table."""
    if fault["kind"] == "loss":
        return f"loss {fault['percent']:g}%"
    return f"{fault['kind']} {fault['address']}" if "address" in fault else "cut"


def clear_all(hosts: list[Host]) -> None:
    """Remove every trace, whatever state the hosts are in."""
    for host in hosts:
        table = f"sky_lab_{host.name}"
        run("nft", "-f", "-", stdin=f"table bridge {table}\ndelete table bridge {table}\n", check=False)
        _file(host).unlink(missing_ok=True)

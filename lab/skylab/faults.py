# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Network faults. They sit on the machine's side of a host's cable, as in a switch: out of reach of the host's own
firewall, and kept when the host is switched off and on again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from . import network
from .config import RUN, Host, LabError
from .shell import run


@dataclass(frozen=True)
class Fault:
    """kind: cut (the cable), to or from (what the host sends to the address, or gets from it), loss (of what goes either way).

    port: of the TCP connections with that port at either end only; 0: of everything.
    """

    kind: str
    address: str = ""
    percent: float = 0.0
    port: int = 0

    def rules(self, port: str) -> tuple[list[str], list[str]]:
        """What nft does with the packets that the host sends, and with those that it gets."""
        out, into = f'iifname "{port}"', f'oifname "{port}"'
        what = [f" tcp {end} {self.port}" for end in ("dport", "sport")] if self.port else [""]
        if self.kind == "to":
            return [f"{out} ip daddr {self.address}{only} drop" for only in what], []
        if self.kind == "from":
            return [], [f"{into} ip saddr {self.address}{only} drop" for only in what]
        if self.kind == "loss":
            lost = f"numgen random mod 10000 < {round(self.percent * 100)} drop"
            return [f"{out} {lost}"], [f"{into} {lost}"]
        return [], []  # a cable that is pulled passes nothing

    def in_words(self) -> str:
        """A few words for the status table."""
        if self.kind == "loss":
            return f"loss {self.percent:g}%"
        return f"{self.kind} {self.address}{f':{self.port}' if self.port else ''}".strip()


def _file(host: Host):
    return RUN / "faults" / f"{host.name}.json"


def current(host: Host) -> list[Fault]:
    """The faults that are set for the host."""
    try:
        return [Fault(**fault) for fault in json.loads(_file(host).read_text())]
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
    _file(host).write_text(json.dumps([asdict(fault) for fault in faults]))


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
    run("ip", "link", "set", port, "down" if Fault("cut") in faults else "up")


def ruleset(table: str, port: str, faults: list[Fault]) -> str:
    """nft input that replaces the host's table on the bridge. 'out' sees what the host sends, 'in' what it gets."""
    rules = [fault.rules(port) for fault in faults]
    out, into = ([rule for both in rules for rule in both[side]] for side in (0, 1))
    text = f"table bridge {table}\ndelete table bridge {table}\n"
    if not out and not into:
        return text
    return text + (
        f"table bridge {table} {{\n"
        f" chain out {{ type filter hook prerouting priority -300; {'; '.join(out)}; }}\n"
        f" chain in {{ type filter hook postrouting priority 300; {'; '.join(into)}; }}\n}}\n"
    ).replace("; ; ", "; ").replace("; ; }", "; }")


def clear_all(hosts: list[Host]) -> None:
    """Remove every trace, whatever state the hosts are in."""
    for host in hosts:
        table = f"sky_lab_{host.name}"
        run("nft", "-f", "-", stdin=f"table bridge {table}\ndelete table bridge {table}\n", check=False)
        _file(host).unlink(missing_ok=True)

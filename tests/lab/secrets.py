# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's secrets, and where they could be seen that they must not be: in texts, and in the command line and the
environment of every process."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from tests.lab import lab

MARK = "SKY_LAB_SECRETS_WATCH"
# A process is read again for so many rounds: it begins as a copy of its parent, and becomes itself by exec.
ROUNDS = 25
EVERY = 0.01


def all_of_them() -> dict[str, str]:
    """Every password of the lab's inventory, by its variable (and host)."""
    found = {
        f"{host}{key}": str(value)
        for host, values in (("", lab.SETTINGS), *((f"{name}: ", one) for name, one in lab.HOSTS.items()))
        for key, value in values.items()
        if key.endswith(("_password", "_cipher_pass", "_key_secret")) and value
    }
    # Four roles, Nagios' page, two BMCs: one that is missing here is looked for nowhere.
    assert len(found) >= 6, sorted(found)
    return found


def seen_in(text: str, secrets: dict[str, str]) -> list[str]:
    """The names of the secrets that stand in the text."""
    return [name for name, secret in secrets.items() if secret in text]


class Processes:
    """Watches every process of the lab's hosts, and of what was started here with MARK in its environment.

    A context manager; `found` says afterwards who showed what. A process that lives for less than about EVERY seconds
    can be missed.
    """

    def __init__(self, secrets: dict[str, str], hosts: tuple[str, ...] = tuple(lab.HOSTS)) -> None:
        self.found: set[str] = set()
        self.count = 0
        self._secrets = {name: secret.encode() for name, secret in secrets.items()}
        self._hosts = hosts
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Processes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)

    def _watch(self) -> None:
        rounds: dict[str, int] = {}
        places: dict[str, str] = {}
        namespaces: dict[str, str] = {}
        asked = 0.0
        while not self._over.wait(EVERY):
            if time.monotonic() - asked > 1:  # a host that was switched off and on has another
                asked = time.monotonic()
                namespaces.update({_namespace(lab.pid_of(host)): host for host in self._hosts})
            running = {name for name in os.listdir("/proc") if name.isdecimal()}
            for gone in rounds.keys() - running:
                del rounds[gone]
                places.pop(gone, None)
            for pid in running:
                left = rounds.setdefault(pid, ROUNDS)
                if left > 0:
                    rounds[pid] -= 1
                    self._read(pid, left, places, namespaces)

    def _read(self, pid: str, left: int, places: dict[str, str], namespaces: dict[str, str]) -> None:
        try:
            command = Path("/proc", pid, "cmdline").read_bytes()
            environment = Path("/proc", pid, "environ").read_bytes()
            if pid not in places:
                host = namespaces.get(_namespace(int(pid)), "")
                if host:
                    places[pid] = host
                elif MARK.encode() in environment:
                    places[pid] = "control machine"
                self.count += pid in places
        except OSError:  # it has ended
            return
        if pid not in places:
            return
        for kind, text in (("command line", command), ("environment", environment)):
            for name, secret in self._secrets.items():
                if secret in text:
                    first = command.split(b"\0")[0].decode(errors="replace")
                    self.found.add(f"{places[pid]}: the {kind} of {first} (process {pid}) shows {name}")


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return f"none {pid}"

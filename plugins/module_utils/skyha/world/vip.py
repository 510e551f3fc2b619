# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The VIP on this host's interface."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Sequence

from ..config import Config
from ..errors import WorldError
from ..probes import arp, ndp
from ..probes.netlink import DELETE_ADDRESS, NEW_ADDRESS, addresses, change
from . import program

_LOG = logging.getLogger("skyha.vip")
_AGAIN_AFTER = (0.1, 0.3, 0.6, 1.0)  # seconds between announcements; the last one repeats


def run_command(command: Sequence[str]) -> None:
    """Run ifup or ifdown; raises WorldError."""
    program.run(
        command,
        "sudo must allow it without a password, and skyha.service must not set NoNewPrivileges (vip_style ifup)",
    )


class Vip:
    """Adds, drops and announces the VIP."""

    def __init__(
        self,
        config: Config,
        run: Callable[[Sequence[str]], None] = run_command,
        announce: Callable[[str, str], None] | None = None,
    ) -> None:
        self._config = config
        self._run = run
        self._announce = announce or (ndp.announce if ":" in config.vip.address else arp.announce)
        self._stop: threading.Event | None = None

    def add(self) -> None:
        """Put the VIP on the interface, and announce it; raises WorldError."""
        config = self._config
        if config.vip.style == "ifup":
            self._check_interface()
            self._run(["sudo", "-n", "/sbin/ifup", f"{config.vip.interface}:1"])
        else:
            change(NEW_ADDRESS, config.vip.address, config.vip.prefix, config.vip.interface)
        self.announce()

    def drop(self) -> None:
        """Take the VIP off whatever interface holds it; raises WorldError."""
        self._stop_announcing()
        config = self._config
        if config.vip.style == "ifup" and self._held():
            try:
                self._run(["sudo", "-n", "/sbin/ifdown", f"{config.vip.interface}:1"])
            except WorldError as error:  # the document's sudo rule allows ifup only
                _LOG.info("%s; taking the address off by netlink", error)
        for prefix, interface in self._held():
            change(DELETE_ADDRESS, config.vip.address, prefix, interface)

    def announce(self) -> None:
        """Announce the VIP now, and some times more in the background; raises WorldError."""
        self._stop_announcing()
        config = self._config
        try:
            self._announce(config.vip.address, config.vip.interface)
        except OSError as error:
            raise WorldError(
                f"the VIP {config.vip.address} cannot be announced on {config.vip.interface}: {error}; skyhad needs "
                "CAP_NET_RAW (skyha.service)"
            ) from error
        if config.vip.arp_announcements > 1:
            self._stop = threading.Event()
            threading.Thread(target=self._announce_again, args=(self._stop,), daemon=True, name="skyha-arp").start()

    def _announce_again(self, stop: threading.Event) -> None:
        for number in range(self._config.vip.arp_announcements - 1):
            if stop.wait(_AGAIN_AFTER[min(number, len(_AGAIN_AFTER) - 1)]) or not self._held():
                return
            try:
                self._announce(self._config.vip.address, self._config.vip.interface)
            except OSError as error:
                _LOG.warning("the VIP cannot be announced again: %s", error)

    def _stop_announcing(self) -> None:
        if self._stop is not None:
            self._stop.set()
            self._stop = None

    def _held(self) -> list[tuple[int, str]]:
        """Prefix and interface of each place where this host holds the VIP."""
        vip = str(ipaddress.ip_address(self._config.vip.address))
        try:
            return [(held.prefix, socket.if_indextoname(held.interface)) for held in addresses() if held.address == vip]
        except OSError as error:
            raise WorldError(f"the addresses of this host cannot be read: {error}") from error

    def _check_interface(self) -> None:
        try:
            socket.if_nametoindex(self._config.vip.interface)
        except OSError as error:
            raise WorldError(
                f"there is no interface {self._config.vip.interface} here for the VIP; set "
                "pg_cluster_vip_interface to this host's interface"
            ) from error

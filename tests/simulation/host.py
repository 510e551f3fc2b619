# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node's machine: power, freezing, the VIP on its interface, and skyha under systemd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from .daemon import Daemon
from .lease import Device
from .postgres import Postgres

if TYPE_CHECKING:
    from .world import World


class Host:
    """One of the two nodes."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.peer: Host
        self.power = True
        self.mains = True  # False: cannot be switched on
        self.unplugged = False  # the operator pulled the plug
        self.frozen = False
        self.held: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.boots = 1
        self.booting = False
        self.off_at = float("-inf")  # when it was last without power
        self.vip = False
        self.vip_since = 0.0
        self.store: Any = None  # the record on its disk
        self.store_fails = False
        self.wall_offset = 0.0
        self.clock_rate = 1.0  # of its monotonic clock: 1.05 runs 5 % fast
        self.failing: set[str] = set()  # hands that fail
        self.blind = False  # its skyha's looks along the paths fail here (no descriptors, no buffers)
        self.asks_in_vain = False  # its skyha's look at its own server is answered with an error
        self.skyha_off = False  # systemd does not start it (masked)
        self.shutting_down = False  # systemd starts nothing any more
        self.watchdog = Device(self)
        self.pg = Postgres(self)
        self.daemon = Daemon(self)

    @property
    def runs(self) -> bool:
        """It has power, has booted, and is not frozen."""
        return self.power and not self.frozen and not self.booting

    @property
    def there(self) -> bool:
        """Its kernel answers on the network (a frozen host's does: that is the nastier kind)."""
        return self.power and not self.booting

    def later(self, delay: float, function: Callable[..., None], *args: Any) -> None:
        """Call `function` in `delay` seconds if this boot is still the same then; waits while the host is frozen."""
        self.world.kernel.after(delay, self._later, self.boots, function, args)

    def _later(self, boot: int, function: Callable[..., None], args: tuple[Any, ...]) -> None:
        if boot != self.boots or not self.power:
            return
        if self.frozen:
            self.held.append((self._later, (boot, function, args)))
            return
        function(*args)

    # --- what happens to it ---------------------------------------------------------------------------------

    def switch_off(self, why: str) -> None:
        """The power goes, now."""
        if not self.power:
            return
        self.world.settle()
        self.world.tell(self.name, f"loses power: {why}")
        self.pg.lose_power()
        self.power, self.booting, self.frozen, self.vip = False, False, False, False
        self.held.clear()
        self.watchdog.rest()
        self.off_at = self.world.kernel.now
        self.boots += 1
        self.daemon.lose_power()
        self.world.changed()

    def shut_down(self) -> None:
        """`poweroff`: systemd stops PostgreSQL, then skyha, and then there is no power."""
        self.shutting_down = True
        self.world.tell(self.name, "is shut down")
        self.pg.stop(False)
        self._goes_down()

    def _goes_down(self) -> None:
        if self.pg.state == "down":
            self.daemon.leave()
        if self.daemon.alive:
            self.later(0.02, self._goes_down)
        else:
            self.switch_off("it has shut down")

    def switch_on(self, why: str) -> None:
        """The power comes; it boots."""
        if self.power or not self.mains or self.unplugged:
            return
        self.off_at = self.world.kernel.now
        self.world.tell(self.name, f"is switched on: {why}")
        self.power = self.booting = True
        self.shutting_down = False
        self.later(self.world.boot_time, self._booted)

    def _booted(self) -> None:
        self.booting = False
        self.world.tell(self.name, "has booted")
        self.daemon.start()
        self.world.changed()

    def reset(self, why: str) -> None:
        """Off and on again at once."""
        self.switch_off(why)
        self.switch_on(why)

    def freeze(self) -> None:
        """All of it stands still, but its kernel accepts TCP."""
        if self.power and not self.frozen:
            self.world.settle()
            self.frozen = True
            self.world.tell(self.name, "freezes")
            self.world.changed()

    def thaw(self) -> None:
        """It goes on where it stood."""
        if not self.frozen:
            return
        self.world.settle()
        self.frozen = False
        self.world.tell(self.name, "thaws")
        held, self.held = self.held, []
        for function, args in held:
            self.world.kernel.after(0.0, function, *args)
        self.world.changed()

    def set_vip(self, on: bool) -> None:
        """Put the VIP on the interface or take it off."""
        if on != self.vip:
            self.world.tell(self.name, "has the VIP" if on else "drops the VIP")
            self.vip, self.vip_since = on, self.world.kernel.now
            self.world.changed()

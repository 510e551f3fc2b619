# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What breaks of a host: its power, its skyha, its disk, its clock."""

from __future__ import annotations

from .scene import Scene, Undo, nothing


def power_off(scene: Scene) -> Undo:
    host = scene.host()
    host.switch_off("power cut")
    return lambda: host.switch_on("power is back")


def standby_off(scene: Scene) -> Undo:
    host = scene.standby()
    host.switch_off("power cut")
    return lambda: host.switch_on("power is back")


def mains_off(scene: Scene) -> Undo:
    host = scene.host()
    bmc = scene.world.bmcs[host.name]
    host.mains, bmc.up = False, False
    host.switch_off("mains cut, the BMC is gone as well")

    def undo() -> None:
        host.mains = bmc.up = True
        host.switch_on("mains are back")

    return undo


def reboot(scene: Scene) -> Undo:
    scene.host().reset("reboot")
    return nothing


def reboot_both(scene: Scene) -> Undo:
    hosts = list(scene.world.hosts.values())
    scene.chance.shuffle(hosts)
    hosts[0].reset("reboot")
    scene.world.kernel.after(scene.chance.uniform(0, 5), hosts[1].reset, "reboot")
    return nothing


def freeze(scene: Scene) -> Undo:
    host = scene.host()
    host.freeze()
    return host.thaw


def kill_skyha(scene: Scene) -> Undo:
    daemon = scene.chance.choice(list(scene.world.hosts.values())).daemon
    if scene.chance.random() < 0.3:
        daemon.kill()
    else:
        daemon.doom = scene.chance.randrange(12)
    return nothing


def skyha_off(scene: Scene) -> Undo:
    host = scene.host()
    host.skyha_off = True
    host.daemon.kill("stopped")

    def undo() -> None:
        host.skyha_off = False
        host.daemon.start()

    return undo


def store_fails(scene: Scene) -> Undo:
    host = scene.host()
    host.store_fails = True

    def undo() -> None:
        host.store_fails = False

    return undo


def hand_fails(scene: Scene) -> Undo:
    host = scene.host()
    name = scene.chance.choice(
        [
            "start_postgres",
            "stop_postgres",
            "promote",
            "add_vip",
            "drop_vip",
            "promote_peer",
            "record_standby",
            "make_standby",
            "set_switching",
            "ensure_slot",
        ]
    )
    host.failing.add(name)
    scene.world.tell(host.name, f"{name} fails from now on")
    return lambda: host.failing.discard(name)


def blind(scene: Scene) -> Undo:
    host = scene.host() if scene.chance.random() < 0.3 else scene.standby()
    host.blind = True
    scene.world.tell(host.name, "its skyha's own looks fail from now on")

    def undo() -> None:
        host.blind = False

    return undo


def asks_in_vain(scene: Scene) -> Undo:
    host = scene.host()
    host.asks_in_vain = True
    scene.world.tell(host.name, "its skyha's question to its own PostgreSQL is answered with an error from now on")

    def undo() -> None:
        host.asks_in_vain = False

    return undo


def clock_jumps(scene: Scene) -> Undo:
    scene.host().wall_offset += scene.chance.choice([-3600.0, 3600.0])
    return nothing


def rewind_impossible(scene: Scene) -> Undo:
    scene.world.rewind_impossible = True

    def undo() -> None:
        scene.world.rewind_impossible = False

    return undo


def skyha_stopped(scene: Scene) -> Undo:
    """In good order, and started again."""
    daemon = scene.host().daemon
    daemon.leave()
    return daemon.start_again


def watchdog_breaks(scene: Scene) -> Undo:
    watchdog = scene.host().watchdog
    watchdog.broken = True

    def undo() -> None:
        watchdog.broken = False

    return undo


def power_with_bmc(scene: Scene) -> Undo:
    """The host and its BMC hang on one supply."""
    host = scene.host()
    bmc = scene.world.bmcs[host.name]
    host.mains = bmc.up = False
    host.switch_off("its supply fails, and its BMC's")

    def undo() -> None:
        host.mains = bmc.up = True
        host.switch_on("its supply is back")

    return undo

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What somebody does: an operator with his orders, and a hand past skyha."""

from __future__ import annotations

from ansible_collections.sky.pg_cluster.plugins.module_utils.skyha.words import Order

from .scene import Scene, Undo, nothing


def switchover(scene: Scene) -> Undo:
    host = scene.world.primary()
    if host is not None:
        host.daemon.order(Order.SWITCHOVER)
    return nothing


def pause(scene: Scene) -> Undo:
    host = scene.host()
    host.daemon.order(Order.PAUSE, scene.chance.choice([None, 5.0, 20.0]))
    return lambda: scene.host().daemon.order(Order.RESUME)


def confirm_off(scene: Scene) -> Undo:
    """An honest operator: only for a node without power, and not while the peer of a former primary may know more."""
    for host in scene.world.hosts.values():
        peer = host.peer
        newest = peer.pg.branch == scene.world.branches.newest and host.pg.branch != peer.pg.branch
        if not peer.power and not newest:
            peer.unplugged = True  # and pulls its plug, as docs/operations.md says
            host.daemon.order(scene.chance.choice([Order.CONFIRM_OFF, Order.TAKEOVER]))
    return nothing


def stop_by_hand(scene: Scene) -> Undo:
    scene.host().pg.stop(scene.chance.random() < 0.5)
    return nothing


def drop_vip(scene: Scene) -> Undo:
    scene.host().set_vip(False)
    return nothing

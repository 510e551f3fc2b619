# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What breaks of PostgreSQL and its replication."""

from __future__ import annotations

from .host import Host
from .scene import Scene, Undo, nothing


def crash(scene: Scene) -> Undo:
    scene.host().pg.crash("is killed -9")
    return nothing


def hang(scene: Scene) -> Undo:
    pg = scene.host().pg
    pg.set_hung(True)
    return lambda: pg.set_hung(False)


def break_postgres(scene: Scene) -> Undo:
    pg = scene.host().pg
    pg.broken = True
    pg.crash("is damaged")

    def undo() -> None:
        pg.broken = False

    return undo


def sick(scene: Scene) -> Undo:
    return _flag(scene, "sick", True, False)


def mute(scene: Scene) -> Undo:
    return _flag(scene, "mute", True, False)


def slow(scene: Scene) -> Undo:
    return _flag(scene, "slow", scene.chance.choice([0.3, 0.7, 1.0, 3.0]), 0.0)


def replay_lag(scene: Scene) -> Undo:
    return _flag(scene, "replay_lag", scene.chance.choice([1.0, 10.0, 60.0]), 0.0)


def slow_replication(scene: Scene) -> Undo:
    scene.world.settle()
    scene.world.stream.delay = scene.chance.choice([3.0, 20.0, 60.0])

    def undo() -> None:
        scene.world.settle()
        scene.world.stream.delay = 0.005

    return undo


def replay_paused(scene: Scene) -> Undo:
    return _flag(scene, "replay_paused", True, False)


def promotion_hangs(scene: Scene) -> Undo:
    return _flag(scene, "promotion_hangs", True, False, scene.host().peer)


def walsender_stops(scene: Scene) -> Undo:
    scene.world.settle()
    scene.world.stream.walsender_stopped = True
    scene.world.changed()

    def undo() -> None:
        scene.world.stream.walsender_stopped = False
        scene.world.changed()

    return undo


def standby_slow(scene: Scene) -> Undo:
    """About as slow as commits that wait may bear."""
    scene.world.settle()
    scene.world.stream.delay = scene.chance.choice([0.6, 1.5, 2.9, 3.1, 5.0])

    def undo() -> None:
        scene.world.settle()
        scene.world.stream.delay = 0.005

    return undo


def checkpointer_busy(scene: Scene) -> Undo:
    """It syncs a large file, and reads no settings meanwhile."""
    sync = scene.host().pg.sync
    before, sync.checkpointer_late = sync.checkpointer_late, scene.chance.choice([1.0, 3.0, 12.0])
    scene.world.tell(sync.pg.host.name, f"its checkpointer reads settings {sync.checkpointer_late} s late")

    def undo() -> None:
        sync.checkpointer_late = before

    return undo


def sync_overridden(scene: Scene) -> Undo:
    """ALTER SYSTEM SET synchronous_standby_names."""
    sync = scene.host().pg.sync
    sync.override(scene.chance.choice(["", "somebody"]))
    scene.world.tell(sync.pg.host.name, f"ALTER SYSTEM: commits wait for {sync.overridden or 'nobody'}")
    return lambda: sync.override(None)


def sync_fails(scene: Scene) -> Undo:
    host = scene.host()
    host.failing.add("set_sync")
    scene.world.tell(host.name, "set_sync fails from now on")
    return lambda: host.failing.discard("set_sync")


def _flag(scene: Scene, name: str, value: object, back: object, host: Host | None = None) -> Undo:
    host = host or scene.host()
    pg = host.pg
    scene.world.settle()
    setattr(pg, name, value)
    scene.world.tell(host.name, f"PostgreSQL: {name} = {value}")
    scene.world.changed()

    def undo() -> None:
        scene.world.settle()
        setattr(pg, name, back)
        scene.world.tell(host.name, f"PostgreSQL: {name} = {back}")
        scene.world.changed()

    return undo

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a busy cluster lives through, and nobody is fenced for."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

from tests.faults.delay import delayed
from tests.faults.rows import row
from tests.faults.scene import Scene
from tests.lab import lab

CONNECTIONS = 5000


def _big_table(scene: Scene) -> None:
    """Some hundred MB, gone when the story is over."""
    scene.later(lab.sql, scene.primary, "DROP TABLE IF EXISTS lab_big")
    lab.sql(
        scene.primary,
        "CREATE TABLE lab_big AS SELECT g AS id, repeat(md5(g::text), 16) AS text FROM generate_series(1, 600000) AS g",
        timeout=240,
    )


@row("20 busy processes take the primary's CPU for a minute", "N")
def busy_processes(scene: Scene) -> None:
    scene.later(lab.on, scene.primary, "sh", "-c", "systemctl stop lab-busy || true")
    busy = "for i in $(seq 20); do (while :; do :; done) & done; wait"
    lab.on(scene.primary, "systemd-run", "-q", "--collect", "--unit=lab-busy", "sh", "-c", busy)
    scene.quiet(60)
    scene.commits()


@row("a checkpoint of some hundred MB, as fast as the primary's disk takes it", "N")
def checkpoint(scene: Scene) -> None:
    for _ in range(2):
        _big_table(scene)
        lab.sql(scene.primary, "CHECKPOINT", timeout=240)
        lab.sql(scene.primary, "DROP TABLE lab_big")
    scene.commits()


@row("all that the primary sends arrives 0.3 s later", "N")
def delay(scene: Scene) -> None:
    """(The suite's client gives up after 0.5 s, and its first commit takes more than that: it is without as long as this lasts.)"""
    with delayed(scene.primary, 0.3):
        scene.quiet(40)
    scene.commits()


@row("pg_dump of everything", "N", outage=5)
def dump(scene: Scene) -> None:
    _big_table(scene)
    lab.on(scene.primary, *lab.AS_POSTGRES, "pg_dumpall -w > /dev/null", timeout=240)
    scene.commits()


@row("5,000 connections at once", "N")
def connections(scene: Scene) -> None:
    with ExitStack() as open_ones:
        for _ in range(CONNECTIONS):
            one = open_ones.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex((lab.VIP, lab.PORT))
        time.sleep(15)
    scene.commits()


@row("the scheduler leaves the standby's skyha alone for two seconds, again and again", "N", outage=5)
def standbys_skyha_stands(scene: Scene) -> None:
    _stands(scene, scene.standby)


@row("the scheduler leaves the primary's skyha alone for two seconds, again and again", "N", outage=5)
def primarys_skyha_stands(scene: Scene) -> None:
    _stands(scene, scene.primary)


def _stands(scene: Scene, node: str) -> None:
    pid = lab.on(node, "systemctl", "show", "-p", "MainPID", "--value", "skyha").strip()
    for _ in range(5):
        lab.on(node, "kill", "-STOP", pid)
        scene.quiet(2.0)
        lab.on(node, "kill", "-CONT", pid)
        scene.quiet(3.0)
